"""Protected persons: who is, what a request has to pass because of them, and what of it a requester may know. Pure.

Everything that a requester can notice depends on whether the site protects *anybody*, never on who is in the pictures:
then every request to unmask, export or follow is compared first, and needs two others, a privacy officer among them.
"""

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

from custodes.access import enrolment
from custodes.errors import InvalidArgument
from custodes.types.access import Action, Fidelity
from custodes.types.approval import LookRequest, RequestPhase, RequestRecord
from custodes.types.face import Candidate, EnrolmentPhase, FaceEnrolment
from custodes.types.protection import CheckPiece
from custodes.units import NS_PER_S, CameraId, Ns

APPROVALS = 2
"""That the requester cannot give, whatever the site asks for otherwise."""

PIECE_NS = Ns(3600 * NS_PER_S)
"""What one job compares; a crash loses at most that."""

MAX_COMPARED_NS = Ns(24 * 3600 * NS_PER_S)
"""Over all cameras of a request. A crowded hour takes some minutes; beyond a day it would wait for ever."""

SIGHTING = "sighting-"
"""Before a candidate's id where a request's would be: what is compared because somebody reads sightings."""

SETTLED_NS = Ns(20 * NS_PER_S)
"""How long after a moment everything about it is in the catalog."""

LIKELIHOOD = 1.0
"""log10 from which on a track counts as the protected person: ten times likelier that it is them than not.

A wrong one covers a stranger; a missed one shows somebody who asked that it does not happen: a hundred times worse,
and a hundred times rarer among the tracks of a request, so that both errors weigh the same. This is where their sum is
least on the simulated cameras of ADR 61.
"""

_COVERED = frozenset({EnrolmentPhase.CONSENTED, EnrolmentPhase.ACTIVE, EnrolmentPhase.REVIEW_OVERDUE})

TEXT = "\n".join(
    (
        "I ask {site} to protect me: nobody is to unmask, export or follow pictures of me unseen.",
        "For this {site} makes biometric templates of my face from the pictures that I give here. My reason: "
        "{purpose}.",
        "How: my face is compared only with the faces in recordings that somebody asks to unmask, to export or to "
        "follow somebody in, when they ask. It is compared nowhere else, by no camera, and never to find me.",
        "What follows: such a request needs two other people, a privacy officer among them. In what is shown "
        "after it I stay covered from head to foot, and of my way nothing is told. I can read who asked, when, for "
        "which camera and time, on a page of my own. Whoever asks is not told that I am in the pictures.",
        "What it cannot do: pictures in which my face cannot be recognised, from behind or from afar, are not "
        "told from others'.",
        "How long: until {expires}, or until I take it back.",
        "Taking it back: at any time, with the link that I get when I sign, without giving a reason. What is "
        "stored of me can never be read again from then on.",
        "My rights: I may see what is stored of me, have it corrected, deleted or given to me, and complain to a "
        "supervisory authority. Responsible: {controller}.",
    )
)
"""Version `enrolment.CONSENT_VERSION`. A change of a word is a new version."""


def is_protected(person: FaceEnrolment, now_ns: Ns) -> bool:
    """From the first picture on, and also while a yearly review is overdue: that must not take it away."""
    return person.protects and person.templates > 0 and enrolment.phase(person, now_ns) in _COVERED


def roster_of(people: Iterable[FaceEnrolment], now_ns: Ns) -> str:
    """Names who is protected, with how many pictures; empty when nobody is. A check under another is none."""
    rows = sorted(f"{one.person_id} {one.templates}" for one in people if is_protected(one, now_ns))
    return hashlib.sha256("\n".join(rows).encode()).hexdigest() if rows else ""


def is_compared(action: Action, fidelity: Fidelity) -> bool:
    """Whether that opens what a protected person has to be looked for in. A journey shows no picture, but where
    somebody went; whose way it is the links may have mistaken."""
    return fidelity is Fidelity.UNMASKED or action in (Action.EXPORT, Action.FOLLOW)


def check_span(request: LookRequest, now_ns: Ns) -> None:
    """Raises: InvalidArgument for more than can be compared, or for what is not recorded yet."""
    if request.end_ns > now_ns:
        raise InvalidArgument(
            "What is unmasked, exported or followed has to be over: the interval ends in the future."
        )
    if (request.end_ns - request.start_ns) * len(request.camera_ids) > MAX_COMPARED_NS:
        raise InvalidArgument(
            "A request to unmask, export or follow covers 24 hours at most, all its cameras together."
        )


def pieces(request: LookRequest) -> list[CheckPiece]:
    """The parts of a request that are compared one by one."""
    return _cut(request.request_id, request.camera_ids, request.start_ns, request.end_ns)


def sighting_pieces(one: Candidate) -> list[CheckPiece]:
    """What is compared before a confirmed sighting is told: its camera, while its track lasted."""
    return _cut(f"{SIGHTING}{one.candidate_id}", (one.camera_id,), one.start_ns, max(one.end_ns, one.start_ns + 1))


def _cut(request_id: str, camera_ids: Sequence[CameraId], start_ns: int, end_ns: int) -> list[CheckPiece]:
    return [
        CheckPiece(
            request_id=request_id,
            camera_id=camera_id,
            start_ns=Ns(begin_ns),
            end_ns=Ns(min(begin_ns + PIECE_NS, end_ns)),
        )
        for camera_id in camera_ids
        for begin_ns in range(start_ns, end_ns, PIECE_NS)
    ]


def is_open(phase: RequestPhase) -> bool:
    """Whether it may still show something."""
    return phase in (RequestPhase.WAITING, RequestPhase.IN_FORCE)


def as_requester(record: RequestRecord, phase: RequestPhase) -> RequestRecord:
    """What who asked may know: while it waits, nobody's word. What it waits for could tell who is in the pictures."""
    return replace(record, votes=()) if is_hidden(record, phase) else record


def is_hidden(record: RequestRecord, phase: RequestPhase) -> bool:
    """Whether others' words are kept from who asked: where the site protects anybody, whoever is in the pictures."""
    return record.needs_officer and phase is RequestPhase.WAITING


def likelihood_of(likelihoods: Sequence[float]) -> float:
    """log10, of one track with a person of whom there are several pictures: the mean over the pictures, not the best.

    Any of them may be the one that looks like this; the best of three taken alone would let in strangers three times.
    Args: likelihoods: log10 with each picture. Below every threshold when there are none.
    """
    if not likelihoods:
        return float("-inf")
    return math.log10(sum(10.0**one for one in likelihoods) / len(likelihoods))
