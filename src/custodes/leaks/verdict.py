"""What scores allow to say, and no more (field notes on leaks, 4). Needs no pictures, so the server may judge."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from custodes.leaks.rule import NAMED_Z, SUPPORTING_Z, false_accusation_bound, log10_likelihood_ratio
from custodes.types.leak import CandidateScore


def decoy_key(picture_sha256: str, number: int) -> bytes:
    """Layer key of a session that never existed; anybody can make it again."""
    return hashlib.sha256(f"custodes.decoy/v1 {picture_sha256} {number}".encode()).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What may be said, and no more (field notes on leaks, 4)."""

    kind: str
    """named, composite, supported, transplanted, unmarked or unseen."""
    sessions: tuple[CandidateScore, ...]
    """Those the sentence speaks of; empty where it names none."""
    bound: float
    """Chance that any innocent copy reaches this agreement, at most."""
    log10_ratio: float
    """Of the likelihoods, capped."""


def judge(candidates: Sequence[CandidateScore], *, trials: int) -> Verdict:
    """The sentence's kind, by the house rule: z ≥ 9 on the slot layer names a copy, 6.8 to 9 supports it."""
    named = tuple(one for one in candidates if one.z >= NAMED_Z)
    if named:
        return _verdict("named" if len(named) == 1 else "composite", named, trials)
    supported = tuple(one for one in candidates if one.z >= SUPPORTING_Z)
    if supported:
        return _verdict("supported", supported[:1], trials)
    if any(one.session_z >= NAMED_Z for one in candidates):
        # A session's layer without its slot's: what somebody averaged and pasted looks like this.
        return _verdict("transplanted", (), trials)
    return _verdict("unmarked" if candidates else "unseen", (), trials)


def named_slot(candidates: Sequence[CandidateScore]) -> int | None:
    """The ten seconds that all named copies are of; None when none is named, or they differ."""
    slots = {one.slot for one in candidates if one.z >= NAMED_Z}
    return slots.pop() if len(slots) == 1 else None


def _verdict(kind: str, sessions: tuple[CandidateScore, ...], trials: int) -> Verdict:
    z = min((one.z for one in sessions), default=0.0)
    return Verdict(
        kind=kind,
        sessions=sessions,
        bound=false_accusation_bound(z, trials=trials),
        log10_ratio=log10_likelihood_ratio(z),
    )
