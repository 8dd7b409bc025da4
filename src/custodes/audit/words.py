"""Log entries as sentences for people. The terminal and the page use the same ones; escaping HTML is the page's."""

from custodes.types.access import AuditKind, AuditRecord, LogEntry

_MAX_WORD_CHARS = 200


def plain(text: str) -> str:
    """`text` without control characters and bounded: a user name must not drive a terminal."""
    clean = "".join(ch if ch.isprintable() else "\N{REPLACEMENT CHARACTER}" for ch in text)
    return clean if len(clean) <= _MAX_WORD_CHARS else clean[:_MAX_WORD_CHARS] + "…"


def _purpose(details: dict[str, str]) -> str:
    purpose = details.get("purpose", "").replace("_", " ")
    reference = details.get("reference", "").strip()
    return f"for {purpose}" + (f" {reference}" if reference else "")


def _look(details: dict[str, str], subject: str) -> str:
    action = details.get("action", "see").replace("_", " ")
    where = f" camera {subject}" if subject else ""
    masked = f", {details['fidelity']}" if subject and "fidelity" in details else ""
    return f"{action}{where}{masked}, {_purpose(details)}"


def _segment_count(details: dict[str, str]) -> str:
    count = sum(name.startswith("segment_") for name in details)
    return f"{count} segment" + ("" if count == 1 else "s")


def _case(details: dict[str, str]) -> str:
    return f"case {details.get('reference', '?')}"


def _otherwise(record: AuditRecord) -> str:
    """Holds, the disk, and kinds without words of their own."""
    actor, subject, details = record.actor, record.subject, record.details
    owner, reason = details.get("owner", "?"), details.get("reason", "")
    if record.kind is AuditKind.HOLD_PLACED:
        return f"{owner} holds recordings of camera {subject}: {reason}"
    if record.kind is AuditKind.HOLD_RELEASED:
        return f"{details.get('by', '?')} released {owner}'s hold on camera {subject}: {reason}"
    if record.kind is AuditKind.STORAGE_EVENT:
        return f"recording, {details.get('event', '').replace('_', ' ')}: {details.get('state', '')}"
    if record.kind is AuditKind.CAMERA_HEALTH:
        return f"{details.get('event', '').replace('_', ' ')}, camera {subject}: {details.get('state', '')}"
    if record.kind is AuditKind.MARKS_RELEASED:
        count = details.get("candidates", "?")
        return f"marks of {count} sessions of camera {subject} compared for {actor}, {_case(details)}"
    if record.kind is AuditKind.LEAK_TRACED:
        verdict = f"{details.get('verdict', '?')}{f', camera {subject}' if subject else ''}"
        return f"{actor} and {details.get('second', '?')} traced a picture, {_case(details)}: {verdict}"
    rest = ", ".join(f"{name} {value}" for name, value in sorted(details.items()))
    about = f" {subject}" if subject and subject != actor else ""
    return f"{actor}: {record.kind.value.replace('_', ' ')}{about}" + (f" ({rest})" if rest else "")


def sentence(entry: LogEntry) -> str:
    """One line: who did what to what. Unknown details are left out; the entry itself is the record."""
    record, details = entry.record, entry.record.details
    actor, subject = record.actor, record.subject
    match record.kind:
        case AuditKind.ACCESS_GRANTED:
            text = f"{actor} was allowed to {_look(details, subject)}"
        case AuditKind.ACCESS_DENIED:
            text = f"{actor} was refused to {_look(details, subject)}: {details.get('reasons', '')}"
        case AuditKind.KEYS_RELEASED:
            text = f"{_segment_count(details)} of camera {subject} opened for {actor}"
        case AuditKind.KEYS_REFUSED:
            text = f"no key for {actor}: {details.get('reason', '')}"
        case AuditKind.VIEW_ENDED:
            text = f"{actor} stopped seeing camera {subject} after {details.get('frames_shown', '?')} frames"
        case AuditKind.KEYS_DESTROYED:
            text = f"the keys of camera {subject} for {details.get('day', '?')} were destroyed"
        case AuditKind.FOOTAGE_DELETED:
            count = details.get("count", "?")
            until = f" up to {details['until']}" if "until" in details else ""
            text = f"{count} segments of camera {subject}{until} were deleted ({details.get('reason', '')})"
        case AuditKind.SIGNATURE_ALARM:
            text = f"signatures of camera {subject}: {details.get('problem', '')}"
        case AuditKind.EVIDENCE_SEALED:
            text = f"export {details.get('export_id', '?')} of {subject} was sealed"
        case AuditKind.SEGMENT_SEALED | AuditKind.SITE_CREATED:
            text = f"{record.kind.value.partition('_')[0]} {subject} was {record.kind.value.partition('_')[2]}"
        case AuditKind.WARDEN_STARTED:
            text = f"the warden started ({details.get('key_provider', '')})"
        case _:
            text = _otherwise(record)
    return plain(text)
