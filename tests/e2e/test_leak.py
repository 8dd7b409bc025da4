"""A still from the page, posted after a rough chain: one command names camera, second and session."""

import json
import time
from pathlib import Path

import cv2
import httpx
import numpy as np
import pytest

from custodes.testing.site import RunningSite
from custodes.testing.viewer import NAME, PASSWORD, Viewer

pytestmark = [pytest.mark.e2e, pytest.mark.rtsp, pytest.mark.xdist_group("e2e")]

SECOND = "Pia Officer"


def posted(jpeg: bytes, path: Path) -> Path:
    """As a phone's screenshot of the page, sent through two services."""
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    page = np.full((picture.shape[0] + 160, picture.shape[1] + 90, 3), 245, np.uint8)
    page[110:-50, 40:-50] = picture
    smaller = cv2.resize(page, None, fx=0.9, fy=0.9, interpolation=cv2.INTER_AREA)
    once = cv2.imdecode(cv2.imencode(".jpg", smaller, [cv2.IMWRITE_JPEG_QUALITY, 75])[1], cv2.IMREAD_COLOR)
    path.write_bytes(cv2.imencode(".jpg", once, [cv2.IMWRITE_JPEG_QUALITY, 60])[1].tobytes())
    return path


@pytest.fixture(scope="module")
def passwords(site: RunningSite, tmp_path_factory: pytest.TempPathFactory, viewer: Viewer) -> list[str]:
    """The options that say who traces."""
    invited = site.cli("person", "invite", SECOND, "--role", "privacy_officer")
    assert invited.returncode == 0, invited.stderr
    form = {"password": "a second long password", "password_again": "a second long password"}
    form["token"] = invited.stdout.splitlines()[-1]
    assert httpx.post(f"{site.address}/invitation", data=form, headers={"origin": site.address}).status_code == 303
    folder = tmp_path_factory.mktemp("passwords")
    for name, password in (("first", PASSWORD), ("second", form["password"])):
        (folder / name).write_text(password)
    return [
        *("--as", NAME, "--password-file", str(folder / "first")),
        *("--with", SECOND, "--with-password-file", str(folder / "second"), "--reference", "leak 1"),
    ]


def test_still_when_posted_then_camera_second_and_session_are_named_and_proven(
    site: RunningSite, viewer: Viewer, passwords: list[str], tmp_path: Path
) -> None:
    site.wait_for(lambda: site.camera("walkers")["frames_analysed"] >= 10, "ten analysed frames")
    lines = []

    def longest_stretch() -> list[int]:
        now_ns = time.time_ns()
        lines.append(viewer.get("cameras/walkers/timeline", **{"from": now_ns - 600 * 10**9, "to": now_ns}))
        return max(lines[-1]["coverage"], key=lambda stretch: stretch[1] - stretch[0], default=[0, 0])

    site.wait_for(lambda: (line := longest_stretch())[1] - line[0] > 8 * 10**9, "8 s analysed without a hole")
    start_ns, end_ns = longest_stretch()[:2]
    seen = viewer.stills("walkers", [(start_ns + end_ns) // 2], reference="the leak")
    utc_ns, _, jpeg = seen.stills[0]
    others = viewer.stills("walkers", [(start_ns + end_ns) // 2], reference="a bystander")
    picture = posted(jpeg, tmp_path / "post.jpg")
    bundle = tmp_path / "leak.zip"
    begun = time.monotonic()
    done = site.cli("leak", "attribute", str(picture), *passwords, "--json", "-o", str(bundle), timeout_s=300)
    print("TOOK", time.monotonic() - begun, done.stdout)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["verdict"] == "named", told
    assert told["camera"] == "walkers"
    assert abs(told["utc_ns"] - utc_ns) <= 10**9
    (named,) = told["named"]
    assert named["z"] >= 9
    assert told["decoy_z_max"] < 6
    granted = {one["session"]: one for one in [{**one, "session": one["session_id"]} for one in told["shown_to"]]}
    assert granted[named["session"]]["granted_index"] == seen.log_index
    assert granted[named["session"]]["reference"] == "the leak"
    assert any(one["granted_index"] == others.log_index for one in told["shown_to"]), "a bystander was a candidate"
    assert "derives from the copy" in told["sentence"]
    assert told["traced_by"] == [NAME, SECOND]
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
    done = site.cli("leak", "find", str(path), *passwords, "--camera", "walkers", timeout_s=300)
    assert done.returncode == 0, done.stderr
    assert "not a view of these cameras" in done.stdout
    alone = [NAME if one == SECOND else one for one in passwords]
    first = alone[alone.index("--password-file") + 1]
    alone[alone.index("--with-password-file") + 1] = first
    refused = site.cli("leak", "find", str(path), *alone)
    assert refused.returncode != 0
    assert "two different people" in refused.stderr
