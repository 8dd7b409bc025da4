"""Two-stage tracking by detection in clock time: association, birth, confirmation, loss, end.

Frame rates may vary and frames may be missing: every limit is in seconds. Knows no camera, run or picture; those are
added by `pipeline`. Association in two stages by score is ByteTrack's (Zhang et al. 2022), buffered overlap is
C-BIoU's (Yang et al. 2023); the clock-time filter is ours, because both count frames and lose identity at 3 to 10 fps.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from custodes.geometry.boxes import Boxes, iou_matrix, norm_from_px
from custodes.track import kalman
from custodes.track.ended import EndedTrack
from custodes.track.kalman import Columns, Filter
from custodes.track.snapshot import pack, unpack
from custodes.types.vision import Detections, ObjectClass
from custodes.units import NS_PER_S, Ns

Rows = npt.NDArray[np.int64]

NO_TRACK = -1
"""Track id of a detection that began no track: too weak for that, strong enough to be covered."""

_TENTATIVE, _CONFIRMED = 0, 1
_CLASSES = len(ObjectClass)
_FORBIDDEN = 1e6
_NO_ROWS: Rows = np.zeros(0, np.int64)
_BUFFER = 0.28
_LEAST_OVERLAP = 0.05
_FAR_WEIGHT = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackerConfig:
    """Limits. Scores are the detector's; times in seconds of the camera's clock."""

    strong_score: float = 0.53
    """At or above: associated first."""
    weak_score: float = 0.1
    """Below: ignored."""
    weak_overlap: float = 0.53
    """A weak detection continues a track only with this much intersection over union."""
    begin_score: float = 0.65
    """Begins a track."""
    lone_score: float = 0.25
    """A person or face that fits no track is still reported (id `NO_TRACK`) from here on, because it is masked."""
    confirm_hits: int = 3
    confirm_hits_slow: int = 2
    """Enough once the track is `confirm_after_s` old: at 3 fps three hits would take a second."""
    confirm_after_s: float = 0.3
    lost_s: float = 2.2
    """A confirmed track that was not measured for longer is over."""
    tentative_lost_s: float = 0.38
    coast_s: float = 1.0
    """Predictions of an unmeasured track are reported for this long."""
    gate: float = 12.5
    """Squared Mahalanobis distance; chi-square, 3 degrees of freedom, 99.4 %."""
    max_step_s: float = 5.0
    """A longer pause ends all tracks: nothing that far back is known to be the same."""
    max_tracks: int = 512
    """Bound against a detector that sees things everywhere; the weakest new ones are not begun."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackColumns:
    """What is known after one frame: live tracks, then lone detections.

    `track_ids` (n,) int64; `class_ids` (n,) int16 by vote; `boxes_norm` (n, 4) float32; `scores` (n,) float32;
    `is_measured`, `is_confirmed` (n,) bool. A measured row's box is the detection's own, not the filter's.
    """

    track_ids: npt.NDArray[np.int64]
    class_ids: npt.NDArray[np.int16]
    boxes_norm: Boxes
    scores: npt.NDArray[np.float32]
    is_measured: npt.NDArray[np.bool_]
    is_confirmed: npt.NDArray[np.bool_]


@dataclass(slots=True)
class _Book:
    """Per-track columns beside the filter; (n, …)."""

    ids: npt.NDArray[np.int64]
    stage: npt.NDArray[np.int64]
    group: npt.NDArray[np.int64]
    hits: npt.NDArray[np.int64]
    born_ns: npt.NDArray[np.int64]
    seen_ns: npt.NDArray[np.int64]
    score: Columns
    score_sum: Columns
    votes: Columns
    """(n, classes) sum of scores."""
    first_box: Columns
    last_box: Columns
    """(n, 4) normalised."""

    def take(self, keep: npt.NDArray[np.bool_] | Rows) -> "_Book":
        return _Book(*(getattr(self, name)[keep].copy() for name in self.__slots__))

    def join(self, other: "_Book") -> "_Book":
        return _Book(*(np.concatenate([getattr(self, n), getattr(other, n)]) for n in self.__slots__))


def _empty_book() -> _Book:
    ids, stage, group, hits, born_ns, seen_ns = (np.zeros(0, np.int64) for _ in range(6))
    return _Book(
        ids=ids,
        stage=stage,
        group=group,
        hits=hits,
        born_ns=born_ns,
        seen_ns=seen_ns,
        score=np.zeros(0),
        score_sum=np.zeros(0),
        votes=np.zeros((0, _CLASSES)),
        first_box=np.zeros((0, 4)),
        last_box=np.zeros((0, 4)),
    )


@dataclass(frozen=True, slots=True)
class _Seen:
    """One frame's usable detections."""

    boxes_px: Columns
    places: Columns
    scores: Columns
    class_ids: npt.NDArray[np.int64]
    group: npt.NDArray[np.int64]


# Groups within which a class may change from frame to frame; a person never becomes a car.
_GROUP = np.array([0 if c is ObjectClass.PERSON else 2 if c is ObjectClass.FACE else 1 for c in ObjectClass])
_VEHICLE_GROUP = 1
_TOP_SPEED = np.array([1.0, 3.0, 1.0])
"""Unknown first velocity, standard deviation in object sizes per second: a walker crosses a third of his height, or
two thirds of his box's yardstick, per half second; a car several times its picture size when near."""
_AGILITY = np.array([1.0, 2.5, 1.0])


class Tracker:
    """Tracks of one run of one camera. Deterministic: the same calls give the same columns. Not thread-safe."""

    def __init__(self, *, first_id: int = 1, config: TrackerConfig | None = None) -> None:
        self._config = config or TrackerConfig()
        self._next_id = first_id
        self._utc_ns: int | None = None
        self._filter = kalman.empty_filter()
        self._book = _empty_book()
        self._ended: list[EndedTrack] = []

    @property
    def live(self) -> int:
        """Tracks that may go on, tentative and lost ones included."""
        return len(self._book.ids)

    def live_confirmed(self, classes: frozenset[ObjectClass], utc_ns: Ns) -> int:
        """Confirmed tracks of `classes` that were measured or coast at `utc_ns`."""
        book, wanted = self._book, [int(c) for c in classes]
        recent = utc_ns - book.seen_ns <= self._config.coast_s * NS_PER_S
        chosen = (book.stage == _CONFIRMED) & recent & np.isin(book.votes.argmax(axis=1), wanted)
        return int(chosen.sum())

    def confirmed(self, classes: frozenset[ObjectClass]) -> int:
        """Confirmed tracks of `classes` that have not ended, lost ones included."""
        is_wanted = np.isin(self._book.votes.argmax(axis=1), [int(c) for c in classes])
        return int(((self._book.stage == _CONFIRMED) & is_wanted).sum())

    def step(self, detections: Detections, utc_ns: Ns, frame_size: tuple[int, int]) -> TrackColumns:
        """Take one analysed frame.

        Args: detections: boxes in pixels of a frame of `frame_size` (width, height); utc_ns: the frame's time. A time
        that is not later than the last one counts as the same moment.
        Returns: every live track measured or coasting now, tentative ones too, then lone detections.
        Cost: O(tracks × detections), 0.6 ms at 40 × 40 on one core.
        """
        seen = self._usable(detections)
        self._advance(utc_ns)
        rows, columns = self._associate(seen)
        self._measure(rows, columns, seen, frame_size)
        is_lone = np.ones(len(seen.scores), bool)
        is_lone[columns] = False
        born = self._begin(np.flatnonzero(is_lone), seen, frame_size)
        is_lone[born] = False
        is_reported = (seen.scores >= self._config.lone_score) & (seen.group != _VEHICLE_GROUP)
        lone = np.flatnonzero(is_lone & is_reported)
        self._end_lost()
        return self._report(seen, lone, frame_size)

    def finish(self) -> None:
        """The run is over: every track ends."""
        self._remove(np.ones(self.live, bool))

    def ended(self) -> list[EndedTrack]:
        """Confirmed tracks that ended since the last call."""
        ended, self._ended = self._ended, []
        return ended

    # -- one step -------------------------------------------------------------------------------------

    def _usable(self, detections: Detections) -> _Seen:
        boxes = detections.boxes_px.astype(np.float64)
        scores = np.clip(detections.scores.astype(np.float64), 0.0, 1.0)
        is_known = (detections.class_ids >= 0) & (detections.class_ids < _CLASSES)
        is_box = np.isfinite(boxes).all(axis=1) & (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
        keep = is_box & is_known & (scores >= self._config.weak_score)
        classes = detections.class_ids[keep].astype(np.int64)
        return _Seen(boxes[keep], kalman.places_of(boxes[keep]), scores[keep], classes, _GROUP[classes])

    def _advance(self, utc_ns: int) -> None:
        before, self._utc_ns = self._utc_ns, max(utc_ns, self._utc_ns or utc_ns)
        if before is None:
            return
        duration_s = (self._utc_ns - before) / NS_PER_S
        if duration_s > self._config.max_step_s:
            self.finish()
        kalman.predict(self._filter, duration_s, _AGILITY[self._book.group])

    def _associate(self, seen: _Seen) -> tuple[Rows, Rows]:
        """Pairs of track rows and detection columns: strong detections with confirmed tracks, then weak ones with what
        was lately seen, then the remaining strong ones with tentative tracks."""
        if not (self.live and len(seen.scores)):
            return _NO_ROWS, _NO_ROWS
        cost, plain = self._costs(seen)
        # A weak box next to a person is more often a double than the person: it must really overlap.
        weak_cost = np.where(plain >= self._config.weak_overlap, cost, _FORBIDDEN)
        is_strong = seen.scores >= self._config.strong_score
        is_confirmed = self._book.stage == _CONFIRMED
        is_recent = self._now() - self._book.seen_ns <= self._config.coast_s * NS_PER_S
        stages = (
            (is_confirmed, is_strong, cost),
            (is_confirmed & is_recent, ~is_strong, weak_cost),
            (~is_confirmed, is_strong, cost),
        )
        # Masks of what is still free: set operations on indices took half of a step.
        free_rows, free_columns = np.ones(self.live, bool), np.ones(len(seen.scores), bool)
        rows, columns = [_NO_ROWS], [_NO_ROWS]
        for tracks, found, cost_here in stages:
            left, right = np.flatnonzero(tracks & free_rows), np.flatnonzero(found & free_columns)
            if len(left) and len(right):
                a, b = _assign(cost_here[left[:, None], right])
                rows.append(left[a])
                columns.append(right[b])
                free_rows[left[a]] = False
                free_columns[right[b]] = False
        return np.concatenate(rows), np.concatenate(columns)

    def _costs(self, seen: _Seen) -> tuple[Columns, Columns]:
        """Cost of each pair, and the plain overlap with the prediction."""
        boxes = self._filter.boxes_px
        far = kalman.distances(self._filter, seen.places, seen.scores)
        # Buffered overlap: at a low rate the boxes of one walker need not touch. The buffer is what the prediction
        # does not know, so it grows with the time since the last measurement and shrinks as the speed is learnt.
        spread = np.sqrt(self._filter.pp[:, :2])
        overlap = iou_matrix(_buffered(boxes, spread), _buffered(seen.boxes_px, np.zeros_like(seen.boxes_px[:, :2])))
        cost = (1 - overlap) + _FAR_WEIGHT * far / self._config.gate
        is_alike = self._book.group[:, None] == seen.group[None, :]
        is_possible = (far <= self._config.gate) & (overlap > _LEAST_OVERLAP) & is_alike
        allowed: Columns = np.where(is_possible, cost, _FORBIDDEN)
        return allowed, iou_matrix(boxes, seen.boxes_px).astype(np.float64)

    def _measure(self, rows: Rows, columns: Rows, seen: _Seen, frame_size: tuple[int, int]) -> None:
        if not len(rows):
            return
        book, scores = self._book, seen.scores[columns]
        kalman.update(self._filter, rows, seen.places[columns], scores)
        book.hits[rows] += 1
        book.seen_ns[rows] = self._now()
        book.score[rows] = scores
        book.score_sum[rows] += scores
        book.votes[rows, seen.class_ids[columns]] += scores
        book.last_box[rows] = norm_from_px(seen.boxes_px[columns].astype(np.float32), *frame_size)
        age_s = (self._now() - book.born_ns) / NS_PER_S
        config = self._config
        is_due = (book.hits >= config.confirm_hits) | (
            (book.hits >= config.confirm_hits_slow) & (age_s >= config.confirm_after_s)
        )
        book.stage[is_due] = _CONFIRMED

    def _begin(self, lone: Rows, seen: _Seen, frame_size: tuple[int, int]) -> Rows:
        strong = lone[seen.scores[lone] >= self._config.begin_score]
        room = self._config.max_tracks - self.live
        born = np.sort(strong[np.argsort(-seen.scores[strong], kind="stable")][:room])
        count = len(born)
        if not count:
            return born
        places, scores, group = seen.places[born], seen.scores[born], seen.group[born]
        boxes = norm_from_px(seen.boxes_px[born].astype(np.float32), *frame_size).astype(np.float64)
        now = np.full(count, self._now(), np.int64)
        votes = np.zeros((count, _CLASSES))
        votes[np.arange(count), seen.class_ids[born]] = scores
        fresh = _Book(
            ids=np.arange(self._next_id, self._next_id + count, dtype=np.int64),
            stage=np.full(count, _TENTATIVE, np.int64),
            group=group,
            hits=np.ones(count, np.int64),
            born_ns=now,
            seen_ns=now.copy(),
            score=scores.copy(),
            score_sum=scores.copy(),
            votes=votes,
            first_box=boxes,
            last_box=boxes.copy(),
        )
        self._next_id += count
        self._book = self._book.join(fresh)
        self._filter = self._filter.join(kalman.begin(places, scores, _TOP_SPEED[group]))
        return born

    def _end_lost(self) -> None:
        unseen_s = (self._now() - self._book.seen_ns) / NS_PER_S
        limit = np.where(self._book.stage == _CONFIRMED, self._config.lost_s, self._config.tentative_lost_s)
        self._remove(unseen_s > limit)

    def _remove(self, gone: npt.NDArray[np.bool_]) -> None:
        book = self._book
        for row in np.flatnonzero(gone & (book.stage == _CONFIRMED)).tolist():
            self._ended.append(
                EndedTrack(
                    track_id=int(book.ids[row]),
                    object_class=ObjectClass(int(book.votes[row].argmax())),
                    start_ns=Ns(int(book.born_ns[row])),
                    end_ns=Ns(int(book.seen_ns[row])),
                    frames=int(book.hits[row]),
                    mean_score=float(book.score_sum[row] / book.hits[row]),
                    first_box_norm=_box(book.first_box[row]),
                    last_box_norm=_box(book.last_box[row]),
                )
            )
        if gone.any():
            self._book, self._filter = book.take(~gone), self._filter.take(~gone)

    def _report(self, seen: _Seen, lone: Rows, frame_size: tuple[int, int]) -> TrackColumns:
        book, now = self._book, self._now()
        shown = now - book.seen_ns <= self._config.coast_s * NS_PER_S
        is_measured = book.seen_ns[shown] == now
        predicted = norm_from_px(self._filter.boxes_px[shown].astype(np.float32), *frame_size)
        boxes = np.where(is_measured[:, None], book.last_box[shown], predicted)
        lone_boxes = norm_from_px(seen.boxes_px[lone].astype(np.float32), *frame_size)
        count = len(lone)
        return TrackColumns(
            track_ids=np.concatenate([book.ids[shown], np.full(count, NO_TRACK, np.int64)]),
            class_ids=np.concatenate([book.votes[shown].argmax(axis=1), seen.class_ids[lone]]).astype(np.int16),
            boxes_norm=np.concatenate([boxes, lone_boxes]).astype(np.float32),
            scores=np.concatenate([book.score[shown], seen.scores[lone]]).astype(np.float32),
            is_measured=np.concatenate([is_measured, np.ones(count, bool)]),
            is_confirmed=np.concatenate([book.stage[shown] == _CONFIRMED, np.zeros(count, bool)]),
        )

    def _now(self) -> int:
        assert self._utc_ns is not None
        return self._utc_ns

    # -- state ----------------------------------------------------------------------------------------

    def snapshot(self) -> bytes:
        """All state, for another process to go on from; see `track.snapshot`."""
        return pack(self._next_id, self._utc_ns, [*_columns(self._book), *_columns(self._filter)], self._ended)

    def restore(self, state: bytes) -> None:
        """Become the tracker that wrote `state`: all later steps give bit-identical columns. Raises: DataLoss."""
        next_id, utc_ns, columns, ended = unpack(state, [*_columns(_empty_book()), *_columns(kalman.empty_filter())])
        self._next_id, self._utc_ns, self._ended = next_id, utc_ns, ended
        books = len(_Book.__slots__)
        self._book, self._filter = _Book(*columns[:books]), Filter(*columns[books:])


def _columns(table: _Book | Filter) -> list[npt.NDArray[np.generic]]:
    return [getattr(table, name) for name in table.__slots__]


def _box(row: Columns) -> tuple[float, float, float, float]:
    x1, y1, x2, y2 = row.tolist()
    return (x1, y1, x2, y2)


def _buffered(boxes_px: Columns, spread_px: Columns) -> Columns:
    """Boxes moved outward by a quarter of their size plus the spread of their place, the latter up to half a size."""
    size = boxes_px[:, 2:] - boxes_px[:, :2]
    buffer = _BUFFER * size + np.minimum(spread_px, 0.5 * size)
    return np.concatenate([boxes_px[:, :2] - buffer, boxes_px[:, 2:] + buffer], axis=1)


def _assign(cost: Columns) -> tuple[Rows, Rows]:
    """One-to-one pairs of least total cost, forbidden ones left out."""
    rows, columns = linear_sum_assignment(cost)
    keep = cost[rows, columns] < _FORBIDDEN
    return rows[keep].astype(np.int64), columns[keep].astype(np.int64)
