"""Cameras with two streams over real RTSP: both are recorded, each is masked by its own analysis or covered whole."""

import io
import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import pytest
from tests.e2e.conftest import PETS_FPS, walkers_clip

from custodes.testing.leaked import who_trace
from custodes.testing.rtsp import RtspServer
from custodes.testing.site import RunningSite
from custodes.testing.viewer import Viewer
from demo.prepare import prepare

pytestmark = [pytest.mark.e2e, pytest.mark.rtsp]

LARGE_PX, SMALL_PX = 432, 240


@pytest.fixture(scope="module")
def cameras(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RtspServer]:
    """What a camera offers: the same scene, large and small."""
    folder = tmp_path_factory.mktemp("streams")
    for name, height in (("large", LARGE_PX), ("small", SMALL_PX)):
        prepare(walkers_clip(), folder / f"{name}.h264", fps=PETS_FPS, height=height, seconds=30)
    with RtspServer({name: folder / f"{name}.h264" for name in ("large", "small")}) as running:
        yield running


def config_of(cameras: RtspServer) -> dict[str, Any]:
    """`gate` is watched in its small stream and keeps the large one as evidence; of `yard` both are analysed."""
    large, small = cameras.url("large"), cameras.url("small")
    return {
        "name": "Two streams",
        "recorder": {"segment_s": 5},
        "cameras": [
            {"id": "gate", "url": small, "second": {"url": large, "retention_h": 24}},
            {"id": "yard", "url": large, "second": {"url": small, "analyse": True}},
        ],
    }


@pytest.fixture(scope="module")
def two(cameras: RtspServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSite]:
    """Runs until the module is over."""
    with RunningSite(tmp_path_factory.mktemp("e2e") / "two", config_of(cameras)) as running:
        yield running


@pytest.fixture(scope="module")
def viewer(two: RunningSite) -> Viewer:
    """The site's first account, logged in."""
    first = Viewer(two.address)
    first.claim(two.token)
    return first


def sealed(site: RunningSite, stream_id: str) -> list[Path]:
    return sorted((site.data_dir / "segments" / stream_id).glob("*/*.seg"))


def line_of(viewer: Viewer, camera_id: str, stream: str) -> dict:
    now_ns = time.time_ns()
    return viewer.get(f"cameras/{camera_id}/timeline", **{"from": now_ns - 600 * 10**9, "to": now_ns}, stream=stream)


def height_of(picture: bytes) -> int:
    with av.open(io.BytesIO(picture)) as opened:
        return next(opened.decode(video=0)).height


def moment_analysed(site: RunningSite, viewer: Viewer, camera_id: str, stream: str) -> int:
    """In the middle of three analysed and recorded seconds."""

    def longest() -> list[int]:
        line = line_of(viewer, camera_id, stream)
        both = [[max(one[0], seen[0]), min(one[1], seen[1])] for one in line["recorded"] for seen in line["coverage"]]
        return max(both, key=lambda stretch: stretch[1] - stretch[0], default=[0, 0])

    site.wait_for(
        lambda: (found := longest())[1] - found[0] > 3 * 10**9, f"3 analysed seconds of {camera_id} {stream}"
    )
    return sum(longest()) // 2


def test_streams_when_a_camera_has_two_are_both_recorded_and_shown_by_their_own_masks_alone(
    two: RunningSite, viewer: Viewer
) -> None:
    for stream_id in ("gate", "gate.second", "yard", "yard.second"):
        two.wait_for(lambda stream_id=stream_id: len(sealed(two, stream_id)) >= 2, f"two segments of {stream_id}")
        assert list((two.data_dir / "keys" / "public" / stream_id).glob("*.json"))
    wanted = {"gate": ("recording", "first"), "yard": ("recording", "second")}

    def told() -> dict[str, tuple[str, str]]:
        return {row["camera_id"]: (row["second"], row["wall"]) for row in viewer.get("status")["cameras"]}

    # The wall shows the smaller picture of those that have masks of their own.
    two.wait_for(lambda: told() == wanted, "both second streams recorded, the smaller masked one for the wall")
    # What is watched: small and masked by its own analysis. What is evidence: nobody looked, so all of it is covered.
    at_ns = moment_analysed(two, viewer, "gate", "first")
    ((_, is_covered, picture),) = viewer.stills("gate", [at_ns]).stills
    assert (is_covered, height_of(picture)) == (False, SMALL_PX)
    two.wait_for(
        lambda: any(one[0] < at_ns < one[1] for one in line_of(viewer, "gate", "second")["recorded"]),
        "the same moment in the other stream",
    )
    ((_, is_covered, picture),) = viewer.stills("gate", [at_ns], stream="second").stills
    assert (is_covered, height_of(picture)) == (True, LARGE_PX)
    assert line_of(viewer, "gate", "second")["coverage"] == []
    # The second stream of the other camera has masks of its own.
    at_ns = moment_analysed(two, viewer, "yard", "second")
    ((_, is_covered, picture),) = viewer.stills("yard", [at_ns], stream="second").stills
    assert (is_covered, height_of(picture)) == (False, SMALL_PX)


@pytest.mark.slow
def test_picture_when_posted_from_a_second_stream_is_traced_to_that_stream_and_the_look(
    two: RunningSite, viewer: Viewer, tmp_path: Path
) -> None:
    """Both streams show the same scene at the same time: only what was shown of which tells them apart."""
    at_ns = moment_analysed(two, viewer, "yard", "second")
    looked = viewer.stills("yard", [at_ns], reference="the leak", stream="second")
    viewer.stills("yard", [moment_analysed(two, viewer, "yard", "first")], reference="a bystander")
    posted = tmp_path / "post.jpg"
    posted.write_bytes(looked.stills[0][2])
    since = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at_ns // 10**9 - 15))
    done = two.cli(
        *("leak", "attribute", str(posted), *who_trace(two, tmp_path), "--camera", "yard", "--from", since),
        *("--json", "-o", str(tmp_path / "leak.zip")),
        timeout_s=300,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["verdict"], told["camera"]) == ("named", "yard.second"), told
    assert set(told["cameras"]) == {"yard", "yard.second"}, "both were looked through"
    (named,) = told["named"]
    shown = {one["session_id"]: one for one in told["shown_to"]}
    assert shown[named["session"]]["reference"] == "the leak"
    assert two.cli("leak", "verify", str(tmp_path / "leak.zip")).stdout.startswith("good")


def test_streams_when_checked_and_copied_are_whole_and_the_log_names_each(two: RunningSite, tmp_path: Path) -> None:
    def logged() -> bool:
        entries = two.cli("audit", "search", "--kind", "segment_sealed", "--limit", "99").stdout
        return all(any(one.stem in entries for one in sealed(two, name)) for name in ("gate.second", "yard.second"))

    two.wait_for(logged, "both second streams in the log")
    checked = two.cli("check", "--hash")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    copied = two.cli("export-native", str(tmp_path / "copy"), "--camera", "gate")
    assert copied.returncode == 0, copied.stdout + copied.stderr
    assert {path.parts[-3] for path in (tmp_path / "copy").rglob("*.seg")} == {"gate", "gate.second"}


@pytest.mark.slow
def test_site_when_its_machine_is_gone_then_a_second_one_takes_over_from_the_backup(
    two: RunningSite, viewer: Viewer, cameras: RtspServer, tmp_path: Path
) -> None:
    """Last in this file: it destroys the site. Two of three shares, the backup and the cameras are left."""
    at_ns = moment_analysed(two, viewer, "yard", "second")
    for name in ("yard", "yard.second"):
        before = len(sealed(two, name))
        two.wait_for(
            lambda name=name, before=before: len(sealed(two, name)) > before + 1, f"the moment's end in {name}"
        )
    make_shares = ("recovery", "make", "--out", str(tmp_path / "shares"))
    for words in (make_shares, ("backup", "make", str(tmp_path / "backup"), "--with-footage")):
        done = two.cli(*words)
        assert done.returncode == 0, done.stderr
    kept = {name: {one.name for one in sealed(two, name)} for name in ("yard", "yard.second", "gate.second")}
    two.stop()
    shutil.rmtree(two.data_dir)
    target = tmp_path / "second" / "site"
    target.parent.mkdir()
    shares = [word for number in (1, 3) for word in ("--share", str(tmp_path / "shares" / f"share-{number}.txt"))]
    done = two.cli("backup", "restore", str(tmp_path / "backup"), str(target), *shares)
    assert done.returncode == 0, done.stderr
    with RunningSite(target, config_of(cameras)) as other:
        assert other.token == "", "people and their passwords came along"
        again = Viewer(other.address)
        again.log_in()
        for stream, height in (("first", LARGE_PX), ("second", SMALL_PX)):
            ((_, is_covered, picture),) = again.stills("yard", [at_ns], stream=stream).stills
            assert height_of(picture) == height
            assert not (is_covered and stream == "second"), "masks of its own, also there"
        for name, before in kept.items():
            other.wait_for(
                lambda name=name, before=before: {one.name for one in sealed(other, name)} - before,
                f"new footage of {name}",
            )
        checked = other.cli("check", "--hash")
        assert checked.returncode == 0, checked.stdout + checked.stderr
        kinds = {entry["kind"] for entry in again.get("log", kind="site_restored")["entries"]}
        assert kinds == {"site_restored"}
        assert other.cli("audit", "verify").returncode == 0
