"""The plan of the site: drawn, checked, saved as a version, its picture drawn anew; and what the map makes of it."""

import html
import json
from dataclasses import replace

import numpy as np
import pytest
from tests.web.test_people import accept, invite
from tests.web.test_requests import Person

from custodes.media.still import small_jpeg
from custodes.testing.catalog import make_spec
from custodes.types.access import AuditKind, CameraScope
from custodes.types.flow import HEAT_COLUMNS, HEAT_ROWS, FlowCell, FlowGroup, FlowHour, PlaceFigures
from custodes.types.place import DrawnWay, PlacedCamera, SiteLayout
from custodes.types.scene import CameraScene, GroundPoint
from custodes.units import NS_PER_HOUR, CameraId, Ns
from custodes.web.map_heat import heat_cells
from custodes.web.site_map import within

GATE, YARD = CameraId("gate"), CameraId("yard")


def plan(**changes):
    camera = {
        "camera_id": "gate", "floor": "hall", "place_m": [1, 2], "heading_deg": 45, "view_deg": 70, "range_m": 12,
    }  # fmt: skip
    way = {"from_camera": "gate", "to_camera": "yard", "seconds": 25}
    return {"version": 0, "floors": [{"name": "hall"}], "cameras": [camera], "ways": [way], **changes}


@pytest.fixture
def admin(make_site):
    site = make_site()
    assert site.claim(roles=("administrator", "operator")).status_code == 303
    site.catalog.put_cameras([make_spec("gate"), make_spec("yard")], is_exclusive=True)
    return site, Person(site)


def upload(site, who, content, name="plan.png"):
    site.client.cookies.clear()
    site.client.cookies.update(who.cookies)
    headers = {"x-csrf-token": site.csrf, "origin": "http://localhost", "host": "localhost"}
    return site.client.post("/map/edit/picture", files={"picture": (name, content)}, headers=headers)


def test_plan_when_saved_is_a_version_in_the_log_and_on_the_map(admin):
    site, who = admin
    assert "Nobody has drawn anything yet" in who.get("/map/edit").text
    saved = who.post("/map/edit", json=plan())
    assert saved.status_code == 200, saved.text
    assert saved.json()["version"] == 1
    assert AuditKind.CONFIG_CHANGED in site.warden.kinds()
    stale = who.post("/map/edit", json=plan())
    assert stale.status_code == 409
    assert "changed by somebody else" in stale.json()["detail"]
    told = json.loads(who.get("/api/v1/map").text)
    assert told["plan"]["cameras"][0]["camera_id"] == "gate"
    assert told["names"] == {"gate": "Main gate", "yard": "Yard"}
    assert "Draw the plan" in who.get("/map").text


WRONG = [
    ({"floors": [{"name": "hall"}, {"name": "hall"}]}, "Floor hall: there are two"),
    ({"floors": [{"name": "yard"}]}, "Camera gate: there is no floor hall"),
    ({"cameras": [plan()["cameras"][0] | {"camera_id": "moon"}]}, "Camera moon: there is no such camera"),
    ({"cameras": [plan()["cameras"][0] | {"view_deg": 0}]}, "Camera 1, view deg"),
    ({"cameras": [plan()["cameras"][0] | {"place_m": ["a", 1]}]}, "Camera 1, place m"),
    ({"ways": [plan()["ways"][0] | {"to_camera": "gate"}]}, "Way gate to gate"),
    ({"ways": plan()["ways"] * 2}, "it is there twice"),
    ({"floors": [{"name": "hall", "plan_sha256": "a" * 64}]}, "picture is not here"),
    ({"moon": 1}, "moon"),
]


def test_plan_when_something_is_wrong_then_says_what_and_keeps_nothing(admin):
    site, who = admin
    for changes, words in WRONG:
        answer = who.post("/map/edit", json=plan(**changes))
        assert answer.status_code == 400, words
        assert words in answer.json()["detail"]
    assert site.catalog.layouts(1) == []


def test_picture_of_a_floor_is_drawn_anew_and_hostile_ones_are_refused(admin):
    site, who = admin
    pixels = np.random.default_rng(1).integers(0, 255, (120, 160, 3), np.uint8)
    sent = small_jpeg(pixels).replace(b"\xff\xd8", b"\xff\xd8\xff\xfe\x00\x10SECRET-COMMENT", 1)
    made = upload(site, who, sent)
    assert made.status_code == 200, made.text
    assert (made.json()["width_px"], made.json()["height_px"]) == (160, 120)
    kept = site.client.get(f"/map/plan/{made.json()['plan_sha256']}.jpg")
    assert kept.headers["content-type"] == "image/jpeg"
    assert b"SECRET" not in kept.content
    floor = {"name": "hall", **made.json()}
    assert who.post("/map/edit", json=plan(floors=[floor])).status_code == 200
    for content in (b"", b"<svg onload='x'/>", sent[:200], b"\x89PNG\r\n\x1a\n" + b"\xff" * 100, b"\xff" * (5 << 20)):
        refused = upload(site, who, content)
        assert refused.status_code in (400, 413), content[:20]
    assert site.client.get("/map/plan/none.jpg").status_code == 404


def test_plan_is_nobodys_but_who_configures(admin):
    site, who = admin
    site.client.cookies.update(who.cookies)
    accept(site, invite(site, roles=("supervisor",)))
    boss = Person(site)
    assert boss.get("/map/edit").status_code == 403
    assert boss.post("/map/edit", json=plan()).status_code == 403


def test_within_a_scope_tells_of_its_cameras_alone():
    cameras = tuple(
        PlacedCamera(camera_id=one, floor="hall", place_m=(0, 0), heading_deg=0, view_deg=60, range_m=9)
        for one in (GATE, YARD)
    )
    whole = SiteLayout(version=1, cameras=cameras, ways=(DrawnWay(from_camera=GATE, to_camera=YARD, seconds=9),))
    narrow = within(whole, CameraScope(is_all=False, camera_ids=frozenset({GATE})))
    assert [one.camera_id for one in narrow.cameras] == [GATE]
    assert narrow.ways == ()
    assert within(whole, None).cameras == ()


def test_heat_on_the_ground_lies_where_they_stood_and_never_beyond_the_horizon():
    corners = [(0.0, 0.5), (1.0, 0.5), (1.0, 1.0), (0.0, 1.0)]
    places = [(-10.0, 30.0), (10.0, 30.0), (2.0, 2.0), (-2.0, 2.0)]
    points = tuple(GroundPoint(at=at, place_m=place) for at, place in zip(corners, places, strict=True))

    spec = replace(make_spec("gate"), scene=CameraScene(ground=points, floor="hall"))
    counts = [0] * (HEAT_COLUMNS * HEAT_ROWS)
    counts[13 * HEAT_COLUMNS + 12] = 25  # the lowest row, right of the middle
    counts[0] = 40  # the sky
    place = PlaceFigures(
        camera_id=GATE, coverage=1.0, mean_present=None, peak_present=None, dwell_median_s=None, dwell_p90_s=None,
        heat=tuple(counts),
    )  # fmt: skip
    hour = FlowHour(
        camera_id=CameraId(""), start_ns=Ns(0), end_ns=Ns(1), group=FlowGroup.PEOPLE, min_group=10, cells=(),
        places=(place,),
    )  # fmt: skip
    (cell,) = heat_cells([spec], [hour, hour], FlowGroup.PEOPLE, CameraScope())
    assert cell["count"] == 50
    xs, ys = zip(*cell["corners_m"], strict=True)
    assert all(-0.1 <= x <= 0.5 for x in xs)
    assert all(1.9 <= y <= 4.5 for y in ys)
    assert heat_cells([spec], [hour], FlowGroup.VEHICLES, CameraScope()) == []
    assert heat_cells([spec], [hour], FlowGroup.PEOPLE, CameraScope(is_all=False, camera_ids=frozenset({YARD}))) == []


def test_ways_that_flows_showed_stand_beside_the_drawn_ones_without_how_many_went(admin):
    claimed, who = admin
    now_ns = claimed.clock.now_ns()
    cells = (FlowCell(from_camera=GATE, to_camera=YARD, count=735, median_s=40.0, coverage=1.0),)
    hour = FlowHour(
        camera_id=CameraId(""), start_ns=Ns(now_ns - NS_PER_HOUR), end_ns=now_ns, group=FlowGroup.PEOPLE,
        min_group=10, cells=cells, places=(),
    )  # fmt: skip
    claimed.catalog.put_figures([hour])
    page = who.get("/map/edit").text
    learnt = json.loads(html.unescape(page.split('data-learnt="')[1].split('"')[0]))
    assert learnt == [["gate", "yard", 40]]
    assert "735" not in page
