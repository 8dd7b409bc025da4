"""The journal: durable records, torn tails, a disk that refuses."""

import io
import struct
import zlib
from pathlib import Path

import msgspec
import pytest

from custodes.adapters.blob.disk import Disk
from custodes.errors import DataLoss, StorageFull
from custodes.ports.storage import AppendFile
from custodes.record.journal import JournalWriter, encode_record, glance_all, read_all, read_from
from custodes.types.event import GapRecorded
from custodes.types.media import Gap, GapCause
from custodes.units import CameraId, Ns


def gap(number: int) -> GapRecorded:
    cause = GapCause.UNREACHABLE
    return GapRecorded(gap=Gap(camera_id=CameraId("c"), start_ns=Ns(number), end_ns=Ns(number + 1), cause=cause))


RECORDS = [gap(number) for number in range(3)]


class Refusing(Disk):
    """The real disk; `is_full` makes appends fail."""

    is_full = False

    def reopen(self, path: Path, size: int) -> AppendFile:
        outer, real = self, super().reopen(path, size)

        class File:
            size = property(lambda self: real.size)

            def append(self, payload: bytes) -> None:
                if outer.is_full:
                    raise StorageFull("no room")
                real.append(payload)

            sync, close = real.sync, real.close

        return File()  # type: ignore[return-value]


def test_read_from_when_tailed_then_each_record_comes_once(tmp_path: Path) -> None:
    path = tmp_path / "r.journal"
    assert read_from(path, 0) == ([], 0)
    writer, seen, offset = JournalWriter(Disk(), path), [], 0
    for number in range(5):
        assert writer.append(gap(number))
        records, offset = read_from(path, offset)
        seen += records
        assert read_from(path, offset) == ([], offset)
    assert seen == [gap(number) for number in range(5)]


def test_read_from_when_cut_anywhere_then_whole_records_only(tmp_path: Path) -> None:
    path = tmp_path / "r.journal"
    writer, ends = JournalWriter(Disk(), path), [8]
    for number in range(3):
        writer.append(gap(number))
        ends.append(path.stat().st_size)
    whole = path.read_bytes()
    for cut in range(len(whole) + 1):
        path.write_bytes(whole[:cut])
        records, offset = read_from(path, 0)
        count = sum(end <= cut for end in ends) - 1
        assert records == [gap(number) for number in range(max(count, 0))]
        assert offset == (ends[count] if cut >= 8 else 0)


def test_read_from_when_a_byte_is_flipped_then_stops_before_it(tmp_path: Path) -> None:
    path = tmp_path / "r.journal"
    writer = JournalWriter(Disk(), path)
    writer.append(gap(0))
    first = path.stat().st_size
    writer.append(gap(1))
    whole = path.read_bytes()
    for at in range(first, len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert read_from(path, 0) == ([gap(0)], first)


def test_writer_when_the_tail_is_torn_then_cuts_it_and_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "r.journal"
    JournalWriter(Disk(), path).append(gap(0))
    with path.open("ab") as stream:
        stream.write(b"\x00\x00\x00\x40torn")
    JournalWriter(Disk(), path).append(gap(1))
    assert read_all(path)[0] == [gap(0), gap(1)]


def test_writer_when_the_disk_refuses_then_keeps_records_in_order_until_it_takes_them(tmp_path: Path) -> None:
    path, disk = tmp_path / "r.journal", Refusing()
    writer = JournalWriter(disk, path)
    disk.is_full = True
    assert not writer.append(gap(0))
    assert not writer.append(gap(1))
    assert writer.pending == 2
    disk.is_full = False
    assert writer.append(gap(2))
    assert read_all(path)[0] == [gap(0), gap(1), gap(2)]


def test_read_from_when_it_is_another_file_then_data_loss(tmp_path: Path) -> None:
    path = tmp_path / "r.journal"
    path.write_bytes(io.BytesIO(b"SQLite format 3\x00").getvalue())
    with pytest.raises(DataLoss):
        read_from(path, 0)


def test_glance_when_records_are_of_a_newer_custodes_then_passed_over_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.journal"
    journal = JournalWriter(Disk(), path)
    journal.extend(RECORDS[:2])
    journal.close()
    payload = msgspec.msgpack.encode((1, "SomethingNew", {}))
    with path.open("ab") as stream:
        stream.write(struct.pack(">II", len(payload), zlib.crc32(payload)) + payload)
        stream.write(encode_record(RECORDS[2]))
    before = path.read_bytes()
    glanced: list[object] = []
    end = glance_all(path, glanced.append, lambda glance, opened: glanced.append(glance.segment.path))
    assert (end, len(glanced)) == (len(before), 3)
    JournalWriter(Disk(), path).close()
    assert path.read_bytes() == before


def test_glance_when_the_tail_is_torn_then_it_ends_where_reading_ends(tmp_path: Path) -> None:
    path = tmp_path / "a.journal"
    journal = JournalWriter(Disk(), path)
    journal.extend(RECORDS)
    journal.close()
    whole = path.read_bytes()
    for cut in (len(whole), len(whole) - 1, len(whole) // 2, 9, 3):
        path.write_bytes(whole[:cut])
        assert glance_all(path, lambda record: None, lambda glance, opened: None) == read_all(path)[1]
