"""Trouble with a camera, the disk's forecast and the fleet: one event each, two entries in the log, told once."""

import asyncio
from dataclasses import replace

import pytest
from tests.server.test_live_state import analyser_status, camera_status
from tests.server.test_signers import RecordingLog

from custodes.adapters.sql import sqlite_catalog
from custodes.app.serving.fleet import ToldFindings
from custodes.app.serving.health_watch import (
    CLOCK_NS,
    DOWN_NS,
    MEASURE_S,
    MOTION_SETTLE_NS,
    SETTLE_NS,
    HealthWatch,
)
from custodes.config import SitePaths
from custodes.errors import Unavailable
from custodes.fleet.audit import judge_fleet
from custodes.fleet.health import HealthReport, StorageForecast
from custodes.fleet.knowledge import load_knowledge
from custodes.fleet.observation import Observation, OnvifSeen
from custodes.testing.catalog import make_spec
from custodes.testing.clock import ManualClock
from custodes.testing.web import InlineCatalog
from custodes.types.event import HEARD, CameraState, DeviceSaying, DeviceWord, SiteEventKind, Tampering, TamperKind
from custodes.types.face_message import ScoreSource, ZoneLoad, ZoneLoads
from custodes.types.media import ClockReading
from custodes.types.stream import second_of
from custodes.units import NS_PER_S, CameraId, Ns

GATE = CameraId("gate")
FITS = StorageForecast(bytes_per_day=1, needed_bytes=1, available_bytes=2, full_in_days=None, reach_days=30.0)


class Watched:
    """A watch over a real catalog."""

    def __init__(self, catalog, folder):
        self.clock, self.log, self.told = ManualClock(), RecordingLog(), []
        self.catalog = catalog
        self.storage, self.devices, self.findings = FITS, (), ToldFindings(SitePaths(folder))
        self.loads = ()
        self.new_watch()

    def new_watch(self):
        self.watch = HealthWatch(
            catalog=InlineCatalog(self.catalog), log=self.log, clock=self.clock, tell=self.told.append,
            health=self._health, fleet=self._fleet, told=self.findings, loads=self._loads,
        )  # fmt: skip

    async def _loads(self):
        if self.loads is None:
            raise Unavailable("recognition is down")
        return ZoneLoads(zones=self.loads)

    async def _health(self):
        return HealthReport(start_ns=Ns(0), end_ns=Ns(1), cameras=(), storage=self.storage)

    async def _fleet(self):
        return judge_fleet(self.devices, load_knowledge(), now_ns=self.clock.now_ns())

    def recorder(self, state, detail="", **more):
        self.watch.take_camera(replace(camera_status(self.clock, state, detail), camera_id=GATE, **more))

    def analyser(self, *tampering, camera=GATE):
        self.watch.take_analyser(replace(analyser_status(self.clock, 1), camera_id=camera, tampering=tampering))

    def step(self, ns=NS_PER_S):
        self.clock.advance(ns)
        asyncio.run(self.watch.step())
        return self.catalog.site_events(9)


@pytest.fixture
def watched(tmp_path):
    catalog = sqlite_catalog(tmp_path / "catalog.db", site_id="ab" * 8, clock=ManualClock())
    catalog.put_cameras([make_spec(), replace(make_spec(), camera_id=CameraId("yard"))], is_exclusive=False)
    yield Watched(catalog, tmp_path / "site")
    catalog.close()


def states(watched):
    return [(record.details["event"], record.details["state"]) for record in watched.log.records]


def test_a_camera_that_is_down_is_one_event_with_both_ends(watched):
    watched.recorder(CameraState.UNREACHABLE, "nobody answers")
    assert watched.step() == []
    watched.recorder(CameraState.STARTING)
    (event,) = watched.step(DOWN_NS)
    assert (event.kind, event.camera_ids, event.end_ns) == (SiteEventKind.CAMERA_DOWN, (GATE,), 0)
    assert event.detail == "nobody answers"
    watched.recorder(CameraState.RECORDING)
    watched.step()
    watched.recorder(CameraState.UNREACHABLE)
    watched.recorder(CameraState.RECORDING)
    (event,) = watched.step(SETTLE_NS - NS_PER_S)
    assert event.end_ns == 0
    (event,) = watched.step(2 * NS_PER_S)
    assert event.end_ns > event.start_ns
    assert states(watched) == [("camera_down", "began"), ("camera_down", "over")]
    assert [one.kind for one in watched.told] == [SiteEventKind.CAMERA_DOWN]


def test_a_camera_that_starts_anew_is_not_down(watched):
    watched.recorder(CameraState.STALLED)
    watched.step()
    watched.recorder(CameraState.RECORDING)
    assert watched.step(2 * DOWN_NS) == []


def test_tampering_is_told_with_its_beginning_and_its_measure(watched):
    said = Tampering(kind=TamperKind.MOVED, start_ns=Ns(7), detail="12% to the right")
    watched.analyser(said)
    watched.analyser(said)
    watched.analyser(said, camera=second_of(GATE))
    watched.analyser(said, camera=CameraId("yard"))
    yard, gate = watched.step()
    assert (gate.kind, gate.start_ns, gate.detail) == (SiteEventKind.CAMERA_MOVED, 7, "12% to the right")
    assert (yard.start_ns, yard.camera_ids) == (8, ("yard",)), "kind and beginning are the catalog's key"
    watched.analyser()
    watched.analyser(said, camera=CameraId("yard"))
    watched.step()
    yard, gate = watched.step(SETTLE_NS)
    assert gate.end_ns
    assert not yard.end_ns


def test_what_a_device_says_is_an_event_and_few_of_them(watched):
    storage = DeviceSaying(word=DeviceWord.STORAGE, start_ns=Ns(7), detail="StorageFailure 1")
    motion = DeviceSaying(word=DeviceWord.MOTION, start_ns=Ns(8), detail="Motion 1")
    watched.recorder(CameraState.RECORDING, device_events=HEARD, device_says=(storage, motion))
    assert {one.kind for one in watched.step()} == {SiteEventKind.DEVICE_STORAGE, SiteEventKind.DEVICE_MOTION}
    assert states(watched) == [("device_storage", "began")], "motion is no matter for the audit log"
    watched.recorder(CameraState.RECORDING, device_events="it has not answered for 30 s")
    watched.step()
    assert all(not one.end_ns for one in watched.step(MOTION_SETTLE_NS)), "not heard is not over"
    for _ in range(20):
        watched.recorder(CameraState.RECORDING, device_events=HEARD)
        watched.step(MOTION_SETTLE_NS // 2)
        watched.recorder(CameraState.RECORDING, device_events=HEARD, device_says=(motion,))
        watched.step()
    found = {one.kind: one for one in watched.step()}
    assert len(watched.catalog.site_events(99)) == 2, "flapping is one stretch"
    assert found[SiteEventKind.DEVICE_STORAGE].end_ns
    assert not found[SiteEventKind.DEVICE_MOTION].end_ns
    watched.recorder(CameraState.RECORDING)
    watched.step()
    assert all(one.end_ns for one in watched.step(MOTION_SETTLE_NS))


def test_a_clock_that_is_wrong_is_told_and_one_of_a_camera_that_is_right_is_not(watched):
    watched.recorder(CameraState.RECORDING, clock=ClockReading(camera_offset_ns=2 * NS_PER_S))
    assert watched.step(2 * CLOCK_NS) == []
    watched.recorder(CameraState.RECORDING, clock=ClockReading(camera_offset_ns=-90 * NS_PER_S))
    watched.step()
    (event,) = watched.step(CLOCK_NS)
    assert (event.kind, event.detail) == (SiteEventKind.CLOCK_DRIFT, "it is 90 s behind this machine's")


def test_a_disk_that_will_be_too_small_is_told_until_it_is_not(watched):
    watched.storage = replace(FITS, full_in_days=3.2, reach_days=11.0)
    (event,) = watched.step()
    assert (event.kind, event.camera_ids) == (SiteEventKind.DISK_FORECAST, ())
    assert "full in 3.2 days" in event.detail
    watched.storage = FITS
    watched.step(int(MEASURE_S * NS_PER_S))
    (event,) = watched.step(SETTLE_NS)
    assert event.end_ns


def test_only_what_an_audit_finds_anew_is_told(watched):
    def device(manufacturer):
        return Observation(device_id="gate", name="gate", host="10.0.0.1", observed_ns=watched.clock.now_ns(),
                           onvif=OnvifSeen(manufacturer=manufacturer, model="x", firmware="1"))  # fmt: skip

    watched.devices = (device("Axis"),)
    assert watched.step() == []
    watched.devices = (device("Hikvision"),)
    watched.new_watch()
    watched.step()
    watched.new_watch()
    (event,) = watched.step(int(MEASURE_S * NS_PER_S))
    assert (event.kind, event.camera_ids) == (SiteEventKind.FLEET_FINDING, (GATE,))
    assert "ndaa" in event.detail.lower()
    assert watched.step(int(MEASURE_S * NS_PER_S)) == [event]


def test_what_lasts_goes_on_after_a_restart_and_is_not_told_again(watched):
    watched.recorder(CameraState.UNREACHABLE)
    watched.step()
    watched.step(DOWN_NS)
    watched.new_watch()
    watched.recorder(CameraState.UNREACHABLE)
    (event,) = watched.step(2 * DOWN_NS)
    assert not event.end_ns
    watched.recorder(CameraState.RECORDING)
    watched.step()
    (event,) = watched.step(SETTLE_NS)
    assert event.end_ns
    assert len(watched.told) == 1


def test_a_log_that_refuses_is_asked_again(watched):
    watched.log = RecordingLog(1)
    watched.new_watch()
    watched.analyser(Tampering(kind=TamperKind.COVERED, start_ns=Ns(7), detail="80%"))
    with pytest.raises(Unavailable):
        watched.step()
    watched.step()
    assert states(watched) == [("camera_covered", "began")]


def test_zone_whose_strangers_score_otherwise_is_an_event_until_they_do_not(watched):
    def load(zone_id, *, is_drifting):
        return ZoneLoad(
            zone_id=zone_id, people=3, templates=9, threshold=0.9, source=ScoreSource.PROBES, is_drifting=is_drifting,
            camera_id=GATE, probes=900, candidates=1, foreign=0,
        )  # fmt: skip

    measure = int(MEASURE_S * NS_PER_S)
    watched.loads = (load("a", is_drifting=False), load("b", is_drifting=True))
    (event,) = watched.step()
    assert (event.kind, event.camera_ids, event.end_ns) == (SiteEventKind.RECOGNITION_DRIFT, (GATE,), 0)
    watched.loads = None
    assert watched.step(measure)[0].end_ns == 0, "of what is down nothing is known"
    watched.loads = (load("b", is_drifting=False),)
    watched.step(measure)
    assert watched.step(SETTLE_NS)[0].end_ns > 0
    assert states(watched) == [("recognition_drift", "began"), ("recognition_drift", "over")]
    assert len(watched.told) == 1
