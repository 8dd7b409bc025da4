"""Cases: what the purpose `case` refers to. Values, and the messages about them on `warden-server.sock`.

The rules between them are in `access.cases`; the warden keeps them (`app.warden_cases`).
"""

from dataclasses import dataclass

from custodes.types.access import Principal
from custodes.units import CameraId, Ns


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseMember:
    """Somebody who works on a case."""

    user_id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Something that happened and is being looked into."""

    number: str
    """As people write it; without regard to case it is unique on the site."""
    title: str
    reason: str
    """Why it is looked into, in a sentence."""
    owner: CaseMember
    members: tuple[CaseMember, ...]
    """Those whose looks may refer to it; the owner among them."""
    opened_ns: Ns
    keep_days: int
    """For how long after it is closed title, reason and notes are kept."""
    closed_ns: Ns | None = None
    closed_because: str = ""
    is_erased: bool = False
    """Its time is over: number and dates are left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseNote:
    """What a member wrote down; a bookmark when it names a camera and a moment. Never changed."""

    number: str
    """Of the case."""
    author: str
    utc_ns: Ns
    text: str
    camera_id: CameraId
    """Empty for a note without a picture."""
    moment_ns: Ns
    """What the bookmark points at; 0 for a note without a picture."""


# -- messages ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenCase:
    """Answer: Case. Who opens it owns it. An empty number takes the next of the year: 2026-0001."""

    principal: Principal
    number: str
    title: str
    reason: str
    keep_days: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeCase:
    """Say who works on it. By its owner, or who leads cases. Answer: Case."""

    principal: Principal
    number: str
    owner: CaseMember
    members: tuple[CaseMember, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseCase:
    """No look refers to it any more, also none that runs. Answer: Case."""

    principal: Principal
    number: str
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReopenCase:
    """Answer: Case."""

    principal: Principal
    number: str
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteOnCase:
    """By a member, while it is open. Answer: CaseNote."""

    principal: Principal
    number: str
    text: str
    camera_id: CameraId
    moment_ns: Ns


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadCases:
    """The newest `limit` (at most 500) that this person may know of. Answer: CaseTable."""

    principal: Principal
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseTable:
    """Newest first."""

    cases: tuple[Case, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadCase:
    """Answer: CaseFile."""

    principal: Principal
    number: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFile:
    """A case and its notes, oldest first."""

    case: Case
    notes: tuple[CaseNote, ...]
