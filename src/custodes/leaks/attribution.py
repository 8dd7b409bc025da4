"""Which delivered copy a found picture is: candidates' marks against what the original leaves unexplained."""

from collections.abc import Sequence
from dataclasses import dataclass

from custodes.leaks.alignment import Fit, Original, Suspect, align
from custodes.leaks.verdict import decoy_key
from custodes.types.access import Fidelity
from custodes.types.leak import CandidateMark, CandidateScore
from custodes.watermark.pattern import session_key, slot_key
from custodes.watermark.residual import VIEWS, evidence_of
from custodes.watermark.score import PARTS, Evidence, agreement, scores_in_views

DECOYS = 10_000
"""Sessions that never existed, scored beside; their highest is printed beside the hit (expect 3.7 to 4.3)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribution:
    """Every candidate's agreement, best first."""

    candidates: tuple[CandidateScore, ...]
    trials: int
    decoys: int
    decoy_z_max: float
    evidence: tuple[Evidence, ...]


def attribute(
    suspect: Suspect,
    original: Original,
    fit: Fit,
    *,
    candidates: Sequence[CandidateMark],
    slots: Sequence[int],
    picture_sha256: str,
    decoys: int = DECOYS,
) -> Attribution:
    """Score every candidate in every slot that the picture could be from. About 1 s and 0.05 ms per comparison.

    Args: candidates: fixed and logged before; none may be added after a score was seen. slots: at least one.
    """
    each = [(one, slots) for one in candidates]
    return attribute_each(suspect, original, fit, candidates=each, picture_sha256=picture_sha256, decoys=decoys)


def attribute_each(
    suspect: Suspect,
    original: Original,
    fit: Fit,
    *,
    candidates: Sequence[tuple[CandidateMark, Sequence[int]]],
    picture_sha256: str,
    decoys: int = DECOYS,
) -> Attribution:
    """Like `attribute`, each candidate with slots of its own; those without any are left out."""
    evidence = evidence_of(align(suspect, original, fit.registration))
    found = [_score(evidence, candidate, slots) for candidate, slots in candidates if slots]
    innocent = [decoy_key(picture_sha256, number) for number in range(decoys)]
    highest = float(agreement(evidence, innocent).max()) if decoys else 0.0
    return Attribution(
        candidates=tuple(sorted(found, key=lambda one: -one.z)),
        trials=max(sum(len(slots) for _, slots in candidates), 1) * (VIEWS + PARTS) * max(fit.hypotheses, 1),
        decoys=decoys,
        decoy_z_max=highest,
        evidence=evidence,
    )


def _score(evidence: Sequence[Evidence], candidate: CandidateMark, slots: Sequence[int]) -> CandidateScore:
    keys = [slot_key(candidate.mark_key, slot) for slot in slots]
    best = agreement(evidence, keys).max(axis=0)
    at = int(best.argmax())
    lead = float(scores_in_views(evidence, [session_key(candidate.mark_key)]).max())
    return CandidateScore(
        session_id=candidate.session_id,
        slot=slots[at],
        z=float(best[at]),
        session_z=lead,
        slot_key=keys[at],
        fidelity=candidate.fidelity,
        granted_index=candidate.granted_index,
        released_index=candidate.released_index,
    )


def looks_like(masked_cost: float, unmasked_cost: float) -> Fidelity | None:
    """Which view a picture is nearer to; None when both are alike."""
    if abs(masked_cost - unmasked_cost) < 0.02 * max(masked_cost, unmasked_cost):
        return None
    return Fidelity.MASKED if masked_cost < unmasked_cost else Fidelity.UNMASKED
