"""The record of processing (GDPR art. 30) and the material for an impact assessment (art. 35), from the live settings.

Pure: says what the site does, never what it ought to; where a person has to decide, it says so in words.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from custodes.types.access import Role
from custodes.types.people import PersonRow

MISSING = "not filled in: set it under `privacy:` in site.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraFacts:
    """One camera as the report names it."""

    camera_id: str
    name: str
    is_enabled: bool
    retention_h: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteFacts:
    """What the report is made from."""

    name: str
    controller: str
    contact: str
    purpose: str
    legal_basis: str
    max_age_h: float
    max_gb: float | None
    masking: str
    approvals: int
    cameras: tuple[CameraFacts, ...]
    people: tuple[PersonRow, ...]
    is_behind_tls: bool
    is_loopback: bool
    log_size: int
    is_recognition_on: bool = False
    zones: tuple[str, ...] = ()
    """Recognition zones that are on: name, camera, legal basis."""
    outside: tuple[str, ...] = ()
    """Who outside gets what, by these settings."""
    looks: str = "none"
    """`privacy.looks`, and of how many cameras some are made."""
    looked: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A heading and its lines; `is_open`: somebody has to fill something in."""

    title: str
    lines: tuple[str, ...]
    is_open: bool = False


def report(site: SiteFacts) -> list[Section]:
    """All sections, record of processing first."""
    return [*_record(site), *_assessment(site)]


def _record(site: SiteFacts) -> list[Section]:
    who = {
        "Controller": site.controller,
        "Contact": site.contact,
        "Purpose": site.purpose,
        "Legal basis": site.legal_basis,
    }
    cameras = tuple(
        f"{one.name} ({one.camera_id}): kept {one.retention_h:g} hours{'' if one.is_enabled else '; switched off'}"
        for one in site.cameras
    )
    size = f"{site.max_gb:g} GB in all" if site.max_gb is not None else "no limit by size"
    return [
        Section(
            title="Who and why",
            lines=tuple(f"{name}: {text or MISSING}" for name, text in who.items()),
            is_open=not all(who.values()),
        ),
        Section(title="Cameras", lines=cameras or ("none",)),
        Section(
            title="Data and how long",
            lines=(
                f"Video, sealed; {site.max_age_h:g} hours unless a camera says otherwise; {size}; then the keys are "
                "destroyed.",
                "Times, counts and tracks of people and vehicles without identity; they go with their recording.",
                _looks(site),
                "Accounts of those who watch, and the log of what they looked at: append-only.",
            ),
        ),
        Section(title="Biometric data", lines=_biometrics(site)),
        Section(title="Recipients", lines=_recipients(site.people, site.outside)),
    ]


_DOTS = "to keep one person one dot on the map where cameras see the same ground"
_LOOKS_OF = {"dots": _DOTS, "links": f"{_DOTS}, and to count ways from one camera to another"}


def _looks(site: SiteFacts) -> str:
    if site.looks not in _LOOKS_OF or not site.looked:
        return f"Nobody's clothes are compared (`privacy.looks: {site.looks}`)."
    return (
        f"Colours of clothes, without the head, and of vehicles at {site.looked} cameras, {_LOOKS_OF[site.looks]}: in "
        "memory for seconds, or until the next camera (five minutes at most); overwritten then, never stored, "
        f"searched or passed on (`privacy.looks: {site.looks}`)."
    )


def _biometrics(site: SiteFacts) -> tuple[str, ...]:
    if not site.is_recognition_on:
        return ("None: recognition is off (`faces: enabled`), and nobody is identified.",)
    return (
        "Templates of people who enrolled themselves with a signature, each under a key of their own; destroyed when "
        "they take it back. Nobody else's template outlives its track.",
        "An alert needs two trained people who agree, each without knowing what the other says.",
        *([f"Zone {zone}" for zone in site.zones] or ["No zone is on: no face is compared with anybody."]),
    )


def _recipients(people: Sequence[PersonRow], outside: Sequence[str]) -> tuple[str, ...]:
    active = [one for one in people if not one.is_disabled]
    lines = [
        f"{role.value.replace('_', ' ')}: {sum(role in one.roles for one in active)}"
        for role in Role
        if any(role in one.roles for one in active)
    ]
    exports = "an export that others approved"
    if not outside:
        return (*lines, f"Nobody outside the site, but by {exports}.")
    return (*lines, *(f"Outside the site: {one}." for one in outside), f"Outside the site: by {exports}.")


def _assessment(site: SiteFacts) -> list[Section]:
    approvers = sum(bool({Role.SUPERVISOR, Role.PRIVACY_OFFICER} & one.roles) for one in site.people)
    without_passkey = sum(not one.passkeys and not one.has_totp and not one.is_disabled for one in site.people)
    risks = []
    if approvers < site.approvals + 1:
        risks.append(
            f"{approvers} people may approve; with {site.approvals} needed, two of them asking stops everything."
        )
    if not any(Role.AUDITOR in one.roles for one in site.people):
        risks.append("Nobody audits the log.")
    if without_passkey:
        risks.append(f"{without_passkey} accounts have a password alone: neither passkey nor code.")
    if not site.is_behind_tls and not site.is_loopback:
        risks.append("The page is served without TLS beyond this machine.")
    several = [one.name for one in site.people if {Role.ADMINISTRATOR, Role.OPERATOR} <= one.roles]
    if site.zones:
        risks.append(
            f"{len(site.zones)} recognition zones are on: biometric data of everybody who passes is processed for a "
            "moment; art. 35(3)(b) wants an assessment, and each zone's draft has the site's."
        )
    if several:
        risks.append(f"{len(several)} accounts administer and watch: a small site may need it.")
    return [
        Section(
            title="Measures",
            lines=(
                f"Everybody is masked ({site.masking}); unmasking, exports and subject access need {site.approvals} "
                "approvals by others, signed with passkeys; a break-glass is told and reviewed.",
                f"Each look is in the log before its first picture ({site.log_size} entries), unchangeable unseen.",
                "Video is sealed as it is written; keys are released by one process, after the log entry.",
                "Each shown picture carries the viewer's mark. Quotas bound what one person opens in an hour.",
            ),
        ),
        Section(title="Risks seen in these settings", lines=tuple(risks) or ("none of those that are looked for",)),
        Section(
            title="For people to decide",
            lines=(
                "Is watching necessary for the purpose, and is there a milder means?",
                "Are the signs up, and does each lead to its notice page?",
                "Who answers when somebody asks for their data, and within which time?",
            ),
            is_open=True,
        ),
    ]
