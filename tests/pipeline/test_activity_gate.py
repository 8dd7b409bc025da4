"""The packet gate on generated footage: what it leaves undecoded, what it never misses, and when it gives up."""

import itertools
from dataclasses import replace

import msgspec.structs
import pytest

from custodes.pipeline.activity_gate import draw_by_hash
from custodes.pipeline.camera import CameraPipeline
from custodes.pipeline.gops import GopQueue
from custodes.testing.figures import FigureDetector
from custodes.testing.media import write_segment
from custodes.testing.review import make_review_site
from custodes.testing.scenes import Scene, scene_clip, stuffed
from custodes.testing.stage import check_stage
from custodes.types.codec import encode
from custodes.types.event import FrameAnalysed, GateChanged, GateMode, TrackEnded
from custodes.types.message import CameraWatched, StreamClosed, StreamOpened
from custodes.units import NS_PER_S, CameraId, Ns, RunId

T0 = Ns(1_700_000_000 * NS_PER_S)
VISITS = ((24, 27), (50, 53), (70, 72), (85, 88))
SECONDS = 95


@pytest.fixture
def make(make_looking):
    def go(seed=0):
        return CameraPipeline(CameraId("cam"), make_looking(FigureDetector(min_pixels=30)), fps=5.0,
                              draw=draw_by_hash(CameraId("cam"), seed))  # fmt: skip

    return go


def play(pipeline, info, packets):
    """Facts, and how many frames were decoded per second of the clip."""
    facts, per_second = list(pipeline.process(StreamOpened(info=info))), {}
    for packet in packets:
        before = pipeline.counters.frames_decoded
        facts += pipeline.process(packet)
        second = (packet.utc_ns - T0) // NS_PER_S
        per_second[second] = per_second.get(second, 0) + pipeline.counters.frames_decoded - before
    return facts + list(pipeline.process(StreamClosed(camera_id=info.camera_id, run=info.run))), per_second


def seen(facts):
    """(from, to) in seconds of each track."""
    tracks = [fact.tracklet for fact in facts if isinstance(fact, TrackEnded)]
    return [((t.start_ns - T0) / NS_PER_S, (t.end_ns - T0) / NS_PER_S) for t in tracks]


def missed(facts, visits=VISITS):
    """Visits during which no track lived."""
    return [visit for visit in visits if not any(a < visit[1] and b > visit[0] for a, b in seen(facts))]


def modes(facts):
    return [fact.mode for fact in facts if isinstance(fact, GateChanged)]


HARD = {
    "constant bit rate, noise": (Scene(seconds=SECONDS, visits=VISITS, bit_rate=120_000, noise=3), 10),
    "night": (Scene(seconds=SECONDS, visits=VISITS, luma=45, noise=3), 10),
    "dusk": (Scene(seconds=SECONDS, visits=VISITS, dusk_s=80), 10),
    "rain": (Scene(seconds=SECONDS, visits=VISITS, rain=12), 10),
}
SCENES = {
    "day": (Scene(seconds=SECONDS, visits=VISITS), 10),
    "b frames": (Scene(seconds=SECONDS, visits=VISITS, options={"bf": "2", "b-adapt": "0"}), 10),
    "long gop": (Scene(seconds=SECONDS, visits=VISITS), 50),
    "short gop": (Scene(seconds=SECONDS, visits=VISITS), 4),
}


@pytest.mark.parametrize("scene, gop", SCENES.values(), ids=SCENES.keys())
def test_a_quiet_camera_is_hardly_decoded_and_nobody_is_missed(make, scene, gop):
    facts, per_second = play(make(), *scene_clip(scene, gop=gop, start_ns=T0))
    assert missed(facts) == []
    assert modes(facts) == [GateMode.PACKETS]
    quiet = [frames for second, frames in per_second.items() if 32 <= second < 49 or 56 <= second < 69]
    assert sum(quiet) < 0.5 * 10 * len(quiet)


@pytest.mark.parametrize("scene, gop", HARD.values(), ids=HARD.keys())
def test_where_noise_hides_people_from_packets_nobody_is_missed_all_the_same(make, scene, gop):
    facts, _ = play(make(), *scene_clip(scene, gop=gop, start_ns=T0))
    assert missed(facts) == []


def test_gop_length_changes_mid_stream_and_nobody_is_missed(make):
    info, packets = scene_clip(Scene(seconds=45, visits=VISITS[:1]), gop=10, start_ns=T0)
    rest = Scene(seconds=50, visits=[(a - 45, b - 45) for a, b in VISITS[1:]])
    packets += scene_clip(rest, gop=30, start_ns=Ns(T0 + 45 * NS_PER_S), first=len(packets))[1]
    facts, _ = play(make(), info, packets)
    assert missed(facts) == []
    assert modes(facts) == [GateMode.PACKETS]


def test_a_camera_that_is_turned_is_decoded_again_and_nobody_is_missed(make):
    facts, per_second = play(make(), *scene_clip(Scene(seconds=SECONDS, visits=VISITS, moved_s=60.5), start_ns=T0))
    assert sum(per_second[second] for second in range(60, 65)) > 15
    assert missed(facts) == []


def test_packets_that_say_nothing_are_found_out_and_everything_is_decoded_again(make):
    visits = [(a, a + 2) for a in range(20, 176, 4)]
    info, packets = scene_clip(Scene(seconds=180, visits=visits, noise=1), start_ns=T0)
    # A camera that stuffs its packets, and whose QP does not change: nothing but pixels tells that somebody comes.
    packets = [packet for packet in stuffed(packets, 6000)]
    assert len({len(packet.payload) for packet in packets if not packet.is_keyframe}) == 1
    facts, per_second = play(make(), info, packets)
    assert modes(facts) == [GateMode.PACKETS, GateMode.PIXELS]
    assert next(fact.reason for fact in facts if isinstance(fact, GateChanged) and fact.mode is GateMode.PIXELS)
    assert [frames for second, frames in per_second.items() if 160 <= second < 170] == [10] * 10
    assert len(missed(facts, visits)) <= 2


@pytest.mark.parametrize(
    ("later_s", "is_known"), [(60, True), (2 * 86_400, False), (-3600, False)], ids=["a minute", "two days", "before"]
)
def test_what_was_learnt_outlives_the_process_for_a_day(make, later_s, is_known):
    info, packets = scene_clip(Scene(seconds=45, visits=VISITS[:1]), start_ns=T0)
    first, second = make(), make()
    first.process(StreamOpened(info=info))
    for packet in packets:
        first.process(packet)
    assert first.gate.trust.mode is GateMode.PACKETS
    now_ns = Ns(T0 + (45 + later_s) * NS_PER_S)
    second.begin_with(first.learnt(), now_ns)
    run = RunId("b" * 12)
    second.process(StreamOpened(info=replace(info, run=run)))
    for packet in packets[:150]:
        second.process(msgspec.structs.replace(packet, run=run))
    assert (second.gate.trust.mode is GateMode.PACKETS) == is_known
    if is_known:
        assert second.counters.frames_decoded < 0.6 * 150
        assert second.gate.trust.audits.trials >= first.gate.trust.audits.trials


@pytest.mark.parametrize("state", [b"\x00", b"\x96\xa4h264"], ids=["another thing", "cut"])
def test_what_was_learnt_and_cannot_be_read_is_learnt_anew(make, state):
    info, packets = scene_clip(Scene(seconds=3), start_ns=T0)
    pipeline = make()
    pipeline.begin_with(state, T0)
    pipeline.process(StreamOpened(info=info))
    assert pipeline.gate.trust.mode is GateMode.LEARNING
    assert pipeline.process(packets[0]) is not None


def test_what_was_learnt_of_another_picture_size_is_not_taken(make):
    info, packets = scene_clip(Scene(seconds=45, visits=VISITS[:1]), start_ns=T0)
    first, second = make(), make()
    first.process(StreamOpened(info=info))
    for packet in packets:
        first.process(packet)
    second.begin_with(first.learnt(), packets[-1].utc_ns)
    second.process(StreamOpened(info=replace(info, width_px=info.width_px // 2)))
    assert second.gate.trust.mode is GateMode.LEARNING


def test_what_was_not_decoded_is_not_vouched_for(make):
    facts, _ = play(make(), *scene_clip(Scene(seconds=60), start_ns=T0))
    looks = [fact for fact in facts if isinstance(fact, FrameAnalysed)]
    gaps = [(a, b) for a, b in itertools.pairwise(looks) if b.frame.utc_ns - a.frame.utc_ns > NS_PER_S]
    assert gaps
    assert all(b.valid_from_ns == b.frame.utc_ns for _, b in gaps)
    assert max(b.frame.utc_ns - a.frame.utc_ns for a, b in gaps) <= 5 * NS_PER_S


def test_a_watched_camera_is_decoded_whole_from_the_gop_on_in_which_somebody_came_to_watch(make):
    info, packets = scene_clip(Scene(seconds=60), start_ns=T0)
    pipeline = make()
    play_to = [packet for packet in packets if packet.utc_ns < T0 + 45 * NS_PER_S + NS_PER_S // 2]
    pipeline.process(StreamOpened(info=info))
    for packet in play_to:
        pipeline.process(packet)
    facts = list(pipeline.process(CameraWatched(camera_id=info.camera_id, is_watched=True)))
    facts += [fact for packet in packets[len(play_to) :] for fact in pipeline.process(packet)]
    looks = [fact for fact in facts if isinstance(fact, FrameAnalysed)]
    assert looks[0].frame.utc_ns <= T0 + 45 * NS_PER_S + NS_PER_S // 5
    assert all(b.valid_from_ns == a.frame.utc_ns for a, b in itertools.pairwise(looks))
    assert looks[-1].frame.utc_ns >= T0 + 59 * NS_PER_S


def test_it_keeps_the_contract_of_a_stage(make):
    info, packets = scene_clip(Scene(seconds=40, visits=VISITS[:1]), start_ns=T0)
    check_stage(make, [StreamOpened(info=info), *packets], as_value=encode, cuts=[101, 251, 351])


def test_another_seed_tries_other_gops(make):
    clip = scene_clip(Scene(seconds=60), start_ns=T0)
    decoded = [play(make(seed), *clip)[1] for seed in (0, 1, 0)]
    assert decoded[0] == decoded[2] != decoded[1]


def test_live_replay_and_file_give_the_same_tracks(make, tmp_path):
    """Through the analyser's bounded queue, straight from packets, and out of a sealed segment."""
    site = make_review_site(tmp_path)
    info, packets = scene_clip(Scene(seconds=60, visits=VISITS[:2]), start_ns=T0)
    straight = seen(play(make(), info, packets)[0])
    queue, live, queued = GopQueue(), make(), []
    for item in [StreamOpened(info=info), *packets, StreamClosed(camera_id=info.camera_id, run=info.run)]:
        queue.push(item)
        queued += live.process(queue.pop()[0])
    segment, _ = write_segment(site.data_dir, info, packets, public_key=site.public_key)
    archive, recorded, ref = site.archive(segment), [], None
    while (ref := archive.gop_from(Ns(0) if ref is None else ref.start_ns)) is not None:
        file_info, gop = archive.read(ref)
        # A file does not know the run's packet numbers; they follow from the order.
        recorded += [msgspec.structs.replace(packet, seq=len(recorded) + place) for place, packet in enumerate(gop)]
    filed = seen(play(make(), file_info, recorded)[0])
    assert len(straight) == 2
    assert seen(queued) == straight
    assert filed == [pytest.approx(track, abs=0.002) for track in straight]
