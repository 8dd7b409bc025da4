"""Rules: watch what is counted and found, and tell others. They tell numbers and incidents, never who somebody is.

What cannot be told is tried again a few times and then dropped, and said in the log file: it is news, not a record.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import structlog

from custodes.app.serving.rule_state import RuleLine, Watched, said_of_line
from custodes.config.rules import ABOUT_LINES, RuleConfig
from custodes.errors import CustodesError, Unavailable
from custodes.journey.waiting import QueueNow
from custodes.ports.catalog_async import AsyncCatalog
from custodes.ports.clock import Clock
from custodes.types.event import FrameAnalysed, SiteEvent, SiteEventKind, Unreached
from custodes.types.plate import Passage
from custodes.types.rule import Outlet
from custodes.types.traffic import Incident, LineFigures, Quarter
from custodes.types.vision import VEHICLES, ObjectClass
from custodes.units import NS_PER_S, CameraId, Ns, RunId

TRIES = 4
RETRY_S = 5.0
QUEUE_EVERY_S = 30.0
_QUARTER_NS = 900 * NS_PER_S
_LEAST_LOOKS = 3
"""So many looks in a row have to say it: one look may count a double."""
_VEHICLES = [int(one) for one in VEHICLES]
_FORGET_NS = 5 * NS_PER_S
"""Who was not seen for so long, and is, came anew."""
_LONG_AGO = 200
"""Quarters and troubles of which a rule remembers that they were told."""


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
        self._watched: tuple[Watched, ...] = ()
        self._lines: list[RuleLine] = []
        self._changed = asyncio.Event()
        self._catalog = catalog
        self._clock = clock
        self._sleep = sleep
        self._queues: dict[CameraId, tuple[QueueNow, ...]] = {}
        self._runs: dict[CameraId, RunId] = {}
        self.dropped = 0
        self.watch(watched)

    @property
    def watched(self) -> tuple[Watched, ...]:
        """Rules in force."""
        return self._watched

    def watch(self, watched: Sequence[Watched]) -> None:
        """These from now on. A rule that is among them as it was goes on with what it knows."""
        known = {one.rule: one for one in self._watched}
        self._watched = tuple(known.get(one.rule, one) for one in watched)
        self._lines = [line for one in self._watched for line in one.lines]
        self._changed.set()

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
            for fact in frames if one.rule.stay_above_s is not None else ():
                self._judge_stay(one, one.rule.stay_above_s or 0.0, fact)
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

    def _judge_stay(self, one: Watched, longest_s: float, fact: FrameAnalysed) -> None:
        now_ns, stays = fact.frame.utc_ns, one.state.stays
        ids, _ = _people(fact)
        for track in ids.tolist():
            first_ns, last_ns = stays.get((fact.frame.run, track), (now_ns, now_ns))
            stays[fact.frame.run, track] = (first_ns if now_ns - last_ns < _FORGET_NS else now_ns), now_ns
        for key in [key for key, (_, last_ns) in stays.items() if now_ns - last_ns >= _FORGET_NS]:
            del stays[key]
        stayed_s = max(((now_ns - first_ns) / NS_PER_S for first_ns, _ in stays.values()), default=0.0)
        if stayed_s > longest_s:
            self._tell(one, f"somebody is in view for {stayed_s:.0f} s; {longest_s:.0f} s are the limit", now_ns)

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
            self._tell(
                one, f"{count} {'person' if count == 1 else 'people'} in the queue {name}, more than {most}", utc_ns
            )
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
        """Compare the running quarter: its longest queue on a road, and what went over its lines."""
        now_ns = self._clock.now_ns()
        for one in self._watched:
            is_about_lines = any(getattr(one.rule, name) is not None for name in ABOUT_LINES)
            if one.rule.queue_above_m is None and not is_about_lines:
                continue
            span = Ns(now_ns - _QUARTER_NS), Ns(now_ns + 1)
            for quarter in await self._catalog.figures(Quarter, CameraId(one.rule.camera), *span, 2):
                self._judge_road(one, quarter)
                for line in quarter.lines if is_about_lines else ():
                    if one.rule.line in ("", line.line):
                        self._judge_line(one, line, quarter, now_ns)

    def _judge_road(self, one: Watched, quarter: Quarter) -> None:
        limit_m, queue = one.rule.queue_above_m, quarter.queue
        if limit_m is not None and queue is not None and queue.length_m > limit_m:
            is_new = one.state.told_ns is None or queue.utc_ns > one.state.told_ns
            if is_new:
                text = f"a queue of {queue.length_m:.0f} m, longer than {limit_m:.0f} m"
                self._tell(one, text, queue.utc_ns)

    def _judge_line(self, one: Watched, line: LineFigures, quarter: Quarter, now_ns: int) -> None:
        """Once a quarter of an hour, line and way."""
        key = line.line + ("/forward" if line.is_forward else "/backward"), str(quarter.start_ns)
        said = said_of_line(one.rule, line)
        if not said or key in one.state.told_of:
            return
        told_of = one.state.told_of
        told_of[key] = now_ns
        for old in sorted(told_of, key=told_of.__getitem__)[:-_LONG_AGO]:
            del told_of[old]
        analysed = f"{quarter.coverage * 100:.0f} % of the quarter of an hour was analysed"
        self._put(
            one,
            f"{said}; {analysed}",
            now_ns,
            {"camera": one.rule.camera, "line": line.line, "is_forward": line.is_forward},
        )

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
        async with asyncio.TaskGroup() as group:
            group.create_task(self._check_forever())
            telling: dict[int, tuple[RuleLine, asyncio.Task[None]]] = {}
            while True:
                self._changed.clear()
                wanted = {id(line): line for line in self._lines}
                for gone in telling.keys() - wanted.keys():
                    telling.pop(gone)[1].cancel()
                for new in wanted.keys() - telling.keys():
                    telling[new] = wanted[new], group.create_task(self._tell_forever(wanted[new]))
                await self._changed.wait()

    async def test(self, watched: Watched, actor: str) -> list[Outlet]:
        """Tell a message that says it is a test, once; it is not waited for, nor kept."""
        news: dict[str, object] = {
            "text": f"{watched.rule.name}: a test message, asked for by {actor}",
            "site": self._site,
            "rule": watched.rule.name,
            "utc_ns": self._clock.now_ns(),
            "is_test": True,
        }
        found = []
        for line in watched.lines:
            try:
                await asyncio.to_thread(line.send, news)
            except Unavailable as error:
                found.append(Outlet(where=line.where, told_ns=None, told="", error=str(error)))
            else:
                told_ns = self._clock.now_ns()
                found.append(Outlet(where=line.where, told_ns=told_ns, told=str(news["text"]), error=""))
        return found

    async def _check_forever(self) -> None:
        while True:
            try:
                await self.learn_queues()
                await self.check_queues()
            except CustodesError as error:
                structlog.get_logger().warning("rules wait", error=str(error))
            await asyncio.sleep(QUEUE_EVERY_S)

    async def _tell_forever(self, line: RuleLine) -> None:
        while True:
            await self._send(line, await line.waiting.get())

    async def tell_waiting(self) -> None:
        """Tell what waits now."""
        for line in self._lines:
            while not line.waiting.empty():
                await self._send(line, line.waiting.get_nowait())

    async def _send(self, line: RuleLine, news: Mapping[str, object]) -> None:
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
                line.trouble, line.told = None, (self._clock.now_ns(), str(news["text"]))
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
