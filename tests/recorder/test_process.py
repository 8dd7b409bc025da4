"""The recorder as a process: killed, stopped, on a full disk, with cameras that come, change and go."""

import os
from pathlib import Path

import pytest

from custodes.adapters.ipc.hub_subscriber import HubSubscriber
from custodes.sealing.live import STREAM_INFO_SEQ, live_key, open_live
from custodes.sealing.unwrap import unwrap_data_key
from custodes.testing.camera import file_spec, write_clip
from custodes.testing.media import read_counter
from custodes.testing.recorder import RecorderProcess, RecorderSite
from custodes.types.codec import decode_as
from custodes.types.media import GapCause, Packet, StreamInfo
from custodes.types.message import CameraWatched, SealedPacket, SealedStreamOpened, StreamOpened
from custodes.units import CameraId

CAM, TWO = CameraId("cam"), CameraId("two")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty seconds at 25 fps, a GOP each 0.4 s."""
    return write_clip(tmp_path_factory.mktemp("clips") / "walk.mp4", frames=500, fps=25, gop=10)


@pytest.fixture
def site(tmp_path: Path) -> RecorderSite:
    made = RecorderSite(tmp_path / "site")
    made.create(segment_s=2.0, min_free_mb=0)
    made.publish(CAM)
    made.publish(TWO)
    return made


def recorded(site: RecorderSite, camera_id: CameraId = CAM) -> list[Packet]:
    return [
        item for segment in site.sealed() if segment.header.camera_id == camera_id for item in site.packets(segment)
    ]


def written(site: RecorderSite, camera_id: CameraId = CAM) -> int:
    return sum(path.stat().st_size for path in (site.paths.segments / camera_id).rglob("*.seg"))


def test_recorder_when_killed_and_restarted_then_at_most_a_gop_is_missing_and_the_gap_is_known(
    site: RecorderSite, clip: Path
) -> None:
    site.assign([file_spec(clip, is_looped=True)])
    first = RecorderProcess(site)
    subscriber_seqs: list[int] = []
    try:
        first.wait_for(lambda: written(site), "the first bytes")
        subscriber = HubSubscriber(site.paths.socket("hub-analysis"), [CAM])
        while len(subscriber_seqs) < 60:
            message = subscriber.receive(timeout_s=60)
            if isinstance(message, Packet):
                subscriber_seqs.append(message.seq)
    finally:
        first.kill()
    subscriber.close()
    second = RecorderProcess(site)
    try:
        second.wait_for(
            lambda: len({segment.header.run for segment in site.sealed()}) == 2, "a segment of the new run"
        )
        code = second.terminate()
    finally:
        second.kill()
    assert code == 0
    runs = {item.run: [] for item in recorded(site)}  # type: ignore[var-annotated]
    for item in recorded(site):
        runs[item.run].append(item.seq)
    before, after = runs.values()
    assert before == list(range(len(before)))
    assert after == list(range(len(after)))
    # What the subscriber was shown last was recorded but for the GOP (10 packets) that was open.
    assert len(before) > subscriber_seqs[-1] - 10
    (gap,) = site.gaps()
    assert gap.cause is GapCause.RECORDER_DOWN
    assert gap.start_ns == max(s.end_ns for s in site.sealed() if s.header.run == next(iter(runs)))


def test_recorder_when_told_to_stop_then_everything_that_came_is_sealed_and_it_exits_with_0(
    site: RecorderSite, clip: Path
) -> None:
    site.assign([file_spec(clip, is_looped=True)])
    recorder = RecorderProcess(site)
    try:
        recorder.wait_for(lambda: len(site.sealed()) >= 1, "a sealed segment")
        code = recorder.terminate()
    finally:
        recorder.kill()
    assert code == 0
    packets = recorded(site)
    assert [item.seq for item in packets] == list(range(len(packets)))
    assert packets[0].is_keyframe
    assert not list(site.paths.run_dir.glob("hub-*.sock"))


def test_camera_when_it_changes_size_over_and_over_then_it_is_garbage_and_waits(
    site: RecorderSite, tmp_path: Path
) -> None:
    large = write_clip(tmp_path / "large.h264", frames=3, fps=25, gop=3)
    small = write_clip(tmp_path / "small.h264", frames=3, fps=25, gop=3, size=(160, 120))
    both = tmp_path / "both.h264"
    both.write_bytes(large.read_bytes() + small.read_bytes())
    site.assign([file_spec(both, is_looped=True)])
    recorder = RecorderProcess(site)
    try:
        recorder.wait_for(lambda: any(gap.cause is GapCause.GARBAGE for gap in site.gaps()), "a gap that says garbage")
        assert recorder.terminate() == 0
    finally:
        recorder.kill()
    # it waits longer each time: a second of such runs without it would be eight segments
    sealed, garbage = site.sealed(), [gap for gap in site.gaps() if gap.cause is GapCause.GARBAGE]
    assert 5 <= len(sealed) <= 6 * (len(garbage) + 3)


def test_live_hub_when_subscribed_then_only_the_segment_s_key_opens_it(site: RecorderSite, clip: Path) -> None:
    site.assign([file_spec(clip, is_looped=True)])
    recorder = RecorderProcess(site)
    try:
        recorder.wait_for(lambda: written(site), "the first bytes")
        subscriber = HubSubscriber(site.paths.socket("hub-live"), [CAM])
        key, seqs, headers = b"", [], []
        while len(headers) < 3:
            message = subscriber.receive(timeout_s=60)
            if isinstance(message, SealedStreamOpened):
                headers.append(message.header)
                data_key = unwrap_data_key(site.private_keys[message.header.key_id], message.header)
                key = live_key(data_key)
                info = decode_as(StreamInfo, open_live(key, STREAM_INFO_SEQ, message.sealed_info))
                assert (info.codec, info.width_px) == ("h264", 320)
            elif isinstance(message, SealedPacket):
                assert message.segment_id == headers[-1].segment_id
                item = decode_as(Packet, open_live(key, message.seq, message.sealed))
                assert (item.seq, item.is_keyframe) == (message.seq, message.is_keyframe)
                seqs.append(item.seq)
        subscriber.close()
        assert recorder.terminate() == 0
    finally:
        recorder.kill()
    assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))
    assert seqs[0] % 10 == 0
    assert {header.segment_id for header in headers} <= {segment.header.segment_id for segment in site.sealed()}


def test_recorder_when_one_camera_is_added_changed_and_removed_then_the_others_go_on(
    site: RecorderSite, clip: Path, tmp_path: Path
) -> None:
    site.assign([file_spec(clip, is_looped=True)])
    recorder = RecorderProcess(site)
    try:
        recorder.wait_for(lambda: written(site), "the first bytes")
        bad = file_spec(tmp_path / "absent.mp4", camera_id="two", is_looped=True)
        site.assign([file_spec(clip, is_looped=True), bad])
        recorder.wait_for(lambda: any(gap.camera_id == TWO for gap in site.gaps()), "the gap of the absent camera")
        site.assign([file_spec(clip, is_looped=True), file_spec(clip, camera_id="two", is_looped=True)])
        recorder.wait_for(lambda: written(site, TWO), "the second camera's bytes")
        site.assign([file_spec(clip, is_looped=True)])
        recorder.wait_for(lambda: any(s.header.camera_id == TWO for s in site.sealed()), "the second camera's seal")
        assert recorder.terminate() == 0
    finally:
        recorder.kill()
    packets = recorded(site)
    assert len({item.run for item in packets}) == 1
    assert [item.seq for item in packets] == list(range(len(packets)))
    assert GapCause.UNREACHABLE in {gap.cause for gap in site.gaps() if gap.camera_id == TWO}
    assert not [gap for gap in site.gaps() if gap.camera_id == CAM]


def test_recorder_when_files_meet_a_size_limit_then_it_lives_on_and_the_loss_is_a_gap(
    site: RecorderSite, clip: Path
) -> None:
    site.assign([file_spec(clip, is_looped=True)])
    recorder = RecorderProcess(site, wrapper=("prlimit", "--fsize=30000:30000"))
    try:
        recorder.wait_for(lambda: len(site.sealed()) >= 3, "segments that were cut short")
        assert recorder.terminate() == 0
    finally:
        recorder.kill()
    assert all((site.data_dir / segment.path).stat().st_size <= 30_000 for segment in site.sealed())
    assert GapCause.DISK_FULL in {gap.cause for gap in site.gaps()}
    seqs = [item.seq for item in recorded(site)]
    assert seqs == sorted(set(seqs)) and len(seqs) >= 10


def test_recorder_when_the_assignment_is_broken_then_cameras_stay(site: RecorderSite, clip: Path) -> None:
    site.assign([file_spec(clip, is_looped=True)])
    recorder = RecorderProcess(site)
    try:
        recorder.wait_for(lambda: written(site), "the first bytes")
        site.paths.assignment.write_bytes(b"{ not json")
        count = len(site.sealed())
        recorder.wait_for(lambda: len(site.sealed()) > count + 1, "two more segments")
        assert recorder.terminate() == 0
    finally:
        recorder.kill()
    assert len({segment.header.run for segment in site.sealed()}) == 1


def test_recorder_when_the_journal_is_none_then_puts_it_aside_and_records(site: RecorderSite, clip: Path) -> None:
    site.assign([file_spec(clip, is_looped=True)])
    folder = site.paths.journal_dir
    folder.mkdir()
    (folder / "recorder.journal").write_bytes(b"garbage, and no journal")
    recorder = RecorderProcess(site)
    try:
        recorder.wait_for(lambda: list(folder.glob("recorder.journal.damaged-*")), "the journal put aside")
        recorder.wait_for(lambda: written(site), "the first bytes")
        assert recorder.terminate() == 0
    finally:
        recorder.kill()
    paths = {segment.path for segment in site.sealed()}
    assert paths == {str(file.relative_to(site.data_dir)) for file in site.paths.segments.rglob("*.seg")}


def test_recorder_when_the_journal_is_gone_then_records_and_adopts_all_files_meanwhile(
    site: RecorderSite, clip: Path
) -> None:
    site.assign([file_spec(clip, is_looped=True)])
    first = RecorderProcess(site)
    try:
        first.wait_for(lambda: len(site.sealed()) >= 2, "two segments")
    finally:
        first.kill()
    known = {segment.path for segment in site.sealed()}
    (site.paths.journal_dir / "recorder.journal").unlink()
    second = RecorderProcess(site)
    try:
        second.wait_for(lambda: known < {segment.path for segment in site.sealed()}, "all and a new one")
    finally:
        second.kill()


def test_recorder_when_the_data_directory_is_no_site_then_one_sentence_and_exit_1(tmp_path: Path) -> None:
    import subprocess
    import sys

    done = subprocess.run(
        [sys.executable, "-m", "custodes.app.recorder", "--data", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ},
        timeout=600,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("recorder: ") and done.stderr.count("\n") == 1


def test_hub_when_analysis_decodes_then_frames_are_the_clip_s(site: RecorderSite, clip: Path) -> None:
    from custodes.media.decode import FrameDecoder

    site.assign([file_spec(clip, is_looped=True)])
    recorder = RecorderProcess(site)
    try:
        recorder.wait_for(lambda: written(site), "the first bytes")
        subscriber = HubSubscriber(site.paths.socket("hub-analysis"), [CAM])
        assert isinstance(subscriber.receive(timeout_s=60), CameraWatched)
        opened = subscriber.receive(timeout_s=60)
        assert isinstance(opened, StreamOpened)
        decoder, counters = FrameDecoder(opened.info), []
        while len(counters) < 30:
            message = subscriber.receive(timeout_s=60)
            assert isinstance(message, Packet)
            counters += [(frame.seq, read_counter(frame.y)) for frame in decoder.decode(message)]
        subscriber.close()
    finally:
        recorder.kill()
    assert all(seq % 500 == counter for seq, counter in counters)
