"""When packets or pixels may decide: evidence, its interval, and the way down and back."""

import numpy as np
import pytest

from custodes.pipeline.reliability import Evidence, wilson
from custodes.pipeline.trust import PIXEL_TRIALS, PROOF_AGAIN, TRUST_TRIALS, Trust
from custodes.testing.camera import stream_info
from custodes.types.event import GateMode

INFO = stream_info(codec="h264")


def boxes(*lefts: float):
    return np.array([[left, 0.2, left + 0.1, 0.6] for left in lefts], np.float32).reshape(-1, 4)


def quiet(trust, count, missed=0):
    for number in range(count):
        trust.audits.put(is_missed=number < missed)
    trust.choose(INFO, 1)


@pytest.mark.parametrize(
    ("missed", "trials", "low", "high"),
    [(0, 0, 0.0, 1.0), (0, 20, 0.0, 0.161), (1, 20, 0.009, 0.236), (10, 20, 0.299, 0.701), (20, 20, 0.839, 1.0)],
)
def test_the_interval_is_wilsons(missed, trials, low, high):
    assert wilson(missed, trials) == (pytest.approx(low, abs=1e-3), pytest.approx(high, abs=1e-3))


def test_old_trials_fade():
    evidence = Evidence()
    for _ in range(3000):
        evidence.put(is_missed=False)
    for _ in range(200):
        evidence.put(is_missed=True)
    assert evidence.is_bad(0.1)


def test_packets_are_trusted_after_enough_quiet_gops_and_no_sooner():
    trust = Trust()
    quiet(trust, TRUST_TRIALS - 1)
    assert trust.mode is GateMode.LEARNING
    quiet(trust, 1)
    assert trust.mode is GateMode.PACKETS


def test_one_miss_is_bad_luck_and_two_end_the_trust_until_it_is_earned_again():
    trust = Trust()
    quiet(trust, TRUST_TRIALS)
    quiet(trust, 1, missed=1)
    assert trust.mode is GateMode.PACKETS
    quiet(trust, 1, missed=1)
    assert trust.mode is GateMode.PIXELS
    quiet(trust, 2 * TRUST_TRIALS)
    assert trust.mode is GateMode.PIXELS
    for _ in range(PROOF_AGAIN):
        trust.episodes.put(is_missed=False)
    trust.choose(INFO, 2)
    assert trust.mode is GateMode.PACKETS
    assert [change.mode for change in trust.changes()] == [GateMode.PACKETS, GateMode.PIXELS, GateMode.PACKETS]
    assert "of" in trust.reason


def test_each_time_trust_is_lost_it_takes_twice_as_long():
    trust, waited = Trust(), []
    for _ in range(3):
        count = 0
        for _ in range(PROOF_AGAIN):
            trust.episodes.put(is_missed=False)
        while trust.mode is not GateMode.PACKETS:
            quiet(trust, 1)
            count += 1
        waited.append(count)
        quiet(trust, 3, missed=3)
        assert trust.mode is GateMode.PIXELS
    assert waited == [TRUST_TRIALS, 2 * TRUST_TRIALS, 4 * TRUST_TRIALS]


def test_somebody_new_in_still_pictures_again_and_again_ends_the_trust_in_pixels_too():
    trust = Trust()
    for number in range(2):
        trust.take_pixels(True, boxes(number / 5))
        trust.choose(INFO, 1)
    assert trust.mode is GateMode.EVERY_FRAME
    for _ in range(PIXEL_TRIALS):
        trust.take_pixels(False, boxes())
        trust.choose(INFO, 2)
    assert trust.mode is GateMode.PIXELS


def test_what_stands_at_one_place_is_no_miss_each_time_it_is_found():
    trust = Trust()
    for _ in range(50):
        trust.take_pixels(True, boxes(0.3))
        trust.choose(INFO, 1)
    assert trust.mode is GateMode.LEARNING
