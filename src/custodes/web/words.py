"""Plain words for states, causes, roles and log entries. In the language of the request; no markup, no decisions."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime

from custodes.types.access import Action, AuditKind, AuditRecord, Fidelity, PurposeKind, Role
from custodes.types.approval import LookRequest
from custodes.types.event import CameraState, GateChanged, GateMode
from custodes.types.media import Authenticity, ClockSource, GapCause
from custodes.types.message import CameraRow
from custodes.types.traffic import IncidentKind
from custodes.types.vision import ObjectClass
from custodes.units import NS_PER_S, CameraId, Ns
from custodes.web.event_words import trouble_sentence
from custodes.web.language.reported import reported
from custodes.web.language.speech import (
    WordPairs,
    Words,
    decimal_signs,
    moment_text,
    say,
    say_count,
    translated,
)
from custodes.web.recognition_words import ABOUT_ENROLLED, RECOGNITION_WORDS

_BEGINS = re.compile(r"[A-Z][A-Za-z ]{2,24}: ")


def paragraphs(text: str) -> list[str]:
    """Of a text to sign, as it is shown: its lines are joined; one begins anew after an empty line or with `Name:`.
    What is signed is the text itself."""
    found: list[str] = []
    is_open = False
    for line in text.split("\n"):
        if is_open and line and not _BEGINS.match(line):
            found[-1] += f" {line}"
        elif line:
            found.append(line)
        is_open = bool(line)
    return found


ROLE_WORDS: WordPairs[Role] = WordPairs(
    {
        Role.OPERATOR: (
            "Operator",
            "watches the live pictures and plays back recordings for a case, an alarm or maintenance",
        ),
        Role.INVESTIGATOR: (
            "Investigator",
            "plays back recordings for a case, with its reference; sees no live pictures",
        ),
        Role.SUPERVISOR: (
            "Supervisor",
            "approves what others ask for, reviews each break-glass; sees no footage",
        ),
        Role.PRIVACY_OFFICER: (
            "Privacy officer",
            "approves what others ask for, reads the log, answers people; sees no footage",
        ),
        Role.AUDITOR: ("Auditor", "reads the log of who saw what and why; sees no footage, and verifies no face"),
        Role.TRAFFIC_ENGINEER: ("Traffic engineer", "sees counts and flows; sees no footage"),
        Role.TECHNICIAN: ("Technician", "watches live pictures for maintenance, with a ticket"),
        Role.ADMINISTRATOR: ("Administrator", "sets up cameras and accounts; sees no footage and no log"),
    }
)
"""Name and what the role does."""

CAUSE_WORDS: Words[GapCause] = Words(
    {
        GapCause.UNREACHABLE: "camera not reachable",
        GapCause.UNAUTHORIZED: "camera refused the password",
        GapCause.GARBAGE: "camera sent something unreadable",
        GapCause.NO_VIDEO: "camera sent no video",
        GapCause.STALLED: "camera stopped sending",
        GapCause.ENDED: "the source came to its end",
        GapCause.DISK_FULL: "disk full",
        GapCause.DISK_ERROR: "disk error",
        GapCause.RECORDER_DOWN: "recorder was not running",
        GapCause.NO_KEY: "no key to seal with",
    }
)

GATE_WORDS: Words[str] = Words(
    {
        GateMode.LEARNING.value: "Everything is decoded until quiet is known",
        GateMode.PACKETS.value: "What packets say is active is decoded",
        GateMode.PIXELS.value: "Everything is decoded; the detector looks where pixels move",
        GateMode.EVERY_FRAME.value: "Everything is decoded, and the detector looks at every frame that is due",
    }
)

STATE_WORDS: Words[str] = Words(
    {
        "starting": "Connecting",
        "recording": "Recording",
        "unreachable": "Not reachable",
        "unauthorized": "Wrong password",
        "garbage": "Unreadable video",
        "no_video": "No video",
        "stalled": "Camera stopped sending",
        "ended": "Source ended",
        "disk_full": "Disk full: not recording",
        "disk_error": "Disk error: not recording",
        "no_key": "No key: not recording",
        "disabled": "Switched off",
        "unknown": "Recorder does not answer",
    }
)

PROCESS_WORDS: Words[str] = Words(
    {
        "supervisor": "starts and restarts the others",
        "recorder": "records the cameras, sealed; cannot read back",
        "analyser": "finds people and vehicles, makes the masks",
        "matcher": "holds the gallery of enrolled people",
        "enroller": "makes templates of pictures that people give",
        "warden": "holds the keys, decides, writes the log",
        "server": "catalog and this page",
        "job": "opens, masks and marks the pictures of one view",
        "forker": "view jobs are copied from it, so that they start at once",
        "backfiller": "analyses recordings again",
        "prober": "looks once at a camera that is being set up",
    }
)

PROCESS_STATE_WORDS: Words[str] = Words(
    {
        "starting": "starting",
        "running": "running",
        "backoff": "waiting to be started again",
        "degraded": "keeps ending: started again now and then",
        "stopped": "stopped",
    }
)
RECORDER_STATE_WORDS: Words[str] = Words(
    {
        "recording": "recording",
        "silent": "does not answer",
        "draining": "giving its cameras away",
        "drained": "has no cameras, as was asked",
        "stopped": "stopped",
    }
)
"""Of one of several recorders."""

JOB_STATE_WORDS: Words[str] = Words(
    {
        "waiting": "waiting",
        "running": "running",
        "paused": "paused",
        "done": "done",
        "cancelled": "cancelled",
        "failed": "failed",
        "rendering": "rendering",
        "sealing": "sealing",
        "ready": "ready",
    }
)
"""Of exports and of analyses of recordings."""

CLASS_WORDS: Words[ObjectClass] = Words(
    {
        ObjectClass.PERSON: "person",
        ObjectClass.BICYCLE: "bicycle",
        ObjectClass.CAR: "car",
        ObjectClass.MOTORCYCLE: "motorcycle",
        ObjectClass.BUS: "bus",
        ObjectClass.TRUCK: "lorry",
        ObjectClass.FACE: "face",
    }
)

INCIDENT_WORDS: Words[IncidentKind] = Words(
    {
        IncidentKind.STOPPED: "stopped vehicle",
        IncidentKind.WRONG_WAY: "wrong way",
        IncidentKind.PERSON_ON_ROAD: "person on the carriageway",
        IncidentKind.CONGESTION: "congestion",
    }
)

_SIGNATURE_WORDS: Words[str] = Words(
    {
        Authenticity.AUTHENTIC: "signed by the camera, verified",
        Authenticity.MISSING: "signed by the camera, but some of it did not arrive",
        Authenticity.NOT_AUTHENTIC: "the camera's signature does not fit the video",
        Authenticity.NOT_SIGNED: "",
    }
)

_SPAN_WORDS: Words[int] = Words({1: "{count} s", 60: "{count} min", 3600: "{count} h"})
_LARGE_OFFSET_S = 0.1


def signature_words(row: CameraRow) -> str:
    """What the camera's signatures say; empty for one that does not sign."""
    said = _SIGNATURE_WORDS.get(row.signature, "")
    return f"{said}: {reported(row.signature_detail)}" if said and row.signature_detail else said


def second_words(row: CameraRow) -> str:
    """How the second stream is, unless it is being recorded or there is none."""
    if row.second in ("", CameraState.RECORDING.value, CameraState.DISABLED.value):
        return ""
    said = say("second stream: {state}", state=STATE_WORDS.get(row.second, row.second))
    return f"{said} ({reported(row.second_detail)})" if row.second_detail else said


def clock_words(row: CameraRow) -> str:
    """How well a camera's times are known, in a sentence; empty while nothing is recorded."""
    if row.clock_source == ClockSource.PLAYED:
        return translated("times are those of playing the file")
    if row.clock_source == ClockSource.CAMERA:
        return say("time by the camera's clock, ±{span}", span=span_words(row.clock_error_s))
    if row.clock_source != ClockSource.ARRIVAL:
        return ""
    span = span_words(row.clock_error_s)
    if row.camera_offset_s is None:
        return say("time by arrival, ±{span}; the camera tells no time", span=span)
    if abs(row.camera_offset_s) < _LARGE_OFFSET_S:
        return say("time by arrival, ±{span}; the camera's clock is unsteady", span=span)
    off = span_words(abs(row.camera_offset_s))
    if row.camera_offset_s > 0:
        return say("time by arrival, ±{span}; the camera's clock is {off} ahead", span=span, off=off)
    return say("time by arrival, ±{span}; the camera's clock is {off} behind", span=span, off=off)


def span_words(seconds: float) -> str:
    """`12 ms`, `1.5 s`, `3 min`, `5 h`, `4 days`."""
    if seconds < 1:
        return say("{count} ms", count=max(round(seconds * 1000), 1))
    for bound, length in ((120, 1), (7200, 60), (172_800, 3600)):
        if seconds < bound:
            return _SPAN_WORDS[length].format(count=decimal_signs(f"{seconds / length:.3g}"))
    return say("{count} days", count=f"{seconds / 86400:.0f}")


_ACTION_WORDS: Words[str] = Words(
    {
        "watch_live": "watch live",
        "play_back": "look at recordings of",
        "read_metadata": "read the timeline of",
        "read_log": "read the log",
        "export": "export recordings of",
        "erase": "erase recordings of",
        "follow": "see where an enrolled person went on",
        "trace_leak": "trace a leaked picture in recordings of",
        "configure": "change settings",
        "place_hold": "hold as evidence what was recorded by",
        "release_hold": "release a hold on",
    }
)
_PURPOSE_WORDS: Words[str] = Words(
    {
        "live_duty": "on live duty",
        "case": "for a case",
        "alarm": "for an alarm",
        "maintenance": "for maintenance",
        "subject_access": "for a person who asked for their data",
        "leak_trace": "for a leak in case",
    }
)


_FIXED: Words[AuditKind] = Words(
    {
        AuditKind.SITE_CREATED: "The site was created and its log began.",
        AuditKind.WARDEN_STARTED: "The warden started and took over keys and log.",
        AuditKind.WARDEN_PROMOTED: "A replica of the warden took over keys and log.",
        AuditKind.PROTECTION_CHECKED: "What somebody asks for of camera {subject} was compared with protected people.",
        AuditKind.JOURNEY_OPENED: "{actor} saw where the enrolled person {subject} went.",
        AuditKind.LAST_SEEN_READ: "{actor} looked where missing people were confirmed last.",
        AuditKind.LOGIN: "{actor} logged in.",
        AuditKind.LOGIN_FAILED: "Somebody tried to log in as {subject} and gave a wrong password.",
        AuditKind.LOGOUT: "{actor} logged out.",
        AuditKind.USER_CREATED: "The account {subject} was created.",
        AuditKind.CAMERA_CHANGED: "{actor} changed camera {subject}.",
        AuditKind.FLEET_AUDITED: "{actor} had the devices of {subject} asked what they are; nothing was changed.",
        AuditKind.FLEET_DATA: "{actor} took in {subject}, to judge devices by.",
        AuditKind.DEVICE_CHANGED: "{actor} wrote a setting of device {subject}; the entry says which.",
        AuditKind.CAMERA_TESTED: "{actor} had a camera's address tested.",
        AuditKind.USER_CHANGED: "{actor} changed what {subject} may do.",
        AuditKind.CREDENTIAL_CHANGED: "{actor} changed how they prove who they are.",
        AuditKind.REQUEST_FILED: "{actor} asked others to approve request {subject}.",
        AuditKind.REQUEST_APPROVED: "{actor} approved request {subject} with a passkey.",
        AuditKind.REQUEST_REFUSED: "{actor} refused request {subject}.",
        AuditKind.REQUEST_WITHDRAWN: "{actor} withdrew request {subject}.",
        AuditKind.BREAK_GLASS: "{actor} broke the glass: recordings were opened without approval (request {subject}).",
        AuditKind.BREAK_GLASS_REVIEWED: "{actor} reviewed the break-glass {subject}.",
        AuditKind.CENTRE_WISH: "{actor}: a centre's wish for footage of {subject}; the entry says what became of it.",
        AuditKind.EVIDENCE_FETCHED: "{actor} took evidence away, of {subject}.",
        AuditKind.FOOTAGE_ERASED: "{actor} erased recordings of camera {subject} for a person who asked for it.",
        AuditKind.ERASURE_CERTIFIED: "The certificate of an erasure of camera {subject} was made; here is its hash.",
        AuditKind.CLAIM_SIGNED: "The content credentials of an export's film were signed; the entry has their hash.",
        AuditKind.CASE_OPENED: "{actor} opened case {subject}.",
        AuditKind.CASE_CHANGED: "{actor} changed who works on case {subject}, or opened it again.",
        AuditKind.CASE_CLOSED: "{actor} closed case {subject}.",
        AuditKind.CASE_NOTED: "{actor} wrote a note in case {subject}; the entry has its hash.",
        AuditKind.CASE_ERASED: "What case {subject} had collected was erased: its time was over.",
        AuditKind.CONFIG_CHANGED: "{actor} changed the configuration.",
        AuditKind.KEYS_DESTROYED: "The keys of {subject} were destroyed: what they sealed can never be read again.",
    }
)


def request_words(
    asked: LookRequest, cameras: Mapping[CameraId, str] | None = None, people: Mapping[str, str] | None = None
) -> dict[str, str]:
    """A request in plain words: what, of what, and what it costs the people in the picture.

    Args: cameras, people: names that the reader may know, by id; without one the id is told.
    """
    if asked.action is Action.TRACE_LEAK:
        return _trace_words(asked, _where(asked, cameras or {}))
    if asked.action is Action.FOLLOW:
        person = (people or {}).get(asked.person_id, asked.person_id)
        return _journey_words(asked, person, _where(asked, cameras or {}))
    where, who, span = _where(asked, cameras or {}), asked.requester, _span(asked)
    if asked.action is Action.ERASE:
        what = say("erase {span} of {where}, for good", span=span, where=where)
        cost = say(
            "What {where} recorded in {span} is gone for everybody; pieces are erased whole, a minute each.",
            span=span,
            where=where,
        )
        return _asked_words(asked, what, cost)
    if asked.shown:
        seen = translated("one person shown, all others masked")
        cost = say_count(
            len(asked.shown),
            "Whoever is in one piece of track becomes recognisable to {who}; all others stay masked.",
            "Whoever is in {count} pieces of track becomes recognisable to {who}; all others stay masked.",
            who=who,
        )
    elif asked.fidelity is Fidelity.UNMASKED:
        seen = translated("without masks")
        cost = say(
            "Everybody who passed {where} in {span} becomes recognisable to {who}.", where=where, span=span, who=who
        )
    else:
        seen = translated("masked")
        cost = say(
            "{who} sees where people went on {where} in {span}, not who they are.", where=where, span=span, who=who
        )
    if asked.action is Action.EXPORT:
        what = say("export {span} of {where}, {seen}", span=span, where=where, seen=seen)
        cost += " " + translated("What is exported leaves the site: it can be copied, and cannot be called back.")
    else:
        what = say("look at {span} of {where}, {seen}", span=span, where=where, seen=seen)
    return _asked_words(asked, what, cost)


def _span(asked: LookRequest) -> str:
    minutes = (asked.end_ns - asked.start_ns) / (60 * NS_PER_S)
    if minutes < 120:
        return say("{count} minutes", count=f"{minutes:.0f}")
    return say("{count} hours", count=f"{minutes / 60:.0f}")


def _where(asked: LookRequest, names: Mapping[CameraId, str]) -> str:
    if len(asked.camera_ids) > 1:
        return say("{count} cameras", count=len(asked.camera_ids))
    (only,) = asked.camera_ids
    return say("camera {camera}", camera=names.get(only, only))


def _asked_words(asked: LookRequest, what: str, cost: str) -> dict[str, str]:
    return {
        "what": what,
        "purpose": f"{_PURPOSE_WORDS[asked.purpose.kind.value]} “{asked.purpose.reference}”",
        "cost": cost,
        "from": moment_text(asked.start_ns),
        "to": moment_text(asked.end_ns),
    }


def purpose_words(kind: PurposeKind) -> str:
    """ "for a case", "for an alarm"."""
    return _PURPOSE_WORDS[kind.value]


def _journey_words(asked: LookRequest, person: str, where: str) -> dict[str, str]:
    span = span_words((asked.end_ns - asked.start_ns) / NS_PER_S)
    what = say(
        "see where the enrolled person {person} went, in {span} of {where}",
        person=person,
        span=span,
        where=where,
    )
    cost = say(
        "{who} learns where and when that one person was, who agreed to it when they signed. No picture is shown, and "
        "nothing is told of anybody else. Links between cameras are estimates.",
        who=asked.requester,
    )
    return _asked_words(asked, what, cost)


def _trace_words(asked: LookRequest, where: str) -> dict[str, str]:
    span = span_words((asked.end_ns - asked.start_ns) / NS_PER_S)
    what = say("have a leaked picture traced in {span} of {where}", span=span, where=where)
    cost = say(
        "Nobody sees footage. {who} and whoever approves learn which session was shown the picture: a colleague may "
        "come under suspicion.",
        who=asked.requester,
    )
    return _asked_words(asked, what, cost)


def audit_sentence(record: AuditRecord, people: Mapping[str, str] | None = None) -> str:
    """One log entry as a sentence; unknown details are left to the entry's own list.

    Args: people: names that the reader may know, by id; the log itself has none. Without one the id is told.
    """
    fixed = _FIXED.get(record.kind) or RECOGNITION_WORDS.get(record.kind)
    if fixed:
        subject = record.subject or record.actor
        if people and record.kind in ABOUT_ENROLLED and subject in people:
            subject = f"“{people[subject]}”"
        elif record.kind is AuditKind.TRAINING_CHANGED:
            subject = record.details.get("person", subject)
        label = record.details.get("label") or record.details.get("name") or subject
        zone = record.details.get("zone_name") or translated("its zone")  # of entries before 2026-11-27
        return fixed.format(actor=record.actor or "somebody", subject=subject, label=label, zone=zone)
    if record.kind in (AuditKind.ACCESS_GRANTED, AuditKind.ACCESS_DENIED):
        return _access_sentence(record)
    return _work_sentence(record)


def _work_sentence(record: AuditRecord) -> str:
    subject, details = record.subject, record.details
    match record.kind:
        case AuditKind.KEYS_RELEASED:
            who = "A view" if not record.actor or record.actor.startswith("process:") else record.actor
            pieces = sum(name.startswith("segment_") for name in details)
            what = "one piece" if pieces == 1 else f"{pieces or 'some'} pieces"
            return f"{who} got the keys of {what} of recording of camera {subject}."
        case AuditKind.KEYS_REFUSED:
            return f"Keys of camera {subject} were refused: {details.get('reason', 'no valid grant')}."
        case AuditKind.VIEW_ENDED:
            shown = details.get("frames_shown", "")
            whose = "A view" if not record.actor or record.actor.startswith("process:") else f"{record.actor}'s view"
            where = f" of camera {subject}" if subject else ""
            return f"{whose}{where} ended{_pictures(shown)}."
        case AuditKind.HOLD_PLACED:
            return f"Recordings of camera {subject} are held as evidence by {details.get('owner', '?')}."
        case AuditKind.HOLD_RELEASED:
            return f"{details.get('by', '?')} released {details.get('owner', '?')}'s hold on camera {subject}."
        case AuditKind.STORAGE_EVENT | AuditKind.CAMERA_HEALTH:
            return trouble_sentence(record)
        case AuditKind.EVIDENCE_SEALED:
            return f"Export {details.get('export_id', '')} of {subject} was sealed; the log knows its manifest."
        case AuditKind.ANALYSIS_REPLACED:
            return f"Recordings of camera {subject} were analysed again by {details.get('model', '?')}."
        case AuditKind.MARKS_RELEASED | AuditKind.LEAK_TRACED:
            return _trace_sentence(record)
        case AuditKind.FOOTAGE_DELETED:
            return _deleted_sentence(record)
        case AuditKind.SEGMENT_SEALED:
            camera = details.get("camera") or details.get("camera_id") or subject
            return f"A piece of recording of camera {camera} was sealed; its fingerprint stands here."
        case _:
            return f"Process {subject or record.actor}: {details.get('event', details.get('what', 'changed'))}."


def _trace_sentence(record: AuditRecord) -> str:
    details = record.details
    if record.kind is AuditKind.MARKS_RELEASED:
        shown = f"{details.get('candidates', '?')} sessions that were shown camera {record.subject}"
        return f"A trace compared a picture with the marks of {shown}."
    two = f"{record.actor} and {details.get('second', '?')}"
    return f"{two} traced a picture for case {details.get('reference', '?')}: {details.get('verdict', '?')}."


def _deleted_sentence(record: AuditRecord) -> str:
    details = record.details
    count = details.get("count", "")
    what = "One piece" if count == "1" else f"{count or 'Some'} pieces"
    were = "was" if count == "1" else "were"
    until = f" up to {details['until']}" if "until" in details else ""
    why = f": {details['reason']}" if details.get("reason") else ""
    return f"{what} of recording of camera {record.subject}{until} {were} deleted{why}."


def _pictures(shown: str) -> str:
    if not shown:
        return ""
    return f" after {shown} {'picture' if shown == '1' else 'pictures'}"


def _access_sentence(record: AuditRecord) -> str:
    details = record.details
    action = details.get("action", "")
    what = _ACTION_WORDS.get(action, action.replace("_", " ") or "look at")
    if not record.subject and what.endswith(" of"):
        what += " cameras"
    camera = f" camera {record.subject}" if record.subject and action not in ("read_log", "configure") else ""
    purpose = ""
    if action in ("watch_live", "play_back", "place_hold", "release_hold"):
        kind = details.get("purpose", "")
        reference = details.get("reference", "")
        purpose = f" {_PURPOSE_WORDS.get(kind, kind)}{f' “{reference}”' if reference else ''}"
    if record.kind is AuditKind.ACCESS_GRANTED:
        return f"{record.actor} may {what}{camera}{purpose}."
    return f"{record.actor} wanted to {what}{camera}{purpose} and was refused."


def utc_text(utc_ns: Ns) -> str:
    """ISO 8601 in UTC, to the second. The page shows the reader's own time zone and keeps this as the tooltip."""
    return datetime.fromtimestamp(utc_ns / NS_PER_S, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def gate_words(row: CameraRow) -> str:
    """What of the camera is decoded, and how often that was found to miss motion."""
    words = GATE_WORDS.get(row.gate_mode, "")
    if words and row.gate_trials:
        words += "; " + say(
            "{missed} of {trials} quiet GOPs tried held motion ({low} to {high} at 95 %)",
            missed=row.gate_missed,
            trials=row.gate_trials,
            low=f"{row.gate_miss_low:.1%}",
            high=f"{row.gate_miss_high:.1%}",
        )
    return f"{words}." if words else ""


def gate_change_words(change: GateChanged) -> str:
    """What is decoded from here on, and why."""
    return f"{GATE_WORDS[change.mode.value]}: {reported(change.reason)}"
