"""The live view: held until vouched, masked whole when late, newest picture after a backlog, keys per segment."""

from collections.abc import Sequence

import numpy as np
import pytest

from custodes.errors import PermissionDenied
from custodes.redact.fill import FILL_Y
from custodes.review.live import MAX_HOLD_NS, STALL_NS, LiveView
from custodes.sealing.live import STREAM_INFO_SEQ, live_key, seal_live
from custodes.sealing.wrap import new_segment
from custodes.testing.media import make_clip, people_at, read_counter, vouch
from custodes.testing.player import play
from custodes.testing.review import START_NS, ReviewSite
from custodes.types.codec import encode
from custodes.types.media import Packet, StreamInfo
from custodes.types.message import MediaChunk, SealedPacket, SealedStreamOpened, StreamClosed, ViewNote
from custodes.units import NS_PER_MS, NS_PER_S, KeyId, Ns, SegmentId

FRAME_NS = 100 * NS_PER_MS
LOOK_AHEAD_NS = 600 * NS_PER_MS


class Camera:
    """Seals a synthetic clip as the recorder's live hub does."""

    def __init__(self, site: ReviewSite, *, frames: int = 100, gop: int = 10, b_frames: int = 0) -> None:
        self.site = site
        self.info, self.packets = make_clip(frames=frames, fps=10, gop=gop, start_ns=START_NS, b_frames=b_frames)
        self.segment_id = SegmentId("")
        self._key = b""

    def open(self, number: int = 0, info: StreamInfo | None = None) -> SealedStreamOpened:
        info = info or self.info
        self.segment_id = SegmentId(f"{START_NS + number}-{info.run}-{number}")
        header, data_key = new_segment(
            public_key=self.site.public_key,
            key_id=KeyId("cam/20260101"),
            site_id="s",
            camera_id=info.camera_id,
            run=info.run,
            segment_id=self.segment_id,
            start_ns=Ns(START_NS + number),
        )
        self._key = live_key(data_key)
        return SealedStreamOpened(header=header, sealed_info=seal_live(self._key, STREAM_INFO_SEQ, encode(info)))

    def seal(self, packet: Packet) -> SealedPacket:
        return SealedPacket(
            camera_id=packet.camera_id,
            segment_id=self.segment_id,
            seq=packet.seq,
            is_keyframe=packet.is_keyframe,
            sealed=seal_live(self._key, packet.seq, encode(packet)),
        )


@pytest.fixture
def camera(site: ReviewSite) -> Camera:
    site.clock.jump(START_NS - site.clock.now_ns())
    return Camera(site)


@pytest.fixture
def view(site: ReviewSite) -> LiveView:
    return LiveView(renderer=site.renderer(), keys=site.keys, clock=site.clock)


def facts(first: int, last: int):
    numbers = list(range(first, last + 1, 2))
    return vouch([START_NS + n * FRAME_NS for n in numbers], [people_at(n) for n in numbers])


def run(
    site: ReviewSite, camera: Camera, view: LiveView, numbers: Sequence[int], *, analysis_lag: int | None
) -> list[object]:
    """Packets arrive in real time; analysis answers `analysis_lag` frames later, or never."""
    outputs: list[object] = []
    seen = vouch([START_NS], [people_at(0)])
    for number in numbers:
        view.add_packet(camera.seal(camera.packets[number]))
        if analysis_lag is not None and number >= analysis_lag and not number % 2:
            seen = facts(0, number - analysis_lag)
            view.add_masks(seen[-2:] if len(seen) > 1 else seen)
        outputs += view.step().outputs
        site.clock.advance(FRAME_NS)
    return outputs


def codes(outputs: Sequence[object]) -> list[str]:
    return [o.code for o in outputs if isinstance(o, ViewNote)]


def test_live_when_analysis_keeps_up_then_delay_is_look_ahead_and_people_are_solid(
    site: ReviewSite, camera: Camera, view: LiveView
):
    view.open_segment(camera.open())
    outputs = run(site, camera, view, range(60), analysis_lag=2)
    (stream,) = play(outputs)
    assert not any(stream.is_fully_masked)
    chunks = [o for o in outputs if isinstance(o, MediaChunk)]
    assert max(chunk.age_ns for chunk in chunks) <= LOOK_AHEAD_NS + 4 * FRAME_NS
    assert min(chunk.age_ns for chunk in chunks) >= LOOK_AHEAD_NS
    assert np.allclose(np.diff(stream.times_s), 0.1, atol=0.001)
    for utc_ns, picture in zip(stream.utc_ns, stream.pictures, strict=True):
        number = (utc_ns - START_NS) // FRAME_NS
        assert read_counter(picture[0]) == number
        for x1, y1, x2, y2 in people_at(number):
            box = picture[0][round(y1 * 240) : round(y2 * 240), round(x1 * 320) : round(x2 * 320)].astype(int)
            assert np.abs(box - FILL_Y).max() <= 14
    assert codes(outputs) == []


def test_live_when_camera_sends_b_frames_then_no_delay_is_added_and_order_is_right(site: ReviewSite, view: LiveView):
    site.clock.jump(START_NS - site.clock.now_ns())
    camera = Camera(site, gop=20, b_frames=3)
    assert [p.utc_ns for p in camera.packets] != sorted(p.utc_ns for p in camera.packets)
    view.open_segment(camera.open())
    outputs = run(site, camera, view, range(80), analysis_lag=2)
    (stream,) = play(outputs)
    numbers = [(utc_ns - START_NS) // FRAME_NS for utc_ns in stream.utc_ns]
    assert numbers == list(range(len(numbers)))
    assert [read_counter(picture[0]) for picture in stream.pictures] == numbers
    assert max(o.age_ns for o in outputs if isinstance(o, MediaChunk)) <= LOOK_AHEAD_NS + 4 * FRAME_NS
    assert not any(stream.is_fully_masked)


def test_live_when_analysis_is_silent_then_every_frame_is_flat_and_at_most_so_old(
    site: ReviewSite, camera: Camera, view: LiveView
):
    view.open_segment(camera.open())
    outputs = run(site, camera, view, range(60), analysis_lag=None)
    (stream,) = play(outputs)
    assert all(stream.is_fully_masked)
    assert all(np.ptp(picture[0].astype(int)) <= 28 for picture in stream.pictures)
    ages = [o.age_ns for o in outputs if isinstance(o, MediaChunk)]
    assert max(ages) <= MAX_HOLD_NS + FRAME_NS
    assert codes(outputs) == ["unvouched"]


def test_live_when_analysis_dies_and_returns_then_flat_in_between_and_told(
    site: ReviewSite, camera: Camera, view: LiveView
):
    view.open_segment(camera.open())
    outputs = run(site, camera, view, range(30), analysis_lag=2)
    outputs += run(site, camera, view, range(30, 60), analysis_lag=None)
    late = facts(50, 58)  # a new run of analysis vouches from its own first frame
    view.add_masks(late)
    for number in range(60, 90):
        view.add_packet(camera.seal(camera.packets[number]))
        view.add_masks(facts(50, number - 1)[-2:])
        outputs += view.step().outputs
        site.clock.advance(FRAME_NS)
    (stream,) = play(outputs)
    masked = {(t - START_NS) // FRAME_NS for t, m in zip(stream.utc_ns, stream.is_fully_masked, strict=True) if m}
    shown = {(t - START_NS) // FRAME_NS for t in stream.utc_ns}
    assert shown & set(range(30, 50)) <= masked, "no moment without vouching is clear"
    assert masked & set(range(30, 50)), "the view went on while analysis was away"
    assert not masked & set(range(55, 75))
    assert set(range(60, 75)) <= shown, "and is whole again afterwards"
    assert codes(outputs) == ["unvouched", "behind", "vouched"]


def test_live_when_joining_in_a_long_gop_then_only_its_newest_picture_is_shown_at_first(
    site: ReviewSite, view: LiveView
):
    site.clock.jump(START_NS - site.clock.now_ns())
    camera = Camera(site, frames=60, gop=60)
    view.open_segment(camera.open())
    view.add_masks(facts(0, 46))
    for packet in camera.packets[:50]:
        view.add_packet(camera.seal(packet))
    site.clock.advance(50 * FRAME_NS)
    outputs = view.step().outputs
    (stream,) = play(outputs)
    assert len(stream.pictures) == 1
    assert read_counter(stream.pictures[0][0]) == 40
    assert not stream.is_fully_masked[0]
    assert "behind" not in codes(outputs)


def test_live_when_job_was_stopped_for_a_while_then_goes_on_with_the_newest_and_says_so(
    site: ReviewSite, camera: Camera, view: LiveView
):
    view.open_segment(camera.open())
    outputs = run(site, camera, view, range(20), analysis_lag=2)
    shown = view.frames_shown
    for number in range(20, 70):
        site.clock.advance(FRAME_NS)
        view.add_packet(camera.seal(camera.packets[number]))
    view.add_masks(facts(16, 68))
    step = view.step()
    assert view.frames_shown == shown + 1
    assert codes(step.outputs) == ["behind"]
    (stream,) = play([*outputs, *step.outputs])
    assert read_counter(stream.pictures[-1][0]) == 62


def test_live_when_segment_changes_then_its_key_is_released_and_pictures_go_on(
    site: ReviewSite, camera: Camera, view: LiveView
):
    view.open_segment(camera.open(0))
    outputs = run(site, camera, view, range(30), analysis_lag=2)
    view.open_segment(camera.open(1))
    outputs += run(site, camera, view, range(30, 60), analysis_lag=2)
    assert len(site.releaser.released) == 2
    (stream,) = play(outputs)
    assert np.diff(stream.utc_ns).tolist() == [FRAME_NS] * (len(stream.utc_ns) - 1)


def test_live_when_next_segment_is_refused_then_it_raises(site: ReviewSite, camera: Camera, view: LiveView):
    view.open_segment(camera.open(0))
    site.releaser.is_refusing = True
    with pytest.raises(PermissionDenied):
        view.open_segment(camera.open(1))


def test_live_when_packets_are_missing_or_forged_then_waits_for_a_keyframe(
    site: ReviewSite, camera: Camera, view: LiveView
):
    view.open_segment(camera.open())
    view.add_masks(facts(0, 60))
    sealed = [camera.seal(packet) for packet in camera.packets[:40]]
    bent = sealed[25].sealed[:-1] + bytes([sealed[25].sealed[-1] ^ 1])
    for number, packet in enumerate(sealed):
        if number in (12, 13):
            continue
        is_forged = number == 25
        view.add_packet(
            SealedPacket(
                camera_id=packet.camera_id,
                segment_id=packet.segment_id,
                seq=packet.seq,
                is_keyframe=packet.is_keyframe,
                sealed=bent if is_forged else packet.sealed,
            )
        )
    outputs: list[object] = []
    shown: list[int] = []
    for _ in range(40):
        outputs += view.step().outputs
    shown = [read_counter(p[0]) for p in play(outputs)[0].pictures]
    assert view.packets_unreadable == 1
    assert set(shown) <= {*range(12), *range(20, 25), *range(30, 40)}


def test_live_when_first_packet_is_no_keyframe_then_nothing_is_decoded_before_one(
    site: ReviewSite, camera: Camera, view: LiveView
):
    view.open_segment(camera.open())
    view.add_masks(facts(0, 30))
    for packet in camera.packets[5:13]:
        view.add_packet(camera.seal(packet))
    (stream,) = play(view.step().outputs)
    assert [read_counter(p[0]) for p in stream.pictures] == [10, 11, 12]


def test_live_when_camera_goes_silent_then_told_once_and_again_when_back(
    site: ReviewSite, camera: Camera, view: LiveView
):
    view.open_segment(camera.open())
    outputs = run(site, camera, view, range(20), analysis_lag=2)
    view.close_stream(StreamClosed(camera_id=camera.info.camera_id, run=camera.info.run))
    site.clock.advance(STALL_NS)
    for _ in range(3):
        outputs += view.step().outputs
        site.clock.advance(NS_PER_S)
    assert codes(outputs) == ["camera_lost", "unvouched", "stalled"], "the last moments were never vouched for"
    view.add_packet(camera.seal(camera.packets[20]))
    assert "resumed" in codes(view.step().outputs)


def test_live_when_the_clock_is_set_back_then_masks_of_the_time_before_clear_nothing(
    site: ReviewSite, camera: Camera, view: LiveView
):
    view.open_segment(camera.open(0))
    outputs = run(site, camera, view, range(60), analysis_lag=2)
    step_ns = 45 * FRAME_NS
    site.clock.jump(-step_ns)
    start_ns = START_NS + 60 * FRAME_NS - step_ns
    info, packets = make_clip(frames=60, start_ns=start_ns, first=60, run="1" * 12)
    view.open_segment(camera.open(1, info))
    times = [int(packet.utc_ns) for packet in packets]
    for number, packet in enumerate(packets):
        view.add_packet(camera.seal(packet))
        if number > 40:  # analysis of the new run comes late
            seen = vouch(times[: number - 1], [people_at(n) for n in range(60, 60 + number - 1)], run=info.run)
            view.add_masks(seen)
        outputs += view.step().outputs
        site.clock.advance(FRAME_NS)
    clear = [
        read_counter(picture[0])
        for stream in play(outputs)
        for picture, is_masked in zip(stream.pictures, stream.is_fully_masked, strict=True)
        if not is_masked
    ]
    assert set(range(50)) <= set(clear)
    assert not set(range(60, 76)) & set(clear), "what was seen at these times before clears nothing"
    assert set(range(96, 105)) <= set(clear), "its own masks do"


def test_live_when_camera_changes_size_then_a_new_stream_begins(site: ReviewSite, camera: Camera, view: LiveView):
    view.open_segment(camera.open(0))
    outputs = run(site, camera, view, range(20), analysis_lag=2)
    info, packets = make_clip(
        frames=20, start_ns=START_NS + 20 * FRAME_NS, first=20, width=192, height=144, run="1" * 12
    )
    view.open_segment(camera.open(1, info))
    view.add_masks([*facts(16, 18), *vouch([int(p.utc_ns) for p in packets], [[]] * len(packets), run=info.run)])
    for packet in packets:
        view.add_packet(camera.seal(packet))
        outputs += view.step().outputs
        site.clock.advance(FRAME_NS)
    streams = play(outputs)
    assert [s.pictures[0][0].shape for s in streams] == [(240, 320), (144, 192)]
