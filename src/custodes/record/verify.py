"""The fsck of recordings: are the segments that the journals name on disk, whole and unchanged? Reads only.

No key is needed: the chain of hashes covers the ciphertext. That a root is the one the audit log knows is `audit`'s
question.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path

from custodes.errors import SealBroken
from custodes.record.journal import read_all
from custodes.sealing.container import read_header, scan_fragments
from custodes.types.event import GapRecorded, SegmentDeleted
from custodes.types.media import Segment


class Depth(IntEnum):
    """How closely to look; each includes those before."""

    PRESENCE = 0
    SIZE = 1
    HASH = 2


@dataclass(slots=True, kw_only=True)
class SegmentReport:
    """What was found. `problems`: (path relative to the data directory, sentence)."""

    segments: int = 0
    open_segments: int = 0
    bytes_read: int = 0
    problems: list[tuple[str, str]] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    """Files that no journal names; the recorder adopts them at its next start."""


def verify_segments(
    data_dir: Path, depth: Depth, *, on_progress: Callable[[int, int], None] = lambda done, total: None
) -> SegmentReport:
    """Check all segments of a site, running or stopped.

    A segment that is still open is only checked for presence. O(bytes) for HASH (1.5 GB/s on one core), else O(files).
    """
    newest, deleted = _named(data_dir)
    present = {path: segment for path, segment in newest.items() if path not in deleted}
    report = SegmentReport(segments=len(present))
    for number, (path, segment) in enumerate(sorted(present.items())):
        report.open_segments += not segment.is_sealed
        problem = _problem(data_dir / path, segment, depth)
        if problem:
            report.problems.append((path, problem))
        elif depth is Depth.HASH and segment.is_sealed:
            report.bytes_read += segment.bytes_on_disk
        on_progress(number + 1, len(present))
    files = (str(file.relative_to(data_dir)) for file in (data_dir / "segments").glob("*/*/*.seg"))
    report.unknown = sorted(path for path in files if path not in newest)
    if report.problems:
        # Retention goes on while we look; what it took away meanwhile is no loss.
        _, deleted = _named(data_dir)
        report.problems = [(path, problem) for path, problem in report.problems if path not in deleted]
    return report


def _named(data_dir: Path) -> tuple[dict[str, Segment], set[str]]:
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


def _problem(file: Path, segment: Segment, depth: Depth) -> str:
    try:
        size = file.stat().st_size
    except OSError as error:
        if segment.is_sealed and segment.bytes_on_disk == 0:
            return ""  # noted as lost by an earlier reconcile
        return f"cannot be found: {(error.strerror or 'unreadable').lower()}"
    if depth is Depth.PRESENCE or not segment.is_sealed:
        return ""
    if size != segment.bytes_on_disk:
        return f"has {size} bytes; {segment.bytes_on_disk} were sealed"
    return _hash_problem(file, segment) if depth is Depth.HASH else ""


def _hash_problem(file: Path, segment: Segment) -> str:
    try:
        with file.open("rb") as stream:
            if read_header(stream) != segment.header:
                return "its header is not the one that was recorded"
            fragments = scan_fragments(stream)
    except (OSError, SealBroken) as error:
        return f"cannot be read: {error}"
    if len(fragments) != segment.fragments or (fragments and fragments[-1].chain != segment.root):
        return f"was changed: {len(fragments)} of {segment.fragments} fragments verify against the seal"
    return ""
