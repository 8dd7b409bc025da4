"""Playback from sealed segments: pace, gaps, seeks, masks, a growing file."""

import os
from pathlib import Path

import numpy as np
import pytest

from custodes.errors import KeyMissing, PermissionDenied
from custodes.media.decode import FrameDecoder
from custodes.redact.fill import FILL_UV, FILL_Y
from custodes.review.playback import LEAD_NS, PlaybackView
from custodes.review.render import Rendered, Renderer
from custodes.testing.media import make_clip, people_at, read_clip, read_counter, vouch, write_segment
from custodes.testing.player import PlayedStream, play
from custodes.testing.review import START_NS, ReviewSite
from custodes.types.access import Fidelity
from custodes.types.media import Frame, Packet, StreamInfo
from custodes.types.message import MediaChunk, MediaInit, ViewNote
from custodes.units import NS_PER_MS, NS_PER_S, Ns
from custodes.watermark.mark import Marker

CODEC_NOISE = 14
"""How far x264 at crf 28 and the mark move a sample of a solid area."""

SIGNED_CLIP = Path(os.environ.get("CUSTODES_SHARED", "../shared")) / "data/network/onvif-media-signing"
SIGNED_CLIP /= "onvif_test_signed_h264.mp4"

Clip = tuple[StreamInfo, list[Packet]]


@pytest.fixture
def clip() -> Clip:
    return make_clip(frames=60, fps=10, gop=10, start_ns=START_NS)


def facts(frames: int = 60, first: int = 0, start_ns: int = START_NS):
    numbers = range(first, first + frames, 2)
    times = [start_ns + (n - first) * 100 * NS_PER_MS for n in numbers]
    return vouch(times, [people_at(n) for n in numbers])


def make_view(site: ReviewSite, *segments, speed: float = 1.0, offset_ms: int = 0) -> PlaybackView:
    return PlaybackView(
        archive=site.archive(*segments),
        renderer=site.renderer(),
        keys=site.keys,
        clock=site.clock,
        speed=speed,
        start_ns=Ns(START_NS + offset_ms * NS_PER_MS),
    )


def run(site: ReviewSite, view: PlaybackView, *, until_s: float = 30, until_code: str = "end") -> list[object]:
    """Step as the job does, with the clock advancing by what the view asks for."""
    outputs: list[object] = []
    end_ns = site.clock.monotonic_ns() + int(until_s * NS_PER_S)
    while site.clock.monotonic_ns() < end_ns:
        step = view.step()
        outputs += step.outputs
        if any(isinstance(o, ViewNote) and o.code == until_code for o in step.outputs):
            break
        site.clock.advance(max(step.wait_ns, NS_PER_MS))
    return outputs


def is_flat(picture) -> bool:
    y, u, v = (plane.astype(int) for plane in picture)
    return bool(
        np.abs(y - FILL_Y).max() <= CODEC_NOISE
        and np.abs(u - FILL_UV).max() <= CODEC_NOISE
        and np.abs(v - FILL_UV).max() <= CODEC_NOISE
    )


def assert_people_are_solid(stream: PlayedStream) -> None:
    for utc_ns, is_fully_masked, picture in zip(stream.utc_ns, stream.is_fully_masked, stream.pictures, strict=True):
        if is_fully_masked:
            assert is_flat(picture)
            continue
        number = (utc_ns - START_NS) // (100 * NS_PER_MS)
        for x1, y1, x2, y2 in people_at(number):
            for plane, fill, size in zip(picture, (FILL_Y, FILL_UV, FILL_UV), (1, 2, 2), strict=True):
                height, width = 240 // size, 320 // size
                box = plane[round(y1 * height) : round(y2 * height), round(x1 * width) : round(x2 * width)]
                assert np.abs(box.astype(int) - fill).max() <= CODEC_NOISE


def test_playback_when_masks_are_known_then_every_frame_plays_with_people_solid(site: ReviewSite, clip: Clip):
    segment, _ = write_segment(site.data_dir, *clip, public_key=site.public_key)
    view = make_view(site, segment)
    view.add_masks(facts())
    outputs = run(site, view)
    (stream,) = play(outputs)
    assert stream.mime.startswith('video/mp4; codecs="avc1.42')
    assert stream.utc_ns == [START_NS + n * 100 * NS_PER_MS for n in range(60)]
    assert np.allclose(np.diff(stream.times_s), 0.1, atol=0.001)
    assert [read_counter(picture[0]) for picture in stream.pictures[:53]] == list(range(53))
    assert stream.is_fully_masked == [False] * 53 + [True] * 7, "the last look-ahead is not vouched for"
    assert_people_are_solid(stream)
    assert view.frames_shown == 60
    assert site.releaser.released == [segment.header.segment_id]


def test_playback_when_masks_are_withheld_then_no_frame_is_clear(site: ReviewSite, clip: Clip):
    segment, _ = write_segment(site.data_dir, *clip, public_key=site.public_key)
    (stream,) = play(run(site, make_view(site, segment)))
    assert all(stream.is_fully_masked)
    assert all(is_flat(picture) for picture in stream.pictures)


def test_playback_when_vouching_begins_late_then_nothing_before_is_clear(site: ReviewSite, clip: Clip):
    segment, _ = write_segment(site.data_dir, *clip, public_key=site.public_key)
    view = make_view(site, segment)
    view.add_masks(facts(frames=40, first=20, start_ns=START_NS + 2 * NS_PER_S))
    (stream,) = play(run(site, view))
    assert all(stream.is_fully_masked[:20])
    assert not any(stream.is_fully_masked[20:50])
    assert_people_are_solid(stream)


def test_playback_when_masks_come_late_then_it_waits_for_them(site: ReviewSite, clip: Clip):
    segment, _ = write_segment(site.data_dir, *clip, public_key=site.public_key)
    view = make_view(site, segment)
    step = view.step()
    assert step.outputs == ()
    site.clock.advance(step.wait_ns)
    view.add_masks(facts())
    (stream,) = play(run(site, view))
    assert not any(stream.is_fully_masked[:50])


def test_playback_when_running_then_it_sends_no_further_ahead_than_its_lead(site: ReviewSite):
    info, packets = make_clip(frames=100, fps=10, gop=10, start_ns=START_NS)
    segment, _ = write_segment(site.data_dir, info, packets, public_key=site.public_key)
    view = make_view(site, segment)
    view.add_masks(facts(frames=100))
    begin_ns = site.clock.monotonic_ns()
    for _ in range(400):
        step = view.step()
        for output in step.outputs:
            if isinstance(output, MediaChunk):
                played_ns = site.clock.monotonic_ns() - begin_ns
                assert output.utc_ns - START_NS <= played_ns + LEAD_NS + NS_PER_MS
        site.clock.advance(max(step.wait_ns, NS_PER_MS))
    assert view.frames_shown == 100


@pytest.mark.parametrize("speed", [0.5, 2.0, 16.0])
def test_playback_when_speed_is_set_then_play_time_is_scaled(site: ReviewSite, clip: Clip, speed: float):
    segment, _ = write_segment(site.data_dir, *clip, public_key=site.public_key)
    view = make_view(site, segment, speed=speed)
    view.add_masks(facts())
    (stream,) = play(run(site, view))
    first, last = stream.utc_ns[0], stream.utc_ns[-1]
    assert stream.times_s[-1] == pytest.approx((last - first) / NS_PER_S / speed, rel=0.05)
    assert min(np.diff(stream.times_s)) > 1 / 31
    assert len(stream.pictures) == (60 if speed <= 2 else pytest.approx(12, abs=3))


def test_playback_when_there_is_a_gap_then_it_is_told_and_jumped_over(site: ReviewSite):
    later_ns = START_NS + 60 * NS_PER_S
    first, _ = write_segment(site.data_dir, *make_clip(frames=20, start_ns=START_NS), public_key=site.public_key)
    info, packets = make_clip(frames=20, first=20, start_ns=later_ns, run="1" * 12)
    second, _ = write_segment(site.data_dir, info, packets, public_key=site.public_key)
    view = make_view(site, first, second)
    view.add_masks(facts(frames=20))
    view.add_masks(facts(frames=20, first=20, start_ns=later_ns))
    outputs = run(site, view)
    notes = [o for o in outputs if isinstance(o, ViewNote)]
    assert [n.code for n in notes] == ["gap", "end"]
    assert "2026-01-01 00:00:02 to 2026-01-01 00:01:00" in notes[0].message
    (stream,) = play(outputs)
    assert len(stream.pictures) == 40
    assert max(np.diff(stream.times_s)) < 0.2, "a player would stall on a hole"


def test_playback_when_it_starts_in_a_gap_then_goes_on_behind_it(site: ReviewSite):
    info, packets = make_clip(frames=20, start_ns=START_NS + 30 * NS_PER_S)
    segment, _ = write_segment(site.data_dir, info, packets, public_key=site.public_key)
    outputs = run(site, make_view(site, segment))
    assert isinstance(outputs[0], ViewNote)
    assert outputs[0].code == "gap"
    (stream,) = play(outputs)
    assert stream.utc_ns[0] == START_NS + 30 * NS_PER_S


def test_playback_when_sought_then_a_new_stream_begins_there(site: ReviewSite, clip: Clip):
    segment, _ = write_segment(site.data_dir, *clip, public_key=site.public_key)
    view = make_view(site, segment)
    view.add_masks(facts())
    outputs = run(site, view, until_s=1)
    view.seek(Ns(START_NS + 4_250 * NS_PER_MS), 9)
    outputs += run(site, view, until_s=0.3)
    view.seek(Ns(START_NS + 350 * NS_PER_MS), 10)
    outputs += run(site, view, until_s=0.3)
    assert sum(isinstance(o, MediaInit) for o in outputs) == 3
    streams = play(outputs)
    assert [s.utc_ns[0] - START_NS for s in streams] == [0, 4_300 * NS_PER_MS, 400 * NS_PER_MS]
    assert [s.times_s[0] for s in streams] == [0.0, 0.0, 0.0]
    assert read_counter(streams[1].pictures[0][0]) == 43


def test_playback_when_segment_grows_then_it_follows(site: ReviewSite, clip: Clip):
    info, packets = clip
    whole, _ = write_segment(site.data_dir, info, packets, public_key=site.public_key, is_sealed=False)
    path = site.data_dir / whole.path
    raw = path.read_bytes()
    view = make_view(site, whole)
    view.add_masks(facts())
    path.write_bytes(raw[: len(raw) * 2 // 3])  # cut inside a fragment, as it lies on disk in between
    outputs = run(site, view, until_s=6)
    shown = view.frames_shown
    assert 0 < shown < 60
    assert shown % 10 == 0
    path.write_bytes(raw)
    outputs += run(site, view, until_s=6)
    assert view.frames_shown == 60
    (stream,) = play(outputs)
    assert stream.utc_ns == [START_NS + n * 100 * NS_PER_MS for n in range(60)]
    assert not any(isinstance(o, ViewNote) for o in outputs)


def test_playback_when_warden_refuses_then_it_raises_and_shows_nothing(site: ReviewSite, clip: Clip):
    segment, _ = write_segment(site.data_dir, *clip, public_key=site.public_key)
    site.releaser.is_refusing = True
    view = make_view(site, segment)
    with pytest.raises(PermissionDenied):
        view.step()
    assert view.frames_shown == 0


def test_playback_when_a_gop_is_damaged_then_told_once_and_the_rest_plays(site: ReviewSite, clip: Clip):
    segment, _ = write_segment(site.data_dir, *clip, public_key=site.public_key)
    path = site.data_dir / segment.path
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 0x40
    path.write_bytes(raw)
    view = make_view(site, segment)
    view.add_masks(facts())
    outputs = run(site, view)
    assert [o.code for o in outputs if isinstance(o, ViewNote)] == ["unreadable", "end"]
    assert view.frames_shown == 50


def test_playback_when_a_key_was_destroyed_then_asked_once(site: ReviewSite, clip: Clip, monkeypatch):
    segment, _ = write_segment(site.data_dir, *clip, public_key=site.public_key)
    asked = []

    def release(headers):
        asked.append(headers)
        raise KeyMissing("the key of cam/20260101 was destroyed")

    view = make_view(site, segment)
    monkeypatch.setattr(site.keys, "_release", release)
    outputs = run(site, view)
    assert [o.code for o in outputs if isinstance(o, ViewNote)] == ["unreadable", "end"]
    assert len(asked) == 1
    assert view.frames_shown == 0


class SlowRenderer(Renderer):
    """Takes its time: 400 ms of the test's clock a picture."""

    def __init__(self, site: ReviewSite) -> None:
        super().__init__(fidelity=Fidelity.MASKED, timeline=site.timeline, max_height_px=720)
        self._clock = site.clock

    def render(self, frame: Frame, marker: Marker) -> Rendered:
        self._clock.advance(400 * NS_PER_MS)
        return super().render(frame, marker)


def test_playback_when_machine_is_too_slow_then_frames_are_left_out_and_told(site: ReviewSite):
    info, packets = make_clip(frames=200, fps=10, gop=10, start_ns=START_NS)
    segment, _ = write_segment(site.data_dir, info, packets, public_key=site.public_key)
    view = PlaybackView(
        archive=site.archive(segment),
        renderer=SlowRenderer(site),
        keys=site.keys,
        clock=site.clock,
        speed=1.0,
        start_ns=Ns(START_NS),
    )
    view.add_masks(facts(frames=200))
    begin_ns = site.clock.monotonic_ns()
    outputs = run(site, view, until_s=120)
    elapsed_s = (site.clock.monotonic_ns() - begin_ns) / NS_PER_S
    assert 15 < view.frames_shown < 80
    assert elapsed_s < 30, "time on the screen stays near the recording's 20 s"
    assert any(isinstance(o, ViewNote) and o.code == "behind" for o in outputs)
    (stream,) = play(outputs)
    assert stream.utc_ns[-1] > START_NS + 18 * NS_PER_S


def test_playback_when_the_camera_signed_then_the_viewer_is_told(site: ReviewSite):
    if not SIGNED_CLIP.exists():
        pytest.skip("no shared footage")
    info, packets = read_clip(SIGNED_CLIP, frames=300, start_ns=START_NS)
    segment, _ = write_segment(site.data_dir, info, packets[:65], public_key=site.public_key)
    view = make_view(site, segment, speed=8.0)
    notes = [(o.code, o.message) for o in run(site, view) if isinstance(o, ViewNote)]
    assert notes[0] == ("signature", "The camera's signature verifies.")
    assert [code for code, _ in notes] == ["signature", "end"]


def test_decoder_when_a_packet_holds_nothing_but_a_signature_then_the_next_picture_is_there():
    if not SIGNED_CLIP.exists():
        pytest.skip("no shared footage")
    info, packets = read_clip(SIGNED_CLIP, frames=300, start_ns=START_NS)
    decoder = FrameDecoder(info)
    sei = packets[-1]  # FFmpeg says InvalidData at it
    frames = [frame for packet in [*packets[:5], sei, *packets[5:10]] for frame in decoder.decode(packet)]
    assert len(frames + decoder.flush()) == 10
