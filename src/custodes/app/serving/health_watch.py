"""Says when a camera goes down, is tampered with or tells a wrong time, when the disk will not do, and when an audit
found something new: an event in the catalog, entries in the log, and news for rules.

Recorder and analyser say every second how things are; here that becomes an event with a beginning and an end. What is
said of the past is said once. Trouble of the disk itself is `disk_watch`'s.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Protocol

import structlog

from custodes.app.serving.steps import drain, step_forever
from custodes.errors import Unavailable
from custodes.fleet.audit import FleetReport
from custodes.fleet.health import HealthReport
from custodes.ports.catalog_async import AsyncCatalog
from custodes.ports.clock import Clock
from custodes.types.access import AuditKind, AuditRecord
from custodes.types.event import (
    HEARD,
    AnalyserStatus,
    CameraState,
    CameraStatus,
    DeviceWord,
    SiteEvent,
    SiteEventKind,
    TamperKind,
)
from custodes.types.face_message import ZoneLoads
from custodes.types.stream import is_second
from custodes.units import NS_PER_S, CameraId, Ns

DOWN_NS = 30 * NS_PER_S
"""A camera that starts anew is back within this."""
CLOCK_NS = 60 * NS_PER_S
CLOCK_OFF_NS = 5 * NS_PER_S
"""A stamp in the picture is then visibly wrong, and some cameras refuse logins (WS-Security's Created)."""
SETTLE_NS = 15 * NS_PER_S
"""What is well for so long is over."""
DEVICE_SETTLE_NS = 300 * NS_PER_S
MOTION_SETTLE_NS = 900 * NS_PER_S
"""Of what a device says itself: no more than 12 events an hour of each kind, and 4 stretches of motion, whatever it
sends."""
LOOK_S = 1.0
MEASURE_S = 300.0
MAX_WAITING = 1000
MAX_DETAIL = 500
ADOPTED = 500
"""Newest events that are looked through for those that last, after a start."""

TAMPERINGS = {
    TamperKind.COVERED: SiteEventKind.CAMERA_COVERED,
    TamperKind.MOVED: SiteEventKind.CAMERA_MOVED,
    TamperKind.DEFOCUSED: SiteEventKind.CAMERA_DEFOCUSED,
    TamperKind.REPLAYED: SiteEventKind.CAMERA_REPLAYED,
}
SAYINGS = {
    DeviceWord.MOTION: SiteEventKind.DEVICE_MOTION,
    DeviceWord.TAMPERING: SiteEventKind.DEVICE_TAMPERING,
    DeviceWord.INPUT: SiteEventKind.DEVICE_INPUT,
    DeviceWord.STORAGE: SiteEventKind.DEVICE_STORAGE,
}
_UNLOGGED = {SiteEventKind.DEVICE_MOTION, SiteEventKind.DEVICE_INPUT}
"""What happens before a camera is no matter of its health: an event, and no entry in the log."""
_SETTLE_NS = {
    **dict.fromkeys(SAYINGS.values(), DEVICE_SETTLE_NS),
    SiteEventKind.DEVICE_MOTION: MOTION_SETTLE_NS,
}
_DOWN = {
    CameraState.UNREACHABLE,
    CameraState.UNAUTHORIZED,
    CameraState.GARBAGE,
    CameraState.NO_VIDEO,
    CameraState.STALLED,
    CameraState.NO_KEY,
}
_OF_CAMERA = {
    SiteEventKind.CAMERA_DOWN,
    SiteEventKind.CLOCK_DRIFT,
    SiteEventKind.RECOGNITION_DRIFT,
    *TAMPERINGS.values(),
    *SAYINGS.values(),
}
_KINDS = _OF_CAMERA | {SiteEventKind.DISK_FORECAST}
_Key = tuple[SiteEventKind, CameraId]


class Told(Protocol):
    """Findings of audits that were told, over restarts."""

    def read(self) -> dict[str, frozenset[str]] | None:
        """Rules by device; None before the first audit. Raises: CustodesError."""
        ...

    def write(self, told: dict[str, frozenset[str]]) -> None:
        """Keep them. Raises: CustodesError."""
        ...


class Log(Protocol):
    """The one call of `ports.warden.Warden` that is used."""

    async def append(self, record: AuditRecord) -> int:
        """Durable when it returns. Raises: Unavailable."""
        ...


@dataclass(slots=True)
class _Trouble:
    """May become an event; is one from `is_event` on."""

    event: SiteEvent
    since_mono_ns: int
    hold_ns: int
    is_event: bool = False
    is_stored: bool = False
    well_since_mono_ns: int | None = None
    well_since_ns: Ns = Ns(0)  # noqa: RUF009 - a NewType of int


class HealthWatch:
    """Takes statuses on the event loop; `run` stores, logs and measures."""

    def __init__(
        self,
        *,
        catalog: AsyncCatalog,
        log: Log,
        clock: Clock,
        tell: Callable[[SiteEvent], None],
        health: Callable[[], Awaitable[HealthReport]],
        fleet: Callable[[], Awaitable[FleetReport]],
        told: Told,
        loads: Callable[[], Awaitable[ZoneLoads]] | None = None,
    ) -> None:
        """`tell` is called once for each event, on the loop, when it begins; it must not block. `loads`: of the zones
        of recognition, where that is on."""
        self._catalog = catalog
        self._log = log
        self._clock = clock
        self._tell = tell
        self._health = health
        self._fleet = fleet
        self._troubles: dict[_Key, _Trouble] = {}
        self._over: deque[SiteEvent] = deque(maxlen=MAX_WAITING)
        self._entries: deque[AuditRecord] = deque(maxlen=MAX_WAITING)
        self._is_adopted = False
        self._told = told
        self._loads = loads
        self._measured_ns: int | None = None

    def take_camera(self, status: CameraStatus) -> None:
        """Compare the recorder's word with what is known."""
        if is_second(status.camera_id):
            return
        if status.state in _DOWN:
            detail = status.detail or status.state.value.replace("_", " ")
            self._note(SiteEventKind.CAMERA_DOWN, status.camera_id, detail, hold_ns=DOWN_NS)
        elif status.state is not CameraState.STARTING:  # disabled, ended and a full disk are no outage of its own
            self._note_well(SiteEventKind.CAMERA_DOWN, status.camera_id)
        offset_ns = status.clock.camera_offset_ns
        if status.state is CameraState.RECORDING and offset_ns is not None:
            if abs(offset_ns) >= CLOCK_OFF_NS:
                seconds = abs(offset_ns) / NS_PER_S
                detail = (
                    f"it is {seconds:.0f} s ahead of this machine's"
                    if offset_ns > 0
                    else f"it is {seconds:.0f} s behind this machine's"
                )
                self._note(SiteEventKind.CLOCK_DRIFT, status.camera_id, detail, hold_ns=CLOCK_NS)
            else:
                self._note_well(SiteEventKind.CLOCK_DRIFT, status.camera_id)
        said = {SAYINGS[one.word]: one for one in status.device_says}
        for kind in SAYINGS.values():
            if kind in said:
                self._note(kind, status.camera_id, said[kind].detail, hold_ns=0, start_ns=said[kind].start_ns)
            elif status.device_events in ("", HEARD):  # of a device that is not heard nothing is known
                self._note_well(kind, status.camera_id)

    def take_analyser(self, status: AnalyserStatus) -> None:
        """What an analyser sees done to a camera. It waited before it said so; nothing is waited for here."""
        if is_second(status.camera_id):
            return
        said = {TAMPERINGS[one.kind]: one for one in status.tampering}
        for kind in TAMPERINGS.values():
            if kind in said:
                self._note(kind, status.camera_id, said[kind].detail, hold_ns=0, start_ns=said[kind].start_ns)
            elif status.run:  # between two runs nothing is seen, so nothing is well
                self._note_well(kind, status.camera_id)

    def _note(
        self, kind: SiteEventKind, camera_id: CameraId, detail: str, *, hold_ns: int, start_ns: Ns | None = None
    ) -> None:
        key = (kind, camera_id)
        known = self._troubles.get(key)
        if known is not None:
            known.well_since_mono_ns = None
            return
        start_ns = self._clock.now_ns() if start_ns is None else start_ns
        taken = {one.event.start_ns for other, one in self._troubles.items() if other[0] is kind}
        while start_ns in taken:  # the catalog knows an event by kind and beginning
            start_ns = Ns(start_ns + 1)
        event = SiteEvent(
            kind=kind,
            start_ns=start_ns,
            end_ns=Ns(0),
            camera_ids=(camera_id,) if camera_id else (),
            detail=detail[:MAX_DETAIL],
        )
        self._troubles[key] = _Trouble(event, self._clock.monotonic_ns(), hold_ns)

    def _note_well(self, kind: SiteEventKind, camera_id: CameraId) -> None:
        known = self._troubles.get((kind, camera_id))
        if known is None:
            return
        if not known.is_event:
            del self._troubles[kind, camera_id]
        elif known.well_since_mono_ns is None:
            known.well_since_mono_ns, known.well_since_ns = self._clock.monotonic_ns(), self._clock.now_ns()

    async def run(self) -> None:
        """For ever, in order; what catalog or warden refuse is tried again."""
        await step_forever(self.step, every_s=LOOK_S, complaint="an event of a camera waits to be stored")

    async def step(self) -> None:
        """Begin and end what is due, store and log it. Raises: CustodesError; what is left waits."""
        if not self._is_adopted:
            await self._adopt()
            self._is_adopted = True
        now_ns = self._clock.monotonic_ns()
        if self._measured_ns is None or now_ns - self._measured_ns >= MEASURE_S * NS_PER_S:
            self._measured_ns = now_ns
            await self._measure()
        self._settle()
        await self._store()

    async def _adopt(self) -> None:
        """Go on with what lasted when an earlier server ended; if all is well by now, it ends in a moment."""
        for event in await self._catalog.site_events(ADOPTED):
            if event.end_ns or event.kind not in _KINDS:
                continue
            key = (event.kind, event.camera_ids[0] if event.camera_ids else CameraId(""))
            lasting = _Trouble(event, self._clock.monotonic_ns(), 0, is_event=True, is_stored=True)
            self._troubles[key] = lasting

    async def _measure(self) -> None:
        """What changes in hours: cameras that are gone, the disk's forecast, the audit."""
        known = {one.camera_id for one in await self._catalog.cameras() if one.is_enabled}
        for kind, camera_id in list(self._troubles):
            if kind in _OF_CAMERA and camera_id not in known:
                self._note_well(kind, camera_id)
        await self._measure_zones()
        storage = (await self._health()).storage
        if storage.full_in_days is None:
            self._note_well(SiteEventKind.DISK_FORECAST, CameraId(""))
        else:
            detail = (
                f"full in {storage.full_in_days:.1f} days; recordings then reach back {storage.reach_days:.1f} days"
            )
            self._note(SiteEventKind.DISK_FORECAST, CameraId(""), detail, hold_ns=0)
        report = await self._fleet()
        before = await asyncio.to_thread(self._told.read)
        now = {one.seen.device_id: frozenset(found.rule for found in one.findings) for one in report.devices}
        if now == (before or {}):
            return
        if before is not None:
            self._compare(before, now)
        await asyncio.to_thread(self._told.write, now)

    async def _measure_zones(self) -> None:
        """Whether strangers score in the zones as they did. Of a zone that is off nothing is known."""
        if self._loads is None:
            return
        try:
            zones = (await self._loads()).zones
        except Unavailable:
            return  # recognition is down, and its process is watched by the supervisor
        drifting = {one.camera_id for one in zones if one.is_drifting}
        for camera_id in {one.camera_id for one in zones}:
            if camera_id in drifting:
                detail = "look at the camera: a new lamp, a turned lens, dirt? Error rates are not those approved"
                self._note(SiteEventKind.RECOGNITION_DRIFT, camera_id, detail, hold_ns=0)
            else:
                self._note_well(SiteEventKind.RECOGNITION_DRIFT, camera_id)

    def _compare(self, before: dict[str, frozenset[str]], now: dict[str, frozenset[str]]) -> None:
        """Tell findings that the newest audit has and the one before had not."""
        for device_id, rules in sorted(now.items()):
            fresh = sorted(rules - before.get(device_id, frozenset()))
            if fresh:
                moment = self._clock.now_ns()
                while any(one.start_ns == moment for one in self._over):
                    moment = Ns(moment + 1)
                detail = f"{len(fresh)} new: {', '.join(fresh)}"[:MAX_DETAIL]
                event = SiteEvent(
                    kind=SiteEventKind.FLEET_FINDING,
                    start_ns=moment,
                    end_ns=Ns(moment + 1),
                    camera_ids=(CameraId(device_id),),
                    detail=detail,
                )
                self._begin(event)
                self._over.append(event)

    def _begin(self, event: SiteEvent) -> None:
        structlog.get_logger().warning(event.kind.value, cameras=event.camera_ids, detail=event.detail)
        self._enter(event, "began")
        self._tell(event)

    def _settle(self) -> None:
        now_ns = self._clock.monotonic_ns()
        for key, one in list(self._troubles.items()):
            if not one.is_event and now_ns - one.since_mono_ns >= one.hold_ns:
                one.is_event = True
                self._begin(one.event)
            well_ns = one.well_since_mono_ns
            if one.is_event and well_ns is not None and now_ns - well_ns >= _SETTLE_NS.get(key[0], SETTLE_NS):
                del self._troubles[key]
                # Not before it began: the machine's clock may have been set meanwhile.
                event = replace(one.event, end_ns=Ns(max(one.well_since_ns, one.event.start_ns + 1)))
                structlog.get_logger().info("over", what=event.kind.value, cameras=event.camera_ids)
                self._over.append(event)
                self._enter(event, "over")

    def _enter(self, event: SiteEvent, state: str) -> None:
        if event.kind not in _UNLOGGED:
            self._entries.append(_record(event, state))

    async def _store(self) -> None:
        for one in list(self._troubles.values()):
            if one.is_event and not one.is_stored:
                await self._catalog.put_site_event(one.event)
                one.is_stored = True
        await drain(self._over, self._catalog.put_site_event)
        await drain(self._entries, self._log.append)


def _record(event: SiteEvent, state: str) -> AuditRecord:
    details = {"event": event.kind.value, "state": state, "from": str(event.start_ns), "detail": event.detail}
    if event.end_ns:
        details["until"] = str(event.end_ns)
    subject = event.camera_ids[0] if event.camera_ids else ""
    return AuditRecord(kind=AuditKind.CAMERA_HEALTH, actor="process:server", subject=subject, details=details)
