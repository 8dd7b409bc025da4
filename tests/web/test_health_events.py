"""Trouble with cameras: on their page, the wall and the system page, for those who may know of the camera."""

from dataclasses import replace

from tests.web.conftest import site_in
from tests.web.test_matrix import session_of

from custodes.types.access import CameraScope, Role
from custodes.types.event import HEARD, SiteEvent, SiteEventKind
from custodes.types.message import CameraRow
from custodes.units import CameraId, Ns
from custodes.web.event_words import device_words, loss_words, site_event_words


def event(kind, camera, end_ns=0):
    cameras = (CameraId(camera),) if camera else ()
    return SiteEvent(kind=kind, start_ns=Ns(10**9), end_ns=Ns(end_ns), camera_ids=cameras, detail="80% show nothing")


def test_who_may_know_of_a_camera_is_told_of_its_trouble_and_nobody_else(tmp_path):
    with site_in(tmp_path) as site:
        site.catalog.put_site_event(event(SiteEventKind.CAMERA_COVERED, "gate"))
        site.catalog.put_site_event(event(SiteEventKind.CAMERA_MOVED, "yard", end_ns=2 * 10**9))
        site.catalog.put_site_event(event(SiteEventKind.DISK_FORECAST, ""))
        session_of(site, Role.OPERATOR)
        told = {one["kind"]: one["words"] for one in site.client.get("/api/v1/status").json()["events"]}
        assert told == {
            "camera_covered": "Main gate: covered, or sees no light (80% show nothing).",
            "camera_moved": "Yard: turned away from its place (80% show nothing).",
            "disk_forecast": "The disk is too small for what is to be kept (80% show nothing).",
        }
        page = site.client.get("/cameras/gate").text
        assert "covered, or sees no light" in page
        assert ", lasts:" in page
        assert "turned away" not in page
        session_of(site, Role.OPERATOR, cameras=CameraScope(is_all=False, camera_ids=frozenset({CameraId("yard")})))
        kinds = {one["kind"] for one in site.client.get("/api/v1/status").json()["events"]}
        assert kinds == {"camera_moved", "disk_forecast"}
        assert "turned away" in site.client.get("/cameras/yard").text


def test_a_camera_without_trouble_says_so_and_whether_any_would_be_noticed(tmp_path):
    with site_in(tmp_path) as site:
        session_of(site, Role.OPERATOR)
        page = site.client.get("/cameras/gate").text
        assert "neither down nor covered" in page
        assert "tampering is not noticed" in page


def test_what_a_device_says_is_its_word_and_what_is_not_heard_says_why():
    row = CameraRow(
        camera_id=CameraId("gate"), name="Gate", state="recording", detail="", is_recording=True,
        recorded_s=0.0, gaps_s=0.0, frames_decoded=0, frames_analysed=0,
        tracks=0, people=0, vehicles=0, live_people=0, live_vehicles=0,
    )  # fmt: skip
    assert device_words(row) == ""
    assert loss_words(row) == ""
    assert loss_words(replace(row, lost_packets=1200)).startswith("1,200 packets were lost between")
    heard = replace(row, device_events=HEARD)
    assert device_words(heard) == "Its own events are heard: nothing to report."
    assert "heard: an input is on (DigitalInput door)." in device_words(
        replace(heard, device_says=("input (DigitalInput door)",))
    )
    assert device_words(replace(row, device_events="it is mute")) == "Its own events are not heard: it is mute."
    card = event(SiteEventKind.DEVICE_STORAGE, "gate", end_ns=2 * 10**9)
    assert site_event_words(card, {}) == "gate: the storage inside it fails (80% show nothing)."
