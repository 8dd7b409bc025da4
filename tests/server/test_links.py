"""Looks and ended tracks become flows of the hour; with less than `links`, or after a restart, they are made blind."""

import ast
import asyncio
import os
import re
from pathlib import Path

import numpy as np
import pytest

import custodes
from custodes.adapters.sql import sqlite_catalog
from custodes.app.serving.flows import LINKS_SETTLE_NS, FlowService
from custodes.app.serving.links import MAX_WAITING, LinkService
from custodes.testing.catalog import make_spec
from custodes.testing.clock import ManualClock
from custodes.testing.media import vouch
from custodes.testing.web import InlineCatalog
from custodes.track.colours import SIZE
from custodes.types.event import FrameAnalysed, TrackEnded
from custodes.types.flow import FlowGroup, FlowHour
from custodes.types.looks import LooksSeen
from custodes.types.vision import ObjectClass, TrackedFrame, Tracklet
from custodes.units import NS_PER_HOUR, NS_PER_S, CameraId, Ns, RunId

RUN = RunId("00000000cafe")


def frame(camera_id, number, utc_ns, object_class=ObjectClass.PERSON):
    columns = TrackedFrame(
        camera_id=CameraId(camera_id), run=RUN, seq=number, utc_ns=Ns(utc_ns),
        track_ids=np.array([number], np.int64), class_ids=np.array([object_class], np.int16),
        boxes_norm=np.array([[0.1, 0.1, 0.2, 0.5]], np.float32), scores=np.ones(1, np.float32),
        is_measured=np.ones(1, bool),
    )  # fmt: skip
    return FrameAnalysed(frame=columns, valid_from_ns=Ns(utc_ns), quiet_from_ns=Ns(0))


def ended(camera_id, number, start_ns, object_class=ObjectClass.PERSON, seconds=4):
    return TrackEnded(
        tracklet=Tracklet(
            camera_id=CameraId(camera_id), run=RUN, track_id=number, object_class=object_class,
            start_ns=Ns(start_ns), end_ns=Ns(start_ns + seconds * NS_PER_S), frames=20, mean_score=0.8,
            first_box_norm=(0.1, 0.1, 0.2, 0.5), last_box_norm=(0.5, 0.1, 0.6, 0.5),
        )
    )  # fmt: skip


def looked(camera_id, number, utc_ns, colour):
    return LooksSeen(
        camera_id=CameraId(camera_id), run=RUN, utc_ns=Ns(utc_ns),
        track_ids=np.array([number], np.int64), looks=colour[None, :].copy(),
    )  # fmt: skip


def coat(rng):
    return np.where(rng.random(SIZE) < 0.03, rng.integers(60, 255, SIZE), 0).astype(np.uint8) | np.uint8(1)


class Street:
    """Steps of ten seconds. People walk from gate to hall in 40 ± 5 s, one each twelve seconds, in their own coats."""

    def __init__(self, clock, service):
        self.clock, self.service = clock, service
        self.rng = np.random.default_rng(3)
        self.due: list = []
        self.ended: list = []
        self.next_ns, self.number = clock.now_ns(), 0

    def walk(self, minutes):
        async def main():
            for _ in range(round(minutes * 6)):
                self.clock.advance(10 * NS_PER_S)
                self._come()
                await self.service.step()

        asyncio.run(main())

    def _come(self):
        now_ns = self.clock.now_ns()
        while self.next_ns < now_ns:
            colour, self.number = coat(self.rng), self.number + 2
            hall_ns = self.next_ns + round(self.rng.normal(40, 5) * NS_PER_S)
            self.due += [("gate", self.number, self.next_ns, colour), ("hall", self.number + 1, hall_ns, colour)]
            self.next_ns += round(self.rng.exponential(12) * NS_PER_S)
        late = [one for one in self.due if one[2] + 6 * NS_PER_S < now_ns]
        self.due = [one for one in self.due if one[2] + 6 * NS_PER_S >= now_ns]
        for camera_id, number, start_ns, colour in late:
            noise = np.clip(colour + self.rng.integers(-12, 13, SIZE) * (colour > 1), 1, 255).astype(np.uint8)
            self.service.take_looks(looked(camera_id, number, start_ns + NS_PER_S, noise))
            self.service.take_frames(CameraId(camera_id), [frame(camera_id, number, start_ns + NS_PER_S)])
            fact = ended(camera_id, number, start_ns)
            self.ended.append(fact)
            self.service.take_ended([fact])


@pytest.fixture(scope="module")
def hour():
    """An hour of a street that was linked, with its flows; and the same tracks in a server that had just begun."""
    clock = ManualClock()
    clock.advance(2 * NS_PER_HOUR - clock.now_ns() % NS_PER_HOUR - 900 * NS_PER_S)
    service = LinkService(clock=clock, wish="links", draw=os.urandom)
    street = Street(clock, service)
    street.walk(15 + 60 + LINKS_SETTLE_NS / NS_PER_S / 60 + 1)
    return clock, service, street


def flows(path, clock, ended_facts, links):
    catalog = sqlite_catalog(path, site_id="ab" * 8, clock=clock)
    catalog.put_cameras([make_spec("gate"), make_spec("hall")], is_exclusive=True)
    start_ns = (clock.now_ns() - LINKS_SETTLE_NS) // NS_PER_HOUR * NS_PER_HOUR - NS_PER_HOUR
    times = list(range(start_ns, start_ns + NS_PER_HOUR, 10 * NS_PER_S))
    for camera_id in ("gate", "hall"):
        catalog.put_analysis(vouch(times, [[]] * len(times), camera_id=camera_id, run=str(RUN)), [])
    catalog.put_analysis([], ended_facts)
    flow = FlowService(catalog=InlineCatalog.over(catalog), clock=clock, min_group=10, links=links)
    asyncio.run(flow.sweep())
    found = catalog.figures(FlowHour, None, Ns(start_ns), Ns(start_ns + 1), 9)
    catalog.close()
    return {one.group: one for one in found}, start_ns


def test_flows_of_the_hour_are_made_from_links_where_there_are_any(hour, tmp_path):
    clock, service, street = hour
    start_ns = (clock.now_ns() - LINKS_SETTLE_NS) // NS_PER_HOUR * NS_PER_HOUR - NS_PER_HOUR
    assert service.hour(start_ns, FlowGroup.PEOPLE) is not None
    assert service.hour(start_ns, FlowGroup.VEHICLES) is None
    mine = [one for one in street.ended if start_ns <= one.tracklet.start_ns < start_ns + NS_PER_HOUR]
    found, _ = flows(tmp_path / "linked.db", clock, mine, service)
    (cell,) = found[FlowGroup.PEOPLE].cells
    went = sum(one.tracklet.camera_id == "hall" for one in mine)
    assert (cell.from_camera, cell.to_camera) == ("gate", "hall")
    assert abs(cell.count - went) < 0.1 * went
    assert cell.by_links == 1.0
    assert found[FlowGroup.PEOPLE].linked > 0.9
    assert found[FlowGroup.VEHICLES].linked is None
    assert service.hour(start_ns, FlowGroup.PEOPLE) is None, "once made, links of an hour are gone"

    again = LinkService(clock=clock, wish="links", draw=os.urandom)
    blind, _ = flows(tmp_path / "blind.db", clock, mine, again)
    assert blind[FlowGroup.PEOPLE].linked is None
    assert all(one.by_links == 0.0 for one in blind[FlowGroup.PEOPLE].cells)


def test_in_the_end_no_look_of_anybody_is_left(hour):
    _, service, _ = hour
    books = list(service._books.values())
    assert service.looks > 0
    service.forget()
    assert service.looks == service.tracks == 0
    assert not any(book.places.own.any() or book.places.front.any() for book in books)
    assert not any(waiting._rows.any() for waiting in (service._waiting, service._spare))


@pytest.mark.parametrize("wish", ["none", "dots"])
def test_with_less_than_links_nothing_is_taken(wish):
    clock = ManualClock()
    service = LinkService(clock=clock, wish=wish, draw=os.urandom)
    street = Street(clock, service)
    street.walk(2)
    assert street.ended
    assert (service.looks, service.tracks, service.dropped, len(service._tracks)) == (0, 0, 0, 0)


def test_people_and_vehicles_are_never_in_one_book():
    clock = ManualClock()
    service = LinkService(clock=clock, wish="links", draw=os.urandom)
    now_ns, rng = clock.now_ns(), np.random.default_rng(1)
    for number, object_class in enumerate((ObjectClass.PERSON, ObjectClass.CAR, ObjectClass.PERSON)):
        service.take_looks(looked("gate", number, now_ns, coat(rng)))
        service.take_frames(CameraId("gate"), [frame("gate", number, now_ns, object_class)])
    asyncio.run(service.step())
    assert {group: book.tracks for group, book in service._books.items()} == {
        FlowGroup.PEOPLE: 2,
        FlowGroup.VEHICLES: 1,
    }
    assert service.looks == 3


def test_looks_that_wait_are_bounded_and_what_is_lost_is_counted():
    clock = ManualClock()
    service = LinkService(clock=clock, wish="links", draw=os.urandom)
    colour = coat(np.random.default_rng(1))
    for number in range(MAX_WAITING + 30):
        service.take_looks(looked("gate", number, clock.now_ns(), colour))
    assert service.looks == MAX_WAITING
    assert service.dropped == 30
    for _ in range(5):
        service.take_looks(looked("gate", 3, clock.now_ns(), colour))
    assert service.dropped == 30, "once a second is enough"


def test_a_clock_that_was_set_begins_anew():
    clock = ManualClock()
    service = LinkService(clock=clock, wish="links", draw=os.urandom)
    street = Street(clock, service)
    street.walk(3)
    assert service.looks > 0
    clock.jump(3600 * NS_PER_S)
    asyncio.run(service.step())
    assert service.looks == service.tracks == 0


ALLOWED = {
    "app/server.py", "app/serving/flows.py", "app/serving/links.py",
    "journey/flows.py", "journey/link_book.py", "journey/link_hours.py",
    "journey/link_pairs.py",
}  # fmt: skip
HOLDERS = {
    "custodes.app.serving.links",
    "custodes.journey.link_book",
    "custodes.journey.link_hours",
    "custodes.journey.link_pairs",
}


def test_nothing_but_the_hours_flows_can_reach_a_link():
    """No page, API, metric, message, follower, centre or Ray cell: whoever would tell of links has to import them, and
    only these do. Monitoring is told how many found no place, of nobody."""
    root = Path(custodes.__file__).parent
    importing = set()
    for path in root.rglob("*.py"):
        text = path.read_text()
        for node in (
            ast.walk(ast.parse(text)) if re.search(r"\b(links|link_book|link_hours|link_pairs)\b", text) else ()
        ):
            names = (
                {node.module or ""} | {f"{node.module}.{one.name}" for one in node.names}
                if isinstance(node, ast.ImportFrom)
                else {one.name for one in node.names}
                if isinstance(node, ast.Import)
                else set()
            )
            if names & HOLDERS:
                importing.add(path.relative_to(root).as_posix())
    assert importing <= ALLOWED
    server = (root / "app" / "server.py").read_text()
    told = [line.strip() for line in server.splitlines() if "self._links" in line]
    assert all(
        any(word in line for word in ("LinkService(", "take_", "min_group=", ".run()", ".forget", ".dropped)"))
        for line in told
    ), told
