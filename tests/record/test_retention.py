"""The planner: what goes, and what never does, whatever the site looks like."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custodes.ports.catalog import Hold
from custodes.record.retention import REST_NS, Limits, Look, Plan, Reason, is_held, is_proven_quiet, plan
from custodes.testing.catalog import at, make_hold, make_segment
from custodes.types.media import Segment
from custodes.units import NS_PER_S, CameraId

NOW = at(10_000)
HOUR = 3600 * NS_PER_S
MB = 100_000
"""Bytes per second of `make_segment`."""


def make_plan(
    segments: list[Segment],
    holds: list[Hold] | None = None,
    *,
    limits: Limits | None = None,
    wanted: int = 0,
    batch: int = 100,
) -> Plan:
    return plan(
        segments,
        holds or [],
        now_ns=NOW,
        limits=limits or Limits(max_age_ns=HOUR),
        stored_bytes=sum(one.bytes_on_disk for one in segments),
        wanted_bytes=wanted,
        batch=batch,
    )


def starts(chosen: Plan) -> list[tuple[float, Reason]]:
    return [((one.header.start_ns - at(0)) / NS_PER_S, reason) for one, reason in chosen.doomed]


def test_plan_when_nothing_is_due_is_empty() -> None:
    assert make_plan([make_segment(6500, 6560)]) == Plan(doomed=(), has_more=False)


@pytest.mark.parametrize(("end", "goes"), [(6399, True), (6400, True), (6401, False)])
def test_age_counts_from_the_end(end: int, goes: bool) -> None:
    assert bool(make_plan([make_segment(6000, end)]).doomed) is goes


def test_camera_when_it_has_an_age_of_its_own_goes_by_it() -> None:
    limits = Limits(max_age_ns=HOUR, camera_age_ns={CameraId("yard"): 60 * NS_PER_S})
    segments = [make_segment(9000, 9060), make_segment(9000, 9060, camera_id="yard", run="b" * 12)]
    chosen = make_plan(segments, limits=limits)
    assert [one.header.camera_id for one, _ in chosen.doomed] == ["yard"]


def test_size_and_room_when_exceeded_take_the_oldest_and_no_more() -> None:
    segments = [make_segment(start, start + 60) for start in (9000, 9060, 9120, 9180)]
    over = Limits(max_age_ns=HOUR, max_bytes=200 * MB)
    assert starts(make_plan(segments, limits=over)) == [(9000, Reason.SIZE)]
    assert starts(make_plan(segments, wanted=61 * MB)) == [(9000, Reason.ROOM), (9060, Reason.ROOM)]
    both = make_plan(segments, limits=over, wanted=100 * MB)
    assert starts(both) == [(9000, Reason.SIZE), (9060, Reason.ROOM)]


def test_room_when_old_ones_make_it_takes_nothing_else() -> None:
    segments = [make_segment(9000, 9060), make_segment(100, 160)]
    assert starts(make_plan(segments, wanted=50 * MB)) == [(100, Reason.AGE)]


def test_batch_when_full_says_so_and_begins_with_the_oldest() -> None:
    chosen = make_plan([make_segment(60 * n, 60 * n + 60) for n in reversed(range(9))], batch=4)
    assert [start for start, _ in starts(chosen)] == [0, 60, 120, 180]
    assert chosen.has_more


SEGMENTS = st.lists(
    st.builds(
        lambda start, length, camera, is_sealed: make_segment(
            start, start + length, camera_id=camera, is_sealed=is_sealed, run=camera * 6
        ),
        st.integers(0, 9990),
        st.integers(1, 100),
        st.sampled_from(["aa", "bb"]),
        st.booleans(),
    ),
    max_size=30,
    unique_by=lambda one: one.header.segment_id,
)
HOLDS = st.lists(
    st.builds(
        lambda start, length, camera, expires: make_hold(start, start + length, expires_s=expires, camera_id=camera),
        st.integers(0, 9990),
        st.integers(0, 2000),
        st.sampled_from(["aa", "bb"]),
        st.integers(9_990, 10_010),
    ),
    max_size=4,
)


@given(
    segments=SEGMENTS,
    holds=HOLDS,
    age_s=st.integers(1, 20_000),
    max_bytes=st.none() | st.integers(0, 3000 * MB),
    wanted=st.integers(0, 3000 * MB),
    batch=st.integers(1, 30),
)
def test_plan_whatever_the_site_looks_like(
    segments: list[Segment], holds: list[Hold], age_s: int, max_bytes: int | None, wanted: int, batch: int
) -> None:
    limits = Limits(max_age_ns=age_s * NS_PER_S, max_bytes=max_bytes)
    chosen = make_plan(segments, holds, limits=limits, wanted=wanted, batch=batch)
    whole = make_plan(segments, holds, limits=limits, wanted=wanted, batch=1000)
    gone = [one for one, _ in whole.doomed]
    kept = [one for one in segments if one not in gone]
    # never the open, the held, the youngest
    for one in gone:
        assert one.is_sealed and not is_held(one, holds, NOW) and one.end_ns <= NOW - REST_NS
    # all that is old goes
    free = [one for one in kept if one.is_sealed and not is_held(one, holds, NOW) and one.end_ns <= NOW - REST_NS]
    assert all(one.end_ns > NOW - limits.max_age_ns for one in free)
    # oldest first: what is young goes only when nothing that begins earlier could go instead
    for one, reason in whole.doomed:
        if reason is not Reason.AGE:
            assert all(one.header.start_ns <= other.header.start_ns for other in free)
    # enough, or everything that may go; and not one more than enough
    stored = sum(one.bytes_on_disk for one in segments)
    needed = max(wanted, 0 if max_bytes is None else stored - max_bytes)
    freed = sum(one.bytes_on_disk for one in gone)
    assert freed >= needed or not free
    last, reason = whole.doomed[-1] if whole.doomed else (None, Reason.AGE)
    if last is not None and reason is not Reason.AGE:
        assert freed - last.bytes_on_disk < needed
    # a batch is the beginning of the whole
    assert chosen.doomed == whole.doomed[:batch]
    assert chosen.has_more == (len(whole.doomed) > batch)


def test_hold_when_it_touches_by_a_nanosecond_holds() -> None:
    segment, hold = make_segment(0, 60), make_hold(60, 90, expires_s=20_000)
    assert is_held(segment, [hold], NOW)
    assert not is_held(segment, [replace(hold, start_ns=at(60) + 1)], NOW)
    assert not is_held(segment, [hold], at(20_000))


def look(from_s: float, to_s: float, tracks: int = 0) -> Look:
    return Look(from_ns=at(from_s), to_ns=at(to_s), tracks=tracks)


@pytest.mark.parametrize(
    ("looks", "is_quiet"),
    [
        ([look(0, 30), look(30, 61)], True),
        ([look(30, 61), look(-5, 30)], True),
        ([], False),
        ([look(0, 30), look(30, 59)], False),
        ([look(1, 61)], False),
        ([look(0, 30), look(31, 61)], False),
        ([look(0, 30), look(20, 25, tracks=1), look(30, 61)], False),
        ([look(0, 61), look(-9, -5, tracks=1), look(62, 70, tracks=1)], True),
        ([look(0, 61), look(60, 70, tracks=1)], False),
    ],
    ids=[
        "all looked at",
        "in any order",
        "never analysed",
        "the end is missing",
        "the start is missing",
        "a hole",
        "somebody in it",
        "somebody before and after",
        "somebody at its last moment",
    ],
)
def test_is_proven_quiet_when_analysis_says_so_for_all_of_it_then_and_only_then(
    looks: list[Look], is_quiet: bool
) -> None:
    assert is_proven_quiet(at(0), at(60), looks) is is_quiet
