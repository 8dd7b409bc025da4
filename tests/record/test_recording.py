"""Recording a camera: segments, rotation, keys and disks that are missing. MJPEG packets by hand, real files."""

import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from custodes.adapters.blob.disk import Disk
from custodes.errors import KeyMissing
from custodes.ports.storage import Storage
from custodes.record.journal import JournalWriter
from custodes.record.reconcile import adopt_later, reconcile
from custodes.record.recording import CameraRecording, RecordingPolicy
from custodes.record.scratch import Scratch
from custodes.record.segment import UNBORN_BYTES, Opening, day_of, segment_files
from custodes.record.verify import Depth, verify_segments
from custodes.sealing.container import read_header, scan_fragments
from custodes.sealing.published import PublishedKey, latest_usable, read_pinned
from custodes.testing.camera import START_NS, TightDisk, packet, stream_info
from custodes.testing.recorder import SITE_ID, RecorderSite
from custodes.types.event import CameraState
from custodes.types.media import ClockReading, ClockSource, GapCause, Segment
from custodes.units import NS_PER_S, CameraId, Ns

CAM = CameraId("cam")
GOP = 10


@dataclass
class Bench:
    """One recording on a data directory, with what it told."""

    site: RecorderSite
    storage: Storage
    journal: JournalWriter
    recording: CameraRecording
    openings: list[Opening] = field(default_factory=list)
    segments: list[Segment] = field(default_factory=list)

    def feed(self, seqs: range, *, size: int = 1000) -> None:
        for seq in seqs:
            item = packet(seq, is_keyframe=seq % GOP == 0, payload=seq.to_bytes(4, "big") * (size // 4))
            self.recording.add(item, item.utc_ns)

    def at(self, seq: int) -> Ns:
        return Ns(START_NS + seq * 100_000_000)


def make(tmp_path: Path, *, storage: Storage | None = None, publishes: bool = True, segment_s: int = 4) -> Bench:
    site = RecorderSite(tmp_path / "site")
    site.create()
    if publishes:
        site.publish(CAM, START_NS)
    return resume(site, storage or Disk(), segment_s=segment_s, last_end_ns=None)


def resume(site: RecorderSite, storage: Storage, *, last_end_ns: Ns | None, segment_s: int = 4) -> Bench:
    journal = JournalWriter(Disk(), site.paths.journal_dir / "recorder.journal")

    def find(camera_id: CameraId, day: str) -> PublishedKey:
        return latest_usable(site.paths.public_keys, camera_id, day, read_pinned(site.paths.warden_key))

    bench: Bench
    recording = CameraRecording(
        CAM,
        policy=RecordingPolicy(
            site_id=SITE_ID, data_dir=site.data_dir, segment_ns=segment_s * NS_PER_S, min_free_bytes=5_000
        ),
        storage=storage,
        journal=journal,
        find_key=find,
        scratch=Scratch(),
        last_end_ns=last_end_ns,
        on_opening=lambda opening: bench.openings.append(opening),
        on_segment=lambda segment: bench.segments.append(segment),
    )
    bench = Bench(site, storage, journal, recording)
    recording.begin_run(stream_info(codec="mjpeg"))
    return bench


def test_add_when_fed_for_a_while_then_every_packet_comes_back_unsealed(tmp_path: Path) -> None:
    bench = make(tmp_path)
    bench.feed(range(200))
    bench.recording.finish(bench.at(200))
    found = [item for segment in bench.site.sealed() for item in bench.site.packets(segment)]
    assert [(item.seq, item.payload, item.utc_ns, item.is_keyframe) for item in found] == [
        (seq, seq.to_bytes(4, "big") * 250, bench.at(seq), seq % GOP == 0) for seq in range(200)
    ]
    assert bench.site.gaps() == []
    assert bench.recording.counters.recorded_ns == 20 * NS_PER_S


def test_add_when_segments_rotate_then_they_are_closed_at_keyframes_and_of_the_wanted_length(tmp_path: Path) -> None:
    bench = make(tmp_path)
    bench.feed(range(200))
    bench.recording.finish(bench.at(200))
    sealed = bench.site.sealed()
    lengths = [(segment.end_ns - segment.header.start_ns) / NS_PER_S for segment in sealed]
    assert lengths[1:-1] == [4.0] * (len(lengths) - 2)
    assert 2.0 <= lengths[0] <= 4.0
    assert [opening.header for opening in bench.openings] == [segment.header for segment in sealed]
    for segment in sealed:
        file = bench.site.data_dir / segment.path
        with file.open("rb") as stream:
            assert read_header(stream) == segment.header
            fragments = scan_fragments(stream)
        assert (segment.bytes_on_disk, segment.fragments) == (file.stat().st_size, len(fragments))
        assert segment.root == fragments[-1].chain
        assert len({opening.data_key for opening in bench.openings}) == len(sealed)


def test_reconcile_when_the_process_died_anywhere_then_at_most_the_open_gop_is_missing(tmp_path: Path) -> None:
    bench = make(tmp_path)
    bench.feed(range(125))  # no finish: as if killed between 120 and 130
    site = bench.site
    newest = max((site.data_dir / "segments").rglob("*.seg"), key=lambda path: path.name)
    with newest.open("ab") as stream:
        stream.write(b"FRAG half a record")  # what a write in flight leaves behind
    journal = JournalWriter(Disk(), site.paths.journal_dir / "recorder.journal")
    result = reconcile(site.data_dir, Disk(), journal, site_id=SITE_ID)
    assert (result.sealed, result.adopted, result.lost, result.unreadable) == (1, 0, 0, ())
    assert result.cut_bytes == 18
    found = [item.seq for segment in site.sealed() for item in site.packets(segment)]
    assert found == list(range(120))
    again = reconcile(site.data_dir, Disk(), journal, site_id=SITE_ID)
    assert (again.sealed, again.adopted, again.lost) == (0, 0, 0)
    assert again.last_end_ns == {CAM: bench.at(120)}
    later = resume(site, Disk(), last_end_ns=again.last_end_ns[CAM])
    later.feed(range(300, 320))
    later.recording.finish(later.at(320))
    assert [(gap.start_ns, gap.end_ns, gap.cause) for gap in site.gaps()] == [
        (bench.at(120), bench.at(300), GapCause.RECORDER_DOWN)
    ]


def test_reconcile_when_the_journal_is_lost_then_files_are_adopted(tmp_path: Path) -> None:
    bench = make(tmp_path)
    bench.feed(range(100))
    bench.recording.finish(bench.at(100))
    # How well times were known is noted in journal and log alone.
    before = [replace(segment, media_ns=0, clock=ClockReading()) for segment in bench.site.sealed()]
    (bench.site.paths.journal_dir / "recorder.journal").unlink()
    stray = bench.site.data_dir / "segments" / "cam" / "20260101" / "junk.seg"
    stray.write_bytes(b"not a segment")
    journal = JournalWriter(Disk(), bench.site.paths.journal_dir / "recorder.journal")
    result = reconcile(bench.site.data_dir, Disk(), journal, site_id=SITE_ID)
    assert result.adopted == len(before)
    assert [Path(path).name for path in result.unreadable] == ["junk.seg"]
    assert stray.exists()
    assert sorted(bench.site.sealed(), key=lambda segment: segment.path) == before


def test_reconcile_when_brief_then_each_camera_s_newest_is_adopted_and_the_others_while_recording_goes_on(
    tmp_path: Path,
) -> None:
    bench = make(tmp_path)
    bench.feed(range(100))
    bench.recording.finish(bench.at(100))
    before = sorted(segment.path for segment in bench.site.sealed())
    (bench.site.paths.journal_dir / "recorder.journal").unlink()
    journal = JournalWriter(Disk(), bench.site.paths.journal_dir / "recorder.journal")
    result = reconcile(bench.site.data_dir, Disk(), journal, site_id=SITE_ID, is_brief=True)
    assert (result.adopted, result.last_end_ns[CAM]) == (1, bench.at(100))
    assert list(result.later) == before[:-1]
    again = adopt_later(bench.site.data_dir, Disk(), journal, result.later, site_id=SITE_ID)
    assert (again.adopted, again.unreadable) == (len(before) - 1, ())
    assert sorted(segment.path for segment in bench.site.sealed()) == before


def test_segment_when_its_gops_times_are_known_unequally_then_says_the_worst_and_its_media_length(
    tmp_path: Path,
) -> None:
    bench = make(tmp_path, segment_s=1000)
    for gop, reading in enumerate(
        (
            ClockReading(source=ClockSource.CAMERA, error_ns=90, camera_offset_ns=-70),
            ClockReading(source=ClockSource.ARRIVAL, error_ns=500),
            ClockReading(source=ClockSource.CAMERA, error_ns=80, camera_offset_ns=20),
        )
    ):
        bench.feed(range(gop * GOP, gop * GOP + GOP))
        bench.recording.note_clock(reading)
    bench.recording.finish(bench.at(30))
    (sealed,) = bench.site.sealed()
    assert sealed.clock == ClockReading(source=ClockSource.ARRIVAL, error_ns=500, camera_offset_ns=-70)
    assert sealed.media_ns == 3 * NS_PER_S == sealed.end_ns - sealed.header.start_ns


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/St_Johns", "Pacific/Apia"])
def test_day_when_the_machine_keeps_local_time_with_daylight_saving_then_it_is_utc_s(
    zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        hours = [
            day_of((START_NS // NS_PER_S // 86_400 * 86_400 + hour * 3600) * NS_PER_S) for hour in range(366 * 24)
        ]
    finally:
        monkeypatch.undo()
        time.tzset()
    assert all(hours.count(day) == 24 for day in set(hours[:2400]))
    assert hours == sorted(hours)


def test_reconcile_when_a_file_is_of_another_site_then_it_is_left_alone(tmp_path: Path) -> None:
    bench = make(tmp_path)
    bench.feed(range(20))
    bench.recording.finish(bench.at(20))
    (bench.site.paths.journal_dir / "recorder.journal").unlink()
    journal = JournalWriter(Disk(), bench.site.paths.journal_dir / "recorder.journal")
    result = reconcile(bench.site.data_dir, Disk(), journal, site_id="ff" * 8)
    assert (result.adopted, len(result.unreadable)) == (0, 1)


@pytest.mark.parametrize("kept", ["nothing", "half a header", "zeros"])
def test_reconcile_when_the_power_went_before_the_header_then_the_file_is_set_aside(tmp_path: Path, kept: str) -> None:
    bench = make(tmp_path)
    bench.feed(range(20))
    bench.recording.finish(bench.at(20))
    named = next(segment_files(bench.site.data_dir))
    header = (bench.site.data_dir / named).read_bytes()[:100]
    begun = (bench.site.data_dir / named).with_name("1-00-0.seg")
    begun.write_bytes({"nothing": b"", "half a header": header, "zeros": bytes(4096)}[kept])
    result = reconcile(bench.site.data_dir, Disk(), bench.journal, site_id=SITE_ID)
    assert (result.adopted, result.unborn, result.unreadable) == (0, 1, ())
    assert verify_segments(bench.site.data_dir, Depth.HASH).found == []
    assert begun.with_name("1-00-0.seg.unborn").stat().st_size in (0, 100, 4096), "set aside, not deleted"


def test_reconcile_when_a_large_file_has_no_header_then_it_is_left_alone(tmp_path: Path) -> None:
    bench = make(tmp_path)
    bench.feed(range(20))
    bench.recording.finish(bench.at(20))
    foreign = (bench.site.data_dir / next(segment_files(bench.site.data_dir))).with_name("1-00-0.seg")
    foreign.write_bytes(bytes(UNBORN_BYTES + 1))
    result = reconcile(bench.site.data_dir, Disk(), bench.journal, site_id=SITE_ID)
    assert (result.unborn, len(result.unreadable)) == (0, 1)
    assert foreign.exists()


def test_add_when_the_disk_fills_up_and_gets_room_then_recording_pauses_and_resumes_by_itself(tmp_path: Path) -> None:
    disk = TightDisk(60_000)
    bench = make(tmp_path, storage=disk)
    bench.feed(range(100))
    assert bench.recording.trouble is not None
    assert bench.recording.trouble[0] is CameraState.DISK_FULL
    bench.recording.tick(bench.at(100))
    disk.budget = 10**9
    bench.feed(range(100, 150))
    assert bench.recording.trouble is None
    bench.recording.finish(bench.at(150))
    found = [item.seq for segment in bench.site.sealed() for item in bench.site.packets(segment)]
    (gap,) = bench.site.gaps()
    assert gap.cause is GapCause.DISK_FULL
    lost_from, lost_to = ((at - START_NS) // 100_000_000 for at in (gap.start_ns, gap.end_ns))
    assert found == [*range(lost_from), *range(lost_to, 150)]
    assert 30 <= lost_from < lost_to <= 110


def test_add_when_no_key_is_published_then_nothing_is_written_until_there_is_one(tmp_path: Path) -> None:
    bench = make(tmp_path, publishes=False)
    bench.feed(range(30))
    assert bench.recording.trouble is not None
    assert bench.recording.trouble[0] is CameraState.NO_KEY
    assert not list((bench.site.data_dir).rglob("*.seg"))
    bench.site.publish(CAM, START_NS)
    bench.feed(range(30, 60))
    bench.recording.finish(bench.at(60))
    found = [item.seq for segment in bench.site.sealed() for item in bench.site.packets(segment)]
    assert found == list(range(30, 60))
    assert [gap.cause for gap in bench.site.gaps()] == [GapCause.NO_KEY]


def test_add_when_the_day_s_key_is_missing_then_the_newest_other_one_is_taken(tmp_path: Path) -> None:
    bench = make(tmp_path, publishes=False)
    bench.site.publish(CAM, START_NS - 86_400 * NS_PER_S)
    bench.feed(range(20))
    bench.recording.finish(bench.at(20))
    (segment,) = bench.site.sealed()
    assert segment.header.key_id == "cam/20251231"
    assert len(bench.site.packets(segment)) == 20


def test_add_when_a_published_key_is_forged_then_it_is_not_sealed_to(tmp_path: Path) -> None:
    bench = make(tmp_path, publishes=False)
    stranger = RecorderSite(tmp_path / "other")
    stranger.create()
    stranger.publish(CAM, START_NS)
    forged = stranger.paths.public_keys / "cam"
    target = bench.site.paths.public_keys / "cam"
    target.parent.mkdir(parents=True)
    forged.rename(target)
    with pytest.raises(KeyMissing):
        latest_usable(bench.site.paths.public_keys, CAM, "20260101", read_pinned(bench.site.paths.warden_key))
    bench.feed(range(20))
    assert bench.recording.trouble is not None
    assert not list(bench.site.data_dir.rglob("*.seg"))


def test_segment_file_when_written_then_no_plain_packet_is_on_the_disk(tmp_path: Path) -> None:
    bench = make(tmp_path)
    bench.feed(range(50))
    bench.recording.finish(bench.at(50))
    for segment in bench.site.sealed():
        raw = (bench.site.data_dir / segment.path).read_bytes()
        assert all(seq.to_bytes(4, "big") * 4 not in raw for seq in range(50))
        assert all(opening.data_key not in raw for opening in bench.openings)
