"""One person shown, over HTTP: where people are in a picture, the request that names tracks, and its export."""

import pytest
from tests.web.test_exports import ann, ben  # noqa: F401 (fixtures)
from tests.web.test_requests import ask, asked, look

from custodes.testing.catalog import make_spec
from custodes.testing.media import vouch
from custodes.types.access import AuditKind
from custodes.units import NS_PER_S, CameraId

RUN = "0" * 12
ONE = f"{RUN}/1"
UNMASKED = {"purpose": "subject_access", "reference": "SAR-7", "fidelity": "unmasked"}


def test_boxes_tell_where_tracked_people_are_at_a_moment(ann):  # noqa: F811
    at_ns = ann.site.clock.now_ns() - 60 * NS_PER_S
    ann.site.catalog.put_cameras([make_spec(CameraId("gate"))], is_exclusive=False)
    boxes = [[(0.1, 0.2, 0.3, 0.9)], [(0.4, 0.2, 0.6, 0.9), (0.7, 0.1, 0.8, 0.5)]]
    ann.site.catalog.put_analysis(vouch([at_ns, at_ns + NS_PER_S], boxes, camera_id="gate"), [])
    told = ann.get(f"/api/v1/cameras/gate/boxes?at={at_ns + NS_PER_S - 1}").json()["boxes"]
    assert [(one["run"], one["track_id"], one["box"][0]) for one in told] == [(RUN, 1, 0.4), (RUN, 2, 0.7)]
    assert ann.get(f"/api/v1/cameras/gate/boxes?at={at_ns + 30 * NS_PER_S}").json()["boxes"] == []
    assert ann.get("/api/v1/cameras/none/boxes?at=1").status_code == 404


def test_request_for_one_person_says_so_and_its_export_shows_nobody_else(ann, ben):  # noqa: F811
    request_id = asked(ann, action="export", shown=ONE, **UNMASKED)
    page = ben.get(f"/requests/{request_id}").text
    assert "one person shown, all others masked" in page and "all others stay masked" in page
    assert ben.approve(request_id).status_code == 200
    assert ann.post("/exports", request_id=request_id, camera="gate").status_code == 303
    granted = [one.record for one in ann.site.warden.log.read(0, 999) if one.record.kind is AuditKind.ACCESS_GRANTED]
    assert [one.details["shown"] for one in granted if one.details["action"] == "export"] == [ONE]


def test_look_when_the_request_names_one_person_may_show_them_and_not_everybody(ann, ben):  # noqa: F811
    request_id = asked(ann, action="play_back", shown=ONE, **UNMASKED)
    assert ben.approve(request_id).status_code == 200
    why = {"purpose": "subject_access", "reference": "SAR-7"}
    assert look(ann, request_id, **why) == "refused"
    assert look(ann, request_id, only=[{"run": RUN, "track_id": 2}], **why) == "refused"
    assert look(ann, request_id, only=[{"run": RUN, "track_id": 1}], **why) == "opened"


@pytest.mark.parametrize("shown", ["gate", f"{RUN}/x", f"{RUN}/-1", "0/1", f"{ONE} {ONE}", f"{RUN}/{'9' * 30}", "/"])
def test_request_when_whom_to_show_is_malformed_says_so(ann, shown):  # noqa: F811
    assert ask(ann, action="export", shown=shown, **UNMASKED).status_code == 400


def test_request_when_masked_shows_nobody_alone(ann):  # noqa: F811
    assert ask(ann, action="export", shown=ONE, **{**UNMASKED, "fidelity": "masked"}).status_code == 400


def test_exports_page_when_a_person_was_marked_asks_for_exactly_that(ann):  # noqa: F811
    text = ann.get(f"/exports?camera=gate&reference=SAR-7&shown={RUN}/1%20{RUN}/5").text
    assert f'name="shown" value="{RUN}/1 {RUN}/5"' in text and "2 pieces" in text
    assert '<option value="subject_access" selected>' in text
    assert ann.get("/exports?shown=%3Cscript%3E").status_code == 400
