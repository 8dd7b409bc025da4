"""Privacy zones that are filled before anything is stored: in every picture of every stream, or nothing is stored."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.codeccontext import VideoCodecContext
from tests.recorder.test_sources import play

from custodes.adapters.camera import open_camera
from custodes.adapters.camera.burning import BurningCamera
from custodes.app.serving.reel import Reel
from custodes.config import CameraConfig
from custodes.errors import CameraEnded, CameraError, CameraGarbage, MediaError
from custodes.media import nal, reencode
from custodes.media.burn_mark import zones_filled
from custodes.media.decode import FrameDecoder
from custodes.media.x264 import open_encoder
from custodes.ports.camera import CameraSource
from custodes.redact.fill import FILL_UV, FILL_Y
from custodes.review.burnt import BurntStretches
from custodes.review.export import _altered_note
from custodes.runtime.clock import SystemClock
from custodes.testing.camera import CameraSourceSuite, FastClock, file_spec, packet, stream_info, write_clip
from custodes.testing.media import gops_of
from custodes.testing.recorder import RecorderProcess, RecorderSite
from custodes.testing.rtsp import RtspServer, prepare_clip
from custodes.types.media import ClockReading, Frame, Packet, StreamInfo
from custodes.types.scene import CameraScene
from custodes.types.stream import SecondStream, second_of
from custodes.units import CameraId

LEFT = ((0.0, 0.0), (0.4, 0.0), (0.4, 1.0), (0.0, 1.0))
RIGHT = ((0.6, 0.0), (1.0, 0.0), (1.0, 1.0), (0.6, 1.0))
CAM = CameraId("cam")


def scene(*zones) -> CameraScene:
    return CameraScene(privacy=zones, burns_in=True)


def burning(inner: CameraSource, clock: FastClock, *zones) -> BurningCamera:
    return BurningCamera(inner, camera_id=CAM, scene=scene(*zones), clock=clock)


def burnt_file(path: Path, *zones) -> BurningCamera:
    clock = FastClock()
    return burning(open_camera(file_spec(path), clock, wait=clock.wait), clock, *(zones or (LEFT,)))


def decoded(info: StreamInfo, packets: list[Packet]) -> list[Frame]:
    decoder = FrameDecoder(info)
    frames = [frame for one in packets for frame in decoder.decode(one)]
    assert decoder.errors == 0
    return [*frames, *decoder.flush()]


def is_filled(frame: Frame, left: float, right: float) -> bool:
    """Whether nothing but the fill is between two shares of the width; H.264 may be off by little."""
    return all(
        np.abs(plane[:, int(left * plane.shape[1]) + 1 : int(right * plane.shape[1]) - 1].astype(int) - value).max()
        <= 6
        for plane, value in ((frame.y, FILL_Y), (frame.u, FILL_UV), (frame.v, FILL_UV))
    )


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clips") / "walk.mp4")


class TestBurningCamera(CameraSourceSuite):
    @pytest.fixture(autouse=True)
    def _source(self, clip: Path) -> None:
        self.make_source: Callable[[], CameraSource] = lambda: burnt_file(clip)


@pytest.mark.parametrize("name", ["walk.mp4", "walk.hevc", "walk.avi"])
def test_every_picture_is_filled_and_the_rest_is_as_the_camera_s(name: str, tmp_path: Path) -> None:
    codec = {"mp4": "libx264", "hevc": "libx265", "avi": "mjpeg"}[name[5:]]
    path = write_clip(tmp_path / name, codec=codec, pix_fmt="yuvj420p" if codec == "mjpeg" else "yuv420p")
    clock = FastClock()
    ((raw_info, raw),), _ = play(open_camera(file_spec(path), clock, wait=clock.wait))
    ((info, packets),), error = play(burnt_file(path))
    assert type(error) is CameraEnded
    frames, originals = decoded(info, packets), decoded(raw_info, raw)
    assert (info.codec, len(frames), len(packets)) == ("h264", 30, 30)
    for frame, original in zip(frames, originals, strict=True):
        assert is_filled(frame, 0, 0.4)
        rest = slice(int(0.45 * 320), 320)
        assert np.abs(frame.y[:, rest].astype(int) - original.y[:, rest]).mean() < 4
    assert [one.utc_ns for one in packets] == [one.utc_ns for one in raw]
    keys = [one.seq for one in packets if one.is_keyframe]
    assert all(10 <= b - a <= 40 for a, b in pairwise([*keys, keys[-1] + 10]))


def test_each_keyframe_says_what_was_filled_and_no_foreign_unit_is_left(clip: Path) -> None:
    ((info, packets),), _ = play(burnt_file(clip, LEFT, RIGHT))
    for one in packets:
        units = nal.units_of(one.payload, info.codec, info.extradata)
        assert zones_filled(units) == ((LEFT, RIGHT) if one.is_keyframe else None)
        assert sum(unit[0] & 0x1F == 6 for unit in units) == one.is_keyframe
        assert b"x264" not in one.payload


@pytest.mark.parametrize(
    "said", [b"", b"{", b"[]", b'{"zones": 5}', b'{"zones": [[[1e999, 0]]]}', b'{"zones": [[1]]}']
)
def test_what_a_camera_writes_in_its_place_is_read_as_no_zones(clip: Path, said: bytes) -> None:
    ((info, packets),), _ = play(burnt_file(clip))
    (unit,) = [one for one in nal.units_of(packets[0].payload, info.codec, info.extradata) if one[0] & 0x1F == 6]
    head = unit[: unit.index(b"{")]
    assert zones_filled([head + said + b"\x80"]) == ()
    assert zones_filled([unit[:12], b"", b"\x06"]) is None


def test_a_picture_of_another_size_begins_another_run_that_is_filled_too(tmp_path: Path) -> None:
    path = tmp_path / "both.h264"
    small = write_clip(tmp_path / "a.h264", frames=10).read_bytes()
    path.write_bytes(small + write_clip(tmp_path / "b.h264", frames=10, size=(640, 480)).read_bytes())
    runs, _ = play(burnt_file(path))
    assert [(info.width_px, len(packets)) for info, packets in runs] == [(320, 10), (640, 10)]
    assert all(is_filled(frame, 0, 0.4) for run in runs for frame in decoded(*run))


def test_damaged_pictures_are_filled_whole_until_the_next_keyframe(tmp_path: Path) -> None:
    """What is concealed may come from anywhere: also from a zone."""
    path = write_clip(tmp_path / "walk.h264", frames=30)
    raw = bytearray(path.read_bytes())
    spans = nal.annexb_spans(bytes(raw))
    slices = [span for span in spans if raw[span[0]] & 0x1F == 1]
    begin, end = slices[3]
    raw[begin + 8 : end - 4] = bytes(byte ^ 0x55 for byte in raw[begin + 8 : end - 4])
    path.write_bytes(bytes(raw))
    runs, _ = play(burnt_file(path))
    frames = [
        (one, frame) for info, packets in runs for one, frame in zip(packets, decoded(info, packets), strict=True)
    ]
    assert any(one.is_corrupt for one, _ in frames)
    for one, frame in frames:
        assert is_filled(frame, 0, 1.0 if one.is_corrupt else 0.4)


@pytest.mark.parametrize(
    "zones", [(), (((0.1, 0.1), (0.5, 0.1), (0.9, 0.1)),), (((0.0, 0.0), (float("nan"), 0.0), (1.0, 1.0)),)]
)
def test_without_a_zone_that_is_one_nothing_is_opened(clip: Path, zones) -> None:
    clock = FastClock()
    inner = open_camera(file_spec(clip), clock, wait=clock.wait)
    with pytest.raises(CameraGarbage, match="nothing is stored"):
        burning(inner, clock, *zones)


class Undecodable:
    """A camera whose pictures nobody can decode, from some packet on."""

    def __init__(self, first: list[Packet], info: StreamInfo) -> None:
        self._first, self._info = first, info

    def open(self) -> StreamInfo:
        return self._info

    def packets(self) -> Iterator[Packet]:
        yield from self._first
        for number in range(1000):
            seq = len(self._first) + number
            yield replace_times(packet(seq, payload=b"\x00\x00\x00\x01\x65" + b"\xff" * 50), self._first)

    def clock(self) -> ClockReading:
        return ClockReading()

    def close(self) -> None: ...


def replace_times(one: Packet, first: list[Packet]) -> Packet:
    return one if not first else packet(one.seq, payload=one.payload, pts=first[-1].pts + 1 + one.seq * 100)


def test_what_cannot_be_decoded_is_not_stored_and_the_reason_is_said(clip: Path) -> None:
    for kept in (0, 12):
        clock = FastClock()
        inner = open_camera(file_spec(clip), clock, wait=clock.wait)
        info = inner.open() if kept else stream_info()
        good = [one for one, _ in zip(inner.packets(), range(kept), strict=False)] if kept else []
        runs, error = play(burning(Undecodable(good, info), clock, LEFT))
        assert type(error) is CameraGarbage
        assert "privacy zones cannot be filled, so nothing is stored" in str(error)
        assert all(is_filled(frame, 0, 0.4) for run in runs for frame in decoded(*run))


class Failing:
    """The x264 library, out of order from some picture on: it raises, or gives no packet."""

    def __init__(self, codec: VideoCodecContext, good: int, failure: Exception | None) -> None:
        self._codec, self._good, self._failure = codec, good, failure
        self.extradata = codec.extradata

    def encode(self, picture: object) -> list[object]:
        self._good -= 1
        if self._good >= 0:
            return list(self._codec.encode(picture))
        if self._failure is not None:
            raise self._failure
        return []


@pytest.mark.parametrize("good", [0, 7])
@pytest.mark.parametrize("failure", [av.error.ExternalError(1, "x264"), MemoryError(), None], ids=repr)
def test_an_encoder_that_fails_ends_the_connection_and_nothing_goes_on_as_it_came(
    clip: Path, good: int, failure: Exception | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reencode, "open_encoder", lambda *at, **how: Failing(open_encoder(*at, **how), good, failure))
    ((info, packets),), error = play(burnt_file(clip))
    assert type(error) is CameraGarbage
    assert "so nothing is stored: H.264 encoder" in str(error)
    assert len(packets) == good
    assert all(is_filled(frame, 0, 0.4) for frame in decoded(info, packets))


def test_an_encoder_that_does_not_even_open_stores_nothing(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> VideoCodecContext:
        raise MediaError("no H.264 encoder for 320×240: generic error")

    monkeypatch.setattr(reencode, "open_encoder", refuse)
    runs, error = play(burnt_file(clip))
    assert (runs, type(error)) == ([], CameraGarbage)


@pytest.mark.rtsp
@pytest.mark.parametrize("transport", ["tcp", pytest.param("udp", marks=pytest.mark.slow)])
def test_a_camera_on_the_network_is_filled_until_it_loses_power(transport: str, tmp_path: Path) -> None:
    film = prepare_clip(write_clip(tmp_path / "a.mp4", frames=20, fps=20), tmp_path / "a.h264")
    with RtspServer({"a": film}) as server:
        spec = replace(file_spec(film), url=server.url("a"), transport=transport)
        clock = SystemClock()
        source = BurningCamera(open_camera(spec, clock, stall_s=3), camera_id=CAM, scene=scene(LEFT), clock=clock)
        info, packets = source.open(), []
        with pytest.raises(CameraError):
            for one in source.packets():
                packets.append(one)
                if len(packets) == 25:
                    server.stop()
        source.close()
    frames = decoded(info, packets)
    assert len(frames) == len(packets) >= 25
    assert all(is_filled(frame, 0, 0.4) and not is_filled(frame, 0.4, 1) for frame in frames)
    steps = [(b.pts - a.pts) / info.time_base_den for a, b in pairwise(packets)]
    assert all(abs(step - 0.05) < 0.002 for step in steps if transport == "tcp")


def test_recorder_stores_no_unfilled_picture_of_either_stream_while_zones_change(tmp_path: Path, clip: Path) -> None:
    site = RecorderSite(tmp_path / "site")
    site.create(segment_s=2.0, min_free_mb=0)
    second = second_of(CAM)
    for each in (CAM, second):
        site.publish(each)
    spec = replace(
        file_spec(clip, is_looped=True),
        scene=scene(LEFT),
        second=SecondStream(url=clip.resolve().as_uri(), has_same_view=True),
    )
    process = RecorderProcess(site)

    def segments():
        return [one for one in site.sealed() if one.header.camera_id in (CAM, second)]

    def of(segment) -> list[Frame]:
        return decoded(*site.read(segment))

    try:
        site.assign(spec.streams())
        process.wait_for(
            lambda: all(any(s.header.camera_id == c for s in segments()) for c in (CAM, second)), "a segment"
        )
        site.assign(replace(spec, scene=scene(RIGHT)).streams())
        process.wait_for(lambda: len({one.header.run for one in segments()}) >= 4, "a segment with the other zone")
    finally:
        process.terminate()
    frames = [(segment.header.camera_id, frame) for segment in segments() for frame in of(segment)]
    assert {camera for camera, _ in frames} == {CAM, second}
    for camera in (CAM, second):
        both = [(is_filled(frame, 0, 0.4), is_filled(frame, 0.6, 1)) for one, frame in frames if one == camera]
        assert set(both) == {(True, False), (False, True)}


def test_an_export_s_manifest_hears_which_stretches_were_filled(clip: Path, tmp_path: Path) -> None:
    stretches, ended = BurntStretches(), []
    for source in (burnt_file(clip, LEFT), burnt_file(clip, RIGHT)):
        ((info, packets),), _ = play(source)
        ended += [one for gop in gops_of(info, packets) for one in stretches.add(info, gop.packets)]
    assert stretches.add(stream_info(codec="mjpeg"), [packet(0, is_keyframe=True)]) != []
    assert [(one.zones, one.start_ns < one.end_ns) for one in ended] == [((LEFT,), True)]
    reel = Reel(folder=tmp_path)
    reel.take(_altered_note(ended[0]))
    assert reel.altered[0]["zones"] == [[list(corner) for corner in LEFT]]
    assert "never recorded" in str(reel.altered[0]["what"])


def test_burn_in_without_a_zone_is_no_configuration() -> None:
    camera = {"id": "cam", "url": "rtsp://host/a", "burn_in": True}
    with pytest.raises(ValueError, match="needs a privacy zone"):
        CameraConfig.model_validate(camera)
    spec = CameraConfig.model_validate(
        {**camera, "privacy": [{"polygon": LEFT}], "second": {"url": "rtsp://host/b", "same_view": True}}
    ).spec()
    assert [one.scene.for_recorder() for one in spec.streams()] == [scene(LEFT), scene(LEFT)]
    assert "filled before storing" in spec.drawn_words()
    assert replace(spec.scene, burns_in=False).for_recorder() == CameraScene()
