"""A journal that is written anew says the same of all that is left, under a new name, whatever cuts it off."""

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from custodes.adapters.blob.disk import Disk
from custodes.errors import DataLoss, StorageFailed, StorageFull
from custodes.ports.storage import AppendFile
from custodes.record.compaction import compact, compact_deletions, current
from custodes.record.journal import JournalWriter, encode_record, front_of, read_all
from custodes.record.reconcile import JournalState, read_state
from custodes.testing.catalog import at, make_segment
from custodes.types.event import GapRecorded, JournalRecord, SegmentDeleted, SegmentOpened, SegmentSealed
from custodes.types.media import Gap, GapCause, Segment
from custodes.units import CameraId

NAME = "recorder"
GONE = [make_segment(60 * n, 60 * n + 60) for n in range(6)]
LEFT = [make_segment(60 * n, 60 * n + 60) for n in range(6, 8)]
OPEN = make_segment(480, 480, is_sealed=False)
YARD = make_segment(0, 60, camera_id="yard")
"""Of a camera of which everything was deleted."""


def opened(segment: Segment) -> SegmentOpened:
    return SegmentOpened(segment=replace(segment, is_sealed=False, end_ns=segment.header.start_ns))


def gap(end_s: float) -> GapRecorded:
    return GapRecorded(gap=Gap(camera_id=CameraId("hall"), start_ns=at(0), end_ns=at(end_s), cause=GapCause.STALLED))


def deleted(segment: Segment) -> SegmentDeleted:
    header = segment.header
    return SegmentDeleted(camera_id=header.camera_id, segment_id=header.segment_id, path=segment.path)


def write(path: Path, records: list[JournalRecord]) -> None:
    writer = JournalWriter(Disk(), path)
    assert writer.extend(records)
    writer.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Eight segments and one that is open, of which six were deleted; a gap that grew; another camera's, deleted."""
    records: list[JournalRecord] = [gap(3)]
    for segment in (*GONE, *LEFT, YARD):
        records += [opened(segment), SegmentSealed(segment=segment)]
    write(tmp_path / f"{NAME}.journal", [*records, gap(5), opened(OPEN), gap(9)])
    write(tmp_path / "retention.journal", [deleted(one) for one in (*GONE, YARD)])
    return tmp_path


def state_of(folder: Path) -> JournalState:
    return read_state(folder, JournalState())


def test_journal_when_mostly_outdated_is_written_anew_and_a_start_learns_the_same(folder: Path) -> None:
    before = state_of(folder)
    path = compact(Disk(), folder, NAME, min_bytes=1)
    assert path.name == "recorder.1.journal"
    assert sorted(one.name for one in folder.iterdir()) == ["recorder.1.journal", "retention.journal"]
    # The last of a camera stays, deleted or not: its story goes on from there.
    wanted = [*(SegmentSealed(segment=one) for one in LEFT), SegmentSealed(segment=YARD), opened(OPEN), gap(9)]
    assert read_all(path)[0] == wanted
    after = state_of(folder)
    assert (after.last_end_ns, after.opened) == (before.last_end_ns, before.opened)
    assert after.settled == before.settled
    # The next start appends to it, and does not write it anew for nothing.
    writer = JournalWriter(Disk(), compact(Disk(), folder, NAME, min_bytes=1))
    assert writer.append(gap(11))
    writer.close()
    assert read_all(current(folder, NAME))[0] == [*wanted, gap(11)]


def test_journal_when_small_or_mostly_needed_is_left_alone(folder: Path) -> None:
    first = folder / f"{NAME}.journal"
    assert compact(Disk(), folder, NAME) == first
    (folder / "retention.journal").unlink()
    assert compact(Disk(), folder, NAME, min_bytes=1) == first
    assert compact(Disk(), folder, "another") == folder / "another.journal"


def test_journal_when_a_newer_custodes_wrote_into_it_keeps_what_is_not_understood(folder: Path) -> None:
    path = folder / f"{NAME}.journal"
    strange = msgspec.msgpack.encode((99, "SegmentMoved", {"x": 1}))
    with path.open("ab") as stream:
        stream.write(front_of(strange) + strange + encode_record(gap(20)))
    made = compact(Disk(), folder, NAME, min_bytes=1)
    assert made != path
    assert strange in made.read_bytes()
    assert state_of(folder).last_end_ns[CameraId("hall")] == at(20)


@pytest.mark.parametrize("step", ["beside", "named"])
def test_journal_when_writing_it_anew_was_cut_off_then_the_next_start_finishes(folder: Path, step: str) -> None:
    before = state_of(folder)
    first = folder / f"{NAME}.journal"
    old = first.read_bytes()
    if step == "beside":
        (folder / "recorder.1.journal.new").write_bytes(old[:100])
    else:
        compact(Disk(), folder, NAME, min_bytes=1)
        first.write_bytes(old)  # the power went before it was removed
    again = compact(Disk(), folder, NAME, min_bytes=1)
    assert again.name == "recorder.1.journal"
    assert not first.exists()
    after = state_of(folder)
    assert (after.last_end_ns, after.opened, after.settled) == (before.last_end_ns, before.opened, before.settled)


class Full(Disk):
    """The real disk, with no room for new files' content."""

    def create(self, path: Path) -> AppendFile:
        real = super().create(path)

        class File:
            size = property(lambda self: real.size)
            sync, close = real.sync, real.close

            def append(self, payload: bytes) -> None:
                raise StorageFull("no room")

        return File()  # type: ignore[return-value]


def test_journal_when_there_is_no_room_for_a_new_one_stays_and_nothing_is_left_beside(folder: Path) -> None:
    before = sorted(one.name for one in folder.iterdir())
    assert compact(Full(), folder, NAME, min_bytes=1) == folder / f"{NAME}.journal"
    assert sorted(one.name for one in folder.iterdir()) == before


def test_journal_when_it_is_none_is_said_and_left(folder: Path) -> None:
    (folder / f"{NAME}.journal").write_bytes(b"something else")
    with pytest.raises(DataLoss):
        compact(Disk(), folder, NAME, min_bytes=1)
    assert (folder / f"{NAME}.journal").exists()


def deletions_in(folder: Path) -> list[JournalRecord]:
    return read_all(current(folder, "retention"))[0]


def test_deletions_when_no_journal_and_no_copy_has_their_segments_any_more_are_left_out(folder: Path) -> None:
    assert compact_deletions(Disk(), folder, tuple, min_bytes=1) == folder / "retention.journal"  # all are needed
    compact(Disk(), folder, NAME, min_bytes=1)
    path = compact_deletions(Disk(), folder, lambda: [GONE[2].path], min_bytes=1)
    assert path == current(folder, "retention") == folder / "retention.1.journal"
    # The recorder's journal kept the other camera's last segment, and elsewhere there is a copy of one.
    assert deletions_in(folder) == [deleted(GONE[2]), deleted(YARD)]
    assert not (folder / "retention.journal").exists()
    assert {one.path for one in state_of(folder).open_segments()} == {OPEN.path}


def test_deletions_when_few_are_outdated_or_the_disk_is_full_stay_as_they_are(folder: Path) -> None:
    compact(Disk(), folder, NAME, min_bytes=1)
    copies = [one.path for one in GONE[:5]]
    assert compact_deletions(Disk(), folder, lambda: copies, min_bytes=1).name == "retention.journal"
    assert compact_deletions(Full(), folder, tuple, min_bytes=1).name == "retention.journal"
    assert len(deletions_in(folder)) == len(GONE) + 1


def test_deletions_when_the_server_died_between_new_and_old_are_the_new_ones(folder: Path) -> None:
    compact(Disk(), folder, NAME, min_bytes=1)
    old = (folder / "retention.journal").read_bytes()
    compact_deletions(Disk(), folder, tuple, min_bytes=1)
    (folder / "retention.journal").write_bytes(old)
    assert compact_deletions(Disk(), folder, tuple, min_bytes=1).name == "retention.1.journal"
    assert not (folder / "retention.journal").exists()


def test_deletions_when_the_copies_elsewhere_cannot_be_listed_are_all_kept(folder: Path) -> None:
    def away() -> list[str]:
        raise StorageFailed("no answer")

    with pytest.raises(StorageFailed):
        compact_deletions(Disk(), folder, away, min_bytes=1)
    assert len(deletions_in(folder)) == len(GONE) + 1
