"""Masks over time from analysed frames: which boxes cover people at a moment, or nobody knows.

Fails closed: where no FrameAnalysed vouches, the answer is None and the caller fills the whole frame. Filling is
`redact.fill`'s.
"""

from bisect import bisect_left
from collections.abc import Container, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from custodes.geometry.boxes import WHOLE_FRAME, Boxes, clip_norm, do_overlap, empty_boxes, grow
from custodes.redact.levels import Box, MaskLevel, covered_part, plate_part
from custodes.redact.reasons import Mask, MaskBasis, MaskReason
from custodes.redact.samples import MAX_FILL_NS, POST_ROLL_NS, PRE_ROLL_NS, Places, Samples, joined
from custodes.redact.stretches import Stretches
from custodes.redact.zones import PrivacyZone
from custodes.types.event import FrameAnalysed
from custodes.types.vision import ObjectClass
from custodes.units import NS_PER_MS, NS_PER_S, Ns, RunId

DEFAULT_LOOK_AHEAD_NS = Ns(600 * NS_PER_MS)
"""`PRE_ROLL_NS` and half an analysis interval."""

VOUCH_SLACK_NS = 2 * NS_PER_MS
"""A recorded frame's time equals the live one's to under a millisecond (`media.fmp4`); without slack the single
moments that a run's first frame vouches for would be missed."""

MAX_BOXES = 400_000
"""Upper bound of what is kept: about 2 h of 10 people at 5 fps, some 60 MB. Beyond it the oldest half is forgotten,
which masks those moments whole."""

MAX_QUIET_NS = 12 * NS_PER_S
"""Longest stretch between two looks that a view may fill by likeness: a "smart" codec's GOP and what comes before its
keyframe."""

_BUCKET_NS = NS_PER_S
_PEOPLE = frozenset({int(ObjectClass.PERSON), int(ObjectClass.FACE)})
_SURE_FACE = frozenset({MaskBasis.SEEN, MaskBasis.BETWEEN})

_Key = tuple[str, int, int, int]
"""Run, track id (or packet number and row of a lone detection), class."""

TrackKey = tuple[RunId, int]
"""One track: its run and its id."""

NOBODY: frozenset[TrackKey] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class AllBut:
    """Everybody who has a track, but these; of detections without a track nobody knows who they are."""

    covered: frozenset[TrackKey]

    def __contains__(self, key: object) -> bool:
        return key not in self.covered


Exempt = Container[TrackKey]
"""Whom a grant shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskPolicy:
    """What a viewer without further rights gets.

    `margin`: added on each side, as a share of the box, ≥ 0. `look_ahead_ns`: a frame may be shown only once masks
    are vouched for up to its time plus this; at least `PRE_ROLL_NS`, so that every pre-roll is known by then.
    """

    level: MaskLevel = MaskLevel.PERSON
    margin: float = 0.15
    look_ahead_ns: Ns = DEFAULT_LOOK_AHEAD_NS
    has_plates: bool = False
    """Cover number plates, too."""
    zones: tuple[PrivacyZone, ...] = ()
    """Covered at every moment, whoever is there."""

    def __post_init__(self) -> None:
        assert self.margin >= 0
        assert self.look_ahead_ns >= PRE_ROLL_NS


class MaskTimeline:
    """Masks of one camera. Facts may come late, twice and in any order. Not thread-safe.

    A run is vouched for by its own facts only: where a clock was set back, two runs carry the same times, and what was
    seen the first time says nothing about the second. Boxes cover pictures of every run.
    A look-up costs O(log n) plus the few tracks near that second (about 20 µs per track).
    """

    def __init__(self, policy: MaskPolicy) -> None:
        self._policy = policy
        self._vouched: dict[RunId, Stretches] = {}
        self._settled: dict[RunId, Stretches] = {}
        """What is vouched for, and the quiet stretches between."""
        self._quiet: dict[RunId, dict[int, int]] = {}
        """Quiet stretches: from → to, both times of looks."""
        self._tracks: dict[_Key, Samples] = {}
        self._near: dict[int, set[_Key]] = {}
        self._unknown: set[_Key] = set()
        """Lone boxes that no detector found: what moved and was not examined, or came in over the edge."""
        self._boxes = 0
        self._is_whole = False

    def cover_whole_people(self) -> None:
        """From now on at least the whole of everybody who is masked, whatever the policy's level."""
        self._is_whole = True

    @property
    def _level(self) -> MaskLevel:
        is_less = self._policy.level in (MaskLevel.FACE, MaskLevel.HEAD)
        return MaskLevel.PERSON if self._is_whole and is_less else self._policy.level

    @property
    def policy(self) -> MaskPolicy:
        """As given."""
        return self._policy

    @property
    def boxes_kept(self) -> int:
        """How many boxes are in memory, at most `MAX_BOXES`."""
        return self._boxes

    def add(self, frames: Sequence[FrameAnalysed]) -> None:
        """Take facts of this camera. The same fact twice changes nothing."""
        for fact in frames:
            frame = fact.frame
            rows = zip(frame.track_ids.tolist(), frame.class_ids.tolist(), frame.boxes_norm.tolist(),
                       frame.is_measured.tolist(), strict=True)  # fmt: skip
            for row, (track_id, class_id, box, is_measured) in enumerate(rows):
                if self._is_covered(class_id):
                    # A detection without a track (id < 0) is a track of its own, with pre- and post-roll.
                    identity = (track_id, -1) if track_id >= 0 else (frame.seq, row)
                    is_guess = track_id >= 0 and not is_measured
                    key = (frame.run, *identity, class_id)
                    if track_id < 0 and not is_measured and class_id == ObjectClass.FACE:
                        self._unknown.add(key)
                    self._put(key, frame.utc_ns, tuple(box), is_guess=is_guess)
            if fact.valid_from_ns <= frame.utc_ns:
                self._vouched.setdefault(frame.run, Stretches()).add(fact.valid_from_ns, frame.utc_ns)
                self._settled.setdefault(frame.run, Stretches()).add(fact.valid_from_ns, frame.utc_ns)
            if 0 < frame.utc_ns - fact.quiet_from_ns <= MAX_QUIET_NS:
                self._quiet.setdefault(frame.run, {})[fact.quiet_from_ns] = frame.utc_ns
                self._settled.setdefault(frame.run, Stretches()).add(fact.quiet_from_ns, frame.utc_ns)
        while self._boxes > MAX_BOXES:
            self._forget_oldest_half()

    def masks_at(
        self, utc_ns: Ns, run: RunId, aspect: float | None = None, *, exempt: Exempt = NOBODY
    ) -> Boxes | None:
        """What must be covered in a frame of `run` taken at `utc_ns`.

        Args: aspect: width ÷ height of the frame in pixels; without it heads are as wide as their person. exempt:
        people whom a grant shows; everybody else stays covered, also where they overlap.
        Returns: (n, 4) float32 x1 y1 x2 y2, shares of the frame, margin included, clipped to 0..1; (0, 4) when
        somebody vouches that nobody is there; None when nobody vouches: cover the whole frame.
        """
        return self._boxes_at(utc_ns, aspect, exempt) if self.vouches_over(utc_ns, utc_ns, run) else None

    def reasons_at(
        self, utc_ns: Ns, run: RunId, aspect: float | None = None, *, exempt: Exempt = NOBODY
    ) -> tuple[Mask, ...]:
        """Why each part is covered: what `masks_at` gives, in its order, with the reason.

        A moment that nobody vouches for has one reason, and it covers the frame.
        """
        if not self.vouches_over(utc_ns, utc_ns, run):
            return (Mask(box=WHOLE_FRAME, reason=MaskReason.UNKNOWN, basis=MaskBasis.ALWAYS, track_id=-1),)
        return tuple(self._masks_at(utc_ns, aspect, exempt))

    def quiet_at(
        self, utc_ns: Ns, run: RunId, aspect: float | None = None, *, exempt: Exempt = NOBODY
    ) -> tuple[Ns, Boxes] | None:
        """Between two looks with nothing but quiet packets and no change from the one to the other.

        Returns: the former look's time, and what must be covered at `utc_ns` if the picture is like that one outside
        of it (`redact.likeness`); None elsewhere.
        """
        for start_ns, end_ns in self._quiet.get(run, {}).items():
            if start_ns < utc_ns < end_ns:
                # Whoever stood there at one of the looks may have stood there all the time, tracked or not.
                ends = [self._boxes_at(Ns(moment_ns), aspect, exempt) for moment_ns in (start_ns, utc_ns, end_ns)]
                return Ns(start_ns), np.concatenate(ends)
        return None

    def is_settled(self, utc_ns: Ns, run: RunId) -> bool:
        """Whether a moment, and the look-ahead behind it, is vouched for or quiet: no more will be known of it."""
        settled = self._settled.get(run)
        end_ns = utc_ns + self._policy.look_ahead_ns
        return settled is not None and settled.covers(utc_ns, end_ns, slack_ns=VOUCH_SLACK_NS)

    def _is_covered(self, class_id: int) -> bool:
        return class_id in _PEOPLE or (self._policy.has_plates and plate_part(class_id, WHOLE_FRAME) is not None)

    def _boxes_at(self, utc_ns: Ns, aspect: float | None, exempt: Exempt) -> Boxes:
        boxes = [mask.box for mask in self._masks_at(utc_ns, aspect, exempt)]
        return np.array(boxes, np.float32).reshape(-1, 4) if boxes else empty_boxes()

    def _masks_at(self, utc_ns: Ns, aspect: float | None, exempt: Exempt) -> list[Mask]:
        """Margin included, cut to the frame."""
        if self._level is MaskLevel.FRAME:
            return [Mask(box=WHOLE_FRAME, reason=MaskReason.LEVEL, basis=MaskBasis.ALWAYS, track_id=-1)]
        found = [
            (key, places, basis)
            for key in self._near.get(utc_ns // _BUCKET_NS, ())
            for places, basis in self._tracks[key].places_at(utc_ns)
        ]
        if exempt != NOBODY:
            found = [item for item in found if not _is_exempt(item[0], item[1], found, exempt)]
        masks: list[Mask] = []
        faces = [
            seen for key, seen, basis in found if key[3] == ObjectClass.FACE and key[2] < 0 and basis in _SURE_FACE
        ]
        for key, places, basis in found:
            has_face = any(_is_face_of(places, face) for face in faces)
            part, reason = self._part_of(key[3], places, aspect, has_face=has_face)
            if part is not None:
                reason = MaskReason.MOVED if key in self._unknown else reason
                masks.append(Mask(box=part, reason=reason, basis=basis, track_id=key[1] if key[2] < 0 else -1))
        if masks:
            grown = clip_norm(grow(np.array([mask.box for mask in masks], np.float32), self._policy.margin))
            masks = [mask.moved(tuple(box)) for mask, box in zip(masks, grown.tolist(), strict=True)]
        return masks + [
            Mask(box=box, reason=MaskReason.ZONE, basis=MaskBasis.ALWAYS, track_id=-1)
            for box in self._zone_boxes(utc_ns)
        ]

    def zones_at(self, utc_ns: Ns) -> Boxes:
        """Privacy zones alone: what is covered even where everybody may be seen. (n, 4) as `masks_at`."""
        boxes = self._zone_boxes(utc_ns)
        return np.array(boxes, np.float32) if boxes else empty_boxes()

    def _zone_boxes(self, utc_ns: Ns) -> list[Box]:
        return [strip for zone in self._policy.zones if zone.is_on(utc_ns) for strip in zone.strips]

    def _part_of(
        self, class_id: int, places: Places, aspect: float | None, *, has_face: bool
    ) -> tuple[Box | None, MaskReason]:
        """What is covered of somebody on the way between places: the part of each, and all between."""
        plates = [plate for box in places if (plate := plate_part(class_id, box)) is not None]
        if plates:
            return joined(plates), MaskReason.PLATE
        reason = MaskReason.PERSON if self._level is MaskLevel.PERSON else MaskReason.HEAD
        parts = [
            part
            for box in places
            if (part := covered_part(self._level, class_id, box, aspect, has_face=has_face)) is not None
        ]
        return joined(parts) if parts else None, MaskReason.FACE if class_id == ObjectClass.FACE else reason

    def vouched_until(self, run: RunId) -> Ns:
        """The newest moment of the run that is vouched for; 0 when none is."""
        vouched = self._vouched.get(run)
        return Ns(vouched.end_ns if vouched is not None else 0)

    def vouches_over(self, start_ns: Ns, end_ns: Ns, run: RunId) -> bool:
        """Whether [start, end] of the run is vouched for without a hole."""
        vouched = self._vouched.get(run)
        return vouched is not None and vouched.covers(start_ns, end_ns, slack_ns=VOUCH_SLACK_NS)

    def forget_before(self, utc_ns: Ns) -> None:
        """Drop what is not needed for moments from `utc_ns` on; earlier ones are masked whole from now on."""
        for known in (self._vouched, self._settled):
            for run, stretches in list(known.items()):
                stretches.forget_before(utc_ns)
                if not stretches:
                    del known[run]
        for run, quiet in list(self._quiet.items()):
            for start_ns in [start for start, end in quiet.items() if end <= utc_ns]:
                del quiet[start_ns]
            if not quiet:
                del self._quiet[run]
        for bucket in [bucket for bucket in self._near if (bucket + 1) * _BUCKET_NS <= utc_ns]:
            del self._near[bucket]
        alive = set().union(*self._near.values()) if self._near else set()
        for key in [key for key in self._tracks if key not in alive]:
            self._boxes -= len(self._tracks.pop(key).times_ns)
            self._unknown.discard(key)
        for samples in self._tracks.values():
            self._boxes -= samples.forget_before(utc_ns)

    def _put(self, key: _Key, utc_ns: int, box: Box, *, is_guess: bool) -> None:
        samples = self._tracks.setdefault(key, Samples())
        self._boxes += samples.put(utc_ns, box, is_guess=is_guess)
        at = bisect_left(samples.times_ns, utc_ns)
        start, end = utc_ns - PRE_ROLL_NS, utc_ns + POST_ROLL_NS
        if at > 0 and utc_ns - samples.times_ns[at - 1] <= MAX_FILL_NS:
            start = min(start, samples.times_ns[at - 1])
        if at + 1 < len(samples.times_ns) and samples.times_ns[at + 1] - utc_ns <= MAX_FILL_NS:
            end = max(end, samples.times_ns[at + 1])
        for bucket in range(start // _BUCKET_NS, end // _BUCKET_NS + 1):
            self._near.setdefault(bucket, set()).add(key)

    def _forget_oldest_half(self) -> None:
        times = sorted(time for samples in self._tracks.values() for time in samples.times_ns)
        before = self._boxes
        self.forget_before(Ns(times[len(times) // 2]))
        if self._boxes >= before:  # everything carries one time: nothing older to drop
            self.forget_before(Ns(times[-1] + MAX_FILL_NS))


def _is_exempt(key: _Key, places: Places, found: Sequence[tuple[_Key, Places, MaskBasis]], exempt: Exempt) -> bool:
    """A person who may be seen, or a face that can be nobody else's."""
    if key[2] < 0 and key[3] == ObjectClass.PERSON:
        return (key[0], key[1]) in exempt
    if key[3] != ObjectClass.FACE:
        return False
    face = joined(places)
    owners = {
        other[:3]
        for other, person, _ in found
        if other[3] == ObjectClass.PERSON and do_overlap(face, joined([_reach_of(box) for box in person]))
    }
    return bool(owners) and all(owner[2] < 0 and owner[:2] in exempt for owner in owners)


def _is_face_of(person: Places, face: Places) -> bool:
    """Whether a face is where this person's must be, at both ends of a way: in the box's upper quarter, where no
    printed shirt is."""
    pairs = zip(person, face, strict=True) if len(person) == len(face) else product(person, face)
    return all(_is_in_upper_quarter(*pair) for pair in pairs)


def _is_in_upper_quarter(person: Box, face: Box) -> bool:
    x, y = (face[0] + face[2]) / 2, (face[1] + face[3]) / 2
    width, height = person[2] - person[0], person[3] - person[1]
    return abs(2 * x - person[0] - person[2]) < 0.6 * width and person[1] <= y <= person[1] + height / 4


def _reach_of(person: Box) -> Box:
    """Where a person's face may be found: the upper half of the box, and some way around it."""
    width, height = person[2] - person[0], person[3] - person[1]
    return (person[0] - width / 4, person[1] - height / 8, person[2] + width / 4, person[1] + height / 2)
