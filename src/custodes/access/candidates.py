"""The life of a candidate: two trained people say, blind to each other, whether it is the same person.

Pure. Only the first two words decide: agreement that it is the same makes a sighting, and nothing else does. There is
no third vote that turns a dispute into an identification (EU AI Act art. 14(5)).
"""

import hashlib
from collections.abc import Iterable
from dataclasses import replace

from custodes.errors import AlreadyExists, FailedPrecondition, InvalidArgument, PermissionDenied
from custodes.types.codec import encode
from custodes.types.face import Candidate, CandidatePhase, CandidateRecord, Training, Verdict
from custodes.units import NS_PER_S, Ns

VERDICTS = 2
DECIDE_WITHIN_NS = Ns(30 * 60 * NS_PER_S)
"""A candidate that nobody looks at for half an hour is not worth a stranger's picture any longer."""
TRAINING_MAX_DAYS = 366

_DOMAIN = b"custodes.face-verdict.v1\n"


def digest(candidate: Candidate, *, is_same: bool) -> bytes:
    """SHA-256 over candidate and verdict: the challenge that a verifier's passkey signs. 32 bytes.

    Without the person: who it is thought to be is not told to those who judge.
    """
    said = b"same\n" if is_same else b"different\n"
    return hashlib.sha256(_DOMAIN + said + encode(replace(candidate, person_id=""))).digest()


def phase(record: CandidateRecord, now_ns: Ns) -> CandidatePhase:
    """Where it stands."""
    said = [verdict.is_same for verdict in record.verdicts[:VERDICTS]]
    if len(said) == VERDICTS:
        if all(said):
            return CandidatePhase.CONFIRMED
        return CandidatePhase.DISPUTED if any(said) else CandidatePhase.REJECTED
    candidate = record.candidate
    return CandidatePhase.WAITING if candidate.filed_ns <= now_ns < candidate.decide_by_ns else CandidatePhase.LAPSED


def is_trained(training: Iterable[Training], user_id: str, now_ns: Ns) -> bool:
    """Whether a training of this person is in force."""
    return any(one.user_id == user_id and one.given_ns <= now_ns < one.until_ns for one in training)


def give(record: CandidateRecord, verdict: Verdict, training: Iterable[Training], now_ns: Ns) -> CandidateRecord:
    """Add one person's word.

    Raises: PermissionDenied without a training in force; AlreadyExists for a second word of a person or passkey;
        FailedPrecondition when it is decided or too late; InvalidArgument without an assertion.
    """
    if not is_trained(training, verdict.user_id, now_ns):
        raise PermissionDenied("Candidates are verified by people with a training that has not expired.")
    if not verdict.assertion or not verdict.credential_id:
        raise InvalidArgument("A verdict is signed with a passkey.")
    if any(one.user_id == verdict.user_id or one.credential_id == verdict.credential_id for one in record.verdicts):
        raise AlreadyExists("You have said your word already; it takes two different people.")
    now = phase(record, now_ns)
    if now is not CandidatePhase.WAITING:
        raise FailedPrecondition(f"The candidate is {now.value}; nothing can be said any more.")
    return replace(record, verdicts=(*record.verdicts, replace(verdict, utc_ns=now_ns)))


def blind(record: CandidateRecord, user_id: str, now_ns: Ns) -> CandidateRecord:
    """The record as this person may see it: of what is not decided, their own word alone, without who else spoke."""
    if phase(record, now_ns) is CandidatePhase.WAITING:
        return replace(record, verdicts=tuple(one for one in record.verdicts if one.user_id == user_id))
    return record
