"""Says when the disk stopped recording and when it goes on again: an event in the catalog, two entries in the log.

The recorder's statuses say of each camera and second whether the disk takes its video (`CameraState`). Here they
become one event a trouble, for people: it begins with the first camera that is not recorded and ends once every camera
has been recorded for `SETTLE_NS`; a disk that retention keeps just short of full would else make an event a minute.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

import structlog

from custodes.app.serving.steps import drain, step_forever
from custodes.ports.catalog_async import AsyncCatalog
from custodes.ports.clock import Clock
from custodes.types.access import AuditKind, AuditRecord
from custodes.types.event import CameraState, CameraStatus, SiteEvent, SiteEventKind
from custodes.units import NS_PER_S, CameraId, Ns

SETTLE_NS = 10 * NS_PER_S
SILENT_NS = 15 * NS_PER_S
"""A camera of which the recorder says nothing for so long is no longer known to be without room."""
LOOK_S = 1.0
MAX_WAITING = 1000
"""Entries kept while the warden is away."""
MAX_CAMERAS = 1024
MAX_DETAIL = 500
ADOPTED = 200
"""Newest events that are looked through for one that lasts."""

_KINDS = {CameraState.DISK_FULL: SiteEventKind.DISK_FULL, CameraState.DISK_ERROR: SiteEventKind.DISK_ERROR}


class Log(Protocol):
    """The one call of `ports.warden.Warden` that is used."""

    async def append(self, record: AuditRecord) -> int:
        """Durable when it returns. Raises: Unavailable."""
        ...


@dataclass(slots=True)
class _Trouble:
    """An event that lasts. Times in `*_mono_ns` are monotonic."""

    event: SiteEvent
    affected: dict[CameraId, int] = field(default_factory=dict)
    """When each camera was last said to be without disk."""
    well_since_mono_ns: int = 0
    well_since_ns: Ns = Ns(0)  # noqa: RUF009 - a NewType of int
    is_stored: bool = False


class DiskWatch:
    """Takes statuses on the event loop; `run` stores and logs."""

    def __init__(
        self,
        *,
        catalog: AsyncCatalog,
        log: Log,
        clock: Clock,
        tell: Callable[[SiteEvent], None] = lambda event: None,
    ) -> None:
        """`tell` is called once for each event, on the loop, when it begins; it must not block."""
        self._tell = tell
        self._catalog = catalog
        self._log = log
        self._clock = clock
        self._lasting: dict[SiteEventKind, _Trouble] = {}
        self._entries: deque[AuditRecord] = deque(maxlen=MAX_WAITING)
        self._over: deque[SiteEvent] = deque(maxlen=MAX_WAITING)
        self._is_adopted = False

    def take(self, status: CameraStatus) -> None:
        """Compare a status with what is known."""
        wrong = _KINDS.get(status.state)
        for kind, trouble in self._lasting.items():
            if kind is not wrong and trouble.affected.pop(status.camera_id, None) is not None:
                self._note_well(trouble)
        if wrong is None:
            return
        lasting = self._lasting.get(wrong)
        if lasting is None:
            lasting = self._lasting[wrong] = _Trouble(
                SiteEvent(
                    kind=wrong,
                    start_ns=self._clock.now_ns(),
                    end_ns=Ns(0),
                    camera_ids=(),
                    detail=status.detail[:MAX_DETAIL],
                )
            )
            structlog.get_logger().error("recording stopped", why=wrong.value, detail=status.detail)
            self._entries.append(_record(lasting.event, "began"))
            self._tell(replace(lasting.event, camera_ids=(status.camera_id,)))
        lasting.affected[status.camera_id] = self._clock.monotonic_ns()
        known = lasting.event.camera_ids
        if status.camera_id not in known and len(known) < MAX_CAMERAS:
            lasting.event = replace(lasting.event, camera_ids=tuple(sorted((*known, status.camera_id))))
            lasting.is_stored = False

    async def run(self) -> None:
        """Store and log for ever, in order; what a full disk or an absent warden refuses is tried again."""
        await step_forever(self.step, every_s=LOOK_S, complaint="an event of the disk waits to be stored")

    async def step(self) -> None:
        """End what is over, store and log what is new. Raises: CustodesError; what is left waits for the next step."""
        if not self._is_adopted:
            await self._adopt()
            self._is_adopted = True
        self._settle()
        await self._store()

    async def _adopt(self) -> None:
        """Go on with what lasted when an earlier server ended; if all is well by now, it ends in a moment."""
        for event in await self._catalog.site_events(ADOPTED):
            if event.end_ns or event.kind not in _KINDS.values():
                continue
            begun = self._lasting.get(event.kind)
            trouble = _Trouble(event, is_stored=True)
            self._note_well(trouble)
            if begun is not None:
                cameras = tuple(sorted({*event.camera_ids, *begun.event.camera_ids}))
                trouble = replace(begun, event=replace(event, camera_ids=cameras))
                self._entries = deque(
                    (one for one in self._entries if one.details["from"] != str(begun.event.start_ns)), MAX_WAITING
                )
            self._lasting[event.kind] = trouble

    def _note_well(self, trouble: _Trouble) -> None:
        trouble.well_since_mono_ns, trouble.well_since_ns = self._clock.monotonic_ns(), self._clock.now_ns()

    def _settle(self) -> None:
        """End what is over."""
        now_ns = self._clock.monotonic_ns()
        for kind, trouble in list(self._lasting.items()):
            for camera_id, said_ns in list(trouble.affected.items()):
                if now_ns - said_ns > SILENT_NS:
                    del trouble.affected[camera_id]
                    self._note_well(trouble)
            if not trouble.affected and now_ns - trouble.well_since_mono_ns >= SETTLE_NS:
                del self._lasting[kind]
                # Not before it began: the machine's clock may have been set meanwhile.
                end_ns = Ns(max(trouble.well_since_ns, trouble.event.start_ns + 1))
                event = replace(trouble.event, end_ns=end_ns)
                structlog.get_logger().info("recording goes on", after=kind.value, cameras=len(event.camera_ids))
                self._over.append(event)
                self._entries.append(_record(event, "over"))

    async def _store(self) -> None:
        for trouble in list(self._lasting.values()):
            if not trouble.is_stored:
                event = trouble.event
                await self._catalog.put_site_event(event)
                trouble.is_stored = trouble.event is event
        await drain(self._over, self._catalog.put_site_event)
        await drain(self._entries, self._log.append)


def _record(event: SiteEvent, state: str) -> AuditRecord:
    details = {"event": event.kind.value, "state": state, "from": str(event.start_ns), "detail": event.detail}
    if event.end_ns:
        details |= {"until": str(event.end_ns), "cameras": str(len(event.camera_ids))}
    return AuditRecord(kind=AuditKind.STORAGE_EVENT, actor="process:server", subject="", details=details)
