"""An analyser that is killed: its tracks go on with its run, or end; nothing is claimed of the time in between."""

from dataclasses import replace

import pytest

from custodes.errors import DataLoss
from custodes.pipeline.analysis import IDS_PER_PACKET
from custodes.pipeline.camera import CameraPipeline
from custodes.testing.media import make_clip
from custodes.types.event import FrameAnalysed, TrackEnded
from custodes.types.message import StreamClosed, StreamOpened
from custodes.units import NS_PER_S, Ns, RunId

T0 = Ns(1_700_000_000 * NS_PER_S)
INFO, PACKETS = make_clip(frames=60, fps=10, gop=10, start_ns=T0)
OPENED, CLOSED = StreamOpened(info=INFO), StreamClosed(camera_id=INFO.camera_id, run=INFO.run)


def feed(pipeline, items):
    return [fact for item in items for fact in pipeline.process(item)]


def looks(facts):
    return [f for f in facts if isinstance(f, FrameAnalysed)]


def ended(facts):
    return {f.tracklet.track_id: f.tracklet for f in facts if isinstance(f, TrackEnded)}


@pytest.fixture
def killed(make_looking):
    """A pipeline that saw 3.4 s, its checkpoint of then, and its facts."""
    pipeline = CameraPipeline(INFO.camera_id, make_looking(), fps=5.0)
    facts = feed(pipeline, [OPENED, *PACKETS[:34]])
    return pipeline.checkpoint(), facts


@pytest.fixture
def fresh(make_looking):
    return CameraPipeline(INFO.camera_id, make_looking(), fps=5.0)


def test_tracks_go_on_when_the_run_does_and_nothing_in_between_is_vouched_for(killed, fresh):
    state, before = killed
    fresh.resume(state)
    after = feed(fresh, [OPENED, *PACKETS[40:], CLOSED])  # the hub's current GOP; 34 to 39 went by unseen
    numbers = set(looks(before)[-1].frame.track_ids.tolist())
    assert numbers
    assert set(ended(after)) == numbers
    assert all(one.start_ns < T0 + NS_PER_S for one in ended(after).values())
    first = looks(after)[0]
    assert first.valid_from_ns == first.frame.utc_ns
    assert {i for look in looks(after) for i in look.frame.track_ids.tolist() if i >= 0} == numbers


def test_what_was_seen_before_the_checkpoint_is_not_looked_at_again(killed, fresh):
    state, before = killed
    fresh.resume(state)
    after = feed(fresh, [OPENED, *PACKETS[30:]])
    assert looks(after)[0].frame.seq > looks(before)[-1].frame.seq


def test_tracks_end_when_another_run_begins(killed, fresh):
    state, before = killed
    fresh.resume(state)
    other = make_clip(frames=10, fps=10, gop=10, start_ns=Ns(T0 + 60 * NS_PER_S))[0]
    facts = feed(fresh, [StreamOpened(info=replace(other, run=RunId("f" * 12)))])
    assert set(ended(facts)) == set(looks(before)[-1].frame.track_ids.tolist())


def test_tracks_end_when_no_stream_comes_back(killed, fresh):
    state, before = killed
    fresh.resume(state)
    assert set(ended(fresh.flush())) == set(looks(before)[-1].frame.track_ids.tolist())
    assert fresh.flush() == []


def test_new_tracks_never_get_a_number_that_may_have_been_given(killed, fresh):
    state, _ = killed
    fresh.resume(state)
    feed(fresh, [OPENED, *PACKETS[40:42]])
    analysis = fresh._analysis  # the numbers to come are visible nowhere else
    assert analysis._tracker._next_id >= 40 * IDS_PER_PACKET


@pytest.mark.parametrize("state", [b"\xff", b"\x93\x01\x02\x03", b"x" * 100])
def test_a_checkpoint_that_is_none_is_refused(state, fresh):
    with pytest.raises(DataLoss):
        fresh.resume(state)
    assert looks(feed(fresh, [OPENED, *PACKETS[:20]]))


def test_without_a_run_there_is_nothing_to_keep(fresh):
    assert fresh.checkpoint() == b""
    fresh.resume(b"")
    feed(fresh, [OPENED, *PACKETS[:20], CLOSED])
    assert fresh.checkpoint() == b""
