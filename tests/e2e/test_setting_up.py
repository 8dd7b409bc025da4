"""A camera that is set up on the page of a running site: tested by a real prober, recorded, removed, brought back."""

import time
from typing import Any

import httpx
import pytest

from custodes.config import SitePaths, read_assignment
from custodes.testing.rtsp import RtspServer
from custodes.testing.site import RunningSite
from custodes.testing.viewer import Viewer

pytestmark = [pytest.mark.e2e, pytest.mark.rtsp]

HTML = {"accept": "text/html"}


def change_of(page: str) -> str:
    """The newest change on a page."""
    return page.split('data-change="')[1].split('"')[0]


def test_camera_when_added_on_the_page_is_recorded_and_comes_back_when_its_removal_is_undone(
    site: RunningSite, server: RtspServer, viewer: Viewer
) -> None:
    web = viewer.http

    def post(path: str, **form: str) -> httpx.Response:
        csrf = web.get("/site/cameras", headers=HTML).text.split('name="csrf" content="')[1].split('"')[0]
        return web.post(path, data={"csrf": csrf, **form}, headers={**HTML, "origin": site.address}, timeout=180)

    def state(camera_id: str) -> dict[str, Any]:
        found: dict[str, Any] = web.get(f"/site/cameras/{camera_id}/state").json()
        return found

    tested = post("/site/test-camera", url=server.url("again")).json()
    assert tested["is_well"], tested
    assert tested["found"]["codec"] == "h264"
    assert (tested["found"]["width_px"], tested["found"]["height_px"]) == (576, 432)
    assert 0 < tested["found"]["fps"] < 60 and tested["found"]["kbit_per_s"] > 0
    assert abs(tested["found"]["stream_clock_s"]) < 60
    assert not post("/site/test-camera", url=server.url("nothing")).json()["is_well"]

    added = post("/site/add-camera", url=server.url("again"), name="New one")
    assert added.headers["location"] == "/site/cameras/new-one?done=added", added.text
    site.wait_for(lambda: state("new-one")["frames_analysed"] > 0, "an analysed picture of the new camera")
    site.wait_for(lambda: state("new-one")["is_recording"], "the new camera recorded")

    def assigned() -> set[str]:
        return {one.camera_id for one in read_assignment(SitePaths(site.data_dir).assignment).cameras}

    assert post("/site/cameras/new-one/remove", sure="new-one").status_code == 303
    assert "new-one" not in assigned()
    undone = post(f"/site/changes/{change_of(web.get('/site/cameras', headers=HTML).text)}/undo")
    assert undone.headers["location"] == "/site/cameras/new-one?done=undone"
    assert "new-one" in assigned()
    site.wait_for(lambda: state("new-one")["is_recording"], "recording again")
    told = site.cli("audit", "search", "--kind", "camera_changed").stdout
    assert told.count("new-one") >= 3
    assert post("/site/cameras/new-one/remove", sure="new-one").status_code == 303
    deadline = time.monotonic() + 60
    while site.pids("prober"):
        assert time.monotonic() < deadline, "a prober that does not end"
        time.sleep(0.2)
