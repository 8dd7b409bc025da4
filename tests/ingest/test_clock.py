"""UTC from arrivals: late bursts, jitter, drift and stepped clocks."""

import random
from collections.abc import Callable

import pytest

from custodes.ingest.clock import SLEW_PPM, RunClock
from custodes.units import NS_PER_S, Ns

T0 = 1_767_225_600 * NS_PER_S
FRAME_NS = NS_PER_S // 10
GOP = 10


def run(clock: RunClock, frames: range, arrival: Callable[[int], int]) -> list[int]:
    times = []
    for number in frames:
        clock.observe(number, Ns(arrival(number)))
        times.append(clock.utc_ns(number, is_keyframe=number % GOP == 0))
    return times


def make() -> RunClock:
    return RunClock(time_base_num=1, time_base_den=10)


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
        clock.observe(number, Ns(T0 + 14 * FRAME_NS))
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
def test_utc_when_the_machine_s_clock_is_stepped_then_anchors_anew_at_a_keyframe(step_s: int) -> None:
    clock = make()
    times = run(clock, range(1000), lambda n: T0 + n * FRAME_NS + (step_s * NS_PER_S if n >= 505 else 0))
    truth = T0 + 999 * FRAME_NS + step_s * NS_PER_S
    assert abs(times[-1] - truth) < 10_000_000
    assert clock.anchors == 2
    assert not clock.has_stepped()
    assert times[509] - times[500] == 9 * FRAME_NS
