"""Search among tracks over HTTP: what fits, for whom, how much at once, and on from there."""

from dataclasses import replace

import pytest
from tests.web.test_people import accept, invite

from custodes.geometry.heading import heading
from custodes.testing.catalog import RUN, make_crossing, make_track
from custodes.types.access import AuditKind
from custodes.types.search import Heading
from custodes.types.vision import ObjectClass
from custodes.units import NS_PER_MINUTE, NS_PER_S, CameraId, Ns

BOX = (0.4, 0.4, 0.5, 0.6)


def moved(dx, dy):
    return (BOX[0] + dx, BOX[1] + dy, BOX[2] + dx, BOX[3] + dy)


@pytest.fixture
def now_ns(claimed):
    """At the gate: a person each minute, number n goes by n; a car at the yard."""
    now = claimed.clock.now_ns()
    ways = [moved(0.2, 0), moved(-0.2, 0), moved(0, 0.2), moved(0, -0.2), moved(0.01, 0.01)]
    for number, last in enumerate(ways):
        start = now - (10 - number) * NS_PER_MINUTE
        track = replace(
            make_track(number, 0, 1).tracklet,
            start_ns=Ns(start),
            end_ns=Ns(start + 10 * NS_PER_S),
            first_box_norm=BOX,
            last_box_norm=last,
        )
        claimed.catalog.put_analysis([], [replace(make_track(number, 0, 1), tracklet=track)])
    car = replace(track, camera_id=CameraId("yard"), object_class=ObjectClass.CAR)
    claimed.catalog.put_analysis([], [replace(make_track(9, 0, 1), tracklet=car)])
    for number, is_forward in ((0, True), (1, False)):
        at = Ns(now - (10 - number) * NS_PER_MINUTE + NS_PER_S)
        one = replace(make_crossing(number, 0), run=RUN, line="door", is_forward=is_forward, utc_ns=at)
        claimed.catalog.put_crossings([one])
    return now


def asked(claimed, now_ns, cameras=("gate", "yard"), minutes=60, **more):
    query = {"camera": list(cameras), "from": now_ns - minutes * NS_PER_MINUTE, "to": now_ns, **more}
    return claimed.client.get("/api/v1/search", params=query)


def numbers(answer):
    assert answer.status_code == 200, answer.text
    return [(one["camera_id"], one["track_id"]) for one in answer.json()["tracks"]]


@pytest.mark.parametrize(
    ("more", "found"),
    [
        ({"class": "car"}, ["yard4"]),
        ({"class": ["person"], "heading": "left"}, ["gate1"]),
        ({"heading": ["right", "towards"]}, ["gate2", "gate0"]),
        ({"heading": "away"}, ["gate3"]),
        ({"line": "door"}, ["gate1", "gate0"]),
        ({"line": "door", "way": "forward"}, ["gate0"]),
        ({"line": "gate"}, []),
        ({"x1": 0.6, "cameras": ("gate",)}, ["gate0"]),
        ({"minutes": 8}, ["gate4", "yard4", "gate3", "gate2"]),
    ],
    ids=["class", "heading", "headings", "up", "line", "way", "other-line", "zone", "time"],
)
def test_search_when_asked_finds_what_fits_newest_first(claimed, now_ns, more, found):
    assert [f"{camera}{track}" for camera, track in numbers(asked(claimed, now_ns, **more))] == found


def test_search_when_there_is_more_goes_on_from_where_it_ended(claimed, now_ns):
    before = claimed.warden.kinds().count(AuditKind.ACCESS_GRANTED)
    first = asked(claimed, now_ns, limit=3)
    assert len(numbers(first)) == 3
    rest = asked(claimed, first.json()["searched_to_ns"], minutes=60, limit=96)
    assert rest.json()["searched_to_ns"] == rest.json()["from_ns"]
    every = numbers(first) + numbers(rest)
    assert len(every) == len(set(every)) == 6
    assert claimed.warden.kinds().count(AuditKind.ACCESS_GRANTED) == before + 1


def test_search_when_an_account_may_see_one_camera_tells_of_no_other(claimed, now_ns):
    accept(claimed, invite(claimed, scope="some", cameras=["yard"]))
    answer = asked(claimed, now_ns)
    assert numbers(answer) == [("yard", 4)]
    assert answer.json()["not_shown"] == ["gate"]
    assert asked(claimed, now_ns, cameras=("gate",)).status_code == 403


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"class": "face"}, 400),
        ({"class": "woman"}, 400),
        ({"way": "forward"}, 400),
        ({"x1": 0.5, "x2": 0.5}, 400),
        ({"cameras": ("attic",)}, 404),
        ({"minutes": 60 * 24 * 40}, 400),
        ({"limit": 97}, 400),
    ],
    ids=["face", "person-kind", "way", "zone", "camera", "long", "many"],
)
def test_search_when_asked_wrongly_refuses(claimed, now_ns, more, status):
    assert asked(claimed, now_ns, **more).status_code == status


def test_page_offers_classes_and_lines_and_nothing_of_a_persons_look(claimed):
    page = claimed.client.get("/search", headers={"accept": "text/html"}).text
    assert 'value="person"' in page
    assert 'value="face"' not in page
    assert 'type="file"' not in page


@pytest.mark.parametrize(
    ("last", "way"),
    [
        (moved(0.2, 0.1), Heading.RIGHT),
        (moved(-0.2, 0.1), Heading.LEFT),
        (moved(0.1, 0.2), Heading.TOWARDS),
        (moved(0, -0.06), Heading.AWAY),
        (moved(0.04, 0.04), None),
    ],
    ids=["right", "left", "towards", "away", "still"],
)
def test_heading_goes_along_the_axis_of_most_way(last, way):
    assert heading(BOX, last) is way
