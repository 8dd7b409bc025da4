"""A journal that a crash or a disk has spoilt: reading ends at the damage, a glance ends where reading ends or later,
and a writer that opens the file keeps all that was read."""

import tempfile
from functools import lru_cache
from pathlib import Path

from custodes.adapters.blob.disk import Disk
from custodes.errors import DataLoss
from custodes.record.journal import MAGIC, JournalWriter, encode_record, glance_all, read_all
from custodes.testing.keys import sample_segment
from custodes.types.event import GapRecorded, SegmentDeleted, SegmentOpened, SegmentSealed
from custodes.types.media import Gap, GapCause, Segment
from custodes.units import CameraId, Ns


@lru_cache
def folder() -> tempfile.TemporaryDirectory[str]:
    """Kept as long as the process."""
    return tempfile.TemporaryDirectory(prefix="fuzz-journal-")


def one(case: bytes) -> None:
    """The case is the file."""
    path = Path(folder().name) / "fuzzed.journal"
    path.write_bytes(case)
    try:
        records, end = read_all(path)
    except DataLoss:
        return
    assert end <= len(case)
    glanced: list[object] = []
    glanced_end = glance_all(path, glanced.append, lambda glance, opened: glanced.append(glance))
    assert glanced_end >= end and len(glanced) >= len(records)
    JournalWriter(Disk(), path).close()
    assert read_all(path)[0] == records


def seeds() -> list[bytes]:
    """All kinds of records, whole and cut."""
    header, _ = sample_segment()
    segment = Segment(header=header, path="segments/c/20260101/x.seg", end_ns=Ns(header.start_ns + 1), bytes_on_disk=9,
                      fragments=1, root=b"r" * 32, is_sealed=True)  # fmt: skip
    gap = Gap(camera_id=CameraId("c"), start_ns=Ns(1), end_ns=Ns(2), cause=GapCause.STALLED)
    deleted = SegmentDeleted(camera_id=CameraId("c"), segment_id=header.segment_id, path=segment.path)
    records = [SegmentOpened(segment=segment), GapRecorded(gap=gap), SegmentSealed(segment=segment), deleted]
    whole = MAGIC + b"".join(map(encode_record, records))
    return [whole, whole[:-5], MAGIC + encode_record(records[1]), MAGIC[:4]]
