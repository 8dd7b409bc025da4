"""Real footage through a real RTSP server into sealed segments and back, byte for byte."""

import json
import os
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from custodes.adapters.camera import open_camera
from custodes.errors import CameraError, CameraNoVideo, CameraUnauthorized, CameraUnreachable
from custodes.media import nal
from custodes.runtime.clock import SystemClock
from custodes.testing.camera import file_spec, write_clip
from custodes.testing.recorder import RecorderProcess, RecorderSite
from custodes.testing.rtsp import RtspServer, prepare_clip
from custodes.types.media import ClockSource, GapCause
from custodes.types.message import CameraSpec
from custodes.units import CameraId

pytestmark = pytest.mark.rtsp

SHARED = Path(os.environ.get("CUSTODES_SHARED", Path(__file__).parents[3] / "shared")) / "data" / "people"
CLIPS = {"pets": ("pets09-s2l1-view001.avi", 7.0), "one": ("intel-one-by-one-person-detection.mp4", None)}


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The first 20 s of PETS and one-by-one; synthetic clips of the same length where they are absent."""
    folder, made = tmp_path_factory.mktemp("clips"), {}
    for name, (file, fps) in CLIPS.items():
        source = SHARED / file
        if not source.is_file():
            source = write_clip(folder / f"{name}.mp4", frames=200, size=(640, 480))
        made[name] = prepare_clip(source, folder / f"{name}.h264", fps=fps, seconds=20)
    return made


def vcl_units(payload: bytes, extradata: bytes) -> list[bytes]:
    """Slices and SEI, without the parameter sets that the server repeats as it likes."""
    units = nal.units_of(payload, "h264", extradata)
    return [unit for unit in units if not nal.is_parameter_set(unit, "h264") and unit[0] & 0x1F != 9]


def source_frames(clip: Path) -> list[list[bytes]]:
    index, raw = json.loads(clip.with_name(clip.name + ".json").read_text()), clip.read_bytes()
    return [vcl_units(raw[at : at + length], b"") for at, length, _ in index["frames"]]


def camera(url: str, camera_id: str, **changes: str) -> CameraSpec:
    spec = replace(file_spec(Path("/x"), camera_id=camera_id), url=url)
    return replace(spec, **changes)  # type: ignore[arg-type]


def test_recorder_when_real_footage_comes_by_rtsp_then_the_sealed_packets_are_the_source_s(
    clips: dict[str, Path], tmp_path: Path
) -> None:
    site = RecorderSite(tmp_path / "site")
    site.create(segment_s=3.0, min_free_mb=0)
    ids = [CameraId(name) for name in clips]
    for camera_id in ids:
        site.publish(camera_id)
    with RtspServer(clips) as server:
        site.assign([camera(server.url(name), name) for name in clips])
        recorder = RecorderProcess(site)
        try:
            recorder.wait_for(
                lambda: all(sum(s.header.camera_id == one for s in site.sealed()) >= 2 for one in ids),
                "two sealed segments of each camera",
                60,
            )
            assert recorder.terminate() == 0
        finally:
            recorder.kill()
    for name, clip in clips.items():
        frames = source_frames(clip)
        packets = [p for s in site.sealed() if s.header.camera_id == name for p in site.packets(s)]
        assert [item.seq for item in packets] == list(range(len(packets)))
        assert len(packets) >= 20
        # avcC-style storage is told by a 4-byte length; `\x01` is enough for units_of to take it so.
        stored = [vcl_units(item.payload, b"\x01\x00\x00\x00\xff\x00\x00") for item in packets]
        first = frames.index(stored[0])
        assert stored == [frames[(first + number) % len(frames)] for number in range(len(stored))]
        rate = json.loads(clip.with_name(clip.name + ".json").read_text())["fps"]
        step_ns = 1_000_000_000 * rate[1] / rate[0]
        within = [b.utc_ns - a.utc_ns for a, b in pairwise(packets) if not b.is_keyframe]
        assert all(abs(step - step_ns) < 1_000_000 for step in within)


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_source_when_played_over_the_loop_s_seam_then_time_goes_on(transport: str, tmp_path: Path) -> None:
    clip = prepare_clip(write_clip(tmp_path / "a.mp4", frames=20, fps=20), tmp_path / "a.h264")
    with RtspServer({"a": clip}) as server:
        source = open_camera(camera(server.url("a"), "a", transport=transport), SystemClock(), stall_s=5)
        info, packets = source.open(), []
        for item in source.packets():
            packets.append(item)
            if len(packets) == 50:
                break
        source.close()
    steps = [(b.pts - a.pts) / info.time_base_den for a, b in pairwise(packets)]
    assert all(abs(step - 0.05) < 0.002 for step in steps)
    assert [item.is_keyframe for item in packets[:41:20]] == [True] * 3


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_source_when_the_camera_sends_sender_reports_then_its_time_counts(transport: str, tmp_path: Path) -> None:
    clip = prepare_clip(write_clip(tmp_path / "a.mp4", frames=20, fps=20, gop=5), tmp_path / "a.h264")
    with RtspServer({"a": clip}) as server:
        source = open_camera(camera(server.url("a"), "a", transport=transport), SystemClock(), stall_s=5)
        source.open()
        for item in source.packets():
            reading = source.clock()
            if item.seq == 600 or (reading.source is ClockSource.CAMERA and item.is_keyframe):
                break
        source.close()
    assert reading.source is ClockSource.CAMERA
    assert reading.camera_offset_ns is not None
    # The parser hands a picture on when the next begins: 50 ms at 20 fps. A loaded machine adds to it.
    assert -1_000_000_000 <= reading.camera_offset_ns <= -40_000_000
    assert abs(reading.camera_offset_ns) <= reading.error_ns < 2_000_000_000


@pytest.mark.parametrize("transport", ["tcp", "udp"])
@pytest.mark.parametrize(("mount", "codec"), [("jpeg:", "mjpeg"), ("h265:", "hevc")])
def test_source_when_the_camera_sends_another_codec_then_its_pictures_come_from_a_keyframe_on(
    mount: str, codec: str, transport: str
) -> None:
    with RtspServer({"x": mount}) as server:
        source = open_camera(camera(server.url("x"), "x", transport=transport), SystemClock(), stall_s=5)
        info, seen = source.open(), []
        for item in source.packets():
            seen.append(item)
            if len(seen) == 20:
                break
        source.close()
    assert (info.codec, info.width_px, info.height_px) == (codec, 320, 240)
    assert seen[0].is_keyframe
    assert sum(item.is_keyframe for item in seen) == (20 if codec == "mjpeg" else 2)


@pytest.mark.parametrize("is_digest", [False, True], ids=["basic", "digest"])
def test_source_when_the_camera_wants_a_login_then_only_the_right_one_opens(is_digest: bool, tmp_path: Path) -> None:
    clip = prepare_clip(write_clip(tmp_path / "a.mp4"), tmp_path / "a.h264")
    with RtspServer({"a": clip}, login="bob:geh:eim", is_digest=is_digest) as server:

        def attempt(username: str, password: str) -> CameraError | None:
            spec = camera(server.url("a"), "a", username=username, password_ref="env:P" if username else "")
            source = open_camera(spec, SystemClock(), stall_s=5, environ={"P": password})
            try:
                source.open()
            except CameraError as error:
                return error
            finally:
                source.close()
            return None

        assert type(attempt("", "")) is CameraUnauthorized
        wrong = attempt("bob", "falsch")
        assert type(wrong) is CameraUnauthorized
        assert "falsch" not in str(wrong)
        assert attempt("bob", "geh:eim") is None


def test_source_when_there_is_no_video_or_no_such_path_then_says_so() -> None:
    with RtspServer({"tone": "audio:"}) as server:
        for name, expected in (("tone", CameraNoVideo), ("absent", CameraUnreachable)):
            source = open_camera(camera(server.url(name), name), SystemClock(), stall_s=5)
            with pytest.raises(expected):
                source.open()
            source.close()


def test_recorder_when_the_server_dies_and_comes_back_then_the_camera_does_too(
    clips: dict[str, Path], tmp_path: Path
) -> None:
    site = RecorderSite(tmp_path / "site")
    site.create(segment_s=2.0, stall_s=2.0, min_free_mb=0)
    site.publish(CameraId("one"))
    server = RtspServer({"one": clips["one"]}).__enter__()
    port = server.port
    site.assign([camera(server.url("one"), "one")])
    recorder = RecorderProcess(site)
    try:
        recorder.wait_for(lambda: site.sealed(), "a sealed segment", 60)
        server.stop()
        recorder.wait_for(lambda: site.gaps(), "the gap", 60)
        server = RtspServer({"one": clips["one"]}, port=port).__enter__()
        recorder.wait_for(lambda: len({s.header.run for s in site.sealed()}) >= 2, "a second run", 60)
        assert recorder.terminate() == 0
    finally:
        recorder.kill()
        server.stop()
    causes = {gap.cause for gap in site.gaps()}
    assert causes <= {GapCause.ENDED, GapCause.UNREACHABLE, GapCause.STALLED, GapCause.NO_VIDEO}
    assert causes
