"""The fsck of recordings: are the segments that the journals name on disk, whole and unchanged? Reads only.

No key is needed: the chain of hashes covers the ciphertext. That a root is the one the audit log knows is `audit`'s
question; mending is `repair`'s.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum, StrEnum
from pathlib import Path

from custodes.errors import SealBroken
from custodes.record.intact import hash_problem
from custodes.record.journal import read_all
from custodes.record.segment import is_unborn, segment_files, segment_path
from custodes.sealing.container import read_header
from custodes.types.event import GapRecorded, SegmentDeleted
from custodes.types.media import Segment


class Depth(IntEnum):
    """How closely to look; each includes those before."""

    PRESENCE = 0
    SIZE = 1
    HASH = 2


class Finding(StrEnum):
    """What can be wrong with one segment. `is_harmless` ones are mended by the next start or sweep."""

    MISSING = "missing"
    """The journal names it, the disk does not have it."""
    TORN = "torn"
    """It has another length than was sealed."""
    CHANGED = "changed"
    """Its bytes are not those that were sealed."""
    ORPHAN = "orphan"
    """A segment of this site that no journal names."""
    FOREIGN = "foreign"
    """Not a segment of this site, or not in its place."""
    UNBORN = "unborn"
    """Begun by a recorder that was stopped before the header was whole: nothing was recorded into it."""
    GARBAGE = "garbage"
    """Retention has deleted it, and its file is still there."""
    GHOST = "ghost"
    """The catalog has a row for it, the journals name no such segment."""

    @property
    def is_harmless(self) -> bool:
        """No footage is lost or changed."""
        return self in (Finding.ORPHAN, Finding.UNBORN, Finding.GARBAGE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One thing to say about one path."""

    finding: Finding
    path: str
    """Relative to the data directory."""
    detail: str
    """A sentence that goes on after the path."""
    is_repaired: bool = False


@dataclass(slots=True, kw_only=True)
class SegmentReport:
    """What was found."""

    segments: int = 0
    open_segments: int = 0
    bytes_read: int = 0
    found: list[Found] = field(default_factory=list)

    @property
    def problems(self) -> list[Found]:
        """What is not as it was recorded, and not mended."""
        return [one for one in self.found if not one.finding.is_harmless and not one.is_repaired]

    @property
    def unknown(self) -> list[str]:
        """Files that no journal names; the recorder adopts those that are segments when it starts."""
        return [one.path for one in self.found if one.finding in (Finding.ORPHAN, Finding.FOREIGN)]


def verify_segments(
    data_dir: Path,
    depth: Depth,
    *,
    site_id: str | None = None,
    rows: Mapping[str, bool] | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> SegmentReport:
    """Check all segments of a site, running or stopped.

    A segment that is still open is only checked for presence. O(bytes) for HASH (1.5 GB/s on one core), else O(files).

    Args:
        site_id: whose files those without a journal have to be; None takes any.
        rows: path → whether it is garbage, of what the catalog names; None when there is no catalog to compare with.
    """
    newest, deleted = named_segments(data_dir)
    present = {path: segment for path, segment in newest.items() if path not in deleted}
    report = SegmentReport(segments=len(present))
    for number, (path, segment) in enumerate(sorted(present.items())):
        report.open_segments += not segment.is_sealed
        problem = _problem(data_dir, path, segment, depth)
        if problem is not None:
            report.found.append(problem)
        elif depth is Depth.HASH and segment.is_sealed:
            report.bytes_read += segment.bytes_on_disk
        on_progress(number + 1, len(present))
    for path in sorted(segment_files(data_dir)):
        if path in deleted:
            report.found.append(Found(finding=Finding.GARBAGE, path=path, detail="was deleted, and is still there"))
        elif path not in newest:
            report.found.append(_unnamed(data_dir / path, path, site_id))
    # The site goes on while we look: what was recorded or deleted meanwhile is no problem.
    if rows:
        report.found += _ghosts(rows, newest, deleted)
    if report.found:
        newest, deleted = named_segments(data_dir)
        report.found = [one for one in report.found if not _is_settled(data_dir, one, newest, deleted)]
    return report


def named_segments(data_dir: Path) -> tuple[dict[str, Segment], set[str]]:
    """Path to the newest word on each segment, and the paths that retention deleted."""
    newest: dict[str, Segment] = {}
    deleted: set[str] = set()
    for journal in sorted((data_dir / "journal").glob("*.journal")):
        for record in read_all(journal)[0]:
            if isinstance(record, SegmentDeleted):
                deleted.add(record.path)
            elif not isinstance(record, GapRecorded) and not (
                record.segment.path in newest and newest[record.segment.path].is_sealed
            ):
                newest[record.segment.path] = record.segment
    return newest, deleted


def repaired(found: Found, detail: str) -> Found:
    """The same, mended."""
    return replace(found, detail=detail, is_repaired=True)


def _is_settled(data_dir: Path, one: Found, newest: Mapping[str, Segment], deleted: set[str]) -> bool:
    match one.finding:
        case Finding.ORPHAN | Finding.UNBORN | Finding.FOREIGN | Finding.GHOST:
            return one.path in newest or one.path in deleted
        case Finding.GARBAGE:
            return not (data_dir / one.path).exists()
        case _:
            return one.path in deleted


def _ghosts(rows: Mapping[str, bool], newest: Mapping[str, Segment], deleted: set[str]) -> list[Found]:
    return [
        Found(finding=Finding.GHOST, path=path, detail="has a row in the catalog and is in no journal")
        for path, is_garbage in sorted(rows.items())
        if not is_garbage and path not in newest and path not in deleted
    ]


def _unnamed(file: Path, path: str, site_id: str | None) -> Found:
    try:
        with file.open("rb") as stream:
            header = read_header(stream)
    except FileNotFoundError:
        return Found(finding=Finding.GARBAGE, path=path, detail="was deleted while we looked")
    except (OSError, SealBroken) as error:
        if isinstance(error, SealBroken) and _holds_nothing(file):
            return Found(
                finding=Finding.UNBORN, path=path, detail="was only begun; the recorder sets it aside at its start"
            )
        return Found(finding=Finding.FOREIGN, path=path, detail=f"is in no journal and cannot be read: {error}")
    if site_id is not None and header.site_id != site_id:
        return Found(finding=Finding.FOREIGN, path=path, detail=f"belongs to another site ({header.site_id})")
    if segment_path(header.camera_id, header.start_ns, header.segment_id) != path:
        return Found(finding=Finding.FOREIGN, path=path, detail="is not in the place that its header names")
    return Found(finding=Finding.ORPHAN, path=path, detail="is in no journal; the recorder adopts it when it starts")


def _holds_nothing(file: Path) -> bool:
    """If it was only begun: empty, or the zeros that a power cut leaves. Other bytes may have been footage once."""
    try:
        return is_unborn(file) and not any(file.read_bytes())
    except OSError:
        return False


def _problem(data_dir: Path, path: str, segment: Segment, depth: Depth) -> Found | None:
    file = data_dir / path
    try:
        size = file.stat().st_size
    except OSError as error:
        if segment.is_sealed and segment.bytes_on_disk == 0:
            return None  # noted as lost by an earlier reconcile
        reason = (error.strerror or "unreadable").lower()
        return Found(finding=Finding.MISSING, path=path, detail=f"cannot be found: {reason}")
    if depth is Depth.PRESENCE or not segment.is_sealed:
        return None
    if size != segment.bytes_on_disk:
        detail = f"has {size} bytes; {segment.bytes_on_disk} were sealed"
        return Found(finding=Finding.TORN, path=path, detail=detail)
    problem = hash_problem(file, segment) if depth is Depth.HASH else ""
    return Found(finding=Finding.CHANGED, path=path, detail=problem) if problem else None
