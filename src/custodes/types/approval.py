"""Requests to see what nobody may see alone: values, and the messages about them on `warden-server.sock`.

The rules between them are in `access.requests`; the warden keeps them (`app.warden_requests`).
"""

from dataclasses import dataclass
from enum import StrEnum

from custodes.types.access import Action, Fidelity, Principal, Purpose
from custodes.units import CameraId, Ns, RunId


class RequestPhase(StrEnum):
    """Where a request stands at a moment."""

    WAITING = "waiting"
    IN_FORCE = "in_force"
    """Approved, or a break-glass, and its time is not over."""
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    LAPSED = "lapsed"
    """Not approved in time."""
    OVER = "over"
    """It was in force once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LookRequest:
    """What others are asked to approve. Never changes: its hash is what they sign (`access.requests.digest`)."""

    request_id: str
    requester_id: str
    requester: str
    action: Action
    purpose: Purpose
    camera_ids: tuple[CameraId, ...]
    start_ns: Ns
    end_ns: Ns
    fidelity: Fidelity
    reason: str
    """In the requester's words."""
    is_break_glass: bool
    needed: int
    """Approvals by others; 0 for a break-glass."""
    filed_ns: Ns
    decide_by_ns: Ns
    lasts_ns: Ns
    """For how long it may be used once it is approved."""
    shown: tuple[tuple[RunId, int], ...] = ()
    """With UNMASKED: only these people (run, track id) are shown, all others stay masked; empty: everybody is."""
    person_id: str = ""
    """With FOLLOW: the enrolled person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """One other person's word. A yes carries the passkey's assertion over the request's hash, the browser's JSON."""

    approver_id: str
    approver: str
    is_yes: bool
    utc_ns: Ns
    note: str
    credential_id: bytes
    assertion: str
    is_officer: bool = False
    """Of somebody who looks after protected people."""
    void_since_ns: Ns | None = None
    """When its passkey was removed while the request could still open something: it counts no more (ADR 103)."""

    @property
    def counts(self) -> bool:
        """Whether it is a yes whose passkey is still there."""
        return self.is_yes and self.void_since_ns is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """What another person thinks of a break-glass afterwards."""

    reviewer_id: str
    reviewer: str
    is_justified: bool
    note: str
    utc_ns: Ns


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRecord:
    """A request and all that happened to it."""

    request: LookRequest
    votes: tuple[Vote, ...] = ()
    withdrawn_by: str = ""
    withdrawn_ns: Ns | None = None
    needs_officer: bool = False
    """One of the approvals has to be a privacy officer's: the site protects somebody (`access.protection`)."""
    reviews: tuple[Review, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolledKey:
    """A passkey as the warden knows it: it checks approvals itself."""

    credential_id: bytes
    user_id: str
    public_key: bytes
    sign_count: int
    rp_id: str
    origin: str
    vouched_by: str = ""
    """Who vouched that it is this person's (`access.keys`); until somebody has, it approves nothing."""


# -- messages ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRequest:
    """Ask. Answer: RequestRecord."""

    principal: Principal
    action: Action
    purpose: Purpose
    camera_ids: tuple[CameraId, ...]
    start_ns: Ns
    end_ns: Ns
    fidelity: Fidelity
    reason: str
    is_break_glass: bool
    shown: tuple[tuple[RunId, int], ...] = ()
    """See `LookRequest`."""
    person_id: str = ""
    """See `LookRequest`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadRequests:
    """The newest `limit` (at most `access.requests.MAX_READ`). Answer: RequestTable."""

    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestTable:
    """Newest first."""

    records: tuple[RequestRecord, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CastVote:
    """Answer: RequestRecord. `assertion` is the browser's JSON; empty for a no."""

    principal: Principal
    request_id: str
    is_yes: bool
    note: str
    assertion: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawRequest:
    """By the requester, at any time. Answer: RequestRecord."""

    principal: Principal
    request_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewBreakGlass:
    """Answer: RequestRecord."""

    principal: Principal
    request_id: str
    is_justified: bool
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolKey:
    """The warden learns a person's passkey. Answer: Appended, after it is in the log."""

    principal: Principal
    key: EnrolledKey
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgetKey:
    """Answer: Appended."""

    principal: Principal
    credential_id: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class VouchForKey:
    """That a passkey is its owner's: an assertion over its hash, by a passkey that counts. Answer: Appended."""

    principal: Principal
    credential_id: bytes
    assertion: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadKeys:
    """Answer: KeyTable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyTable:
    """All passkeys that the warden knows, in no order."""

    keys: tuple[EnrolledKey, ...]
