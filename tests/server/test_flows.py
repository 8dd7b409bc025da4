"""Hours of flows are made when they are over, once, and from the catalog's own rows."""

import asyncio

from custodes.adapters.sql import sqlite_catalog
from custodes.app.serving.flows import SETTLE_NS, FlowService
from custodes.testing.catalog import make_spec
from custodes.testing.clock import ManualClock
from custodes.testing.media import vouch
from custodes.testing.web import InlineCatalog
from custodes.types.event import TrackEnded
from custodes.types.flow import FlowGroup, FlowHour
from custodes.types.vision import ObjectClass, Tracklet
from custodes.units import NS_PER_HOUR, NS_PER_S, CameraId, Ns, RunId


def ended(number, start_ns):
    return TrackEnded(
        tracklet=Tracklet(
            camera_id=CameraId("gate"),
            run=RunId("00000000cafe"),
            track_id=number,
            object_class=ObjectClass.PERSON,
            start_ns=Ns(start_ns),
            end_ns=Ns(start_ns + 20 * NS_PER_S),
            frames=20,
            mean_score=0.8,
            first_box_norm=(0.1, 0.1, 0.2, 0.5),
            last_box_norm=(0.5, 0.1, 0.6, 0.5),
        )
    )


def test_an_hour_is_made_once_and_says_nothing_new_later(tmp_path):
    clock = ManualClock()
    catalog = sqlite_catalog(tmp_path / "catalog.db", site_id="ab" * 8, clock=clock)
    catalog.put_cameras([make_spec("gate"), make_spec("yard")], is_exclusive=True)
    start_ns = clock.now_ns() // NS_PER_HOUR * NS_PER_HOUR
    times = list(range(start_ns, start_ns + NS_PER_HOUR // 2, 2 * NS_PER_S))
    catalog.put_analysis(vouch(times, [[(0.1, 0.1, 0.2, 0.2)]] * len(times), camera_id="gate", run="00000000cafe"), [])
    catalog.put_analysis([], [ended(number, start_ns + number * 60 * NS_PER_S) for number in range(1, 13)])
    service = FlowService(catalog=InlineCatalog.over(catalog), clock=clock, min_group=10)

    def made():
        asyncio.run(service.sweep())
        return catalog.figures(FlowHour, None, Ns(0), Ns(2**62), 99)

    clock.advance(start_ns + NS_PER_HOUR - clock.now_ns())
    assert made() == []
    clock.advance(SETTLE_NS)
    people, vehicles = made()
    assert (people.group, vehicles.group) == (FlowGroup.PEOPLE, FlowGroup.VEHICLES)
    (place,) = people.places
    assert (place.camera_id, place.dwell_median_s) == ("gate", 20.0)
    assert abs(place.coverage - 0.5) < 0.01
    assert vehicles.places[0].dwell_median_s is None
    catalog.put_analysis([], [ended(99, start_ns + 5 * NS_PER_S)])
    assert made() == [people, vehicles]
    again = FlowService(catalog=InlineCatalog.over(catalog), clock=clock, min_group=10)
    asyncio.run(again.sweep())
    assert catalog.figures(FlowHour, None, Ns(0), Ns(2**62), 99) == [people, vehicles]
    catalog.close()
