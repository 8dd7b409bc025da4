"""The record of processing says what these settings do, and where a person has to decide or fill something in."""

from dataclasses import replace

import pytest

from custodes.access.privacy import MISSING, CameraFacts, SiteFacts, report
from custodes.types.access import ALL_CAMERAS, ALWAYS, Role
from custodes.types.people import PersonRow


def person(name, *roles, **changes):
    row = PersonRow(
        user_id=name,
        name=name,
        roles=frozenset(roles),
        cameras=ALL_CAMERAS,
        duty=ALWAYS,
        is_disabled=False,
        passkeys=1,
        has_totp=False,
    )
    return replace(row, **changes)


STAFF = (
    person("Ann", Role.OPERATOR),
    person("Ben", Role.SUPERVISOR),
    person("Eve", Role.PRIVACY_OFFICER),
    person("Joe", Role.AUDITOR, passkeys=0, has_totp=True),
    person("Gone", Role.OPERATOR, is_disabled=True, passkeys=0),
)
SITE = SiteFacts(
    name="Harbour",
    controller="Harbour Ltd",
    contact="dpo@example.org",
    purpose="safety",
    legal_basis="art. 6(1)(f)",
    max_age_h=72.0,
    max_gb=None,
    masking="person",
    approvals=1,
    cameras=(
        CameraFacts(camera_id="gate", name="Gate", is_enabled=True, retention_h=24.0),
        CameraFacts(camera_id="yard", name="Yard", is_enabled=False, retention_h=72.5),
    ),
    people=STAFF,
    is_behind_tls=False,
    is_loopback=True,
    log_size=4711,
)


def told(**changes):
    return {one.title: one for one in report(replace(SITE, **changes))}


def test_report_names_who_why_what_and_how_long():
    said = told()
    assert list(said) == [
        "Who and why",
        "Cameras",
        "Data and how long",
        "Biometric data",
        "Recipients",
        "Measures",
        "Risks seen in these settings",
        "For people to decide",
    ]
    assert said["Who and why"].lines == (
        "Controller: Harbour Ltd",
        "Contact: dpo@example.org",
        "Purpose: safety",
        "Legal basis: art. 6(1)(f)",
    )
    assert said["Cameras"].lines == ("Gate (gate): kept 24 hours", "Yard (yard): kept 72.5 hours; switched off")
    assert said["Data and how long"].lines[0] == (
        "Video, sealed; 72 hours unless a camera says otherwise; no limit by size; then the keys are destroyed."
    )
    assert "(person)" in said["Measures"].lines[0] and "need 1 approvals" in said["Measures"].lines[0]
    assert "4711 entries" in said["Measures"].lines[1]
    assert [one.title for one in said.values() if one.is_open] == ["For people to decide"]
    assert told(cameras=())["Cameras"].lines == ("none",)
    assert "500.5 GB in all" in told(max_gb=500.5)["Data and how long"].lines[0]


@pytest.mark.parametrize(
    ("looks", "looked", "word"),
    [
        ("none", 0, "Nobody's clothes are compared (`privacy.looks: none`)."),
        ("links", 0, "Nobody's clothes are compared (`privacy.looks: links`)."),
        (
            "dots",
            2,
            "at 2 cameras, to keep one person one dot on the map where cameras see the same ground: in memory",
        ),
        ("links", 3, "and to count ways from one camera to another: in memory for seconds"),
    ],
)
def test_report_says_what_colours_of_clothes_are_for_and_how_long_they_are_there(looks, looked, word):
    assert word in told(looks=looks, looked=looked)["Data and how long"].lines[2]


@pytest.mark.parametrize("missing", ["controller", "contact", "purpose", "legal_basis"])
def test_report_when_something_is_not_filled_in_says_so(missing):
    section = told(**{missing: ""})["Who and why"]
    assert section.is_open and sum(line.endswith(f": {MISSING}") for line in section.lines) == 1


def test_report_counts_those_who_watch_and_names_those_outside():
    assert told()["Recipients"].lines == (
        "operator: 1",
        "supervisor: 1",
        "privacy officer: 1",
        "auditor: 1",
        "Nobody outside the site, but by an export that others approved.",
    )
    assert told(outside=("the log goes to siem",), people=())["Recipients"].lines == (
        "Outside the site: the log goes to siem.",
        "Outside the site: by an export that others approved.",
    )


def test_report_when_recognition_is_on_says_so_and_names_its_zones():
    assert told()["Biometric data"].lines == (
        "None: recognition is off (`faces: enabled`), and nobody is identified.",
    )
    on = told(is_recognition_on=True, zones=("Door (Gate): explicit consent, form 7",))
    assert on["Biometric data"].lines[2] == "Zone Door (Gate): explicit consent, form 7"
    assert len(on["Biometric data"].lines) == 3
    assert on["Risks seen in these settings"].lines[0].startswith("1 recognition zones are on")
    idle = told(is_recognition_on=True)
    assert idle["Biometric data"].lines[2] == "No zone is on: no face is compared with anybody."
    assert idle["Risks seen in these settings"].lines == ("none of those that are looked for",)


@pytest.mark.parametrize(
    ("changes", "risk"),
    [
        ({}, None),
        ({"approvals": 2}, "2 people may approve; with 2 needed, two of them asking stops everything."),
        ({"people": STAFF[:3]}, "Nobody audits the log."),
        (
            {"people": (*STAFF, person("Pat", passkeys=0))},
            "1 accounts have a password alone: neither passkey nor code.",
        ),
        ({"is_loopback": False}, "The page is served without TLS beyond this machine."),
        ({"is_loopback": False, "is_behind_tls": True}, None),
        (
            {"people": (*STAFF, person("Max", Role.ADMINISTRATOR, Role.OPERATOR))},
            "1 accounts administer and watch: a small site may need it.",
        ),
        ({"people": (*STAFF, person("Max", Role.ADMINISTRATOR))}, None),
    ],
)
def test_report_names_the_risks_of_the_settings_and_no_others(changes, risk):
    assert told(**changes)["Risks seen in these settings"].lines == (risk or "none of those that are looked for",)


def test_what_is_said_of_every_site_is_said_in_these_words():
    said = told(is_recognition_on=True)
    assert said["Data and how long"].lines[1:] == (
        "Times, counts and tracks of people and vehicles without identity; they go with their recording.",
        "Nobody's clothes are compared (`privacy.looks: none`).",
        "Accounts of those who watch, and the log of what they looked at: append-only.",
    )
    assert said["Biometric data"].lines[:2] == (
        "Templates of people who enrolled themselves with a signature, each under a key of their own; destroyed when "
        "they take it back. Nobody else's template outlives its track.",
        "An alert needs two trained people who agree, each without knowing what the other says.",
    )
    assert said["Measures"].lines == (
        "Everybody is masked (person); unmasking, exports and subject access need 1 approvals by others, signed with "
        "passkeys; a break-glass is told and reviewed.",
        "Each look is in the log before its first picture (4711 entries), unchangeable unseen.",
        "Video is sealed as it is written; keys are released by one process, after the log entry.",
        "Each shown picture carries the viewer's mark. Quotas bound what one person opens in an hour.",
    )
    assert said["For people to decide"].lines == (
        "Is watching necessary for the purpose, and is there a milder means?",
        "Are the signs up, and does each lead to its notice page?",
        "Who answers when somebody asks for their data, and within which time?",
    )
