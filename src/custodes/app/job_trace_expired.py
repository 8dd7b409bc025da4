"""A trace where the footage is gone: against the camera's views without people, with the mark as the clock.

Who was given which segments is in the log for as long as it is kept (`warden_marks`); every ten seconds of what a
session was given is scored, and each counts in the bound. The views were sealed with a public key, so nothing vouches
that they are true: a forged one can hide a copy, it cannot name one, because signs are secret.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from custodes.app.kept_looks import KeptLooks
from custodes.app.kept_names import backgrounds_near
from custodes.errors import ResourceExhausted
from custodes.leaks.alignment import Fit, Original, Suspect
from custodes.leaks.attribution import Attribution, attribute_each
from custodes.leaks.background import Background, known_pixels
from custodes.leaks.place import best_of, is_ours
from custodes.leaks.rule import NAMED_Z
from custodes.types.leak import CandidateMark, MarksReleased, PictureTraced, TraceTask
from custodes.types.mark import SLOT_NS, slot_of
from custodes.units import NS_PER_S, Ns

SLACK_NS = 12 * NS_PER_S
"""A segment ends with its last GOP."""
MAX_SCORES = 1_000_000
"""Sessions × ten seconds: some 50 s of CPU."""
_SCORED = 3
"""Views that evidence is taken against, the likest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Placed:
    suspect: Suspect
    view: Background
    original: Original
    fit: Fit


class ExpiredTracer:
    """One trace of one camera without its footage."""

    def __init__(
        self, task: TraceTask, *, looks: KeptLooks, folder: Path, release: Callable[[], MarksReleased]
    ) -> None:
        """`folder`: the camera's backgrounds. `release`: mark keys of all who were given any of the task's time."""
        self._task = task
        self._looks = looks
        self._folder = folder
        self._release = release

    def has_older(self, before_ns: int) -> bool:
        """Whether a view is there of before `before_ns`: without one there is nothing that footage does not tell."""
        near = backgrounds_near(self._folder, self._task.start_ns, self._task.end_ns)
        return any(one.start_ns < before_ns for one in near)

    def run(self, suspects: Sequence[Suspect]) -> PictureTraced:
        """Place by the views; time and copy by the mark. Raises: as the warden; ResourceExhausted."""
        placed, tried = self._place(suspects)
        nothing = PictureTraced(camera_id=self._task.camera_id, is_found=False)
        if not placed:
            return nothing
        best = placed[0]
        traced = PictureTraced(
            camera_id=self._task.camera_id,
            is_found=True,
            likeness=best.fit.likeness,
            inliers=best.fit.registration.inliers,
            matrix=tuple(float(value) for value in best.fit.registration.matrix.ravel()),
            is_mirrored=best.fit.registration.is_mirrored,
            earliest_ns=self._task.start_ns,
            latest_ns=self._task.end_ns,
            reference_sha256=hashlib.sha256(best.view.y.tobytes()).hexdigest(),
            background_ns=best.view.start_ns,
        )
        return self._attributed(traced, placed, tried) if self._task.is_attributing else traced

    def _place(self, suspects: Sequence[Suspect]) -> tuple[list[_Placed], int]:
        placed: list[_Placed] = []
        tried = 0
        for kept in backgrounds_near(self._folder, self._task.start_ns, self._task.end_ns):
            view = self._looks.background(kept)
            if view is None:
                continue
            original = Original(view.y, known=known_pixels(view))
            suspect, fit, hypotheses = best_of(suspects, [original])
            tried += hypotheses
            if fit is not None and is_ours(fit):
                placed.append(_Placed(suspect=suspect, view=view, original=original, fit=fit))
        return sorted(placed, key=lambda one: -one.fit.likeness), tried

    def _attributed(self, traced: PictureTraced, placed: Sequence[_Placed], tried: int) -> PictureTraced:
        marks = self._release()
        traced = replace(traced, marks_log_index=marks.log_index)
        slots = [self._slots(one) for one in marks.candidates]
        count = sum(len(each) for each in slots)
        if count > MAX_SCORES:
            raise ResourceExhausted(f"{count} times ten seconds were shown in that time; ask for less of it")
        if not count:
            return traced
        answer: Attribution | None = None
        used = placed[0]
        trials = 0
        for one in placed[:_SCORED]:
            found = attribute_each(
                one.suspect,
                one.original,
                replace(one.fit, hypotheses=max(tried, 1)),
                candidates=list(zip(marks.candidates, slots, strict=True)),
                picture_sha256=hashlib.sha256(self._task.picture).hexdigest(),
            )
            trials += found.trials
            if answer is None or found.candidates[0].z > answer.candidates[0].z:
                answer, used = found, one
            if answer.candidates[0].z >= NAMED_Z:
                break
        assert answer is not None
        top = answer.candidates[0]
        traced = replace(
            traced,
            candidates=answer.candidates,
            trials=trials,
            decoys=answer.decoys,
            decoy_z_max=answer.decoy_z_max,
            evidence=tuple(each.values.astype("<f4").tobytes() for each in answer.evidence),
            reference_sha256=hashlib.sha256(used.view.y.tobytes()).hexdigest(),
            background_ns=used.view.start_ns,
        )
        if top.z < NAMED_Z:
            return traced
        start_ns = top.slot * SLOT_NS
        return replace(traced, utc_ns=start_ns, earliest_ns=start_ns, latest_ns=start_ns + SLOT_NS)

    def _slots(self, candidate: CandidateMark) -> list[int]:
        """Every ten seconds of what a session was given."""
        found: set[int] = set()
        for start_ns in candidate.starts_ns:
            last = slot_of(Ns(start_ns + self._task.segment_ns + SLACK_NS))
            found.update(range(slot_of(Ns(start_ns)), last + 1))
        return sorted(found)
