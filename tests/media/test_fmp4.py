"""Fragments: what goes in comes out, for every codec a camera sends; nothing malformed comes through."""

import io
from pathlib import Path

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from custodes.adapters.camera import open_camera
from custodes.errors import CameraEnded, MediaError
from custodes.media import nal
from custodes.media.decode import FrameDecoder
from custodes.media.fmp4 import FragmentMuxer, demux_fragment, read_init, read_packets
from custodes.testing.camera import START_NS, FastClock, file_spec, packet, stream_info, write_clip
from custodes.testing.media import read_counter
from custodes.types.media import Packet, StreamInfo
from custodes.units import Ns

CLIPS = {
    "h264-mp4": ("a.mp4", {}),
    "h264-annexb": ("a.h264", {}),
    "h264-full-range": ("a.mp4", {"pix_fmt": "yuvj420p"}),
    "hevc": ("a.mp4", {"codec": "libx265"}),
    "mjpeg": ("a.avi", {"codec": "mjpeg", "pix_fmt": "yuvj420p"}),
    "mpeg4": ("a.avi", {"codec": "mpeg4"}),
}


def all_packets(path: Path) -> tuple[StreamInfo, list[Packet]]:
    clock = FastClock()
    source = open_camera(file_spec(path), clock, wait=clock.wait)
    info, packets = source.open(), []
    try:
        for item in source.packets():
            packets.append(item)
    except CameraEnded:
        pass
    source.close()
    return info, packets


@pytest.mark.parametrize(("name", "options"), CLIPS.values(), ids=CLIPS)
def test_fragment_when_read_back_then_units_times_and_pictures_are_the_same(
    name: str, options: dict[str, str], tmp_path: Path
) -> None:
    info, packets = all_packets(write_clip(tmp_path / name, frames=12, gop=12, **options))
    muxer = FragmentMuxer(info)
    found, back = demux_fragment(
        muxer.init_segment(), muxer.fragment(packets), camera_id="cam", run=info.run, start_ns=packets[0].utc_ns
    )
    assert (found.codec, found.width_px, found.height_px) == (info.codec, info.width_px, info.height_px)
    units = [nal.units_of(item.payload, info.codec, info.extradata) or [item.payload] for item in packets]
    assert [nal.units_of(item.payload, found.codec, found.extradata) or [item.payload] for item in back] == units
    assert [(a.seq, a.is_keyframe, a.pts - back[0].pts) for a in back] == [
        (a.seq, a.is_keyframe, (a.pts - packets[0].pts) * info.time_base_num) for a in packets
    ]
    assert all(abs(a.utc_ns - b.utc_ns) < 1_000_000 for a, b in zip(packets, back, strict=True))
    decoder = FrameDecoder(found)
    pictures = [frame for item in back for frame in decoder.decode(item)] + decoder.flush()
    assert [read_counter(frame.y) for frame in pictures] == list(range(12))


def test_fragments_when_joined_behind_the_init_then_ffmpeg_plays_them(tmp_path: Path) -> None:
    info, packets = all_packets(write_clip(tmp_path / "a.h264", frames=30, gop=10))
    muxer = FragmentMuxer(info)
    whole = muxer.init_segment() + b"".join(muxer.fragment(packets[at : at + 10]) for at in (0, 10, 20))
    with av.open(io.BytesIO(whole)) as container:
        counters = [read_counter(frame.to_ndarray()[:240]) for frame in container.decode(video=0)]
    assert counters == list(range(30))


def test_fragment_when_a_packet_is_corrupt_then_the_mark_survives() -> None:
    muxer = FragmentMuxer(stream_info(codec="mjpeg"))
    marked = [packet(0, is_keyframe=True), structs.replace(packet(1), is_corrupt=True)]
    info = read_init(muxer.init_segment(), camera_id="cam", run="0123456789ab")
    back = read_packets(info, muxer.fragment(marked), start_ns=START_NS)
    assert [item.is_corrupt for item in back] == [False, True]


@given(
    steps=st.lists(st.tuples(st.integers(1, 5000), st.integers(-900, 900), st.binary(min_size=1)), min_size=1),
    first=st.integers(-10_000, 2**40),
)
def test_fragment_when_timestamps_vary_then_every_pts_comes_back(
    steps: list[tuple[int, int, bytes]], first: int
) -> None:
    dts, made = first, []
    for number, (step, reorder, payload) in enumerate(steps):
        made.append(
            structs.replace(packet(number, pts=dts + reorder, payload=payload), dts=dts, is_keyframe=number == 0)
        )
        dts += step
    muxer = FragmentMuxer(stream_info(codec="mjpeg"))
    info = read_init(muxer.init_segment(), camera_id="cam", run="0123456789ab")
    back = read_packets(info, muxer.fragment(made), start_ns=START_NS)
    assert [item.pts - back[0].pts for item in back] == [item.pts - made[0].pts for item in made]
    assert [item.payload for item in back] == [item.payload for item in made]
    assert [item.utc_ns for item in back] == [START_NS + (item.pts - made[0].pts) * 1_000_000 for item in made]


@given(st.binary(max_size=400))
def test_read_packets_when_the_bytes_are_random_then_only_media_error(raw: bytes) -> None:
    with pytest.raises(MediaError):
        read_packets(stream_info(), raw, start_ns=Ns(0))


def test_read_packets_when_cut_anywhere_then_only_media_error() -> None:
    muxer = FragmentMuxer(stream_info(codec="mjpeg"))
    info = read_init(muxer.init_segment(), camera_id="cam", run="0123456789ab")
    fragment = muxer.fragment([packet(0, is_keyframe=True), packet(1)])
    for end in range(len(fragment)):
        with pytest.raises(MediaError):
            read_packets(info, fragment[:end], start_ns=Ns(0))


@pytest.mark.parametrize("codec", ["gif", "msmpeg4", "vp8", ""])
def test_muxer_when_mp4_cannot_carry_the_codec_then_says_which(codec: str) -> None:
    with pytest.raises(MediaError, match=f"codec {codec}"):
        FragmentMuxer(stream_info(codec=codec))


def test_muxer_when_a_nal_stream_has_no_parameter_sets_then_refuses() -> None:
    with pytest.raises(MediaError, match="parameter sets"):
        FragmentMuxer(stream_info(codec="h264"))
