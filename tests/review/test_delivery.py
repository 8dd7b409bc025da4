"""What leaves: H.264 in fMP4 with the right announcements, JPEG without metadata, sizes that only shrink."""

import io
from dataclasses import replace

import av
import numpy as np
import pytest

from custodes.errors import MediaError
from custodes.media.encode import LiveEncoder
from custodes.media.jpeg import encode_jpeg
from custodes.media.mse import to_length_prefixed
from custodes.media.scale import delivery_size, scale_down
from custodes.review.stream import PresentationTime
from custodes.testing.media import draw_frame, read_counter
from custodes.units import NS_PER_MS, NS_PER_S, Ns


def boxes(blob: bytes) -> list[str]:
    """Types of the top-level boxes."""
    found, at = [], 0
    while at < len(blob):
        size = int.from_bytes(blob[at : at + 4], "big")
        found.append(blob[at + 4 : at + 8].decode())
        at += size
    return found


def test_encoder_when_fed_then_each_picture_is_a_fragment_at_once():
    encoder = LiveEncoder(320, 240, 28)
    mime, init = encoder.init()
    assert boxes(init) == ["ftyp", "moov"]
    fragments = [encoder.encode(draw_frame(n, width=320, height=240), n * 200 * NS_PER_MS) for n in range(25)]
    assert all(boxes(fragment) == ["moof", "mdat"] for fragment in fragments)
    assert encoder.flush() == b""
    with av.open(io.BytesIO(init + b"".join(fragments)), format="mp4") as container:
        stream = container.streams.video[0]
        pictures = list(container.decode(stream))
        profile = bytes(stream.codec_context.extradata or b"")[1:4].hex().upper()
    assert mime == f'video/mp4; codecs="avc1.{profile}"'
    assert [read_counter(p.to_ndarray(format="gray")) for p in pictures] == list(range(25))
    assert [round(p.time, 3) for p in pictures] == [round(n * 0.2, 3) for n in range(25)]
    assert [p.time for p in pictures if p.key_frame] == [0.0, 2.0, 4.0]


def test_encoder_when_ten_seconds_of_the_mark_begin_then_with_a_keyframe():
    encoder = LiveEncoder(320, 240, 28)
    _, init = encoder.init()
    start_ns = 7 * NS_PER_S  # the mark changes 3 s later, between two keyframes of the clock
    frames = [
        replace(draw_frame(n, width=320, height=240), utc_ns=Ns(start_ns + n * 200 * NS_PER_MS)) for n in range(25)
    ]
    blob = init + b"".join(encoder.encode(one, n * 200 * NS_PER_MS) for n, one in enumerate(frames))
    with av.open(io.BytesIO(blob), format="mp4") as container:
        assert [p.time for p in container.decode(video=0) if p.key_frame] == [0.0, 2.0, 3.0]


def test_encoder_when_times_stand_still_then_decode_times_still_grow():
    encoder = LiveEncoder(64, 64, 28)
    _, init = encoder.init()
    frame = scale_down(draw_frame(0, width=128, height=128), 64)
    blob = init + b"".join(encoder.encode(frame, 0) for _ in range(5))
    with av.open(io.BytesIO(blob), format="mp4") as container:
        times = [p.dts for p in container.demux(video=0) if p.size]
    assert times == sorted(set(times))


def test_encoder_when_size_is_odd_or_other_then_refused():
    with pytest.raises(MediaError, match="odd"):
        LiveEncoder(321, 240, 28)
    with pytest.raises(MediaError, match="got a frame"):
        LiveEncoder(320, 240, 28).encode(draw_frame(0, width=160, height=120), 0)


def test_length_prefixed_when_annexb_has_parameter_sets_and_sei_then_only_pictures_stay():
    annexb = b"\0\0\0\1\x67abc" + b"\0\0\1\x68de" + b"\0\0\1\x06secret" + b"\0\0\1\x65picture"
    assert to_length_prefixed(annexb) == b"\0\0\0\x08\x65picture"


def test_jpeg_when_written_then_it_carries_no_metadata_and_quality_counts():
    frame = draw_frame(5, width=320, height=240)
    sizes = []
    for quality in (10, 50, 95):
        jpeg = encode_jpeg(frame, quality)
        sizes.append(len(jpeg))
        markers = set()
        at = 2
        while jpeg[at] == 0xFF and jpeg[at + 1] != 0xDA:
            markers.add(jpeg[at + 1])
            at += 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")
        assert not markers & {0xFE, *range(0xE1, 0xF0)}, "no comment, no application data but JFIF's"
        assert b"Lavc" not in jpeg
    assert sizes == sorted(sizes)
    with av.open(io.BytesIO(encode_jpeg(frame, 95))) as container:
        decoded = next(container.decode(video=0)).to_ndarray(format="gray")
    expected = np.clip((frame.y.astype(np.float32) - 16) * 255 / 219, 0, 255)
    assert np.abs(decoded - expected).mean() < 4, "limited range became full range"


@pytest.mark.parametrize("quality", [0, 101])
def test_jpeg_when_quality_is_out_of_range_then_refused(quality: int):
    with pytest.raises(MediaError):
        encode_jpeg(draw_frame(0, width=64, height=64), quality)


@pytest.mark.parametrize(
    ("size", "limit", "expected"),
    [
        ((1920, 1080), 720, (1280, 720)),
        ((768, 432), 720, (768, 432)),
        ((1440, 1080), 500, (666, 500)),
        ((1921, 1081), 1081, (1920, 1080)),
        ((32, 4000), 90, (16, 90)),
    ],
)
def test_delivery_size_when_scaled_then_even_and_never_larger(size, limit, expected):
    assert delivery_size(*size, limit) == expected


def test_scale_down_when_it_fits_then_the_same_frame():
    frame = draw_frame(0, width=320, height=240)
    assert scale_down(frame, 240) is frame
    small = scale_down(frame, 120)
    assert (small.y.shape, small.u.shape, small.v.shape) == ((120, 160), (60, 80), (60, 80))
    assert abs(float(small.y.mean()) - float(frame.y.mean())) < 1


def test_presentation_time_when_clock_jumps_then_pace_goes_on():
    time = PresentationTime(2.0)
    utc = [0, 100, 200, 5_200, 5_300, 4_000, 4_100]
    shown = [time.take(Ns(1_000 * NS_PER_S + ms * NS_PER_MS)) // NS_PER_MS for ms in utc]
    assert shown == [0, 50, 100, 150, 200, 250, 300]
