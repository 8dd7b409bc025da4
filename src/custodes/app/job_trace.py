"""The trace job: one found picture, one camera's recordings. No picture leaves it: place, moment and scores do.

It gets the data keys of the segments it compares with, and then mark keys of exactly the sessions that the log says
were given them; both releases are in the log before anything is compared.
"""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np

from custodes.app.content_index import ContentIndex, tell_nobody
from custodes.app.job_trace_expired import ExpiredTracer
from custodes.errors import InvalidArgument
from custodes.leaks.alignment import Fit, Original, Suspect, align, refit
from custodes.leaks.attribution import Attribution, attribute, looks_like
from custodes.leaks.moment import NEAR_STRETCHES, compare, compare_stretches, sketch_of_found
from custodes.leaks.place import background_of, best_of, found_pictures, is_ours, references_of
from custodes.leaks.registration import Luma
from custodes.leaks.rule import NAMED_Z
from custodes.leaks.sketch import Sketch, sketch
from custodes.leaks.stretch import Looked, covered_by_nothing, stretch
from custodes.leaks.verdict import named_slot
from custodes.ports.warden import KeyReleaser
from custodes.redact.timeline import MaskPolicy, MaskTimeline
from custodes.review.archive import Archive, GopRef
from custodes.review.trace import ArchivedFrame, all_frames, as_masked, gops_between, keyframes
from custodes.types.access import Fidelity
from custodes.types.event import FrameAnalysed
from custodes.types.leak import MarksReleased, PictureTraced, TraceTask
from custodes.types.mark import SLOT_NS, slot_of
from custodes.types.media import Frame
from custodes.units import NS_PER_S, Ns, SegmentId

MAX_KEYFRAMES = 50_000
"""A day of 2-second GOPs; longer intervals are looked at less densely, and say so by a wider stretch."""

_REFERENCES = 9
"""Pictures that the background is the median of; all but rarely, what moved is not in it."""
_CLIP_PICTURES = 5
"""Of a clip: the one that fits best is traced."""
_FINE_COLUMNS = 192
_MAX_SLOTS = 360
"""An hour of ten seconds around the best moment."""
_MAX_MARKED_SEGMENTS = 64
_MASKS_AROUND_NS = 12 * NS_PER_S

NOTHING_LEFT = "nothing was recorded in that time, or it cannot be read any more"

AskMasks = Callable[[Ns, Ns], Iterable[FrameAnalysed]]
ReleaseMarksOf = Callable[[tuple[SegmentId, ...]], MarksReleased]

__all__ = ["AskMasks", "KeyReleaser", "Tracer"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Near:
    """A frame of the archive as it may have been shown."""

    archived: ArchivedFrame
    fidelity: Fidelity
    frame: Frame


@dataclass(frozen=True, slots=True, kw_only=True)
class _Moment:
    """When a picture was taken, by its content."""

    at: int
    """Which of the frames that were looked at fits best."""
    earliest_ns: Ns
    latest_ns: Ns
    fidelity: Fidelity | None


class Tracer:
    """One trace. Raises what the archive and the warden raise."""

    def __init__(
        self,
        task: TraceTask,
        *,
        archive: Archive,
        index: ContentIndex,
        policy: MaskPolicy,
        ask_masks: AskMasks,
        release: ReleaseMarksOf,
        expired: ExpiredTracer | None = None,
        told: Callable[[float], None] = tell_nobody,
    ) -> None:
        """`expired`: traces what is of a time whose footage is gone. `told`: how much is looked through, 0 to 1."""
        self._told = told
        self._expired = expired
        self._task = task
        self._archive = archive
        self._policy = policy
        self._index = index
        self._ask_masks = ask_masks
        self._release = release
        self._sha256 = hashlib.sha256(task.picture).hexdigest()

    def run(self) -> PictureTraced:
        """Place, moment, and, if wanted, copy."""
        try:
            suspects = [Suspect(one) for one in found_pictures(self._task.picture, limit=_CLIP_PICTURES)]
        except InvalidArgument as error:
            return PictureTraced(camera_id=self._task.camera_id, is_found=False, error=str(error), is_unreadable=True)
        answer, first_ns = self._by_footage(suspects)
        if _named(answer) or self._expired is None or not self._expired.has_older(first_ns):
            return answer
        older = self._expired.run(suspects)
        trials = answer.trials + older.trials
        return replace(older if _named(older) or not answer.is_found else answer, trials=trials)

    def _by_footage(self, suspects: list[Suspect]) -> tuple[PictureTraced, int]:
        """What the recordings tell, and when the first of them begins; the end of the wanted time without any."""
        nothing = PictureTraced(camera_id=self._task.camera_id, is_found=False)
        gops = gops_between(self._archive, self._task.start_ns, self._task.end_ns, limit=MAX_KEYFRAMES)
        # Some pictures first: of all sketches only those of the camera that it is of are read.
        every = max(len(gops) // _REFERENCES, 1)
        looked = list(keyframes(self._archive, gops[::every][:_REFERENCES]))
        references = [one.frame.y for one in looked]
        if not references:
            return replace(nothing, error=NOTHING_LEFT), self._task.end_ns
        background = background_of(references)
        suspect, placed, tried = best_of(suspects, references_of(background, references[:2]))
        if placed is None or not is_ours(placed):
            likeness = 0.0 if placed is None else placed.likeness
            inliers = 0 if placed is None else placed.registration.inliers
            return replace(nothing, likeness=likeness, inliers=inliers), looked[0].gop.start_ns
        kept, sketches = self._sketches(gops)
        if not kept:
            return replace(nothing, error=NOTHING_LEFT), self._task.end_ns
        moment = self._at_moment(suspect, background, replace(placed, hypotheses=tried), kept, sketches)
        return moment, kept[0].start_ns

    def _sketches(self, gops: list[GopRef]) -> tuple[list[GopRef], list[Sketch]]:
        """Those of all keyframes that can be read."""
        kept: list[GopRef] = []
        sketches: list[Sketch] = []
        wanted = [(one, list(group)) for one, group in groupby(gops, key=lambda gop: gop.segment_id)]
        for gop, one in self._index.sketches(wanted, self._told):
            kept.append(gop)
            sketches.append(one)
        return kept, sketches

    def _at_moment(
        self,
        suspect: Suspect,
        background: Luma,
        placed: Fit,
        kept: list[GopRef],
        sketches: list[Sketch],
    ) -> PictureTraced:
        aligned = align(suspect, Original(background), placed.registration)
        found, fine = sketch_of_found(aligned), sketch_of_found(aligned, _FINE_COLUMNS)
        keys = Looked(times_ns=[int(gop.start_ns) for gop in kept], sketches=sketches, costs=compare(found, sketches))
        order = compare_stretches(found, sketches).argsort()[:NEAR_STRETCHES]
        near = self._near([kept[n] for n in sorted(order.tolist())])
        if not near:
            return PictureTraced(camera_id=self._task.camera_id, is_found=True, error="the moment cannot be read")
        moment = _moment(found, fine, keys, near, background)
        best = near[moment.at]
        traced = PictureTraced(
            camera_id=self._task.camera_id,
            is_found=True,
            likeness=placed.likeness,
            inliers=placed.registration.inliers,
            matrix=tuple(float(value) for value in placed.registration.matrix.ravel()),
            is_mirrored=placed.registration.is_mirrored,
            utc_ns=best.frame.utc_ns,
            earliest_ns=moment.earliest_ns,
            latest_ns=moment.latest_ns,
            fidelity=moment.fidelity,
            reference_sha256=hashlib.sha256(best.frame.y.tobytes()).hexdigest(),
        )
        if not self._task.is_attributing:
            return traced
        alike = [gop for gop in kept if gop.end_ns >= moment.earliest_ns and gop.start_ns <= moment.latest_ns]
        alike.sort(key=lambda gop: abs(gop.start_ns - best.frame.utc_ns))
        segments = [best.archived.gop.segment_id, *(gop.segment_id for gop in alike)]
        traced = self._attributed(traced, suspect, background, placed, near, best, segments)
        slot = named_slot(traced.candidates)
        if slot is None or slot_of(moment.earliest_ns) == slot == slot_of(moment.latest_ns):
            return traced
        return self._by_the_mark(traced, slot, (found, fine), background, kept, keys, near)

    def _by_the_mark(
        self,
        traced: PictureTraced,
        slot: int,
        found: tuple[Sketch, Sketch],
        background: Luma,
        kept: list[GopRef],
        keys: Looked,
        near: list[_Near],
    ) -> PictureTraced:
        """The moment among those ten seconds that a named copy's mark tells: content may have fitted others as well.

        Args: found: sketches of the picture, coarse and fine.
        """
        start_ns, end_ns = Ns(slot * SLOT_NS), Ns((slot + 1) * SLOT_NS)
        inside = [n for n, gop in enumerate(kept) if gop.end_ns > start_ns and gop.start_ns < end_ns]
        if not inside:
            return traced
        within = Looked(
            times_ns=[keys.times_ns[n] for n in inside],
            sketches=[keys.sketches[n] for n in inside],
            costs=keys.costs[inside],
        )
        likely = compare_stretches(found[0], within.sketches).argsort()[:NEAR_STRETCHES].tolist()
        decoded = {one.archived.gop for one in near}
        missing = [kept[inside[n]] for n in sorted(likely) if kept[inside[n]] not in decoded]
        frames = [one for one in [*near, *self._near(missing)] if start_ns <= one.frame.utc_ns < end_ns]
        if not frames:
            return traced
        frames.sort(key=lambda one: one.frame.utc_ns)
        moment = _moment(*found, within, frames, background)
        return replace(
            traced,
            utc_ns=frames[moment.at].frame.utc_ns,
            earliest_ns=max(moment.earliest_ns, start_ns),
            latest_ns=min(moment.latest_ns, end_ns),
            fidelity=moment.fidelity,
            by_content_ns=(traced.earliest_ns, traced.latest_ns),
        )

    def _near(self, gops: list[GopRef]) -> list[_Near]:
        """Every frame of these GOPs, unmasked and, where people were masked, masked."""
        frames: list[_Near] = []
        for gop in gops:
            timeline = MaskTimeline(self._policy)
            start_ns, end_ns = Ns(gop.start_ns - _MASKS_AROUND_NS), Ns(gop.end_ns + _MASKS_AROUND_NS)
            timeline.add(list(self._ask_masks(start_ns, end_ns)))
            for one in all_frames(self._archive, gop):
                frames.append(_Near(archived=one, fidelity=Fidelity.UNMASKED, frame=one.frame))
                masked = as_masked(one.frame, timeline)
                if masked is not None:
                    frames.append(_Near(archived=one, fidelity=Fidelity.MASKED, frame=masked))
        return frames

    def _attributed(
        self,
        traced: PictureTraced,
        suspect: Suspect,
        background: Luma,
        placed: Fit,
        near: list[_Near],
        best: _Near,
        segments: list[SegmentId],
    ) -> PictureTraced:
        wanted = tuple(dict.fromkeys(segments))[:_MAX_MARKED_SEGMENTS]
        marks = self._release(wanted)
        if not marks.candidates:
            return replace(traced, marks_log_index=marks.log_index)
        slots = _slots(traced)
        others = [one.frame.y for one in near if one.frame.utc_ns == best.frame.utc_ns and one is not best]
        answer: Attribution | None = None
        trials = 0
        # The exact frame first; the other view and the background only when that names nobody. Each counts.
        for reference in (best.frame.y, *others, background):
            original = Original(reference)
            exact = refit(suspect, original, placed)
            one = attribute(
                suspect,
                original,
                exact,
                candidates=marks.candidates,
                slots=slots,
                picture_sha256=self._sha256,
            )
            trials += one.trials
            if answer is None or _top(one) > _top(answer):
                answer = one
            if _top(answer) >= NAMED_Z:
                break
        if answer is None:
            return replace(traced, marks_log_index=marks.log_index)
        return replace(
            traced,
            candidates=answer.candidates,
            trials=trials,
            decoys=answer.decoys,
            decoy_z_max=answer.decoy_z_max,
            marks_log_index=marks.log_index,
            evidence=tuple(one.values.astype("<f4").tobytes() for one in answer.evidence),
        )


def _moment(found: Sketch, fine: Sketch, keys: Looked, near: list[_Near], background: Luma) -> _Moment:
    """Which of the frames fits best, and between which moments it could be.

    Args: found, fine: sketches of the picture. keys: keyframes. near: frames around the likeliest, at least one.
    """
    frames = [sketch(one.frame.y, _FINE_COLUMNS) for one in near]
    looked = Looked(times_ns=[int(one.frame.utc_ns) for one in near], sketches=frames, costs=compare(fine, frames))
    uncovered = covered_by_nothing(fine, frames[looked.best], sketch(background, _FINE_COLUMNS))
    earliest_ns, latest_ns = stretch(found, keys, looked, uncovered=uncovered)
    fidelity = _view(near, looked.costs, near[looked.best].frame.utc_ns)
    return _Moment(at=looked.best, earliest_ns=earliest_ns, latest_ns=latest_ns, fidelity=fidelity)


def _named(traced: PictureTraced) -> bool:
    return any(one.z >= NAMED_Z for one in traced.candidates)


def _top(answer: Attribution) -> float:
    return max((one.z for one in answer.candidates), default=0.0)


def _view(near: list[_Near], costs: "np.ndarray[tuple[int], np.dtype[np.float64]]", utc_ns: Ns) -> Fidelity | None:
    """Masked or not, by the two versions of the best moment; None when nobody was masked then."""
    at = {one.fidelity: float(costs[n]) for n, one in enumerate(near) if one.frame.utc_ns == utc_ns}
    if len(at) < 2:
        return None
    return looks_like(at[Fidelity.MASKED], at[Fidelity.UNMASKED])


def _slots(traced: PictureTraced) -> list[int]:
    """The ten seconds that the picture may be from, those nearest to the best moment if they are too many."""
    middle = slot_of(Ns(traced.utc_ns))
    first, last = slot_of(Ns(traced.earliest_ns)), slot_of(Ns(traced.latest_ns + SLOT_NS // 10))
    return sorted(range(first, last + 1), key=lambda slot: abs(slot - middle))[:_MAX_SLOTS]
