"""Setting cameras up on the page: what is put, what is said, what is never told, and what can be undone."""

import asyncio
import dataclasses
from pathlib import Path

from tests.web.test_matrix import session_of
from tests.web.test_people import accept, invite

from custodes.config import read_assignment
from custodes.testing.catalog import make_spec
from custodes.testing.history import fill_history
from custodes.types.access import AuditKind, CameraScope, Role
from custodes.types.scene import CameraScene, CountLine
from custodes.types.vision import DetectArea
from custodes.units import CameraId
from custodes.web.site_cameras import id_for
from custodes.web.words import utc_text

GATE = {"url": "rtsp://192.0.2.7/stream1", "name": "Main gate", "username": "ada", "password": "sesame open"}
HTML = {"accept": "text/html"}


def post(site, path, **form):
    return site.client.post(path, data={"csrf": site.csrf, **form}, headers=HTML)


def spec_of(site, camera_id):
    return next((one for one in site.catalog.cameras() if one.camera_id == camera_id), None)


def camera_log(site):
    return [one.record for one in site.warden.log.read(0, site.warden.log.size) if "camera_" in one.record.kind.value]


def folder_of(site) -> Path:
    return site.app.state.deps.config.data_dir


def test_camera_when_added_is_assigned_logged_by_name_and_its_password_is_nowhere_but_in_its_file(claimed):
    answer = post(claimed, "/site/add-camera", **GATE)
    assert answer.headers["location"] == "/site/cameras/main-gate?done=added"
    (assigned,) = read_assignment(folder_of(claimed) / "assignment.json").cameras
    assert assigned.url == GATE["url"] and assigned.username == "ada"
    kept = Path(assigned.password_ref.removeprefix("file:"))
    assert kept.read_text() == GATE["password"]
    assert kept.stat().st_mode & 0o777 == 0o600 and kept.parent.stat().st_mode & 0o777 == 0o700
    (entry,) = camera_log(claimed)
    assert (entry.actor, entry.subject, entry.details["change"]) == ("Ada Lovelace", "main-gate", "added")
    for path in ("/site/cameras", "/site/cameras/main-gate", "/api/v1/cameras", "/log"):
        assert GATE["password"] not in claimed.client.get(path, headers=HTML).text, path
    leaked = [path for path in folder_of(claimed).rglob("*") if path.is_file() and b"sesame open" in path.read_bytes()]
    assert leaked == [kept]


WRONG = (
    ({"url": "rtsp://ada:sesame@192.0.2.7/1"}, "Address: credentials do not belong in a URL"),
    ({"url": "rtsp://192.0.2.7/1?user=a&password=b"}, "Address: a password does not belong in it"),
    ({"url": "ftp://192.0.2.7/1"}, "Address: scheme &#39;ftp&#39; is not one of"),
    ({"url": "rtsp:///1"}, "Address: a network camera needs a host"),
    ({"url": "file:///etc/passwd"}, "Address: files of this machine"),
    ({"camera": "Main Gate"}, "Id: must be small letters"),
    ({"retention_h": "a week"}, "Retention: expected a number of hours"),
    ({"password": "a\x7fb"}, "Password: it may have printable characters only"),
)


def test_form_that_is_wrong_is_shown_again_with_field_and_what_was_expected(claimed):
    for changes, words in WRONG:
        answer = post(claimed, "/site/add-camera", **{**GATE, **changes})
        assert answer.status_code == 400, words
        assert words in answer.text
        assert 'value="Main gate"' in answer.text
        assert "sesame open" not in answer.text
    assert claimed.catalog.cameras() == []
    assert camera_log(claimed) == []


def test_second_camera_of_a_name_gets_an_id_of_its_own(claimed):
    post(claimed, "/site/add-camera", **GATE)
    answer = post(claimed, "/site/add-camera", **{**GATE, "url": "rtsp://192.0.2.8/1"})
    assert answer.headers["location"].startswith("/site/cameras/main-gate-2")
    taken = post(claimed, "/site/add-camera", **{**GATE, "camera": "main-gate"})
    assert taken.status_code == 409 and "already" in taken.text
    assert id_for("Größe 5, Süd!", []) == "gr-e-5-s-d"
    assert id_for("門", []) == "camera"


def test_change_keeps_what_is_drawn_and_the_password_that_is_not_typed_again(claimed):
    drawn = dataclasses.replace(
        make_spec("gate"),
        username="ada",
        password_ref="env:GATE",
        detect_areas=(DetectArea(polygon=((0.0, 0.0), (1.0, 0.0), (1.0, 1.0))),),
        scene=CameraScene(lines=(CountLine(name="door", start=(0.1, 0.5), end=(0.9, 0.5)),)),
    )
    claimed.catalog.put_cameras([drawn], is_exclusive=False)
    answer = post(
        claimed, "/site/cameras/gate", url=drawn.url, name="South", username="ada", transport="udp", enabled="yes"
    )
    assert answer.status_code == 303, answer.text
    assert spec_of(claimed, "gate") == dataclasses.replace(drawn, name="South", transport="udp")
    switched = post(claimed, "/site/cameras/gate", url=drawn.url, name="South", username="ada", transport="udp")
    assert switched.status_code == 303
    assert not spec_of(claimed, "gate").is_enabled


def test_password_is_not_sent_to_another_host_unless_it_is_typed_again(claimed):
    post(claimed, "/site/add-camera", **GATE)
    form = {"name": "Main gate", "username": "ada", "url": "rtsp://203.0.113.9/stream1", "enabled": "yes"}
    before = spec_of(claimed, "main-gate")
    refused = post(claimed, "/site/cameras/main-gate", **form)
    assert refused.status_code == 400 and "another host" in refused.text
    tested = post(claimed, "/site/test-camera", known="main-gate", **form)
    assert tested.status_code == 400
    assert spec_of(claimed, "main-gate") == before
    assert post(claimed, "/site/cameras/main-gate", password="another one", **form).status_code == 303
    now = spec_of(claimed, "main-gate")
    assert now.url == form["url"]
    assert Path(now.password_ref.removeprefix("file:")).read_text() == "another one"


def test_removal_wants_the_id_says_what_is_kept_and_can_be_undone_with_its_password(claimed):
    post(claimed, "/site/add-camera", **GATE)
    spec = spec_of(claimed, "main-gate")
    page = claimed.client.get("/site/cameras/main-gate", headers=HTML).text
    assert "until their retention ends" in page and "72 hours" in page
    assert post(claimed, "/site/cameras/main-gate/remove", sure="yes").status_code == 400
    assert spec_of(claimed, "main-gate") == spec
    assert post(claimed, "/site/cameras/main-gate/remove", sure="main-gate").status_code == 303
    assert spec_of(claimed, "main-gate") is None
    listing = claimed.client.get("/site/cameras", headers=HTML).text
    change = listing.split('data-change="')[1].split('"')[0]
    answer = post(claimed, f"/site/changes/{change}/undo")
    assert answer.headers["location"] == "/site/cameras/main-gate?done=undone"
    assert spec_of(claimed, "main-gate") == spec
    assert Path(spec.password_ref.removeprefix("file:")).read_text() == GATE["password"]
    assert [one.details["change"] for one in camera_log(claimed)] == ["added", "removed", "added"]


def test_removed_camera_whose_recordings_are_still_there_is_listed_until_they_are_gone(claimed):
    now = claimed.clock.now_ns()
    fill_history(claimed.catalog, "shed", now_ns=now)
    fill_history(claimed.catalog, "gate", now_ns=now)
    page = claimed.client.get("/site/cameras", headers=HTML).text
    gone = page.split('id="gone"')[1].split("</section>")[0]
    assert "<b>shed</b>" in gone and utc_text(now + 72 * 3600 * 10**9)[:10] in gone
    assert "<b>gate</b>" not in gone, "that one is configured"
    accept(claimed, invite(claimed, roles=("administrator",), scope="some", cameras=["yard"]))
    assert 'id="gone"' not in claimed.client.get("/site/cameras", headers=HTML).text


def test_undo_of_what_was_changed_again_since_is_refused(claimed):
    post(claimed, "/site/add-camera", **GATE)
    listing = claimed.client.get("/site/cameras", headers=HTML).text
    added = listing.split('data-change="')[1].split('"')[0]
    form = {"name": "South", "username": "ada", "url": GATE["url"], "enabled": "yes"}
    assert post(claimed, "/site/cameras/main-gate", **form).status_code == 303
    refused = post(claimed, f"/site/changes/{added}/undo")
    assert refused.status_code == 409 and "changed again since" in refused.text
    assert spec_of(claimed, "main-gate").name == "South"
    assert claimed.client.get("/site/cameras", headers=HTML).text.count("/undo") == 1


def test_old_password_is_deleted_when_nothing_that_can_be_undone_needs_it(claimed):
    post(claimed, "/site/add-camera", **GATE)
    folder = folder_of(claimed) / "camera-passwords"
    (first,) = folder.iterdir()
    claimed.clock.advance(31 * 86_400 * 10**9)
    session_of(claimed, Role.ADMINISTRATOR)
    form = {"name": "Main gate", "username": "ada", "url": GATE["url"], "enabled": "yes", "password": "newer"}
    assert post_as(claimed, "/site/cameras/main-gate", **form).status_code == 303
    assert first in folder.iterdir()  # the newest change still leads back to it
    claimed.clock.advance(31 * 86_400 * 10**9)
    session_of(claimed, Role.ADMINISTRATOR)
    assert post_as(claimed, "/site/cameras/main-gate", **{**form, "password": "newest"}).status_code == 303
    assert first not in folder.iterdir()


def test_password_of_a_removed_camera_goes_when_its_removal_cannot_be_undone_any_more(claimed):
    post(claimed, "/site/add-camera", **GATE)
    assert post(claimed, "/site/cameras/main-gate/remove", sure="main-gate").status_code == 303
    folder = folder_of(claimed) / "camera-passwords"
    desk = claimed.app.state.deps.cameras
    asyncio.run(desk.tidy())
    assert len(list(folder.iterdir())) == 1
    claimed.clock.advance(31 * 86_400 * 10**9)
    asyncio.run(desk.tidy())
    assert list(folder.iterdir()) == []


def post_as(site, path, **form):
    """With the session of `session_of`."""
    return site.client.post(path, data={"csrf": "csrf", **form}, headers=HTML)


def test_warden_that_is_down_changes_nothing(claimed):
    claimed.client.get("/site/cameras", headers=HTML)  # permitted, and remembered
    csrf = claimed.csrf
    claimed.warden.is_down = True
    answer = claimed.client.post("/site/add-camera", data={"csrf": csrf, **GATE}, headers=HTML)
    assert answer.status_code == 503
    assert claimed.catalog.cameras() == []
    assert not list((folder_of(claimed) / "camera-passwords").glob("*"))


def test_camera_that_does_not_answer_is_tested_in_words_and_in_the_log(claimed):
    answer = post(claimed, "/site/test-camera", url="rtsp://127.0.0.1:1/none", password="sesame open", username="ada")
    assert answer.status_code == 200
    told = answer.json()
    assert not told["is_well"] and "127.0.0.1:1" in told["problem"]
    assert "sesame" not in answer.text
    (entry,) = camera_log(claimed)
    assert entry.kind is AuditKind.CAMERA_TESTED
    assert entry.details == {"url": "rtsp://127.0.0.1:1/none"}


def test_network_that_is_not_this_machines_is_not_asked(claimed):
    answer = post(claimed, "/site/discover", interface="198.51.100.1")
    assert answer.status_code == 400 or "no address of this machine" in answer.text


def test_administrator_of_one_camera_sees_and_adds_no_other(claimed):
    claimed.catalog.put_cameras([make_spec("gate"), make_spec("yard")], is_exclusive=False)
    session_of(claimed, Role.ADMINISTRATOR, CameraScope(is_all=False, camera_ids=frozenset({CameraId("yard")})))
    listing = claimed.client.get("/site/cameras", headers=HTML).text
    assert 'data-camera="yard"' in listing and 'data-camera="gate"' not in listing
    assert post_as(claimed, "/site/add-camera", **GATE).status_code == 403
    assert post_as(claimed, "/site/cameras/gate/remove", sure="gate").status_code == 403
    assert len(claimed.catalog.cameras()) == 2


def test_administrator_alone_is_offered_no_picture_and_opens_none(claimed):
    claimed.catalog.put_cameras([make_spec("gate")], is_exclusive=False)
    session_of(claimed, Role.ADMINISTRATOR)
    page = claimed.client.get("/site/cameras/gate", headers=HTML).text
    assert "sees no footage" in page and "<video" not in page
    assert claimed.views.opened == []


def test_first_account_goes_to_its_first_camera(site):
    site.live.rows = []
    assert site.claim().headers["location"] == "/site/add-camera?first=true"
    assert "The first camera" in site.client.get("/site/add-camera?first=true", headers=HTML).text
