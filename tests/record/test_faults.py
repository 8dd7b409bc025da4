"""A disk that fails once: the GOP in hand goes elsewhere, and what a failed sync left behind is never trusted."""

from pathlib import Path

import pytest

from custodes.adapters.blob.disk import Disk
from custodes.errors import StorageFailed
from custodes.ports.storage import AppendFile
from custodes.record.journal import JournalWriter, open_journal, read_all
from custodes.record.recording import CameraRecording, RecordingPolicy
from custodes.record.scratch import Scratch
from custodes.record.verify import Depth, verify_segments
from custodes.sealing.published import latest_usable, read_pinned
from custodes.testing.camera import START_NS, packet, stream_info
from custodes.testing.recorder import SITE_ID, RecorderSite
from custodes.types.event import GapRecorded
from custodes.types.media import Gap, GapCause
from custodes.units import NS_PER_S, CameraId, Ns

CAM = CameraId("cam")
GOP = 10


class FaultyDisk(Disk):
    """The real disk. `failures` appends or syncs to come fail; bytes of a failed sync turn to zeros, as a power cut
    after it would show them."""

    def __init__(self) -> None:
        super().__init__()
        self.failing_appends = 0
        self.failing_syncs = 0
        self.failing_folder_syncs = 0

    def sync_dir(self, path: Path) -> None:
        if self.failing_folder_syncs:
            self.failing_folder_syncs -= 1
            raise StorageFailed("input/output error")
        super().sync_dir(path)

    def create(self, path: Path) -> AppendFile:
        return _FaultyFile(super().create(path), path, self)

    def reopen(self, path: Path, size: int) -> AppendFile:
        return _FaultyFile(super().reopen(path, size), path, self)


class _FaultyFile:
    def __init__(self, real: AppendFile, path: Path, disk: FaultyDisk) -> None:
        self._real, self._path, self._disk = real, path, disk
        self._synced = real.size

    @property
    def size(self) -> int:
        return self._real.size

    def append(self, payload: bytes) -> None:
        if self._disk.failing_appends:
            self._disk.failing_appends -= 1
            raise StorageFailed("input/output error")
        self._real.append(payload)

    def sync(self) -> None:
        if self._disk.failing_syncs:
            self._disk.failing_syncs -= 1
            with self._path.open("r+b") as stream:
                stream.seek(self._synced)
                stream.write(bytes(self._real.size - self._synced))
            raise StorageFailed("input/output error")
        self._real.sync()
        self._synced = self._real.size

    def close(self) -> None:
        self._real.close()


def gap(number: int) -> GapRecorded:
    cause = GapCause.UNREACHABLE
    return GapRecorded(gap=Gap(camera_id=CAM, start_ns=Ns(number), end_ns=Ns(number + 1), cause=cause))


def test_journal_when_a_sync_fails_then_its_records_are_written_again_and_hide_none(tmp_path: Path) -> None:
    path, disk = tmp_path / "r.journal", FaultyDisk()
    writer = JournalWriter(disk, path)
    assert writer.append(gap(0))
    disk.failing_syncs = 1
    assert not writer.append(gap(1))
    assert writer.pending == 1
    assert writer.append(gap(2))
    assert read_all(path)[0] == [gap(0), gap(1), gap(2)]


def test_open_journal_when_it_is_no_journal_then_puts_it_aside_and_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "r.journal"
    path.write_bytes(bytes(64))
    writer, aside = open_journal(Disk(), path, 7)
    assert writer.append(gap(0))
    assert aside is not None
    assert aside.read_bytes() == bytes(64)
    assert open_journal(Disk(), path, 8)[1] is None


@pytest.mark.parametrize("kind", ["appends", "syncs", "folder_syncs"])
@pytest.mark.parametrize("at", [25, 30], ids=["inside a segment", "at a new segment"])
def test_recording_when_a_single_call_fails_then_no_packet_is_lost(tmp_path: Path, kind: str, at: int) -> None:
    site, disk = RecorderSite(tmp_path / "site"), FaultyDisk()
    site.create()
    site.publish(CAM, START_NS)
    recording = CameraRecording(
        CAM,
        policy=RecordingPolicy(site_id=SITE_ID, data_dir=site.data_dir, segment_ns=3 * NS_PER_S, min_free_bytes=0),
        storage=disk,
        journal=JournalWriter(Disk(), site.paths.journal_dir / "recorder.journal"),
        find_key=lambda camera_id, day: latest_usable(
            site.paths.public_keys, camera_id, day, read_pinned(site.paths.warden_key)
        ),
        last_end_ns=None,
        scratch=Scratch(),
    )
    recording.begin_run(stream_info(codec="mjpeg"))
    for seq in range(60):
        if seq == at:
            setattr(disk, f"failing_{kind}", 1)
        item = packet(seq, is_keyframe=seq % GOP == 0)
        recording.add(item, item.utc_ns)
        recording.tick(item.utc_ns)
    recording.finish(Ns(START_NS + 60 * NS_PER_S))
    sealed = sorted(site.sealed(), key=lambda segment: segment.header.start_ns)
    assert [item.seq for segment in sealed for item in site.packets(segment)] == list(range(60))
    assert recording.counters.gops_lost == 0
    assert verify_segments(site.data_dir, Depth.HASH).problems == []


def test_create_when_the_disk_was_unmounted_then_nothing_is_written_beside_it(tmp_path: Path) -> None:
    site, away = tmp_path / "site", tmp_path / "away"
    site.mkdir()
    (site / "site.json").write_text("{}")
    disk = Disk(anchor=site / "site.json")
    disk.create(site / "a").close()
    site.rename(away)
    site.mkdir()
    with pytest.raises(StorageFailed, match=r"site\.json"):
        disk.create(site / "deep" / "b")
    (site / "site.json").write_text("{}")
    with pytest.raises(StorageFailed, match="another disk"):
        disk.reopen(site / "c", 0)
    assert [path.name for path in site.iterdir()] == ["site.json"]
