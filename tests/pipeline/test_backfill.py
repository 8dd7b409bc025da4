"""One clip, and the same facts of it whichever way it comes: live, replayed, back-filled."""

import bisect
import itertools
from pathlib import Path

import pytest

from custodes.app.backfill_pieces import gops
from custodes.pipeline import backfill
from custodes.pipeline.activity_gate import draw_by_hash
from custodes.pipeline.backfill import Stretch, Stretches, over_ns
from custodes.pipeline.camera import CameraPipeline
from custodes.review.archive import Archive
from custodes.testing.figures import FigureDetector
from custodes.testing.media import make_clip, write_segment
from custodes.testing.review import START_NS, make_review_site
from custodes.testing.scenes import Scene, scene_clip
from custodes.types.codec import encode
from custodes.types.event import FrameAnalysed, GateChanged, TrackEnded
from custodes.types.message import StreamClosed, StreamOpened
from custodes.units import NS_PER_S, CameraId, Ns

CAMERA = CameraId("cam")
FPS, GOP, SECONDS = 10, 10, 21
INFO, PACKETS = make_clip(frames=FPS * SECONDS, fps=FPS, gop=GOP, start_ns=Ns(START_NS))
END_NS = Ns(START_NS + SECONDS * NS_PER_S)


@pytest.fixture
def new_pipeline(make_looking):
    return lambda: CameraPipeline(
        CAMERA, make_looking(FigureDetector(min_pixels=30)), fps=5.0, draw=draw_by_hash(CAMERA)
    )


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    """The clip in segments of seven seconds."""
    site = make_review_site(tmp_path)
    step = FPS * SECONDS // 3
    parts = [PACKETS[first : first + step] for first in range(0, len(PACKETS), step)]
    return site.archive(*(write_segment(tmp_path, INFO, part, public_key=site.public_key)[0] for part in parts))


def live(pipeline, info, packets) -> list:
    items = [StreamOpened(info=info), *packets, StreamClosed(camera_id=info.camera_id, run=info.run)]
    return [fact for item in items for fact in pipeline.process(item) if not isinstance(fact, GateChanged)]


def again(
    pipeline, archive: Archive, *, from_ns: int = START_NS, warm_ns: int | None = None, end_ns: int = END_NS
) -> list[Stretch]:
    stretches = Stretches(pipeline, start_ns=Ns(START_NS), from_ns=Ns(from_ns))
    told = []
    for ref in gops(archive, Ns(from_ns if warm_ns is None else warm_ns), Ns(end_ns)):
        stretches.add(*archive.read(ref), start_ns=ref.start_ns, end_ns=ref.end_ns)
        told += stretches.ready()
    return [*told, *stretches.finish()]


def said(facts) -> list[bytes]:
    return sorted(encode(fact) for fact in facts)


def of(stretches: list[Stretch]) -> list:
    return [fact for stretch in stretches for fact in stretch.facts]


@pytest.fixture
def short_stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backfill, "STRETCH_NS", 4 * NS_PER_S)
    monkeypatch.setattr(backfill, "SETTLE_NS", 6 * NS_PER_S)


def test_one_clip_gives_the_same_facts_live_replayed_and_back_filled(
    new_pipeline, archive: Archive, short_stretches: None
) -> None:
    """From a file: `test_activity_gate.test_live_replay_and_file_give_the_same_tracks`."""
    expected = live(new_pipeline(), INFO, PACKETS)
    assert any(isinstance(fact, TrackEnded) for fact in expected)
    read = [archive.read(ref) for ref in gops(archive, Ns(START_NS), END_NS)]
    replayed = live(new_pipeline(), read[0][0], [packet for _, packets in read for packet in packets])
    assert said(replayed) == said(expected)
    stretches = again(new_pipeline(), archive)
    assert len(stretches) > 3
    assert said(of(stretches)) == said(expected)


def test_a_scene_with_quiet_in_it_gives_the_same_facts_back_filled(
    new_pipeline, tmp_path: Path, short_stretches: None
) -> None:
    """Here the gate leaves GOPs undecoded, and holds packets back over the ends of stretches."""
    info, packets = scene_clip(Scene(seconds=48, visits=((24, 27), (40, 43))), start_ns=START_NS)
    site = make_review_site(tmp_path)
    archive = site.archive(write_segment(tmp_path, info, packets, public_key=site.public_key)[0])
    pipeline = new_pipeline()
    told = again(pipeline, archive, end_ns=START_NS + 60 * NS_PER_S)
    assert said(of(told)) == said(live(new_pipeline(), info, packets))
    assert pipeline.counters.frames_undecoded_quiet > 0


def test_stretches_meet_and_each_fact_is_in_its_own(new_pipeline, archive: Archive, short_stretches: None) -> None:
    stretches = again(new_pipeline(), archive)
    assert (stretches[0].start_ns, stretches[-1].end_ns) == (START_NS, END_NS)
    assert all(a.end_ns == b.start_ns for a, b in itertools.pairwise(stretches))
    starts = [stretch.start_ns for stretch in stretches]
    for at, stretch in enumerate(stretches):
        assert {bisect.bisect_right(starts, over_ns(fact)) - 1 for fact in stretch.facts} <= {at}


def test_what_was_stored_before_a_pause_is_not_told_again_and_the_rest_is(
    new_pipeline, archive: Archive, short_stretches: None
) -> None:
    whole = again(new_pipeline(), archive)
    cut_ns = whole[1].end_ns
    rest = of(again(new_pipeline(), archive, from_ns=cut_ns, warm_ns=START_NS))
    assert said(rest) == said(fact for fact in of(whole) if over_ns(fact) >= cut_ns)


def test_a_gop_that_cannot_be_read_is_vouched_for_by_nobody(new_pipeline, archive: Archive) -> None:
    stretches = Stretches(new_pipeline(), start_ns=Ns(START_NS), from_ns=Ns(START_NS))
    for number, ref in enumerate(gops(archive, Ns(START_NS), Ns(START_NS + 10 * NS_PER_S))):
        if number == 4:
            stretches.skip(ref.start_ns, ref.end_ns)
        else:
            stretches.add(*archive.read(ref), start_ns=ref.start_ns, end_ns=ref.end_ns)
    (stretch,) = stretches.finish()
    hole = (START_NS + 4 * NS_PER_S, START_NS + 5 * NS_PER_S)
    looks = [fact for fact in stretch.facts if isinstance(fact, FrameAnalysed)]
    assert len(looks) > 30
    assert not any(look.valid_from_ns < hole[1] and look.frame.utc_ns >= hole[0] for look in looks)
    assert not any(look.quiet_from_ns and look.quiet_from_ns < hole[1] <= look.frame.utc_ns for look in looks)


def test_recordings_with_a_gap_are_two_stretches_and_the_gap_is_left_alone(new_pipeline, tmp_path: Path) -> None:
    site = make_review_site(tmp_path)
    parts = [PACKETS[:50], PACKETS[150:200]]
    archive = site.archive(*(write_segment(tmp_path, INFO, part, public_key=site.public_key)[0] for part in parts))
    spans = [(one.start_ns - START_NS, one.end_ns - START_NS) for one in again(new_pipeline(), archive)]
    assert spans == [(0, 5 * NS_PER_S), (15 * NS_PER_S, 20 * NS_PER_S)]
