"""Two-stage tracking by detection in clock time: birth, confirmation, loss, end. On the ground where a camera is
calibrated, in the picture where not.

Frame rates may vary and frames may be missing: every limit is in seconds, every uncertainty grows with time. Knows no
camera, run or picture; those are added by `pipeline`. What is whose is `track.association`'s, where it is
`track.plane`'s, how it moves `track.kalman`'s.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from custodes.errors import InvalidArgument
from custodes.geometry.boxes import Boxes
from custodes.geometry.homography import Homography
from custodes.track import hidden_feet, kalman, steady
from custodes.track.association import assign_in_stages, covered_share, is_beside, only_pairs, pair_costs
from custodes.track.book import CLASSES, CONFIRMED, Book, empty_book, new_book
from custodes.track.config import TrackerConfig
from custodes.track.ended import EndedTrack
from custodes.track.kalman import Columns, Filter, Rows
from custodes.track.plane import FACE_GROUP, PERSON_GROUP, VEHICLE_GROUP, Placed, Plane
from custodes.track.snapshot import pack, unpack
from custodes.types.vision import Detections, ObjectClass
from custodes.units import NS_PER_S, Ns

NO_TRACK = -1
"""Track id of a detection that began no track: too weak for that, strong enough to be covered."""

_EDGE = 0.004
"""A box that ends this close to the frame's edge, in frame heights, goes on behind it."""

_LEAST_STEP_S = 1e-3

# Groups within which a class may change from frame to frame; a person never becomes a car.
_GROUP = np.array(
    [
        PERSON_GROUP if c is ObjectClass.PERSON else FACE_GROUP if c is ObjectClass.FACE else VEHICLE_GROUP
        for c in ObjectClass
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackColumns:
    """What is known after one frame: live tracks, then lone detections.

    `track_ids` (n,) int64; `class_ids` (n,) int16 by vote; `boxes_norm` (n, 4) float32; `scores` (n,) float32;
    `is_measured`, `is_confirmed`, `is_hidden` (n,) bool. A measured row's box is the detection's own, not the
    filter's. A hidden row is predicted, and something in front covers it. `feet_norm` (n, 2) float64: the middle of
    the lower edge as the filter has it, which trembles less than the detector's.
    """

    track_ids: npt.NDArray[np.int64]
    class_ids: npt.NDArray[np.int16]
    boxes_norm: Boxes
    scores: npt.NDArray[np.float32]
    is_measured: npt.NDArray[np.bool_]
    is_confirmed: npt.NDArray[np.bool_]
    is_hidden: npt.NDArray[np.bool_]
    feet_norm: Columns


@dataclass(frozen=True, slots=True)
class _Seen:
    """One frame's usable detections: in this picture (shares), in the first one (frame heights), on the plane."""

    shares: Columns
    boxes: Columns
    placed: Placed
    scores: Columns
    class_ids: npt.NDArray[np.int64]
    group: npt.NDArray[np.int64]
    looks: Columns
    is_new: npt.NDArray[np.bool_]


class Tracker:
    """Tracks of one run of one camera. Deterministic: the same calls give the same columns. Not thread-safe."""

    def __init__(
        self, *, first_id: int = 1, config: TrackerConfig | None = None, homography: Homography | None = None
    ) -> None:
        """`homography`: the camera's ground plane, where it is calibrated; tracks then live in metres."""
        self._config = config or TrackerConfig()
        self._plane = Plane(homography)
        self._next_id = first_id
        self._utc_ns: int | None = None
        self._aspect = 1.0
        self._steady = steady.STILL
        self._filter = kalman.empty_filter()
        self._book = empty_book(self._config.look_size)
        self._ended: list[EndedTrack] = []

    @property
    def live(self) -> int:
        """Tracks that may go on, tentative and lost ones included."""
        return len(self._book.ids)

    def live_confirmed(self, classes: frozenset[ObjectClass], utc_ns: Ns) -> int:
        """Confirmed tracks of `classes` that were measured or coast at `utc_ns`."""
        recent = utc_ns - self._book.seen_ns <= self._config.coast_s * NS_PER_S
        return int((self._is_confirmed(classes) & recent).sum())

    def confirmed(self, classes: frozenset[ObjectClass]) -> int:
        """Confirmed tracks of `classes` that have not ended, lost ones included."""
        return int(self._is_confirmed(classes).sum())

    def step(
        self,
        detections: Detections,
        utc_ns: Ns,
        frame_size: tuple[int, int],
        *,
        shift: npt.NDArray[np.floating] | None = None,
        looks: npt.NDArray[np.floating] | None = None,
        is_new: npt.NDArray[np.bool_] | None = None,
    ) -> TrackColumns:
        """Take one analysed frame.

        Args: detections: boxes in pixels of a frame of `frame_size` (width, height); utc_ns: the frame's time. A time
        that is not later than the last one counts as the same moment. shift: how the camera moved, (2, 3) affine from
        shares of this frame to shares of the one before; None: not at all. looks: (n, `look_size`) appearance vectors
        of the detections, unit length, a row of NaN where there is none; None: none at all. is_new: (n,) detections
        made in this frame; the others are earlier ones that nothing contradicts, and confirm nobody. None: all.
        Returns: every live track measured or coasting now, tentative ones too, then lone detections.
        Raises: InvalidArgument for a `shift` or `looks` of the wrong shape.
        Cost: O(tracks × detections); `frames_per_s_40` of `eval.track`.
        """
        self._aspect = frame_size[0] / frame_size[1]
        if shift is not None:
            self._steady = steady.after(self._steady, shift)
        seen = self._usable(detections, frame_size[1], looks, is_new)
        self._advance(utc_ns)
        self._book.looks += 1
        rows, columns = self._associate(seen)
        self._measure(rows, columns, seen)
        is_lone = np.ones(len(seen.scores), bool)
        is_lone[columns] = False
        born = self._begin(np.flatnonzero(is_lone), seen)
        is_lone[born] = False
        self._end_lost()
        is_lone &= (seen.scores >= self._config.lone_score) & (seen.group != VEHICLE_GROUP)
        return self._report(seen, np.flatnonzero(is_lone))

    def begin_ids_at(self, first_id: int) -> None:
        """New tracks get this number or a higher one: after a checkpoint, numbers may have been given that it does not
        know."""
        self._next_id = max(self._next_id, first_id)

    def finish(self) -> None:
        """The run is over: every track ends."""
        self._remove(np.ones(self.live, bool))

    def ended(self) -> list[EndedTrack]:
        """Confirmed tracks that ended since the last call."""
        ended, self._ended = self._ended, []
        return ended

    # -- one step -------------------------------------------------------------------------------------

    def _is_confirmed(self, classes: frozenset[ObjectClass]) -> npt.NDArray[np.bool_]:
        wanted = np.isin(self._book.classes(), [int(c) for c in classes])
        result: npt.NDArray[np.bool_] = wanted & (self._book.stage == CONFIRMED)
        return result

    def _usable(
        self,
        detections: Detections,
        height_px: int,
        looks: npt.NDArray[np.floating] | None,
        is_new: npt.NDArray[np.bool_] | None,
    ) -> _Seen:
        config = self._config
        boxes = detections.boxes_px.astype(np.float64) / height_px
        # Not np.clip: on arrays as small as these its checks take four times as long as its work.
        scores = np.minimum(np.maximum(detections.scores.astype(np.float64), 0.0), 1.0)
        count = len(boxes)
        is_known = (detections.class_ids >= 0) & (detections.class_ids < CLASSES)
        is_box = np.isfinite(boxes).all(axis=1) & (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
        keep = is_box & is_known & (scores >= config.weak_score)
        boxes, scores, classes = boxes[keep], scores[keep], detections.class_ids[keep].astype(np.int64)
        last = np.array([self._aspect, 1.0]) - _EDGE
        is_cut = (boxes[:, :2] <= _EDGE) | (boxes[:, 2:] >= last)
        first = boxes if self._steady is steady.STILL else steady.moved(boxes, self._steady, self._aspect)
        look = np.full((count, config.look_size), np.nan) if looks is None else np.asarray(looks, np.float64)
        if look.shape != (count, config.look_size):
            raise InvalidArgument(f"looks of shape {look.shape}; expected {count} × {config.look_size}")
        placed = self._plane.place(first, scores, is_cut, self._aspect)
        new = np.ones(int(keep.sum()), bool) if is_new is None else is_new[keep]
        return _Seen(self._shares(boxes), first, placed, scores, classes, _GROUP[classes], look[keep], new)

    def _advance(self, utc_ns: int) -> None:
        before, self._utc_ns = self._utc_ns, max(utc_ns, self._utc_ns or utc_ns)
        if before is None:
            return
        duration_s = (self._utc_ns - before) / NS_PER_S
        if duration_s > self._config.max_step_s:
            self.finish()
        if duration_s > 0:
            density = self._plane.density(self._filter.size, self._book.group)
            kalman.predict(self._filter, duration_s, self._plane.motion, density)

    def _associate(self, seen: _Seen) -> tuple[Rows, Rows]:
        """Pairs of track rows and detection columns: strong detections with confirmed tracks, then weak ones with what
        was lately seen, then the remaining strong ones with tentative tracks, weak ones with tentative vehicles."""
        if not (self.live and len(seen.scores)):
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        book, state, placed, config = self._book, self._filter, seen.placed, self._config
        surprise = kalman.surprise(state, placed.place, placed.noise, placed.size, placed.size_noise)
        boxes = self._predicted()
        unseen_s = (self._now() - book.seen_ns) / NS_PER_S
        areas = self._plane.areas(state.place, state.size, book.group, self._aspect)
        cosine = book.look @ seen.looks.T if config.look_size else np.full(surprise.squared.shape, np.nan)
        cost, overlap = pair_costs(config.fit, surprise, areas, boxes, seen.boxes, unseen_s, ~np.isnan(cosine))
        cost = np.where(book.group[:, None] == seen.group[None, :], cost, np.inf)
        if config.look_size:
            cost += config.likeness.cost(cosine)
        is_strong = self._is_strong(seen)
        # A weak box next to a person is more often a double than the person: it must really overlap.
        is_alone = ~is_beside(seen.boxes, seen.boxes[is_strong]) & (seen.scores >= config.lone_score)
        is_alone &= seen.group == PERSON_GROUP
        is_confirmed = book.stage == CONFIRMED
        least = np.where(is_alone, config.alone_overlap, config.weak_overlap)
        # A runner may be further on than that: where nothing else can be meant, likelihood decides alone.
        is_enough = (overlap >= least) | (only_pairs(is_confirmed[:, None] & (cost < 0)) & is_alone)
        weak_cost = np.where(is_enough, cost, np.inf)
        is_recent = unseen_s <= config.coast_s
        is_sure = (self._now() - book.sure_ns <= config.lost_s * NS_PER_S) | (book.group == VEHICLE_GROUP)
        return assign_in_stages(
            [
                (is_confirmed, is_strong, cost),
                (is_confirmed & is_recent & is_sure, ~is_strong, weak_cost),
                (~is_confirmed, is_strong, cost),
                (~is_confirmed & (book.group == VEHICLE_GROUP), ~is_strong, weak_cost),
            ]
        )

    def _is_strong(self, seen: _Seen) -> npt.NDArray[np.bool_]:
        config = self._config
        least = np.where(seen.group == VEHICLE_GROUP, config.vehicle_score, config.strong_score)
        strong: npt.NDArray[np.bool_] = seen.scores >= least
        return strong

    def _measure(self, rows: Rows, columns: Rows, seen: _Seen) -> None:
        if not len(rows):
            return
        book, config = self._book, self._config
        placed = self._standing(rows, columns, seen)
        # What a box errs by, the next box errs by again (see `TrackerConfig.memory_s`).
        passed_s = np.maximum((self._now() - book.seen_ns[rows]) / NS_PER_S, _LEAST_STEP_S)
        again = 1 + config.memory_s / passed_s
        kalman.update(
            self._filter,
            rows,
            placed.place,
            placed.noise * again[:, None, None],
            placed.size,
            placed.size_noise * again[:, None],
        )
        book.measure(
            rows,
            self._now(),
            seen.scores[columns],
            seen.class_ids[columns],
            seen.shares[columns],
            placed.lift,
            is_evidence=seen.is_new[columns] | (book.stage[rows] == CONFIRMED),
        )
        is_sure = self._is_strong(seen)[columns] | ~seen.is_new[columns]
        book.sure_ns[rows[is_sure]] = self._now()
        if config.look_size:
            book.blend(rows, seen.looks[columns])
        wanted = np.where(book.group == VEHICLE_GROUP, config.vehicle_confirm_score, config.confirm_score)
        is_due = (book.hits >= config.confirm_hits) & (book.score_sum >= wanted)
        book.stage[is_due] = CONFIRMED

    def _standing(self, rows: Rows, columns: Rows, seen: _Seen) -> Placed:
        """Where `columns` are, each as its track's: people whose feet are hidden stand below their boxes."""
        placed = seen.placed.take(columns)
        boxes, is_short = hidden_feet.whole(self._predicted()[rows], seen.boxes[columns])
        is_short &= (self._book.group[rows] == PERSON_GROUP) & (self._book.stage[rows] == CONFIRMED)
        if is_short.any():
            is_cut = np.zeros((int(is_short.sum()), 2), bool)
            is_cut[:, 1] = True
            lower = self._plane.place(boxes[is_short], seen.scores[columns][is_short], is_cut, self._aspect)
            placed.put(is_short, lower)
        return placed

    def _begin(self, lone: Rows, seen: _Seen) -> Rows:
        config = self._config
        least = np.where(seen.group == VEHICLE_GROUP, config.vehicle_score, config.begin_score)
        strong = lone[seen.scores[lone] >= least[lone]]
        room = config.max_tracks - self.live
        born = np.sort(strong[np.argsort(-seen.scores[strong], kind="stable")][:room])
        count = len(born)
        if not count:
            return born
        placed, group = seen.placed, seen.group[born]
        ids = np.arange(self._next_id, self._next_id + count, dtype=np.int64)
        self._next_id += count
        self._book = self._book.join(
            new_book(
                ids,
                group,
                self._now(),
                seen.scores[born],
                seen.class_ids[born],
                seen.shares[born],
                placed.lift[born],
                seen.looks[born],
            )
        )
        first_speed = self._plane.first_speed(placed.size[born], group)
        fresh = kalman.begin(
            placed.place[born], placed.noise[born], placed.size[born], placed.size_noise[born], first_speed
        )
        self._filter = self._filter.join(fresh)
        return born

    def _end_lost(self) -> None:
        book, config = self._book, self._config
        unseen_s = (self._now() - book.seen_ns) / NS_PER_S
        is_known = np.isfinite(book.look).any(axis=1)
        confirmed = np.where(is_known, config.lost_known_s, config.lost_s)
        tentative = np.where(book.group == VEHICLE_GROUP, config.vehicle_tentative_lost_s, config.tentative_lost_s)
        self._remove(unseen_s > np.where(book.stage == CONFIRMED, confirmed, tentative))

    def _remove(self, gone: npt.NDArray[np.bool_]) -> None:
        if not gone.any():
            return
        is_real = gone & (self._book.stage == CONFIRMED)
        self._ended += [self._book.ended(row) for row in np.flatnonzero(is_real).tolist()]
        self._book, self._filter = self._book.take(~gone), self._filter.take(~gone)

    def _report(self, seen: _Seen, lone: Rows) -> TrackColumns:
        book, now = self._book, self._now()
        shown = now - book.seen_ns <= self._config.coast_s * NS_PER_S
        is_measured = book.seen_ns[shown] == now
        predicted = self._predicted()[shown]
        if self._steady is not steady.STILL:
            predicted = steady.moved(predicted, steady.inverse(self._steady), self._aspect)
        filtered = self._shares(predicted)
        boxes = np.where(is_measured[:, None], book.last_box[shown], filtered)
        is_hidden = ~is_measured & (covered_share(boxes, is_measured) >= self._config.hidden_share)
        none = np.zeros(len(lone), bool)
        return TrackColumns(
            track_ids=np.concatenate([book.ids[shown], np.full(len(lone), NO_TRACK, np.int64)]),
            class_ids=np.concatenate([book.classes()[shown], seen.class_ids[lone]]).astype(np.int16),
            boxes_norm=np.concatenate([boxes, seen.shares[lone]]).astype(np.float32),
            scores=np.concatenate([book.score[shown], seen.scores[lone]]).astype(np.float32),
            is_measured=np.concatenate([is_measured, ~none]),
            is_confirmed=np.concatenate([book.stage[shown] == CONFIRMED, none]),
            is_hidden=np.concatenate([is_hidden, none]),
            feet_norm=np.concatenate([_feet(filtered), _feet(seen.shares[lone])]),
        )

    def _predicted(self) -> Columns:
        """(n, 4) frame heights of the first picture: where each track's box is now, measured or not."""
        boxes = self._plane.boxes(self._filter.place, self._filter.size, self._aspect)
        boxes[:, 1::2] -= self._book.lift[:, None]
        return boxes

    def _shares(self, boxes: Columns) -> Columns:
        """Frame heights → shares of the frame, clipped."""
        shares = boxes / np.array([self._aspect, 1.0, self._aspect, 1.0])
        result: Columns = np.minimum(np.maximum(shares, 0.0, out=shares), 1.0, out=shares)
        return result

    def _now(self) -> int:
        assert self._utc_ns is not None
        return self._utc_ns

    # -- state ----------------------------------------------------------------------------------------

    def snapshot(self) -> bytes:
        """All state, for another process to go on from; see `track.snapshot`."""
        columns = [*_columns(self._book), *_columns(self._filter)]
        return pack(self._next_id, self._utc_ns, self._steady, columns, self._ended)

    def restore(self, state: bytes) -> None:
        """Become the tracker that wrote `state`: all later steps give bit-identical columns. Raises: DataLoss."""
        like = [*_columns(empty_book(self._config.look_size)), *_columns(kalman.empty_filter())]
        next_id, utc_ns, steady_map, columns, ended = unpack(state, like)
        self._next_id, self._utc_ns, self._ended = next_id, utc_ns, ended
        self._steady = steady.STILL if np.array_equal(steady_map, steady.STILL) else steady_map
        books = len(Book.__slots__)
        self._book, self._filter = Book(*columns[:books]), Filter(*columns[books:])


def _columns(table: Book | Filter) -> list[npt.NDArray[np.generic]]:
    return [getattr(table, name) for name in table.__slots__]


def _feet(boxes: Columns) -> Columns:
    return np.stack([(boxes[:, 0] + boxes[:, 2]) / 2, boxes[:, 3]], axis=1)
