"""What is drawn into a camera's picture: saved as configured, refused in words, shown to nobody who may not watch."""

import dataclasses
import html
import json

import pytest
from tests.web.test_matrix import session_of
from tests.web.test_site_cameras import HTML, camera_log, spec_of

from custodes.config import CameraConfig
from custodes.testing.catalog import make_spec
from custodes.types.access import Role
from custodes.types.stream import SecondStream
from custodes.web.site_drawing import Drawing, drawing_of, drawn_into, place_in_words

SQUARE = [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9], [0.1, 0.9]]
WHOLE = {
    "zones": [{"polygon": SQUARE, "classes": ["person"]}],
    "masks": [{"polygon": SQUARE[:3], "classes": []}],
    "privacy": [{"polygon": SQUARE}],
    "lines": [{"name": "door", "start": [0.1, 0.5], "end": [0.9, 0.5], "lanes": 2, "limit_kmh": 50.0}],
    "roads": [
        {
            "name": "A1",
            "polygon": SQUARE,
            "heading": [[0.5, 0.9], [0.5, 0.1]],
            "stop_after_s": 8.0,
            "people": True,
        }
    ],
    "ground": [{"at": at, "place_m": [at[0] * 10, at[1] * 20]} for at in SQUARE],
    "floor": "yard",
}
NOTHING = {"zones": [], "masks": [], "privacy": [], "lines": [], "roads": [], "ground": [], "floor": ""}


@pytest.fixture
def drawn(claimed):
    claimed.catalog.put_cameras([make_spec("gate")], is_exclusive=False)
    return claimed


def page_of(site):
    return site.client.get("/site/cameras/gate/drawing", headers=HTML).text


def version_on(page):
    return json.loads(html.unescape(page.split('data-drawing="')[1].split('"')[0]))["version"]


def save(site, drawing, *, version="", csrf=""):
    body = {"version": version or version_on(page_of(site)), **drawing}
    return site.client.post("/site/cameras/gate/drawing", json=body, headers={"x-csrf-token": csrf or site.csrf})


def test_drawing_is_what_the_configuration_would_say_and_is_in_force_and_in_the_log(drawn):
    assert save(drawn, WHOLE).json()["is_changed"]
    file = {"id": "gate", "url": "rtsp://x/1", "detect": {"zones": WHOLE["zones"], "masks": WHOLE["masks"]}}
    file |= {name: WHOLE[name] for name in ("privacy", "lines", "roads", "ground", "floor")}
    wanted = CameraConfig.model_validate(file).spec()
    now = spec_of(drawn, "gate")
    assert (now.scene, now.detect_areas) == (wanted.scene, wanted.detect_areas)
    (entry,) = camera_log(drawn)
    assert entry.actor == "Ada Lovelace"
    assert entry.details["drawn"].startswith("1 privacy zones, 1 zones, 1 masks, 1 lines, 1 roads, 4 ground points")
    again = json.loads(html.unescape(page_of(drawn).split('data-drawing="')[1].split('"')[0]))
    assert {name: again[name] for name in WHOLE} == WHOLE
    assert not save(drawn, WHOLE).json()["is_changed"]
    assert len(camera_log(drawn)) == 1


def test_drawing_round_trips_and_leaves_the_rest_of_the_camera_alone():
    second = SecondStream(url="rtsp://x/2", has_same_view=True)
    spec = dataclasses.replace(make_spec("gate"), retention_h=9.0, second=second)
    full = drawn_into(spec, Drawing(version="", **WHOLE))
    assert drawn_into(spec, Drawing(version="", **drawing_of(full))) == full
    assert drawn_into(full, Drawing(version="", **NOTHING)) == spec


WRONG = (
    ({"zones": [{"polygon": SQUARE[:2], "classes": []}]}, "Zone 1: Tuple should have at least 3 items"),
    (
        {"masks": [{"polygon": [[0, 0], [1, 1.5], [0, 1]], "classes": []}]},
        "Object mask 1, point 2, y: Input should be",
    ),
    (
        {"lines": [{"name": "a", "start": [0.5, 0.5], "end": [0.5, 0.5], "lanes": 1}]},
        "Counting line 1: line 'a' begins",
    ),
    ({"lines": [WHOLE["lines"][0], WHOLE["lines"][0]]}, "The drawing: two lines have the same name"),
    ({"privacy": [{"polygon": [[0.5, 0.1], [0.5, 0.5], [0.5, 0.9]]}]}, "Privacy zone 1: privacy zone '' has no area"),
    ({"ground": WHOLE["ground"][:3]}, "The drawing: ground needs 4 points or none; 3 given"),
    ({"ground": [{"at": [0.1 * n, 0.1 * n], "place_m": [n, 0]} for n in range(4)]}, "ground of camera gate"),
    ({"floor": "yard"}, "The drawing: a camera on a floor needs its ground"),
    ({"roads": [{"name": "", "polygon": SQUARE}]}, "Road 1, name: String should have at least 1 character"),
    ({"zones": [{"polygon": SQUARE, "classes": ["face"]}]}, "Zone 1, classes"),
)


def test_what_is_wrong_is_named_by_shape_and_place_and_changes_nothing(drawn):
    version, csrf = version_on(page_of(drawn)), drawn.csrf
    for change, words in WRONG:
        answer = save(drawn, {**NOTHING, **change}, version=version, csrf=csrf)
        assert answer.status_code == 400, words
        assert words in answer.json()["detail"]
    assert spec_of(drawn, "gate") == make_spec("gate")
    assert camera_log(drawn) == []
    assert place_in_words(("roads", 0, "heading", 1, 0)) == "Road 1, point 2, x"


def test_drawing_on_a_camera_that_somebody_else_changed_meanwhile_is_refused(drawn):
    old = version_on(page_of(drawn))
    assert save(drawn, WHOLE).status_code == 200
    refused = save(drawn, NOTHING, version=old)
    assert refused.status_code == 409 and "somebody else" in refused.json()["detail"]
    assert spec_of(drawn, "gate").scene.privacy


def test_who_only_configures_draws_on_an_empty_frame_and_who_operates_has_a_masked_picture(drawn):
    assert 'data-may-watch="yes"' in page_of(drawn)
    session_of(drawn, Role.ADMINISTRATOR)
    page = page_of(drawn)
    assert 'data-may-watch=""' in page and "sees no footage" in page
    session_of(drawn, Role.OPERATOR)
    assert drawn.client.get("/site/cameras/gate/drawing", headers=HTML).status_code == 403
    assert drawn.views.opened == []


MATRIX = "10 0 -5\n0 -20 20\n0 0 1\n"
"""Shares of a picture of one pixel to a ground of 10 m by 20 m."""


def read_file(site, content, *, csrf="", **more):
    data = {"width_px": "1", "height_px": "1", **more}
    headers = {"x-csrf-token": csrf or site.csrf}
    files = {"file": ("camera.txt", content)}
    return site.client.post("/site/cameras/gate/calibration", files=files, data=data, headers=headers)


def test_ground_of_a_calibration_file_is_drawn_and_in_force_only_when_saved(drawn):
    found = read_file(drawn, MATRIX).json()
    assert len(found["ground"]) == 9
    assert found["off_m"] < 0.01
    first = found["ground"][0]
    assert first["place_m"] == pytest.approx([10 * first["at"][0] - 5, 20 - 20 * first["at"][1]], abs=0.01)
    assert spec_of(drawn, "gate").scene.ground == ()
    assert save(drawn, {**NOTHING, "ground": found["ground"], "floor": "yard"}).status_code == 200
    assert len(spec_of(drawn, "gate").scene.ground) == 9


def test_a_calibration_file_that_is_wrong_is_refused_in_words(drawn):
    assert "2 rows" in read_file(drawn, "1 2 3\n4 5 6\n").text
    assert "Choose a calibration file" in read_file(drawn, "").text or read_file(drawn, "").status_code == 400
    assert read_file(drawn, b"#" * (600 << 10)).status_code == 400
    assert read_file(drawn, MATRIX, unit_m="0").status_code in (400, 422)
