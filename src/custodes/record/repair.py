"""Mends what `verify` found, as far as that takes nothing away: orphans are adopted, torn tails cut.

No file is deleted and no whole fragment is cut. The site must be stopped, since the journal has one writer.
"""

from pathlib import Path

from custodes.errors import SealBroken, StorageFailed, StorageFull
from custodes.ports.storage import Storage
from custodes.record.journal import JournalWriter
from custodes.record.reconcile import reconcile
from custodes.record.verify import Finding, Found, SegmentReport, named_segments, repaired
from custodes.sealing.container import read_header, scan_fragments
from custodes.types.media import Segment


def repair_segments(
    data_dir: Path, storage: Storage, journal: JournalWriter, report: SegmentReport, *, site_id: str
) -> SegmentReport:
    """Mend; returns the report with what was mended marked, and what could not be still in it.

    Args: journal: the recorder's own. Raises: StorageFailed, DataLoss when journals cannot be read.
    """
    known, _ = named_segments(data_dir)
    found = [
        _cut(data_dir, storage, one, known[one.path]) if one.finding is Finding.TORN else one for one in report.found
    ]
    done = reconcile(data_dir, storage, journal, site_id=site_id)
    newest, _ = named_segments(data_dir)
    report.found = [
        repaired(one, "was in no journal; adopted") if one.finding is Finding.ORPHAN and one.path in newest else one
        for one in found
    ]
    report.segments, report.open_segments = report.segments + done.adopted, report.open_segments - done.sealed
    return report


def _cut(data_dir: Path, storage: Storage, one: Found, segment: Segment) -> Found:
    """A file with more than was sealed loses what is no fragment; one with less loses its torn last fragment."""
    file = data_dir / one.path
    try:
        end, fragments = _whole(file, segment)
        size = file.stat().st_size
        if fragments > segment.fragments:
            return one  # more whole fragments than were sealed: footage that nobody vouches for, left alone
        if end < size:
            storage.reopen(file, end).close()
    except (OSError, SealBroken, StorageFull, StorageFailed):
        return one
    if fragments == segment.fragments:
        return repaired(one, f"had {size - end} bytes of rubbish behind what was sealed; cut")
    detail = f"{one.detail}; {fragments} of {segment.fragments} fragments are whole"
    return Found(finding=Finding.TORN, path=one.path, detail=detail)


def _whole(file: Path, segment: Segment) -> tuple[int, int]:
    """Where the last whole fragment ends, and how many there are. Raises: SealBroken, also for another's header."""
    with file.open("rb") as stream:
        if read_header(stream) != segment.header:
            raise SealBroken("its header is not the one that was recorded")
        end, fragments = stream.tell(), scan_fragments(stream)
    if fragments:
        end = fragments[-1].offset + fragments[-1].record_bytes
    return end, len(fragments)
