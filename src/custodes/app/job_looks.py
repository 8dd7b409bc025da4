"""Looks for one approved journey: made of recordings, compared here, and overwritten; likenesses alone leave.

The warden released the keys for this request, camera and stretch, and logged it first. No picture and no vector is
sent, shown or stored; tracks of protected people are not looked at. Imported when such a task comes, never before.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from custodes.errors import InvalidArgument, KeyMissing, ResourceExhausted
from custodes.geometry.homography import Homography, homography_from_points
from custodes.journey.alike import Closet, Looked
from custodes.journey.fusion import Placed, TrackKey
from custodes.journey.sighting import placed_of
from custodes.journey.together import Met, stays
from custodes.redact.timeline import VOUCH_SLACK_NS
from custodes.review.archive import Archive, GopRef
from custodes.review.decoding import GopFrames
from custodes.review.keys import ViewKeys
from custodes.review.trace import UNREADABLE
from custodes.track.colours import SIZE, Looks, colours
from custodes.types.event import FrameAnalysed
from custodes.types.journey_job import (
    CompareTracks,
    FindStay,
    LooksTask,
    LookTrack,
    OpenCamera,
    StayFound,
    StayTrack,
    TracksCompared,
)
from custodes.types.media import Frame
from custodes.types.vision import ObjectClass, TrackedFrame
from custodes.units import NS_PER_S, CameraId, Ns, RunId

LOOKS = 4
"""Of a track: more are no more alike (ADR 134)."""
MAX_TRACKS = 4000
MAX_PAIRS = 4000
MAX_CAMERAS = 64
_LEAST_NS = Ns(NS_PER_S // 25)
"""A keyframe costs as much as one picture, wherever it stands."""

AskFrames = Callable[[CameraId, Ns, Ns], Sequence[FrameAnalysed]]


class Budget:
    """Of video that may still be decoded."""

    def __init__(self, left_ns: Ns) -> None:
        self.left_ns = left_ns

    def spend(self, span_ns: int) -> bool:
        """Whether there was so much left."""
        self.left_ns = Ns(max(self.left_ns - max(span_ns, _LEAST_NS), 0))
        return self.left_ns > 0


class Film:
    """One camera's recordings, read as far as somebody asks."""

    def __init__(self, opened: OpenCamera, archive: Archive, keys: ViewKeys, budget: Budget) -> None:
        self.opened = opened
        self._archive = archive
        self._keys = keys
        self._budget = budget
        self._gop: GopRef | None = None
        self._frames: GopFrames | None = None
        self._position_ns = Ns(0)

    @property
    def ground(self) -> Homography | None:
        """None where nobody measured it."""
        points = self.opened.scene.ground
        return homography_from_points([one.at for one in points], [one.place_m for one in points]) if points else None

    def is_covered(self, run: RunId, track_id: int) -> bool:
        """Whether a track is a protected person's, as the warden said with the keys."""
        hidden = self._keys.permitted().hidden
        return hidden is not None and (run, track_id) in hidden

    def cost_ns(self, utc_ns: Ns) -> int:
        """Of a single picture: video from its keyframe on."""
        ref = self._archive.gop_at(Ns(utc_ns + VOUCH_SLACK_NS))
        return NS_PER_S * 3600 if ref is None else utc_ns - ref.start_ns

    def frame_at(self, utc_ns: Ns, run: RunId) -> Frame | None:
        """None for what is gone, shredded, broken, of another run, outside the stretch, or beyond the budget."""
        at = Ns(utc_ns + VOUCH_SLACK_NS)
        if not self.opened.start_ns <= utc_ns <= self.opened.end_ns:
            return None
        try:
            ref = self._archive.gop_at(at)
            if ref is None or ref.run != run:
                return None
            is_on = ref == self._gop and self._frames is not None and at >= self._position_ns
            if not self._budget.spend(at - (self._position_ns if is_on else ref.start_ns)):
                return None
            if ref != self._gop or self._frames is None:
                self._gop, self._frames = ref, GopFrames(*self._archive.read(ref))
            self._position_ns = at
            frame = self._frames.frame_at(at)
        except (*UNREADABLE, KeyMissing, ResourceExhausted):
            self._gop = self._frames = None
            return None
        return None if frame is None or frame.is_corrupt else frame


class Looker:
    """What one job knows. `forget` at the end, whatever happened."""

    def __init__(
        self, task: LooksTask, *, open_film: Callable[[OpenCamera, Budget], Film], ask_frames: AskFrames
    ) -> None:
        self._task = task
        self._open_film = open_film
        self._ask_frames = ask_frames
        self._budget = Budget(task.budget_ns)
        self._films: dict[CameraId, Film] = {}
        self._closet = Closet()
        self._vectors: list[Looks] = []

    @property
    def left_ns(self) -> Ns:
        """Of the budget."""
        return self._budget.left_ns

    def open(self, opened: OpenCamera) -> None:
        """From now on that camera may be looked at. Raises: InvalidArgument for the same again, or too many."""
        if opened.camera_id in self._films or len(self._films) >= MAX_CAMERAS:
            raise InvalidArgument(f"camera {opened.camera_id} is open already, or more than {MAX_CAMERAS} are")
        self._films[opened.camera_id] = self._open_film(opened, self._budget)

    def compare(self, asked: CompareTracks) -> TracksCompared:
        """How alike pairs of tracks are.

        Raises: InvalidArgument for a track of another camera, sent twice, or never; what the warden raises.
        """
        if len(asked.pairs) > MAX_PAIRS or len(self._closet) + len(asked.tracks) > MAX_TRACKS:
            raise InvalidArgument(f"{len(asked.pairs)} pairs of {len(asked.tracks)} more tracks in one journey")
        for track in asked.tracks:
            if track.index in self._closet:
                raise InvalidArgument(f"track {track.index} was sent before")
            film = self._film(track.camera_id)
            vectors = self._looks(film, track)
            self._closet.put(
                track.index,
                Looked(
                    camera=list(self._films).index(track.camera_id),
                    start_ns=track.start_ns,
                    end_ns=track.end_ns,
                    vectors=vectors,
                ),
            )
        if not all(index in self._closet for pair in (*asked.pairs, asked.one) for index in pair):
            raise InvalidArgument("a pair names a track that was never sent")
        if len(asked.chances) > len(asked.pairs) or not all(0 <= one <= 1 for one in asked.chances):
            raise InvalidArgument(f"{len(asked.chances)} chances of {len(asked.pairs)} pairs, or one beyond 0 and 1")
        chances = dict(zip(asked.pairs, asked.chances, strict=False))
        nats = self._closet.nats(asked.pairs, chances, asked.one)
        return TracksCompared(nats=nats, left_ns=self._budget.left_ns)

    def find_stay(self, asked: FindStay) -> StayFound:
        """Where the dot was that a track was at a moment. Raises: as `compare`."""
        grounds = {one: ground for one in asked.camera_ids if (ground := self._film(one).ground) is not None}
        key: TrackKey = (asked.camera_id, asked.run, asked.track_id)
        opened = self._film(asked.camera_id).opened

        def see(from_ns: int, to_ns: int) -> list[tuple[int, Placed]]:
            return self._seen(grounds, Ns(max(from_ns, opened.start_ns)), Ns(min(to_ns, opened.end_ns)))

        try:
            met = stays(see, key, asked.at_ns)
            is_seen = any(vectors.any() for vectors in self._vectors)
        finally:
            self._wipe()
        tracks = tuple(_told(one, found) for one, found in met.items()) if is_seen else ()
        return StayFound(tracks=tracks, is_seen=is_seen, left_ns=self._budget.left_ns)

    def forget(self) -> None:
        """Overwrite every vector."""
        self._wipe()
        self._closet.forget()

    def _film(self, camera_id: CameraId) -> Film:
        film = self._films.get(camera_id)
        if film is None:
            raise InvalidArgument(f"camera {camera_id} was not opened for this journey")
        return film

    def _looks(self, film: Film, track: LookTrack) -> Looks:
        cheap = sorted(track.moments, key=lambda one: film.cost_ns(one.utc_ns))[:LOOKS]
        found = []
        for moment in sorted(cheap, key=lambda one: one.utc_ns):
            frame = film.frame_at(moment.utc_ns, track.run)
            if frame is not None and not film.is_covered(track.run, track.track_id):
                found.append(colours(frame, np.clip(np.array([moment.box_norm], np.float64), 0.0, 1.0))[0])
        looks = np.stack(found) if found else np.zeros((0, SIZE), np.float32)
        return looks[np.any(looks, axis=1)]

    def _seen(self, grounds: dict[CameraId, Homography], from_ns: Ns, to_ns: Ns) -> list[tuple[int, Placed]]:
        """All that was measured then, with looks of people."""
        found: list[tuple[int, Placed]] = []
        for camera_id, ground in grounds.items():
            for fact in sorted(self._ask_frames(camera_id, from_ns, to_ns), key=lambda one: one.frame.utc_ns):
                if fact.frame.camera_id != camera_id:
                    raise InvalidArgument(f"facts of {fact.frame.camera_id} for {camera_id}")
                looks = self._of_frame(self._films[camera_id], fact.frame)
                found += [
                    (fact.frame.utc_ns, replace(one, look=looks.get(one.key[2])))
                    for one in placed_of(fact.frame, ground)
                ]
        return sorted(found, key=lambda one: one[0])

    def _of_frame(self, film: Film, tracked: TrackedFrame) -> dict[int, Looks]:
        rows = np.flatnonzero(
            tracked.is_measured & (tracked.track_ids >= 0) & (tracked.class_ids == int(ObjectClass.PERSON))
        )
        frame = film.frame_at(tracked.utc_ns, tracked.run) if len(rows) else None
        if frame is None:
            return {}
        own = [row for row in rows.tolist() if not film.is_covered(tracked.run, int(tracked.track_ids[row]))]
        rows = np.array(own, np.int64)
        vectors = colours(frame, tracked.boxes_norm[rows])
        self._vectors.append(vectors)
        ids = tracked.track_ids[rows].tolist()
        return {one: vector for one, vector in zip(ids, vectors, strict=True) if vector.any()}

    def _wipe(self) -> None:
        for vectors in self._vectors:
            vectors[:] = 0
        self._vectors.clear()


def _told(key: TrackKey, met: Met) -> StayTrack:
    spans = tuple((Ns(int(low)), Ns(int(high))) for low, high in met.spans)
    return StayTrack(
        camera_id=key[0], run=key[1], track_id=key[2], share=round(met.share, 3), spans=spans, nats=met.look
    )
