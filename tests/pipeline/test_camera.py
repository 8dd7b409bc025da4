"""One camera from packets to facts: what is vouched for, what is not, and the ends of tracks."""

import itertools
from dataclasses import replace

import pytest
from msgspec import structs

from custodes.detect.regions import RegionLimits
from custodes.pipeline.camera import CameraPipeline
from custodes.redact.timeline import MaskPolicy, MaskTimeline
from custodes.runtime.stage import InlineRunner
from custodes.testing.figures import FigureDetector
from custodes.testing.media import make_clip, people_at
from custodes.testing.stage import check_stage
from custodes.track.tracker import NO_TRACK
from custodes.types.codec import encode
from custodes.types.event import FrameAnalysed, TrackEnded
from custodes.types.message import StreamClosed, StreamOpened
from custodes.types.vision import DetectArea, ObjectClass
from custodes.units import NS_PER_S, CameraId, Ns, RunId

T0 = Ns(1_700_000_000 * NS_PER_S)
INFO, PACKETS = make_clip(frames=60, fps=10, gop=10, start_ns=T0)
OPENED = StreamOpened(info=INFO)
CLOSED = StreamClosed(camera_id=INFO.camera_id, run=INFO.run)


def feed(pipeline, items):
    return [fact for item in items for fact in pipeline.process(item)]


def analysed(facts):
    return [f for f in facts if isinstance(f, FrameAnalysed)]


def breaks(facts):
    """Times of facts that vouch for nothing but themselves."""
    return [(f.frame.utc_ns - T0) / NS_PER_S for f in analysed(facts) if f.valid_from_ns == f.frame.utc_ns]


@pytest.fixture
def pipeline(make_looking):
    return CameraPipeline(INFO.camera_id, make_looking(), fps=5.0)


def test_a_clip_gives_looks_at_the_wanted_rate_that_vouch_without_a_hole(pipeline):
    facts = feed(pipeline, [OPENED, *PACKETS])
    looks = analysed(facts)
    assert len(looks) == 30
    assert breaks(facts) == [0.0]
    assert all(b.valid_from_ns == a.frame.utc_ns for a, b in itertools.pairwise(looks))
    status = pipeline.status(Ns(0))
    assert status.shape is not None
    assert status.shape.aspect == INFO.width_px / INFO.height_px
    assert (status.packets, status.frames_decoded, status.frames_analysed, status.frames_skipped_rate) == (
        60,
        60,
        30,
        30,
    )
    assert (status.tracks_people, status.live_people, status.tracks_vehicles) == (2, 2, 0)


def test_every_painted_person_is_masked_in_every_frame(pipeline):
    timeline = MaskTimeline(MaskPolicy(margin=0.15))
    timeline.add(analysed(feed(pipeline, [OPENED, *PACKETS])))
    for packet in PACKETS[:-1]:
        masks = timeline.masks_at(packet.utc_ns, packet.run)
        for x1, y1, x2, y2 in people_at(packet.seq):
            # The detector's box of an ellipse in a halved picture is up to two pixels of 320 smaller.
            assert any(
                m[0] <= x1 + 0.01 and m[1] <= y1 + 0.01 and m[2] >= x2 - 0.01 and m[3] >= y2 - 0.01
                for m in masks.tolist()
            )


def test_the_end_of_a_run_ends_its_tracks(pipeline):
    ended = [f.tracklet for f in feed(pipeline, [OPENED, *PACKETS, CLOSED]) if isinstance(f, TrackEnded)]
    assert [t.object_class for t in ended] == [ObjectClass.PERSON] * 2
    assert all(t.frames == 30 and t.start_ns == T0 for t in ended)
    status = pipeline.status(Ns(0))
    assert (status.live_people, status.tracks_people) == (0, 2)


def short_gops():
    """GOPs of half a second: what is lost is shorter than the second that breaks the vouching by itself."""
    info, packets = make_clip(frames=40, fps=10, gop=5, start_ns=T0)
    return StreamOpened(info=info), packets


def test_after_a_shed_gop_the_next_look_vouches_for_itself_only(pipeline):
    opened, packets = short_gops()
    facts = feed(pipeline, [opened, *packets[:20]])
    pipeline.shed(1)
    facts += feed(pipeline, packets[20:])
    assert breaks(facts) == [0.0, 2.0]
    assert pipeline.status(Ns(0)).gops_shed == 1


def test_after_a_gap_in_packet_numbers_the_next_look_vouches_for_itself_only(pipeline):
    opened, packets = short_gops()
    facts = feed(pipeline, [opened, *packets[:20], *packets[25:]])
    assert breaks(facts) == [0.0, 2.5]


def test_after_a_corrupt_packet_nothing_is_vouched_for_until_the_next_keyframe(pipeline):
    opened, packets = short_gops()
    broken = [structs.replace(p, is_corrupt=True) if p.seq == 23 else p for p in packets]
    facts = feed(pipeline, [opened, *broken])
    assert breaks(facts) == [0.0, 2.5]
    assert not [f for f in analysed(facts) if T0 + 2.25 * NS_PER_S < f.frame.utc_ns < T0 + 2.5 * NS_PER_S]


def test_garbage_instead_of_a_packet_breaks_the_vouching_and_nothing_else(pipeline):
    broken = [structs.replace(p, payload=b"\x00" * 40) if p.seq == 25 else p for p in PACKETS]
    facts = feed(pipeline, [OPENED, *broken])
    assert 3.0 in breaks(facts)
    assert pipeline.status(Ns(0)).decode_errors > 0
    assert analysed(facts)[-1].frame.utc_ns == PACKETS[58].utc_ns


@pytest.mark.parametrize("failed", [0, 7, 8], ids=["first", "middle", "next"])
def test_a_detector_that_fails_vouches_for_nothing_and_the_camera_goes_on(make_looking, failed):
    pipeline = CameraPipeline(INFO.camera_id, make_looking(FigureDetector(fails_on=[failed])), fps=5.0)
    facts = feed(pipeline, [OPENED, *PACKETS])
    assert len(analysed(facts)) == 29
    assert (failed + 1) * 0.2 in [pytest.approx(t) for t in breaks(facts)]
    timeline = MaskTimeline(MaskPolicy())
    timeline.add(analysed(facts))
    assert timeline.masks_at(Ns(T0 + failed * NS_PER_S // 5), INFO.run) is None


def test_a_defect_in_the_detector_is_contained_by_the_runner_and_breaks_the_vouching(make_looking):
    class Defect(FigureDetector):
        def detect(self, pictures_rgb):
            found = super().detect(pictures_rgb)
            return [] if self.calls == 8 else found

    pipeline, failures = CameraPipeline(INFO.camera_id, make_looking(Defect()), fps=5.0), []
    runner = InlineRunner([pipeline], on_failure=failures.append)
    facts = [fact for item in [OPENED, *PACKETS] for fact in runner.feed(item)]
    assert [type(f) for f in failures] == [ValueError]
    assert runner.failures == 1
    assert breaks(facts) == [0.0, pytest.approx(1.6)]


def test_a_quiet_picture_is_looked_at_every_two_seconds_and_vouched_for(make_looking):
    # The first keyframe over and over is a still picture; nobody is found in it, or the tracks would not end.
    still = [structs.replace(PACKETS[0], seq=n, utc_ns=Ns(T0 + n * NS_PER_S // 5)) for n in range(60)]
    pipeline = CameraPipeline(INFO.camera_id, make_looking(FigureDetector(min_pixels=10**9)), fps=5.0)
    facts = feed(pipeline, [OPENED, *still])
    status = pipeline.status(Ns(0))
    assert len(analysed(facts)) == 60
    assert breaks(facts) == [0.0]
    assert status.detector_calls == 6
    assert status.frames_skipped_quiet == 54


def test_people_who_stand_still_are_verified_at_intervals_and_stay_in_every_fact(make_looking):
    pipeline = CameraPipeline(INFO.camera_id, make_looking(), fps=5.0)
    still = [structs.replace(PACKETS[0], seq=n, utc_ns=Ns(T0 + n * NS_PER_S // 5)) for n in range(60)]
    facts = analysed(feed(pipeline, [OPENED, *still]))
    assert 6 <= pipeline.status(Ns(0)).detector_calls <= 12
    assert [len(f.frame.track_ids) for f in facts] == [2] * 60
    assert len({i for f in facts for i in f.frame.track_ids.tolist()}) == 2


def test_people_outside_the_zones_are_not_counted_and_masked_all_the_same(pipeline):
    nowhere = ((0.0, 0.0), (0.01, 0.0), (0.0, 0.01))
    pipeline.areas = (DetectArea(polygon=nowhere, classes=(ObjectClass.PERSON,)),)
    facts = feed(pipeline, [OPENED, *PACKETS, CLOSED])
    assert not [f for f in facts if isinstance(f, TrackEnded)]
    assert all(set(f.frame.track_ids.tolist()) == {NO_TRACK} for f in analysed(facts))
    timeline = MaskTimeline(MaskPolicy(margin=0.15))
    timeline.add(analysed(facts))
    for fact in analysed(facts):
        masks = timeline.masks_at(fact.frame.utc_ns, INFO.run).tolist()
        for x1, y1, x2, y2 in fact.frame.boxes_norm.tolist():
            assert any(m[0] <= x1 and m[1] <= y1 and m[2] >= x2 and m[3] >= y2 for m in masks)
    assert pipeline.status(Ns(0)).detections_outside == 2 * len(analysed(facts))


def test_what_finds_no_room_is_masked_as_if_somebody_were_there_and_counted(make_looking):
    looking = replace(make_looking(), limits=RegionLimits(whole_px=128 * 96, frame_px=0))
    pipeline = CameraPipeline(INFO.camera_id, looking, fps=5.0)
    facts = analysed(feed(pipeline, [OPENED, *PACKETS]))
    shed = pipeline.status(Ns(0)).regions_shed
    assert shed > 0
    assert sum(int((f.frame.track_ids == NO_TRACK).sum()) for f in facts) >= shed
    timeline = MaskTimeline(MaskPolicy(margin=0.15))
    timeline.add(facts)
    for fact in facts[1:]:
        masks = timeline.masks_at(fact.frame.utc_ns, INFO.run)
        assert len(masks) > 0


def test_a_camera_slower_than_a_frame_per_second_is_vouched_for_at_its_looks_only(pipeline):
    slow = [structs.replace(PACKETS[0], seq=n, utc_ns=Ns(T0 + n * 2 * NS_PER_S)) for n in range(5)]
    assert len(breaks(feed(pipeline, [OPENED, *slow]))) == 5


def test_after_a_reconnect_the_repeated_gop_is_not_looked_at_twice_and_leaves_no_hole(pipeline):
    facts = feed(pipeline, [OPENED, *PACKETS[:35]])
    facts += feed(pipeline, [OPENED, *PACKETS[30:]])
    seqs = [f.frame.seq for f in analysed(facts)]
    assert seqs == sorted(set(seqs))
    assert len(seqs) == 30
    assert breaks(facts) == [0.0]


def test_a_new_run_begins_anew_and_numbers_are_never_given_twice(pipeline):
    other = replace(INFO, run=RunId("b" * 12))
    again = [structs.replace(p, run=other.run, seq=p.seq + 500) for p in PACKETS[:20]]
    facts = feed(pipeline, [OPENED, *PACKETS, StreamOpened(info=other), *again])
    assert len(breaks(facts)) == 2
    assert len([f for f in facts if isinstance(f, TrackEnded)]) == 2
    first = {i for f in analysed(facts) if f.frame.run == INFO.run for i in f.frame.track_ids.tolist()}
    second = {i for f in analysed(facts) if f.frame.run == other.run for i in f.frame.track_ids.tolist()}
    assert min(second) == 500_000
    assert first.isdisjoint(second)


def test_a_clock_that_goes_back_begins_anew(pipeline):
    back = [structs.replace(p, utc_ns=Ns(p.utc_ns - 3600 * NS_PER_S)) for p in PACKETS[30:]]
    facts = feed(pipeline, [OPENED, *PACKETS[:30], *back])
    assert len(breaks(facts)) == 2
    assert len([f for f in facts if isinstance(f, TrackEnded)]) == 2


@pytest.mark.parametrize("codec", ["nonsense", "aac"])
def test_a_stream_that_cannot_be_decoded_vouches_for_nothing(pipeline, codec):
    facts = feed(pipeline, [StreamOpened(info=replace(INFO, codec=codec)), *PACKETS])
    assert facts == []
    assert pipeline.status(Ns(0)).packets == 60


def test_packets_without_a_stream_or_of_another_run_are_ignored(pipeline):
    assert feed(pipeline, PACKETS[:5]) == []
    assert feed(pipeline, [OPENED, *(structs.replace(p, run=RunId("c" * 12)) for p in PACKETS)]) == []
    assert feed(pipeline, [replace(CLOSED, run=RunId("c" * 12))]) == []


def test_it_keeps_the_contract_of_a_stage(make_looking):
    def make():
        return CameraPipeline(CameraId("cam"), make_looking(), fps=5.0)

    check_stage(make, [OPENED, *PACKETS], as_value=encode, cuts=[11, 31, 51])
