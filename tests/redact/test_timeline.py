"""Masks over time: covered at and between looks, nothing without vouching, monotone in margin."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from custodes.redact import timeline as timeline_module
from custodes.redact.levels import MaskLevel
from custodes.redact.samples import PRE_ROLL_NS
from custodes.redact.timeline import VOUCH_SLACK_NS, MaskPolicy, MaskTimeline
from custodes.types.event import FrameAnalysed
from custodes.types.vision import ObjectClass, TrackedFrame
from custodes.units import NS_PER_MS, NS_PER_S, CameraId, Ns, RunId

RUN = RunId("a" * 12)
T0 = 1_700_000_000 * NS_PER_S
STEP = 200 * NS_PER_MS


def fact(index, rows, *, valid_from=None, run=RUN, at=None):
    """rows: list of (track_id, class, (x1, y1, x2, y2))."""
    utc = T0 + index * STEP if at is None else at
    return FrameAnalysed(
        frame=TrackedFrame(
            camera_id=CameraId("a"),
            run=RunId(run),
            seq=index,
            utc_ns=Ns(utc),
            track_ids=np.array([r[0] for r in rows], np.int64),
            class_ids=np.array([r[1] for r in rows], np.int16),
            boxes_norm=np.array([r[2] for r in rows], np.float32).reshape(-1, 4),
            scores=np.full(len(rows), 0.9, np.float32),
            is_measured=np.ones(len(rows), bool),
        ),
        valid_from_ns=Ns(utc if valid_from is None else valid_from),
    )


def chain(*per_frame):
    """Facts of consecutive looks that vouch for everything in between."""
    return [fact(i, rows, valid_from=T0 + max(i - 1, 0) * STEP) for i, rows in enumerate(per_frame)]


def made(facts, **policy):
    timeline = MaskTimeline(MaskPolicy(**policy))
    timeline.add(facts)
    return timeline


def covers(masks, box, slack=1e-6):
    return any(
        m[0] <= box[0] + slack and m[1] <= box[1] + slack and m[2] >= box[2] - slack and m[3] >= box[3] - slack
        for m in masks.tolist()
    )


PERSON, CAR, FACE = int(ObjectClass.PERSON), int(ObjectClass.CAR), int(ObjectClass.FACE)
coordinate = st.floats(0, 1, width=32)
box_strategy = st.tuples(coordinate, coordinate, coordinate, coordinate).map(
    lambda b: (min(b[0], b[2]), min(b[1], b[3]), max(b[0], b[2]), max(b[1], b[3]))
)
rows_strategy = st.lists(st.tuples(st.integers(-1, 5), st.sampled_from([PERSON, FACE]), box_strategy), max_size=5)
looks_strategy = st.lists(rows_strategy, min_size=1, max_size=8)


@given(looks_strategy, st.floats(0, 1), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_every_person_is_covered_at_its_look_and_until_the_next_whatever_the_order(looks, margin, random):
    facts = chain(*looks)
    random.shuffle(facts)
    timeline = made(facts, margin=margin)
    for fact_ in facts:
        frame = fact_.frame
        for box in frame.boxes_norm.tolist():
            for offset in (0, STEP // 3, -STEP // 3, STEP - 1):
                masks = timeline.masks_at(Ns(frame.utc_ns + offset), RUN)
                if masks is not None:  # before the first or after the last look nobody vouches
                    assert covers(masks, box)


@given(looks_strategy, st.floats(0, 0.5), st.floats(0, 0.5), st.integers(0, 8 * STEP))
@settings(max_examples=50, deadline=None)
def test_a_larger_margin_covers_what_a_smaller_one_covers(looks, margin, more, offset):
    small, large = made(chain(*looks), margin=margin), made(chain(*looks), margin=margin + more)
    a, b = small.masks_at(Ns(T0 + offset), RUN), large.masks_at(Ns(T0 + offset), RUN)
    assert (a is None) == (b is None)
    if a is not None:
        assert all(covers(b, box) for box in a.tolist())


@given(looks_strategy)
@settings(max_examples=25, deadline=None)
def test_the_same_facts_twice_change_nothing(looks):
    once, twice = made(chain(*looks)), made(chain(*looks) + chain(*looks))
    for offset in range(0, len(looks) * STEP, STEP // 2):
        a, b = once.masks_at(Ns(T0 + offset), RUN), twice.masks_at(Ns(T0 + offset), RUN)
        assert (a is None and b is None) or sorted(a.tolist()) == sorted(b.tolist())


@pytest.mark.parametrize(
    ("offset", "is_vouched"),
    [
        (-STEP, False),
        (0, True),
        (STEP // 2, True),
        (STEP, True),
        (2 * STEP, False),
        (3 * STEP, True),
        (4 * STEP, False),
    ],
)
def test_masks_at_where_nobody_vouches_is_none(offset, is_vouched):
    timeline = made([fact(0, []), fact(1, [], valid_from=T0), fact(3, [])])
    assert (timeline.masks_at(Ns(T0 + offset), RUN) is not None) == is_vouched


def test_an_empty_timeline_vouches_for_nothing():
    timeline = made([])
    assert timeline.masks_at(Ns(T0), RUN) is None
    assert timeline.vouched_until(RUN) == 0


def test_a_recorded_frame_a_rounding_error_away_from_the_only_look_is_vouched_for():
    timeline = made([fact(0, [(1, PERSON, (0.4, 0.4, 0.5, 0.6))])])
    for offset in (-VOUCH_SLACK_NS, VOUCH_SLACK_NS):
        assert covers(timeline.masks_at(Ns(T0 + offset), RUN), (0.4, 0.4, 0.5, 0.6))
    assert timeline.masks_at(Ns(T0 + VOUCH_SLACK_NS + 1), RUN) is None


def test_a_detector_gap_within_a_track_is_filled_by_both_ends():
    start, end = (0.1, 0.4, 0.2, 0.6), (0.5, 0.4, 0.6, 0.6)
    looks = [[(7, PERSON, start)]] + [[]] * 9 + [[(7, PERSON, end)]]
    masks = made(chain(*looks), margin=0.0).masks_at(Ns(T0 + 5 * STEP), RUN)
    assert covers(masks, (0.1, 0.4, 0.6, 0.6))


def test_two_people_with_one_number_in_two_runs_are_not_joined():
    facts = [
        fact(0, [(7, PERSON, (0.1, 0.1, 0.2, 0.2))], run="a" * 12),
        fact(10, [(7, PERSON, (0.8, 0.8, 0.9, 0.9))], run="b" * 12, valid_from=T0),
    ]
    assert len(made(facts).masks_at(Ns(T0 + 5 * STEP), RunId("b" * 12))) == 0


def test_a_run_is_not_vouched_for_by_one_that_carries_the_same_times():
    """The clock was set back by a second: pictures of the second run were not looked at yet."""
    facts = chain([], [], [], [], [])
    again = [fact(2, [(1, PERSON, (0.4, 0.4, 0.5, 0.6))], run="b" * 12)]
    timeline = made(facts)
    for moment in (0, 2, 4):
        assert timeline.masks_at(Ns(T0 + moment * STEP), RunId("b" * 12)) is None
    timeline.add(again)
    assert timeline.vouched_until(RunId("b" * 12)) == T0 + 2 * STEP
    assert timeline.masks_at(Ns(T0 + 3 * STEP), RunId("b" * 12)) is None
    assert covers(timeline.masks_at(Ns(T0 + 2 * STEP), RunId("b" * 12)), (0.4, 0.4, 0.5, 0.6))
    assert len(timeline.masks_at(Ns(T0 + 3 * STEP), RUN)) == 1, "boxes cover pictures of every run"


@pytest.mark.parametrize("share", [0.2, 1.0])
@pytest.mark.parametrize("side", [-1, 1])
def test_a_person_is_covered_half_a_second_before_the_first_and_after_the_last_look(side, share):
    looks = [[]] * 5 + [[(1, PERSON, (0.4, 0.4, 0.5, 0.6))]] + [[]] * 5
    timeline = made(chain(*looks), margin=0.0)
    at = T0 + 5 * STEP
    assert covers(timeline.masks_at(Ns(at + side * int(share * PRE_ROLL_NS)), RUN), (0.4, 0.4, 0.5, 0.6))
    assert len(timeline.masks_at(Ns(at + side * (PRE_ROLL_NS + 1)), RUN)) == 0


def test_pre_roll_of_somebody_walking_reaches_back_along_the_way():
    looks = [[]] * 3 + [[(1, PERSON, (0.40, 0.4, 0.50, 0.6))], [(1, PERSON, (0.44, 0.4, 0.54, 0.6))]]
    masks = made(chain(*looks), margin=0.0).masks_at(Ns(T0 + 2 * STEP), RUN)
    assert covers(masks, (0.36, 0.4, 0.50, 0.6))


def test_cars_are_not_masked():
    assert len(made(chain([(1, CAR, (0.1, 0.1, 0.5, 0.5))])).masks_at(Ns(T0), RUN)) == 0


def test_level_frame_covers_everything_and_level_head_the_upper_part():
    facts = chain([(1, PERSON, (0.4, 0.2, 0.5, 0.8)), (2, FACE, (0.7, 0.1, 0.8, 0.3))])
    assert made(facts, level=MaskLevel.FRAME).masks_at(Ns(T0), RUN).tolist() == [[0, 0, 1, 1]]
    heads = made(facts, level=MaskLevel.HEAD, margin=0.0).masks_at(Ns(T0), RUN)
    assert covers(heads, (0.4, 0.2, 0.5, 0.35))
    assert covers(heads, (0.7, 0.1, 0.8, 0.3))
    assert not covers(heads, (0.4, 0.2, 0.5, 0.5))


def test_forgetting_masks_the_past_whole_and_keeps_the_rest():
    looks = [[(1, PERSON, (0.4, 0.4, 0.5, 0.6))]] * 50
    timeline = made(chain(*looks))
    cut = T0 + 25 * STEP + STEP // 2
    before = timeline.masks_at(Ns(cut), RUN).tolist()
    timeline.forget_before(Ns(cut))
    assert timeline.masks_at(Ns(cut - STEP), RUN) is None
    assert timeline.masks_at(Ns(cut), RUN).tolist() == before
    assert timeline.boxes_kept < 30
    timeline.forget_before(Ns(T0 + 1000 * STEP))
    assert timeline.boxes_kept == 0
    assert timeline.vouched_until(RUN) == 0


@pytest.mark.parametrize("is_one_moment", [False, True])
def test_memory_is_bounded_when_nobody_forgets(monkeypatch, is_one_moment):
    monkeypatch.setattr(timeline_module, "MAX_BOXES", 500)
    rows = [(i, PERSON, (0.1, 0.1, 0.2, 0.2)) for i in range(20)]
    timeline = MaskTimeline(MaskPolicy())
    for index in range(100):
        moved = [(i + 20 * index, c, b) for i, c, b in rows] if is_one_moment else rows
        timeline.add([fact(index, moved, at=T0 if is_one_moment else None)])
        assert timeline.boxes_kept <= 500


def test_head_of_somebody_who_comes_in_over_the_lower_edge_is_covered_before_the_first_look():
    # Cut at the bottom: the upper side alone moves, .1 of the picture a look.
    looks = [[]] * 3 + [[(1, PERSON, (0.4, 0.9 - 0.1 * i, 0.6, 1.0))] for i in range(1, 4)]
    timeline = made(chain(*looks), level=MaskLevel.HEAD, margin=0.0)
    assert covers(timeline.masks_at(Ns(T0 + 3 * STEP - STEP // 2), RUN, 1.0), (0.45, 0.85, 0.55, 0.95))


def test_head_between_two_looks_is_covered_on_the_whole_way_down():
    looks = [[(1, PERSON, (0.4, 0.0, 0.5, 0.3))], [], [(1, PERSON, (0.4, 0.6, 0.6, 1.0))]]
    timeline = made(chain(*looks), level=MaskLevel.HEAD, margin=0.0)
    masks = timeline.masks_at(Ns(T0 + STEP), RUN, 1.0)
    for top in (0.0, 0.3, 0.6):
        assert covers(masks, (0.44, top, 0.46, top + 0.05))


def test_somebody_in_a_gap_keeps_the_head_covered_though_anothers_face_is_halfway():
    face = (0.42, 0.15, 0.48, 0.2)  # in the upper quarter of the two boxes' union, far from either head
    looks = [
        [(1, PERSON, (0.4, 0.0, 0.5, 0.3))],
        [(-1, FACE, face)],
        [(1, PERSON, (0.4, 0.6, 0.5, 0.9))],
    ]
    timeline = made(chain(*looks), level=MaskLevel.HEAD, margin=0.0)
    assert covers(timeline.masks_at(Ns(T0 + STEP), RUN, 1.0), (0.42, 0.6, 0.48, 0.65))


def test_roll_after_the_last_look_is_the_same_though_earlier_moments_were_forgotten():
    # Ten looks a second: the last two tremble to the left, over half a second somebody walks to the right.
    boxes = [(0.1 + 0.05 * i, 0.2, 0.2 + 0.05 * i, 0.6) for i in range(8)] + [(0.44, 0.2, 0.54, 0.6)]
    step = STEP // 2
    facts = [fact(i, [(1, PERSON, box)], at=T0 + i * step, valid_from=T0) for i, box in enumerate(boxes)]
    facts.append(fact(len(boxes), [], at=T0 + len(boxes) * step, valid_from=T0))
    kept, forgetful = made(facts), made(facts)
    forgetful.forget_before(Ns(T0 + (len(boxes) - 1) * step))
    at = Ns(T0 + len(boxes) * step)
    assert sorted(map(tuple, forgetful.masks_at(at, RUN).tolist())) == sorted(
        map(tuple, kept.masks_at(at, RUN).tolist())
    )


def test_guess_of_a_tracker_that_errs_uncovers_nobody():
    seen = (0.4, 0.2, 0.5, 0.6)
    facts = chain(*[[(1, PERSON, seen)]] * 2, [(1, PERSON, (0.1, 0.2, 0.2, 0.6))], [(1, PERSON, seen)], [])
    guessed = replace(facts[2], frame=replace(facts[2].frame, is_measured=np.zeros(1, bool)))
    timeline = made([*facts[:2], guessed, *facts[3:]], margin=0.0)
    masks = timeline.masks_at(Ns(T0 + 2 * STEP), RUN)
    assert covers(masks, seen)
    assert covers(masks, (0.1, 0.2, 0.2, 0.6)), "it may be right, too"
