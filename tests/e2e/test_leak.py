"""A screenshot of the page in Chromium, posted after a rough chain: one command names camera, second and session."""

import json
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from custodes.testing.leaked import OFFICER, screenshot, sent_on, who_trace
from custodes.testing.site import RunningSite
from custodes.testing.viewer import NAME, Viewer

pytestmark = [pytest.mark.e2e, pytest.mark.rtsp, pytest.mark.browser]


def recorded_moments(viewer: Viewer, from_ns: int) -> list[int]:
    """A moment in every 2 s that were recorded since, gaps left out: whoever looks at all sees every segment."""
    line = viewer.get("cameras/walkers/timeline", **{"from": from_ns, "to": time.time_ns()})
    return [
        moment_ns
        for start_ns, end_ns in line["recorded"]
        for moment_ns in range(max(start_ns, from_ns) + 5 * 10**8, end_ns - 5 * 10**8, 2 * 10**9)
    ]


@pytest.fixture(scope="module")
def passwords(site: RunningSite, tmp_path_factory: pytest.TempPathFactory, viewer: Viewer) -> list[str]:
    return who_trace(site, tmp_path_factory.mktemp("passwords"))


def test_still_when_posted_then_camera_second_and_session_are_named_and_proven(
    site: RunningSite, viewer: Viewer, passwords: list[str], tmp_path: Path
) -> None:
    site.wait_for(lambda: site.camera("walkers")["frames_analysed"] >= 10, "ten analysed frames")
    site.wait_for(lambda: site.camera("walkers")["recorded_s"] > 15, "15 recorded seconds")
    before_ns = time.time_ns()
    shot = screenshot(site, "walkers", reference="the leak")
    others = viewer.stills("walkers", recorded_moments(viewer, before_ns - 60 * 10**9), reference="a bystander")
    picture = tmp_path / "post.jpg"
    picture.write_bytes(sent_on(shot.png))
    bundle = tmp_path / "leak.zip"
    # Other tests may have recorded for long before: the minutes that the post can be from, on all cameras.
    since = ("--from", time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(before_ns // 10**9 - 60)))
    done = site.cli("leak", "attribute", str(picture), *passwords, *since, "--json", "-o", str(bundle), timeout_s=300)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["verdict"] == "named", told
    assert told["camera"] == "walkers"
    assert abs(told["utc_ns"] / 10**9 - (shot.utc_s + 0.5)) <= 1.5, "the second, by what the page said"
    (named,) = told["named"]
    assert named["z"] >= 9
    assert told["decoy_z_max"] < 6
    granted = {one["session"]: one for one in [{**one, "session": one["session_id"]} for one in told["shown_to"]]}
    assert granted[named["session"]]["reference"] == "the leak"
    assert any(one["granted_index"] == others.log_index for one in told["shown_to"]), "a bystander was a candidate"
    assert "derives from the copy" in told["sentence"]
    assert told["traced_by"] == [NAME, OFFICER]
    checked = site.cli("leak", "verify", str(bundle))
    assert checked.stdout.startswith("good"), checked.stderr
    assert "leak_traced" in {entry["kind"] for entry in viewer.get("log")["entries"]}


def test_picture_when_not_ours_or_asked_by_one_then_said_so(
    site: RunningSite, passwords: list[str], tmp_path: Path
) -> None:
    random = np.random.default_rng(3)
    drawn = cv2.resize(random.integers(0, 255, (40, 60), dtype=np.uint8), (900, 600), interpolation=cv2.INTER_CUBIC)
    path = tmp_path / "other.png"
    path.write_bytes(cv2.imencode(".png", drawn)[1].tobytes())
    since = ("--from", time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() - 60)))
    done = site.cli("leak", "find", str(path), *passwords, *since, "--camera", "walkers", timeout_s=300)
    assert done.returncode == 0, done.stderr
    assert "not a view of these cameras" in done.stdout
    alone = [NAME if one == OFFICER else one for one in passwords]
    first = alone[alone.index("--password-file") + 1]
    alone[alone.index("--with-password-file") + 1] = first
    refused = site.cli("leak", "find", str(path), *alone)
    assert refused.returncode != 0
    assert "two different people" in refused.stderr
