"""Messages about accounts and decisions on the server's control socket (`server-control.sock`), for the CLI."""

from dataclasses import dataclass

from custodes.types.access import CameraScope, DutyHours, Role
from custodes.units import CameraId


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadPeople:
    """Answer: PeopleTable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonRow:
    """One account, without anything secret."""

    user_id: str
    name: str
    roles: frozenset[Role]
    cameras: CameraScope
    duty: DutyHours
    is_disabled: bool
    passkeys: int
    has_totp: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PeopleTable:
    """All accounts by name."""

    people: tuple[PersonRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class InvitePerson:
    """Answer: Invited."""

    name: str
    roles: frozenset[Role]
    cameras: CameraScope
    duty: DutyHours


@dataclass(frozen=True, slots=True, kw_only=True)
class Invited:
    """`token` is shown once; whoever has it makes the account at `/invitation`."""

    token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangePerson:
    """Replace what an account may do. Answer: Ok."""

    name: str
    roles: frozenset[Role]
    cameras: CameraScope
    duty: DutyHours
    is_disabled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainAccess:
    """Why somebody may or may not. Answer: AccessExplained. Empty texts take the usual purpose of the action."""

    person: str
    action: str
    camera_id: CameraId
    purpose: str = ""
    reference: str = ""
    fidelity: str = "masked"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessExplained:
    """The decision that the gate would make now."""

    is_allowed: bool
    reasons: tuple[str, ...]
    policy_ids: tuple[str, ...]
    would_help: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ActOnCase:
    """A step on a case, or a question after the missing, as the person named, who shows it by the password. Answer:
    the step's own."""

    person: str
    password: str
    code: str
    """Of the authenticator app; empty for who has none."""
    step: bytes
    """A message of `types.cases`, or `ReadLastSeen`, in codec form; the server puts the proven person into it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadPrivacyReport:
    """Answer: PrivacyReport."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSection:
    """A heading and its lines; `is_open`: somebody has to fill something in."""

    title: str
    lines: tuple[str, ...]
    is_open: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivacyReport:
    """Record of processing and material for an impact assessment, from the live settings."""

    site: str
    sections: tuple[ReportSection, ...]
