"""Which moments of a film are uncertain, and in which order."""

import numpy as np

from custodes.redact.moments import Doubt, Moment, uncertain_moments
from custodes.types.event import FrameAnalysed
from custodes.types.vision import ObjectClass, TrackedFrame
from custodes.units import NS_PER_MS, CameraId, Ns, RunId

STEP = 100 * NS_PER_MS


def facts(tracks, looks):
    """tracks: id → function of the look's number giving a box (with score, is_measured) or None."""
    made = []
    for number in range(looks):
        rows = [(track, function(number)) for track, function in tracks.items() if function(number)]
        frame = TrackedFrame(
            camera_id=CameraId("film"),
            run=RunId("f" * 12),
            seq=number,
            utc_ns=Ns(number * STEP),
            track_ids=np.array([max(track, -1) for track, _ in rows], np.int64),
            class_ids=np.full(len(rows), int(ObjectClass.PERSON), np.int16),
            boxes_norm=np.array([row[0] for _, row in rows], np.float32).reshape(-1, 4),
            scores=np.array([row[1] for _, row in rows], np.float32),
            is_measured=np.array([row[2] for _, row in rows], bool),
        )
        made.append(FrameAnalysed(frame=frame, valid_from_ns=Ns(max(0, number - 1) * STEP)))
    return made


def stands(first, last, box, score=0.9, unseen=()):
    return lambda number: (box, score, number not in unseen) if first <= number <= last else None


MIDDLE, EDGE = (0.4, 0.3, 0.5, 0.7), (0.0, 0.3, 0.1, 0.7)


def test_moments_when_somebody_stands_there_all_the_time_then_none():
    assert not uncertain_moments(facts({1: stands(0, 40, MIDDLE)}, 41))


def test_moments_when_somebody_appears_inside_the_picture_then_told_but_not_at_its_edge():
    found = uncertain_moments(facts({1: stands(20, 40, MIDDLE), 2: stands(20, 40, EDGE)}, 41))
    assert [(moment.doubt, moment.end_ns) for moment in found] == [(Doubt.APPEARED, 20 * STEP)]


def test_moments_when_the_other_direction_saw_them_before_then_not_told():
    assert not uncertain_moments(facts({1: stands(20, 40, MIDDLE), 2: stands(0, 40, MIDDLE)}, 41))


def test_moments_when_somebody_was_not_seen_for_a_while_then_a_gap():
    found = uncertain_moments(facts({1: stands(0, 40, MIDDLE, unseen=range(10, 18))}, 41))
    assert [(m.doubt, m.start_ns, m.end_ns) for m in found] == [(Doubt.GAP, 9 * STEP, 18 * STEP)]


def test_moments_when_many_lone_looks_at_two_places_then_one_moment_each_and_the_graver_first():
    near, far = (0.1, 0.1, 0.14, 0.2), (0.6, 0.2, 0.9, 1.0)
    found = uncertain_moments(facts({-2: stands(0, 30, near, 0.3), -3: stands(0, 30, far, 0.3)}, 31))
    assert [moment.doubt for moment in found] == [Doubt.ONCE, Doubt.ONCE]
    assert found[0].box[3] == 1.0 and found[0].severity > found[1].severity


def test_moments_when_motion_was_covered_beyond_an_end_then_it_is_told_as_that():
    followed = facts({-2: stands(0, 30, MIDDLE, 0.0, unseen=range(31))}, 31)
    assert [moment.doubt for moment in uncertain_moments(followed)] == [Doubt.FOLLOWED]


def test_moments_when_others_are_given_then_sorted_in():
    moved = Moment(doubt=Doubt.MOVED, start_ns=5, end_ns=6, box=MIDDLE, severity=0.99)
    assert uncertain_moments(facts({1: stands(20, 40, MIDDLE)}, 41), [moved])[0] is moved
    assert uncertain_moments([], [moved]) == [moved]
