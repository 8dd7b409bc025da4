"""Who went on as whom between cameras apart, for the hour's flows: looks and ended tracks go in, final links come out
as numbers of `journey.link_hours`. In this process's memory alone, and only while it leads (ADR 133).

Nothing here can be asked by a page, an API, another process or by a look.
"""

import asyncio
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import structlog

from custodes.journey.flows import lane_of
from custodes.journey.fusion import TrackKey
from custodes.journey.link_book import FINAL_S, LinkBook
from custodes.journey.link_hours import HourLinks, LinkHours
from custodes.journey.link_pairs import FinalLinks
from custodes.journey.rolling import MAX_CAMERAS
from custodes.journey.wanted import LINKS
from custodes.ports.clock import Clock
from custodes.track.colours import SIZE, unpacked
from custodes.types.event import FrameAnalysed, TrackEnded
from custodes.types.flow import FlowGroup
from custodes.types.looks import LooksSeen
from custodes.types.stream import is_second
from custodes.types.vision import VEHICLES, ObjectClass
from custodes.units import NS_PER_S, CameraId

STEP_S = 5.0
EVERY_NS = NS_PER_S
"""A track's look is taken once a second: more of the same view tell nothing new."""
MAX_WAITING = 16_384
"""Looks that wait for the next step: 3,000 tracks in view at once. 8 MB."""
MAX_KNOWN = 65_536
"""Tracks in view and lately ended ones, of which is known whether they are people or vehicles."""
KNOWN_NS = 60 * NS_PER_S
JUMP_NS = 5 * NS_PER_S


@dataclass(slots=True)
class _Track:
    group: FlowGroup | None
    looked_ns: int
    seen_ns: int


class _Waiting:
    """Looks in a fixed place, until a step took them."""

    def __init__(self) -> None:
        self._rows = np.zeros((MAX_WAITING, SIZE), np.uint8)
        self._of: list[tuple[TrackKey, int]] = []

    def __len__(self) -> int:
        return len(self._of)

    def add(self, key: TrackKey, utc_ns: int, look: npt.NDArray[np.uint8]) -> bool:
        """False where it is full."""
        if len(self._of) == MAX_WAITING:
            return False
        self._rows[len(self._of)] = look
        self._of.append((key, utc_ns))
        return True

    def taken(self, put: Callable[[TrackKey, int, npt.NDArray[np.float32]], None]) -> None:
        """Each to `put`, then overwritten."""
        for row, (key, utc_ns) in enumerate(self._of):
            look = unpacked(self._rows[row : row + 1])
            put(key, utc_ns, look[0])
            look.fill(0.0)
        self.forget()

    def forget(self) -> None:
        """Overwrite."""
        self._rows[: len(self._of)] = 0
        self._of = []


class LinkService:
    """Takes looks and facts on the event loop, never blocks it; `run` links them in a thread."""

    def __init__(self, *, clock: Clock, wish: str, draw: Callable[[int], bytes]) -> None:
        """`wish`: `privacy.looks`; with less than `links` nothing is taken. `draw`: so many random bytes."""
        self._clock = clock
        self.is_on = wish == LINKS
        self._books: dict[FlowGroup, LinkBook] = {}
        self._hours = LinkHours(draw)
        self._cameras: dict[CameraId, int] = {}
        self._tracks: dict[TrackKey, _Track] = {}
        self._waiting = _Waiting() if self.is_on else None
        self._spare = _Waiting() if self.is_on else None
        self._ended: list[TrackEnded] = []
        self._origin_ns = clock.now_ns()
        self._offset_ns = clock.now_ns() - clock.monotonic_ns()
        self._working = threading.Lock()
        self._lost = self._said = 0

    @property
    def dropped(self) -> int:
        """Looks and tracks that found no place, since the start."""
        return self._lost + self._hours.dropped + sum(book.dropped for book in [*self._books.values()])  # a step adds

    @property
    def tracks(self) -> int:
        """In memory now."""
        return sum(book.tracks for book in self._books.values())

    @property
    def looks(self) -> int:
        """Places with a look in them."""
        waiting = 0 if self._waiting is None else len(self._waiting)
        return waiting + sum(book.places.used for book in self._books.values())

    def take_looks(self, seen: LooksSeen) -> None:
        """Of tracks of one camera; copied."""
        if self._waiting is None:
            return
        for track_id, look in zip(seen.track_ids.tolist(), seen.looks, strict=True):
            key = (seen.camera_id, seen.run, track_id)
            track = self._known(key, seen.utc_ns)
            if track is not None and seen.utc_ns - track.looked_ns >= EVERY_NS:
                track.looked_ns = seen.utc_ns
                self._lost += not self._waiting.add(key, seen.utc_ns, look)

    def take_frames(self, camera_id: CameraId, frames: Sequence[FrameAnalysed]) -> None:
        """Whether tracks are people or vehicles: known from their boxes, which come beside their looks."""
        if not self.is_on or is_second(camera_id):
            return
        for fact in frames:
            frame = fact.frame
            for track_id, class_id in zip(frame.track_ids.tolist(), frame.class_ids.tolist(), strict=True):
                if track_id >= 0:
                    track = self._known((camera_id, frame.run, track_id), frame.utc_ns)
                    if track is not None:
                        track.group = _group_of(class_id)

    def take_ended(self, ended: Sequence[TrackEnded]) -> None:
        """Tracks that are over, as they are told of; long past ones are not linked any more."""
        if self.is_on:
            since_ns = self._clock.now_ns() - round(FINAL_S) * NS_PER_S
            room = MAX_KNOWN - len(self._ended)
            fresh = [one for one in ended if one.tracklet.end_ns >= since_ns]
            self._lost += max(len(fresh) - room, 0)
            self._ended += fresh[:room]

    async def run(self) -> None:
        """For ever."""
        while True:
            await asyncio.sleep(STEP_S)
            await self.step()

    async def step(self) -> None:
        """Link what came since the last one."""
        if self._waiting is None or self._spare is None:
            return
        now_ns = self._clock.now_ns()
        offset_ns = now_ns - self._clock.monotonic_ns()
        if abs(offset_ns - self._offset_ns) > JUMP_NS:
            structlog.get_logger().warning("links begin anew: the clock was set")
            self.forget()
            self._offset_ns = offset_ns
        self._waiting, self._spare = self._spare, self._waiting
        ended, self._ended = self._ended, []
        groups = {key: track.group for key, track in self._tracks.items()}
        final = await asyncio.to_thread(self._link, self._spare, groups, ended, self._second(now_ns))
        for group, links in final.items():
            self._hours.put(group, links, self._origin_ns)
        if self.dropped > 2 * self._said:
            self._said = self.dropped
            structlog.get_logger().warning("looks and tracks found no place among links", dropped=self.dropped)
        old_ns = now_ns - KNOWN_NS
        self._tracks = {key: track for key, track in self._tracks.items() if track.seen_ns >= old_ns}

    def hour(self, start_ns: int, group: FlowGroup) -> HourLinks | None:
        """Of a whole hour, fifteen minutes after its end; None where nothing was linked."""
        return self._hours.of(start_ns, group, list(self._cameras))

    def forget_hour(self, start_ns: int) -> None:
        """Its flows are made."""
        self._hours.forget(start_ns)

    def forget(self) -> None:
        """Overwrite every look, forget every link. Waits for a step that is under way in its thread."""
        with self._working:
            for waiting in (self._waiting, self._spare):
                if waiting is not None:
                    waiting.forget()
            for book in self._books.values():
                book.forget_all()
            self._hours.forget_all()
            self._tracks, self._ended = {}, []

    def _known(self, key: TrackKey, utc_ns: int) -> _Track | None:
        track = self._tracks.get(key)
        if track is None:
            if len(self._tracks) >= MAX_KNOWN:
                self._lost += 1
                return None
            track = self._tracks[key] = _Track(None, 0, utc_ns)
        track.seen_ns = max(track.seen_ns, utc_ns)
        return track

    def _second(self, utc_ns: int) -> float:
        return (utc_ns - self._origin_ns) / NS_PER_S

    def _camera(self, camera_id: CameraId) -> int | None:
        number = self._cameras.get(camera_id)
        if number is None and len(self._cameras) < MAX_CAMERAS:
            number = self._cameras[camera_id] = len(self._cameras)
        return number

    def _link(
        self,
        waiting: _Waiting,
        groups: dict[TrackKey, FlowGroup | None],
        ended: Sequence[TrackEnded],
        now_s: float,
    ) -> dict[FlowGroup, FinalLinks]:
        def put(key: TrackKey, utc_ns: int, look: npt.NDArray[np.float32]) -> None:
            group, camera = groups.get(key), self._camera(key[0])
            if group is not None and camera is not None:
                if group not in self._books:
                    self._books[group] = LinkBook()
                self._books[group].look(key, camera, self._second(utc_ns), look)

        with self._working:
            waiting.taken(put)
            for fact in ended:
                one = fact.tracklet
                group, camera = _group_of(one.object_class), self._camera(one.camera_id)
                if group in self._books and group is not None and camera is not None:
                    span_s = self._second(one.start_ns), self._second(one.end_ns)
                    self._books[group].end((one.camera_id, one.run, one.track_id), camera, lane_of(one), *span_s)
            return {group: book.step(now_s) for group, book in self._books.items()}


def _group_of(class_id: int) -> FlowGroup | None:
    if class_id == ObjectClass.PERSON:
        return FlowGroup.PEOPLE
    return FlowGroup.VEHICLES if class_id in VEHICLES else None
