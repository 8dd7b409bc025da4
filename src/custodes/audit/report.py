"""Questions to the log: which entries fit, and who looked at how much for what. Pure; reads entries one by one."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from custodes.types.access import AuditKind, AuditRecord, LogEntry
from custodes.units import Ns


@dataclass(frozen=True, slots=True, kw_only=True)
class LogQuery:
    """What is looked for; an empty field fits everything."""

    kind: AuditKind | None = None
    camera: str = ""
    person: str = ""
    """Part of a name, letter case aside."""
    reference: str = ""
    """The case, alarm or ticket of a purpose, exactly."""
    start_ns: Ns | None = None
    end_ns: Ns | None = None

    def fits(self, entry: LogEntry) -> bool:
        """Whether an entry is one of those looked for."""
        record, details = entry.record, entry.record.details
        if self.kind is not None and record.kind is not self.kind:
            return False
        if self.camera and self.camera not in (record.subject, details.get("camera"), details.get("camera_id")):
            return False
        if self.reference and details.get("reference") != self.reference:
            return False
        if self.start_ns is not None and entry.utc_ns < self.start_ns:
            return False
        if self.end_ns is not None and entry.utc_ns >= self.end_ns:
            return False
        return not self.person or names_person(record, self.person)


def names_person(record: AuditRecord, person: str) -> bool:
    """Whether a record's actor or subject contains that name, letter case aside."""
    return person.casefold() in f"{record.actor}\n{record.subject}".casefold()


def search(entries: Iterable[LogEntry], query: LogQuery) -> Iterator[LogEntry]:
    """The entries that fit, in order."""
    return (entry for entry in entries if query.fits(entry))


@dataclass(slots=True, kw_only=True)
class Looking:
    """What one person did under grants."""

    granted: int = 0
    refused: int = 0
    releases: int = 0
    frames: int = 0
    exports: int = 0
    cameras: set[str] = field(default_factory=set)
    purposes: Counter[str] = field(default_factory=Counter)
    """`purpose reference` of what was granted."""


@dataclass(slots=True, kw_only=True)
class LogSummary:
    """A stretch of the log in numbers."""

    entries: int = 0
    first_ns: Ns | None = None
    last_ns: Ns | None = None
    kinds: Counter[AuditKind] = field(default_factory=Counter)
    people: dict[str, Looking] = field(default_factory=dict)


def summarise(entries: Iterable[LogEntry]) -> LogSummary:
    """Counts by kind and by person. Erased entries count under "(erased)"."""
    summary = LogSummary()
    for entry in entries:
        summary.entries += 1
        summary.first_ns = entry.utc_ns if summary.first_ns is None else summary.first_ns
        summary.last_ns = entry.utc_ns
        summary.kinds[entry.record.kind] += 1
        _count(summary.people, entry.record)
    return summary


def _count(people: dict[str, Looking], record: AuditRecord) -> None:
    if record.actor.startswith("process:"):
        return
    looking, details = people.setdefault(record.actor, Looking()), record.details
    match record.kind:
        case AuditKind.ACCESS_GRANTED:
            looking.granted += 1
            looking.exports += details.get("action") == "export"
            looking.cameras.add(record.subject)
            looking.purposes[f"{details.get('purpose', '')} {details.get('reference', '')}".strip()] += 1
        case AuditKind.ACCESS_DENIED:
            looking.refused += 1
        case AuditKind.KEYS_RELEASED:
            looking.releases += 1
        case AuditKind.VIEW_ENDED:
            shown = details.get("frames_shown", "0")
            looking.frames += int(shown) if shown.isdecimal() else 0
