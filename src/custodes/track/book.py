"""Columns of a tracker's tracks beside the filter: numbers, votes, times. No association, no motion."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from custodes.track.ended import EndedTrack
from custodes.track.kalman import Columns, Rows
from custodes.types.vision import ObjectClass
from custodes.units import Ns

TENTATIVE, CONFIRMED = 0, 1
CLASSES = len(ObjectClass)
_LOOK_KEPT = 0.8
"""Share of a track's look that stays when a new one comes: pose and light change within seconds."""


@dataclass(slots=True)
class Book:
    """n tracks; each column has n rows."""

    ids: npt.NDArray[np.int64]
    stage: npt.NDArray[np.int64]
    group: npt.NDArray[np.int64]
    hits: npt.NDArray[np.int64]
    """Frames in which it was measured."""
    looks: npt.NDArray[np.int64]
    """Frames since it began."""
    looks_seen: npt.NDArray[np.int64]
    """`looks` when it was last measured."""
    born_ns: npt.NDArray[np.int64]
    seen_ns: npt.NDArray[np.int64]
    sure_ns: npt.NDArray[np.int64]
    """When it was last measured by a strong detection, or by one that nothing contradicts."""
    score: Columns
    score_sum: Columns
    votes: Columns
    """(n, classes) sum of scores."""
    first_box: Columns
    last_box: Columns
    """(n, 4) shares of the frame."""
    lift: Columns
    """See `Placed.lift`; of the last measurement."""
    look: Columns
    """(n, d) appearance, unit length; NaN where unknown. d is 0 where no appearance is given."""

    def take(self, keep: npt.NDArray[np.bool_] | Rows) -> "Book":
        """The chosen rows, copied."""
        return Book(*(getattr(self, name)[keep].copy() for name in self.__slots__))

    def join(self, other: "Book") -> "Book":
        """Rows of both."""
        return Book(*(np.concatenate([getattr(self, n), getattr(other, n)]) for n in self.__slots__))

    def measure(
        self,
        rows: Rows,
        now_ns: int,
        scores: Columns,
        class_ids: Rows,
        boxes: Columns,
        lift: Columns,
        *,
        is_evidence: npt.NDArray[np.bool_],
    ) -> None:
        """`rows` (k,) were seen: scores (k,), class_ids (k,), boxes (k, 4) shares of the frame, lift (k,).

        Where it is no evidence (k,), only that the object is still there counts.
        """
        self.hits[rows] += is_evidence
        self.looks_seen[rows] = self.looks[rows]
        self.seen_ns[rows] = now_ns
        self.score[rows] = scores
        self.score_sum[rows] += scores * is_evidence
        self.votes[rows, class_ids] += scores * is_evidence
        self.last_box[rows] = boxes
        self.lift[rows] = lift

    def blend(self, rows: Rows, newest: Columns) -> None:
        """Looks of `rows` (k,) go on from `newest` (k, d) unit vectors; where one is NaN, the other."""
        before = self.look[rows]
        mixed = _LOOK_KEPT * before + (1 - _LOOK_KEPT) * newest
        mixed = np.where(np.isnan(before), newest, np.where(np.isnan(newest), before, mixed))
        length = np.linalg.norm(mixed, axis=1, keepdims=True)
        self.look[rows] = mixed / np.where(length > 0, length, 1.0)

    def classes(self) -> npt.NDArray[np.int64]:
        """(n,) by vote."""
        winners: npt.NDArray[np.int64] = self.votes.argmax(axis=1)
        return winners

    def ended(self, row: int) -> EndedTrack:
        """One track summed up."""
        hits = int(self.hits[row])
        mean_score = float(self.score_sum[row]) / hits
        return EndedTrack(
            track_id=int(self.ids[row]),
            object_class=ObjectClass(int(self.votes[row].argmax())),
            start_ns=Ns(int(self.born_ns[row])),
            end_ns=Ns(int(self.seen_ns[row])),
            frames=hits,
            mean_score=mean_score,
            quality=mean_score * hits / max(int(self.looks_seen[row]), 1),
            first_box_norm=_box(self.first_box[row]),
            last_box_norm=_box(self.last_box[row]),
        )


def new_book(
    ids: npt.NDArray[np.int64],
    group: Rows,
    now_ns: int,
    scores: Columns,
    class_ids: Rows,
    boxes: Columns,
    lift: Columns,
    look: Columns,
) -> Book:
    """Tentative tracks of (n,) first detections; columns as in `Book.measure`; look: (n, d)."""
    count = len(ids)
    votes = np.zeros((count, CLASSES))
    votes[np.arange(count), class_ids] = scores
    now = np.full(count, now_ns, np.int64)
    ones = np.ones(count, np.int64)
    return Book(
        ids=ids,
        stage=np.full(count, TENTATIVE, np.int64),
        group=group,
        hits=ones,
        looks=ones.copy(),
        looks_seen=ones.copy(),
        born_ns=now,
        seen_ns=now.copy(),
        sure_ns=now.copy(),
        score=scores.copy(),
        score_sum=scores.copy(),
        votes=votes,
        first_box=boxes,
        last_box=boxes.copy(),
        lift=lift,
        look=look,
    )


def empty_book(look_size: int) -> Book:
    """No tracks."""
    none = np.zeros(0, np.int64)
    return new_book(none, none, 0, np.zeros(0), none, np.zeros((0, 4)), np.zeros(0), np.zeros((0, look_size)))


def _box(row: Columns) -> tuple[float, float, float, float]:
    x1, y1, x2, y2 = row.tolist()
    return (x1, y1, x2, y2)
