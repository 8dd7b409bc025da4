"""UTC from arrivals and cameras' reports: bursts, jitter, drift, stepped clocks, cameras that tell a wrong time."""

import random
from collections.abc import Callable
from itertools import pairwise

import pytest

from custodes.ingest.clock import (
    CATCH_UP_PPM,
    MAX_EARLY_NS,
    MAX_LATE_NS,
    SLEW_PPM,
    UNSEEN_DELAY_NS,
    RunClock,
)
from custodes.types.media import ClockReading, ClockSource
from custodes.units import NS_PER_S, Ns

T0 = 1_767_225_600 * NS_PER_S
FRAME_NS = NS_PER_S // 10
GOP = 10
MS = 1_000_000
LATE_NS = 80 * MS
"""How late packets arrive, in the tests of camera time."""


def run(
    clock: RunClock,
    frames: range,
    arrival: Callable[[int], int],
    *,
    wall_step: Callable[[int], int] = lambda n: 0,
    camera: Callable[[int], int] | None = None,
) -> list[int]:
    """`arrival`: of frame n, by a clock that is never set; `wall_step`: what the wall clock was set by then."""
    times = []
    for number in frames:
        clock.observe(
            number,
            arrival_ns=Ns(arrival(number) + wall_step(number)),
            monotonic_ns=Ns(arrival(number) - T0),
            camera_ns=None if camera is None else Ns(camera(number)),
        )
        times.append(clock.utc_ns(number, is_keyframe=number % GOP == 0))
    return times


def make() -> RunClock:
    return RunClock(time_base_num=1, time_base_den=10)


def late(number: int) -> int:
    return T0 + number * FRAME_NS + LATE_NS


def test_utc_when_arrivals_jitter_then_converges_to_the_least_delay_and_gops_keep_the_stream_s_own_time() -> None:
    chance = random.Random(1)
    clock = make()
    times = run(clock, range(6000), lambda n: T0 + n * FRAME_NS + chance.randrange(1_000_000, 80_000_000))
    assert all(times[n] - times[n - n % GOP] == (n % GOP) * FRAME_NS for n in range(6000))
    assert abs(times[-1] - (T0 + 5999 * FRAME_NS)) < 5_000_000
    assert clock.anchors == 1


def test_utc_when_the_start_up_burst_was_observed_first_then_the_first_packet_is_already_right() -> None:
    clock = make()
    for number in range(15):  # all at once, 1.4 s late for the first
        clock.observe(number, arrival_ns=Ns(T0 + 14 * FRAME_NS), monotonic_ns=Ns(0))
    assert clock.utc_ns(0, is_keyframe=True) == T0


@pytest.mark.parametrize("ppm", [-100, 100])
def test_utc_when_the_camera_s_crystal_drifts_then_follows_within_the_slew(ppm: int) -> None:
    clock = make()
    frames = range(36_000)
    times = run(clock, frames, lambda n: T0 + n * FRAME_NS * (1_000_000 + ppm) // 1_000_000)
    truth = T0 + 35_999 * FRAME_NS * (1_000_000 + ppm) // 1_000_000
    assert abs(times[-1] - truth) < 10_000_000
    steps = [abs(times[n + GOP] - times[n] - GOP * FRAME_NS) for n in range(0, 35_980, GOP)]
    assert max(steps) <= GOP * FRAME_NS * SLEW_PPM // 1_000_000


@pytest.mark.parametrize("step_s", [3600, -3600])
def test_utc_when_the_machine_s_clock_is_stepped_then_told_at_once_and_anchored_anew(step_s: int) -> None:
    clock = make()
    step_ns = step_s * NS_PER_S
    run(clock, range(505), late)
    clock.observe(505, arrival_ns=Ns(late(505) + step_ns), monotonic_ns=Ns(late(505) - T0))
    assert clock.has_stepped()
    times = run(clock, range(506, 1000), late, wall_step=lambda n: step_ns)
    assert abs(times[-1] - (late(999) + step_ns)) < 10_000_000
    assert clock.anchors == 2
    assert not clock.has_stepped()


def test_utc_when_ntp_steps_by_less_than_a_new_run_is_worth_then_follows_slowly_and_never_back() -> None:
    clock = make()
    times = run(clock, range(6000), late, wall_step=lambda n: -400 * MS if n >= 300 else 0)
    assert all(a < b for a, b in pairwise(times))
    assert abs(times[-1] - (late(5999) - 400 * MS)) < 2 * MS
    assert clock.anchors == 1


def test_utc_when_the_camera_reports_its_time_then_delay_is_taken_off_and_the_error_says_how_far_both_differ() -> None:
    clock = make()
    times = run(clock, range(6000), late, camera=lambda n: T0 + n * FRAME_NS)
    assert times[-1] == T0 + 5999 * FRAME_NS
    reading = clock.reading()
    assert reading.source is ClockSource.CAMERA
    assert reading.camera_offset_ns == -LATE_NS
    assert reading.error_ns == LATE_NS
    assert clock.anchors == 1


def test_utc_when_reports_begin_late_then_time_moves_to_the_camera_s_without_going_back() -> None:
    clock = make()
    early_ns = 900 * MS
    before = run(clock, range(50), late)
    assert clock.reading() == ClockReading(source=ClockSource.ARRIVAL, error_ns=UNSEEN_DELAY_NS)
    after = run(clock, range(50, 4000), late, camera=lambda n: late(n) - early_ns)
    times = before + after
    steps = [b - a for a, b in zip(times[::GOP], times[GOP::GOP], strict=False)]
    assert min(steps) >= GOP * FRAME_NS * (1_000_000 - CATCH_UP_PPM) // 1_000_000
    assert times[-1] == late(3999) - early_ns


def test_reading_while_time_moves_to_the_camera_s_then_the_error_covers_what_is_left() -> None:
    clock = make()
    run(clock, range(50), late)
    times = run(clock, range(50, 500), late, camera=lambda n: late(n) - 900 * MS)
    assert clock.reading().error_ns >= times[-1] - (late(499) - 900 * MS)


@pytest.mark.parametrize(
    "offset_ns",
    [MAX_LATE_NS + MS, -MAX_EARLY_NS - MS, 3600 * NS_PER_S, -7200 * NS_PER_S, -T0 + 1, 80 * 365 * 86_400 * NS_PER_S],
    ids=["just ahead", "just behind", "an hour ahead", "two hours behind", "1970", "2106"],
)
def test_utc_when_the_camera_s_clock_is_wrong_then_arrivals_count_and_the_offset_is_kept(offset_ns: int) -> None:
    clock = make()
    times = run(clock, range(600), late, camera=lambda n: late(n) + offset_ns)
    assert times[-1] == late(599)
    assert clock.reading() == ClockReading(
        source=ClockSource.ARRIVAL, error_ns=UNSEEN_DELAY_NS, camera_offset_ns=offset_ns
    )


def test_utc_when_the_camera_lies_at_random_then_it_stays_within_a_second_of_the_arrivals() -> None:
    chance = random.Random(7)
    clock = make()
    times = run(clock, range(6000), late, camera=lambda n: late(n) + chance.choice((-1, 1)) * chance.randrange(10**12))
    assert all(abs(late(n) - at) <= MAX_EARLY_NS for n, at in enumerate(times))
    assert clock.anchors == 1


def test_utc_when_the_camera_sets_its_clock_by_ntp_then_no_step_and_its_time_counts_from_then_on() -> None:
    clock = make()
    times = run(clock, range(4000), late, camera=lambda n: late(n) - (50 * MS if n > 1000 else T0))
    assert all(a < b for a, b in pairwise(times))
    assert clock.reading().source is ClockSource.CAMERA
    assert times[-1] == late(3999) - 50 * MS


def test_reading_when_one_report_s_first_packet_carries_its_successor_s_time_then_it_does_not_count() -> None:
    clock = make()
    run(clock, range(10), late)
    run(clock, range(10, 11), late, camera=lambda n: T0 + (n + 1) * FRAME_NS)
    run(clock, range(11, 14), late, camera=lambda n: T0 + n * FRAME_NS)
    assert clock.reading().camera_offset_ns == -LATE_NS
