"""Decoding: whatever a packet holds, it never raises; what was lost is counted and marked."""

import random
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import msgspec.structs
import numpy as np
import pytest

from custodes.adapters.camera import open_camera
from custodes.errors import CameraEnded, MediaError
from custodes.media.decode import FrameDecoder
from custodes.testing.camera import FastClock, file_spec, stream_info, write_clip
from custodes.testing.media import draw_frame, read_counter
from custodes.types.media import Frame, Packet, StreamInfo


def packets_of(path: Path) -> tuple[StreamInfo, list[Packet]]:
    clock = FastClock()
    source = open_camera(file_spec(path), clock, wait=clock.wait)
    info, packets = source.open(), []
    try:
        for item in source.packets():
            packets.append(item)
    except CameraEnded:
        source.close()
    return info, packets


def decode_all(info: StreamInfo, packets: list[Packet]) -> tuple[list[Frame], FrameDecoder]:
    decoder = FrameDecoder(info)
    return [frame for item in packets for frame in decoder.decode(item)] + decoder.flush(), decoder


@pytest.mark.parametrize(
    ("codec", "pix_fmt"),
    [("libx264", "yuv420p"), ("libx264", "yuvj420p"), ("libx264", "yuv422p"), ("libx264", "yuv420p10le")],
)
def test_decode_when_the_pixel_format_differs_then_frames_are_planar_420_8_bit(
    codec: str, pix_fmt: str, tmp_path: Path
) -> None:
    info, packets = packets_of(write_clip(tmp_path / "a.mp4", frames=10, codec=codec, pix_fmt=pix_fmt))
    frames, decoder = decode_all(info, packets)
    drawn = draw_frame(9, width=320, height=240)
    assert decoder.errors == 0
    assert [read_counter(frame.y) for frame in frames] == list(range(10))
    assert [frame.utc_ns for frame in frames] == [item.utc_ns for item in packets]
    last = frames[-1]
    assert (last.y.shape, last.u.shape, last.v.shape) == ((240, 320), (120, 160), (120, 160))
    # Limited range whatever the camera coded: full range left as it is would be 7 % off.
    assert abs(float(last.y.mean()) - float(drawn.y.mean())) < 2.5
    assert not last.y.flags.writeable


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
@pytest.mark.parametrize("suffix", ["mp4", "ts"])
def test_decode_when_pixels_are_wider_than_high_then_the_shape_says_so(
    codec: str, suffix: str, tmp_path: Path
) -> None:
    path = write_clip(tmp_path / f"a.{suffix}", frames=2, size=(352, 288), codec=codec, pixel_aspect=Fraction(16, 11))
    info, packets = packets_of(path)
    before = FrameDecoder(info).shape
    _, decoder = decode_all(info, packets)
    assert before is None
    assert decoder.shape is not None
    assert (decoder.shape.width_px, decoder.shape.height_px) == (352, 288)
    assert decoder.shape.aspect == pytest.approx(16 / 9)


def test_decode_when_the_camera_changes_its_picture_then_the_shape_follows(tmp_path: Path) -> None:
    wide = packets_of(write_clip(tmp_path / "a.h264", frames=2, pixel_aspect=Fraction(4, 3)))
    plain = packets_of(write_clip(tmp_path / "b.h264", frames=2, size=(640, 480)))
    decoder = FrameDecoder(wide[0])
    seen = []
    for _, packets in (wide, plain, wide):
        for packet in packets:
            decoder.decode(packet)
        decoder.flush()
        assert decoder.shape is not None
        seen.append((decoder.shape.width_px, decoder.shape.height_px, round(decoder.shape.pixel_aspect, 3)))
    assert seen == [(320, 240, 1.333), (640, 480, 1.0), (320, 240, 1.333)]


def test_decode_when_packets_are_flipped_cut_and_lost_then_never_raises_and_counts(tmp_path: Path) -> None:
    info, packets = packets_of(write_clip(tmp_path / "a.mp4", frames=60, gop=15))
    chance = random.Random(7)
    for _ in range(8):
        hostile = []
        for item in packets:
            payload = bytearray(item.payload)
            for _ in range(chance.choice((0, 0, 1, 20))):
                payload[chance.randrange(len(payload))] ^= 1 << chance.randrange(8)
            cut = chance.choice((len(payload), len(payload), chance.randrange(len(payload)), 0))
            hostile.append(msgspec.structs.replace(item, payload=bytes(payload[:cut])))
        frames, decoder = decode_all(info, hostile)
        assert decoder.errors > 0
        assert len(frames) <= len(packets)


def test_decode_when_one_packet_is_lost_to_damage_then_frames_are_marked_up_to_the_next_keyframe(
    tmp_path: Path,
) -> None:
    info, packets = packets_of(write_clip(tmp_path / "a.mp4", frames=30, gop=10))
    packets[13] = msgspec.structs.replace(packets[13], payload=b"")
    frames, decoder = decode_all(info, packets)
    assert decoder.errors == 1
    assert [frame.seq for frame in frames if frame.is_corrupt] == list(range(14, 20))
    assert [frame.seq for frame in frames if frame.is_keyframe] == [0, 10, 20]


def test_decode_when_the_resolution_changes_in_band_then_frames_follow(tmp_path: Path) -> None:
    info, small = packets_of(write_clip(tmp_path / "a.h264", frames=10))
    _, large = packets_of(write_clip(tmp_path / "b.h264", frames=10, size=(640, 480)))
    frames, decoder = decode_all(info, small + [msgspec.structs.replace(item, seq=item.seq + 10) for item in large])
    assert [frame.y.shape for frame in frames] == [(240, 320)] * 10 + [(480, 640)] * 10
    assert decoder.errors == 0


def test_decoder_when_the_announced_size_is_absurd_then_refuses() -> None:
    with pytest.raises(MediaError, match="9000"):
        FrameDecoder(replace(stream_info(), width_px=9000))


@pytest.mark.parametrize("codec", ["", "nonsense", "aac"])
def test_decoder_when_the_codec_is_no_video_codec_then_refuses(codec: str) -> None:
    with pytest.raises(MediaError):
        FrameDecoder(stream_info(codec=codec))


def test_frame_when_the_decoder_goes_on_then_its_pixels_stay(tmp_path: Path) -> None:
    info, packets = packets_of(write_clip(tmp_path / "a.mp4", frames=40))
    decoder = FrameDecoder(info)
    first = next(frame for item in packets[:3] for frame in decoder.decode(item))
    before = np.array(first.y)
    for item in packets[3:]:
        decoder.decode(item)
    assert np.array_equal(before, first.y)
