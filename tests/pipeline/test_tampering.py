"""Tampering that lasts, out of coded packets: through decoder and pipeline, and by the bytes of keyframes."""

import msgspec.structs

from custodes.pipeline.camera import CameraPipeline
from custodes.pipeline.tampering import ADOPT_NS, TamperWatch
from custodes.testing.looking import FigureDetector, make_looking
from custodes.testing.scenes import Scene, scene_clip
from custodes.types.event import TamperKind
from custodes.types.message import StreamOpened
from custodes.units import NS_PER_S, CameraId, Ns

START_NS = 1_700_000_000 * NS_PER_S


def played(scene, *, gop=4, tamper=None):
    """The watch after the scene went through decoder and pipeline."""
    pipeline = CameraPipeline(CameraId("cam"), make_looking(FigureDetector(min_pixels=30)), fps=2.0)
    pipeline.tampering = tamper or TamperWatch()
    info, packets = scene_clip(scene, gop=gop, start_ns=START_NS)
    pipeline.process(StreamOpened(info=info))
    said = []
    for packet in packets:
        pipeline.process(packet)
        said.append(pipeline.status(packet.utc_ns).tampering)
    return pipeline, packets, said


def test_a_camera_that_is_turned_is_told_once_it_lasts_and_with_its_beginning():
    pipeline, packets, said = played(Scene(seconds=100, fps=2, moved_s=80, visits=[(10, 16), (40, 46), (60, 66)]))
    assert not any(said[: 2 * 80]), "people who walk through are no tampering"
    (one,) = said[-1]
    assert one.kind is TamperKind.MOVED
    assert abs(one.start_ns - (START_NS + 80 * NS_PER_S)) < 3 * NS_PER_S
    assert pipeline.status(packets[-1].utc_ns).is_scene_known


def again(packets, times, *, tamper, first_ns):
    """The same payloads `times` times, as a stream that goes on."""
    seq, utc_ns = 0, first_ns
    for _ in range(times):
        for packet in packets:
            tamper.take(msgspec.structs.replace(packet, seq=seq, utc_ns=Ns(utc_ns)))
            seq, utc_ns = seq + 1, utc_ns + NS_PER_S // 2


def test_a_stream_that_comes_again_is_a_recording_and_is_over_when_it_does_not():
    _, packets = scene_clip(Scene(seconds=20, fps=2), gop=4, start_ns=START_NS)
    tamper = TamperWatch()
    again(packets, 1, tamper=tamper, first_ns=START_NS)
    assert tamper.tampering() == ()
    again(packets, 2, tamper=TamperWatch(watches_replay=False), first_ns=START_NS)
    tamper = TamperWatch()
    again(packets, 2, tamper=tamper, first_ns=START_NS)
    (one,) = tamper.tampering()
    assert one.kind is TamperKind.REPLAYED
    assert "those of 10 keyframes before" in one.detail
    _, fresh = scene_clip(Scene(seconds=40, fps=2, luma=90), gop=4, start_ns=START_NS + 60 * NS_PER_S, first=1000)
    for packet in fresh:
        tamper.take(packet)
    assert tamper.tampering() == ()


def test_a_file_may_repeat_itself():
    _, packets = scene_clip(Scene(seconds=20, fps=2), gop=4, start_ns=START_NS)
    tamper = TamperWatch(watches_replay=False)
    again(packets, 3, tamper=tamper, first_ns=START_NS)
    assert tamper.tampering() == ()


def test_a_drawn_picture_that_never_changes_is_no_recording():
    _, packets = scene_clip(Scene(seconds=2, fps=2), gop=2, start_ns=START_NS)
    keyframes = [packet for packet in packets if packet.is_keyframe][:2]
    tamper = TamperWatch()
    again(keyframes, 200, tamper=tamper, first_ns=START_NS)
    assert tamper.tampering() == ()


def test_packets_of_a_gop_that_the_hub_repeats_are_no_recording():
    _, packets = scene_clip(Scene(seconds=20, fps=2), gop=4, start_ns=START_NS)
    tamper = TamperWatch()
    for packet in [*packets, *packets]:
        tamper.take(packet)
    assert tamper.tampering() == ()


def test_a_camera_that_stays_turned_is_at_its_place_after_an_hour():
    tamper = TamperWatch()
    pipeline, _, said = played(Scene(seconds=100, fps=2, moved_s=80), tamper=tamper)
    assert said[-1]
    moment_ns = START_NS + ADOPT_NS + 90 * NS_PER_S
    _, more = scene_clip(Scene(seconds=3, fps=2, moved_s=0), gop=2, start_ns=moment_ns, first=1000)
    for packet in more:
        pipeline.process(packet)
    assert tamper.tampering() == ()
    assert not tamper.is_known
