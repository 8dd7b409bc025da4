"""Rules: watch what is counted and found, and tell others. They tell numbers and incidents, never who somebody is.

What cannot be told is tried again a few times and then dropped, and said in the log file: it is news, not a record.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import InitVar, dataclass, field

import numpy as np
import numpy.typing as npt
import structlog

from custodes.config.rules import RuleConfig
from custodes.errors import CustodesError, Unavailable
from custodes.journey.waiting import QueueNow
from custodes.ports.catalog_async import AsyncCatalog
from custodes.ports.clock import Clock
from custodes.types.event import FrameAnalysed, SiteEvent, SiteEventKind, Unreached
from custodes.types.plate import Passage
from custodes.types.traffic import Incident, Quarter
from custodes.types.vision import VEHICLES, ObjectClass
from custodes.units import NS_PER_S, CameraId, Ns, RunId

Send = Callable[[Mapping[str, object]], None]
MAX_WAITING = 200
"""For each whom a rule tells: who does not answer delays nobody else."""
TRIES = 4
RETRY_S = 5.0
QUEUE_EVERY_S = 30.0
_QUARTER_NS = 900 * NS_PER_S
_LEAST_LOOKS = 3
"""So many looks in a row have to say it: one look may count a double."""
_VEHICLES = [int(one) for one in VEHICLES]


@dataclass(slots=True)
class _State:
    looks: int = 0
    told_ns: int | None = None
    told_of: dict[tuple[str, str], int] = field(default_factory=dict)
    """Kind of trouble and camera → when it was told."""
    queue_looks: dict[str, int] = field(default_factory=dict)
    """Looks in a row that say it of a drawn queue, by its name."""


_HEALTH: dict[SiteEventKind, str] = {
    SiteEventKind.CAMERA_DOWN: "down",
    SiteEventKind.CAMERA_COVERED: "tampering",
    SiteEventKind.CAMERA_MOVED: "tampering",
    SiteEventKind.CAMERA_DEFOCUSED: "tampering",
    SiteEventKind.CAMERA_REPLAYED: "tampering",
    SiteEventKind.DEVICE_TAMPERING: "tampering",
    SiteEventKind.DEVICE_MOTION: "motion",
    SiteEventKind.DEVICE_INPUT: "input",
    SiteEventKind.DEVICE_STORAGE: "storage",
    SiteEventKind.CLOCK_DRIFT: "clock",
    SiteEventKind.RECOGNITION_DRIFT: "recognition",
    SiteEventKind.DISK_FORECAST: "disk",
    SiteEventKind.DISK_FULL: "disk",
    SiteEventKind.DISK_ERROR: "disk",
    SiteEventKind.FLEET_FINDING: "finding",
}


@dataclass(slots=True)
class _Line:
    """One whom a rule tells, and what waits for them."""

    send: Send
    rule: str
    waiting: asyncio.Queue[dict[str, object]] = field(default_factory=lambda: asyncio.Queue(MAX_WAITING))
    trouble: Unreached | None = None


@dataclass(slots=True)
class Watched:
    """A rule and whom it tells."""

    rule: RuleConfig
    senders: InitVar[tuple[Send, ...]]
    state: _State = field(default_factory=_State)
    lines: tuple[_Line, ...] = field(init=False)

    def __post_init__(self, senders: tuple[Send, ...]) -> None:
        self.lines = tuple(_Line(send, self.rule.name) for send in senders)


class RuleService:
    """Takes news on the event loop; `run` tells it."""

    def __init__(
        self,
        *,
        site: str,
        watched: Sequence[Watched],
        catalog: AsyncCatalog,
        clock: Clock,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._site = site
        self._watched = tuple(watched)
        self._catalog = catalog
        self._clock = clock
        self._sleep = sleep
        self._lines = [line for one in self._watched for line in one.lines]
        self._queues: dict[CameraId, tuple[QueueNow, ...]] = {}
        self._runs: dict[CameraId, RunId] = {}
        self.dropped = 0

    def take_incident(self, incident: Incident) -> None:
        """Something began or ended on a road; its end is not told."""
        for one in self._watched:
            if incident.is_over or (one.rule.camera, one.rule.kind) != (incident.camera_id, incident.kind):
                continue
            text = f"{incident.kind.value.replace('_', ' ')} on {incident.road}: {incident.evidence}"
            self._tell(one, text, incident.found_ns)

    def take_health(self, event: SiteEvent) -> None:
        """Trouble with a camera, the disk or the fleet began; its end is not told."""
        kind = _HEALTH[event.kind]
        camera = event.camera_ids[0] if event.camera_ids else ""
        for one in self._watched:
            if kind not in (one.rule.health or ()) or (one.rule.camera and one.rule.camera not in event.camera_ids):
                continue
            told_ns = one.state.told_of.get((event.kind.value, camera))
            if told_ns is not None and event.start_ns < told_ns + one.rule.again_after_s * NS_PER_S:
                continue
            one.state.told_of[event.kind.value, camera] = event.start_ns
            words = event.kind.value.replace("_", " ")
            about = f" ({', '.join(event.camera_ids[:8])})" if event.camera_ids else ""
            text = f"{words}{about}: {event.detail}" if event.detail else f"{words}{about}"
            self._put(one, text, event.start_ns, {"camera": camera, "event": event.kind.value})

    def take_passage(self, passage: Passage) -> None:
        """A vehicle of the site's own list is at a zone. Each is told: a gate waits for it."""
        for one in self._watched:
            if one.rule.listed_vehicle and one.rule.camera == passage.camera_id:
                text = f"{passage.label}, a listed vehicle, is at {passage.zone}"
                more = {"camera": passage.camera_id, "vehicle": passage.label, "zone": passage.zone_id}
                self._put(one, text, passage.utc_ns, more)

    @property
    def wants_passages(self) -> bool:
        """Whether any rule is about listed vehicles."""
        return any(one.rule.listed_vehicle for one in self._watched)

    def take_frames(self, camera_id: CameraId, frames: Sequence[FrameAnalysed]) -> None:
        """How many are in view now, and in drawn queues."""
        mine = [one for one in self._watched if one.rule.camera == camera_id]
        self._take_queues(camera_id, [one for one in mine if _is_about_queue(one.rule)], frames)
        for one in mine:
            for limit, classes, word in (
                (one.rule.people_above, [int(ObjectClass.PERSON)], "people"),
                (one.rule.vehicles_above, _VEHICLES, "vehicles"),
            ):
                for fact in frames if limit is not None else ():
                    assert limit is not None
                    count = _present(fact, classes)
                    one.state.looks = one.state.looks + 1 if count > limit else 0
                    if one.state.looks >= _LEAST_LOOKS:
                        self._tell(one, f"{count} {word} in view, more than {limit}", fact.frame.utc_ns)

    def _take_queues(self, camera_id: CameraId, mine: Sequence[Watched], frames: Sequence[FrameAnalysed]) -> None:
        for fact in frames if mine else ():
            if self._runs.get(camera_id) != fact.frame.run:  # tracks are another run's: numbers begin anew
                self._runs[camera_id] = fact.frame.run
                for queue in self._queues.get(camera_id, ()):
                    queue.since.clear()
            ids, feet = _people(fact)
            for queue in self._queues.get(camera_id, ()):
                count, wait_s = queue.take(fact.frame.utc_ns, ids, feet)
                for one in mine:
                    if one.rule.queue in ("", queue.area.name):
                        self._judge_queue(one, queue.area.name, count, wait_s, fact.frame.utc_ns)

    def _judge_queue(self, one: Watched, name: str, count: int, wait_s: float, utc_ns: int) -> None:
        most, longest_s, looks = one.rule.people_waiting_above, one.rule.wait_above_s, one.state.queue_looks
        is_so = (most is not None and count > most) or (longest_s is not None and wait_s > longest_s)
        looks[name] = looks.get(name, 0) + 1 if is_so else 0
        if looks[name] < _LEAST_LOOKS:
            return
        if most is not None:
            self._tell(one, f"{count} people in the queue {name}, more than {most}", utc_ns)
        elif longest_s is not None:
            text = (
                f"half of those in the queue {name} wait for more than {wait_s:.0f} s; {longest_s:.0f} s are the limit"
            )
            self._tell(one, text, utc_ns)

    async def learn_queues(self) -> None:
        """Which queues are drawn; one that is still as it was goes on."""
        if not any(_is_about_queue(one.rule) for one in self._watched):
            return
        known = {(camera_id, queue.area): queue for camera_id, all_of in self._queues.items() for queue in all_of}
        self._queues = {
            spec.camera_id: tuple(known.get((spec.camera_id, area)) or QueueNow(area) for area in spec.scene.queues)
            for spec in await self._catalog.cameras()
            if spec.is_enabled
        }

    async def check_queues(self) -> None:
        """Compare the running quarter's longest queue on a road."""
        now_ns = self._clock.now_ns()
        for one in self._watched:
            limit_m = one.rule.queue_above_m
            if limit_m is None:
                continue
            span = Ns(now_ns - _QUARTER_NS), Ns(now_ns + 1)
            for quarter in await self._catalog.figures(Quarter, CameraId(one.rule.camera), *span, 2):
                if quarter.queue is not None and quarter.queue.length_m > limit_m:
                    is_new = one.state.told_ns is None or quarter.queue.utc_ns > one.state.told_ns
                    text = f"a queue of {quarter.queue.length_m:.0f} m, longer than {limit_m:.0f} m"
                    if is_new:
                        self._tell(one, text, quarter.queue.utc_ns)

    def _tell(self, watched: Watched, text: str, utc_ns: int) -> None:
        told_ns, rule = watched.state.told_ns, watched.rule
        if told_ns is not None and utc_ns < told_ns + rule.again_after_s * NS_PER_S:
            return
        watched.state.told_ns = utc_ns
        self._put(watched, text, utc_ns, {"camera": rule.camera})

    def _put(self, watched: Watched, text: str, utc_ns: int, more: Mapping[str, object]) -> None:
        rule = watched.rule
        news: dict[str, object] = {
            "text": f"{rule.name}: {text}",
            "site": self._site,
            "rule": rule.name,
            "utc_ns": utc_ns,
            **more,
        }
        for line in watched.lines:
            if line.waiting.full():
                line.waiting.get_nowait()
                self.dropped += 1
            line.waiting.put_nowait(news)

    @property
    def waiting(self) -> int:
        """How many pieces of news are not told yet, each counted for each whom it is for."""
        return sum(line.waiting.qsize() for line in self._lines)

    def troubles(self) -> list[Unreached]:
        """Of those who were not reached the last time."""
        return [line.trouble for line in self._lines if line.trouble is not None]

    async def run(self) -> None:
        """For ever."""
        if self._watched:
            await asyncio.gather(*map(self._tell_forever, self._lines), self._check_forever())
        await asyncio.Event().wait()

    async def _check_forever(self) -> None:
        while True:
            try:
                await self.learn_queues()
                await self.check_queues()
            except CustodesError as error:
                structlog.get_logger().warning("rules wait", error=str(error))
            await asyncio.sleep(QUEUE_EVERY_S)

    async def _tell_forever(self, line: _Line) -> None:
        while True:
            await self._send(line, await line.waiting.get())

    async def tell_waiting(self) -> None:
        """Tell what waits now."""
        for line in self._lines:
            while not line.waiting.empty():
                await self._send(line, line.waiting.get_nowait())

    async def _send(self, line: _Line, news: Mapping[str, object]) -> None:
        for attempt in range(TRIES):
            try:
                await asyncio.to_thread(line.send, news)
            except Unavailable as error:
                since_ns = line.trouble.since_ns if line.trouble is not None else self._clock.now_ns()
                line.trouble = Unreached(name=line.rule, is_rule=True, since_ns=since_ns, error=str(error))
                structlog.get_logger().warning(
                    "rule could not tell", rule=line.rule, error=str(error), attempt=attempt + 1
                )
                if attempt + 1 < TRIES:
                    await self._sleep(RETRY_S * 2**attempt)
            else:
                line.trouble = None
                structlog.get_logger().info("rule told", rule=line.rule, text=news["text"])
                return
        self.dropped += 1


def _is_about_queue(rule: RuleConfig) -> bool:
    return rule.people_waiting_above is not None or rule.wait_above_s is not None


def _people(fact: FrameAnalysed) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Tracks of people who were measured, (n,), and their feet in shares of the frame, (n, 2)."""
    frame = fact.frame
    rows = np.flatnonzero(frame.is_measured & (frame.track_ids >= 0) & (frame.class_ids == int(ObjectClass.PERSON)))
    boxes = frame.boxes_norm[rows].astype(np.float64)
    return frame.track_ids[rows], np.stack([(boxes[:, 0] + boxes[:, 2]) / 2, boxes[:, 3]], axis=1)


def _present(fact: FrameAnalysed, classes: Sequence[int]) -> int:
    frame = fact.frame
    return int(np.count_nonzero((frame.track_ids >= 0) & np.isin(frame.class_ids, classes)))
