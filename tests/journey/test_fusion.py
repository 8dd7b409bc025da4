"""One person is one dot, whichever cameras see them; two people that a camera tells apart stay two."""

from dataclasses import replace

import numpy as np
import pytest

from custodes.journey.dots import DotState
from custodes.journey.fusion import Fusion, Placed, numbers_of
from custodes.units import NS_PER_S, CameraId, RunId

LEFT, RIGHT = CameraId("left"), CameraId("right")
RUN = RunId("00000000beef")
STEP_NS = NS_PER_S // 5


def placed(camera, track, place, sd=0.2, group=0):
    return Placed(key=(camera, RUN, track), group=group, place_m=np.array(place, float), spread_m2=np.eye(2) * sd**2)


def walk(seen_at, steps, seed=1, sd=0.2):
    """`seen_at(step)` → list of (camera, track, place); returns the dots of each step."""
    fusion, rng, told = Fusion(), np.random.default_rng(seed), []
    for step in range(steps):
        seen = [placed(camera, track, place + rng.normal(0, sd, 2), sd) for camera, track, place in seen_at(step)]
        told.append(fusion.step(step * STEP_NS, seen))
    return told


def at(step, y=0.0):
    return np.array([1.2 * step / 5, y])


def test_one_person_in_two_views_is_one_dot_and_keeps_its_number_from_view_to_view():
    def seen(step):
        left = [(LEFT, 1, at(step))] if step < 60 else []
        right = [(RIGHT, 7, at(step))] if step > 30 else []
        return left + right

    told = walk(seen, 100)
    numbers = {dot.number for dots in told[10:] for dot in dots}
    assert len(numbers) == 1
    assert all(len(dots) == 1 for dots in told[10:])
    assert len(told[50][0].tracks) == 2
    assert np.abs(told[80][0].place_m - at(80)).max() < 0.5
    assert abs(told[80][0].velocity_mps[0] - 1.2) < 0.3


def test_two_people_side_by_side_stay_two_when_a_camera_tells_them_apart():
    def seen(step):
        return [(LEFT, 1, at(step)), (LEFT, 2, at(step, 0.5)), (RIGHT, 8, at(step)), (RIGHT, 9, at(step, 0.5))]

    told = walk(seen, 80, sd=0.1)
    assert all(len(dots) == 2 for dots in told[10:])
    first = numbers_of(told[20])
    assert first[LEFT, RUN, 1] == first[RIGHT, RUN, 8] != first[LEFT, RUN, 2] == first[RIGHT, RUN, 9]
    assert all(numbers_of(dots) == first for dots in told[20:])


def test_a_track_that_comes_back_does_not_share_its_dot_with_the_one_that_took_it():
    def seen(step):
        if step < 30:
            return [(LEFT, 1, at(step))]
        if step < 45:
            return [(LEFT, 2, at(step))]
        return [(LEFT, 1, at(step, 4.0)), (LEFT, 2, at(step))]

    told = walk(seen, 80)
    last = numbers_of(told[-1])
    assert last[LEFT, RUN, 1] != last[LEFT, RUN, 2]
    assert last[LEFT, RUN, 2] == told[20][0].number


def test_two_dots_that_turn_out_to_be_one_are_merged():
    def seen(step):
        right = [(RIGHT, 7, at(step, 9.0 if step < 25 else 0.0))]
        return [(LEFT, 1, at(step)), *right]

    told = walk(seen, 90)
    assert len(told[20]) == 2
    assert len(told[-1]) == 1


def test_people_and_vehicles_are_never_one():
    fusion = Fusion()
    for step in range(30):
        dots = fusion.step(step * STEP_NS, [placed(LEFT, 1, at(step)), placed(RIGHT, 7, at(step), group=1)])
    assert {dot.group for dot in dots} == {0, 1}


def test_nothing_seen_for_long_is_forgotten_with_its_tracks():
    fusion = Fusion()
    fusion.step(0, [placed(LEFT, 1, (0, 0))])
    fusion.step(NS_PER_S, [placed(LEFT, 1, (0, 0))])
    assert fusion.number_of((LEFT, RUN, 1)) == 1
    assert fusion.step(60 * NS_PER_S, []) == []
    assert fusion.number_of((LEFT, RUN, 1)) == 0


def test_where_boxes_overlap_a_tracker_that_swaps_two_people_is_overruled_by_the_other_camera():
    def seen(step):
        # Two walk towards each other and past; the right camera's tracker takes one for the other when they meet.
        first, second = at(step), np.array([12.0, 0.8]) - at(step)
        is_swapped = step >= 25
        right = [(8, second if is_swapped else first), (9, first if is_swapped else second)]
        return [(LEFT, 1, first), (LEFT, 2, second), *((RIGHT, track, place) for track, place in right)]

    fusion, rng, told = Fusion(), np.random.default_rng(3), []
    for step in range(60):
        mixed = 20 <= step <= 30
        told.append(
            fusion.step(
                step * STEP_NS,
                [
                    replace(
                        placed(camera, track, place + rng.normal(0, 0.1, 2), 0.1), is_mixed=mixed and camera == RIGHT
                    )
                    for camera, track, place in seen(step)
                ],
            )
        )
    before, after = numbers_of(told[15]), numbers_of(told[-1])
    assert before[LEFT, RUN, 1] == before[RIGHT, RUN, 8]
    assert after[LEFT, RUN, 1] == after[RIGHT, RUN, 9] == before[LEFT, RUN, 1]
    assert after[LEFT, RUN, 2] == after[RIGHT, RUN, 8] == before[LEFT, RUN, 2]


def test_a_camera_whose_calibration_is_off_keeps_its_tracks_with_the_dots_that_they_began_on():
    def seen(step):
        off = np.array([0.0, min(0.02 * step, 1.6)])  # ever farther off, as towards the edge of what was measured
        return [
            (LEFT, 1, at(step)),
            (LEFT, 2, at(step, 2.0)),
            (RIGHT, 8, at(step) + off),
            (RIGHT, 9, at(step, 2.0) + off),
        ]

    told = walk(seen, 100, sd=0.1)
    first = numbers_of(told[20])
    assert first[LEFT, RUN, 1] == first[RIGHT, RUN, 8] != first[LEFT, RUN, 2]
    assert numbers_of(told[-1]) == first


LOOKS = np.linalg.qr(np.random.default_rng(3).normal(size=(32, 3)))[0].T


def dressed(rng, camera, track, place, person):
    """Same person's looks are about .94 alike, two people's .72."""
    look = np.sqrt([0.72, 0.22]) @ LOOKS[[0, person]] + 0.25 * rng.normal(size=32) / 32**0.5
    return replace(placed(camera, track, place), look=look / np.linalg.norm(look), is_mixed=True)


def meeting(step):
    """Two people walk up to one another, stand together for two seconds, and each goes back the way they came."""
    reach = abs(step - 40) - 10
    return max(reach, 0) * 0.2 + 0.02


@pytest.mark.parametrize("seed", range(6))
def test_two_who_turn_back_where_they_met_are_told_apart_by_their_looks_though_the_tracker_swaps_them(seed):
    rng, fusion, told = np.random.default_rng(seed), Fusion(), []
    for step in range(80):
        first, second = (1, 2) if step < 40 else (2, 1)  # the tracker takes them to have passed one another
        apart = np.array([meeting(step), 0.0])
        feet = np.stack([-apart, apart]) + rng.normal(0, 0.15, (2, 2))
        seen = [dressed(rng, LEFT, first, feet[0], 1), dressed(rng, LEFT, second, feet[1], 2)]
        told.append(numbers_of(fusion.step(step * STEP_NS, seen)))
    assert told[20][LEFT, RUN, 1] == told[79][LEFT, RUN, 2]
    assert told[20][LEFT, RUN, 2] == told[79][LEFT, RUN, 1]


def look_of(number):
    """(4,) unit: one of four who are dressed differently."""
    return np.eye(4, dtype=np.float32)[number]


def test_a_look_is_copied_and_overwritten_when_its_dot_is_over():
    fusion, given = Fusion(), look_of(1)
    for step in range(3):
        fusion.step(step * STEP_NS, [replace(placed(LEFT, 1, (0, 0)), look=given)])
    (dot,) = fusion._dots.values()
    kept = dot.looks[LEFT]
    given[:] = 0
    assert kept @ look_of(1) > 0.999
    fusion.step(round(8.3 * NS_PER_S), [])
    assert fusion.looks == 1
    fusion.step(round(8.5 * NS_PER_S), [])
    assert fusion.looks == 0
    assert not kept.any()


def test_a_look_is_overwritten_when_two_dots_are_merged_and_when_all_are_to_go():
    fusion, kept = Fusion(), []
    for step in range(60):
        place = at(step, max(0.0, 3.0 - 0.1 * step))
        fusion.step(
            step * STEP_NS,
            [replace(placed(LEFT, 1, at(step)), look=look_of(2)), replace(placed(RIGHT, 7, place), look=look_of(2))],
        )
        if step == 10:
            kept = [look for dot in fusion._dots.values() for look in dot.looks.values()]
    assert len(fusion._dots) == 1
    assert [look.any() for look in kept] == [True, True]  # one of each camera
    fusion.forget_looks()
    assert not any(look.any() for look in kept)
    assert len(fusion.step(60 * STEP_NS, [placed(LEFT, 1, at(60))])) == 1


def test_of_two_looks_of_one_camera_a_merged_dot_keeps_its_own_and_the_other_is_overwritten():
    kept, gone = (DotState(number=number, group=0, mean=np.zeros(4), spread=np.eye(4), seen_ns=0) for number in (1, 2))
    for dot, cameras in ((kept, [LEFT]), (gone, [LEFT, RIGHT])):
        for camera in cameras:
            dot.see(camera, look_of(dot.number))
    lost, moved = gone.looks[LEFT], gone.looks[RIGHT]
    kept.take_looks(gone)
    assert not lost.any()
    assert not gone.looks
    assert kept.looks[RIGHT] is moved
    assert kept.looks[LEFT] @ look_of(1) > 0.999


def test_a_look_made_of_one_says_less_than_of_three():
    dot = DotState(number=1, group=0, mean=np.zeros(4), spread=np.eye(4), seen_ns=0)
    weights = []
    for _ in range(4):
        dot.see(LEFT, look_of(1))
        weights.append(dot.weight(LEFT))
    assert weights == sorted(weights)
    assert weights[0] < 0.5
    assert weights[2] == weights[3] == 1.0


@pytest.mark.parametrize("mix", [(0.70, 0.16, 0.08), (0.49, 0.24, 0.24)], ids=["small pictures", "large pictures"])
def test_how_alike_one_persons_looks_are_is_learnt_and_never_tears_them_apart(mix):
    # Six walk apart from one another, seen by two cameras that show colours differently: six dots, also at the end.
    rng, fusion = np.random.default_rng(5), Fusion()
    vectors = rng.normal(size=(20, 200)) / 200**0.5
    for step in range(100):
        seen = []
        for person in range(6):
            place = at(step, 2.5 * person)
            for camera, other in ((LEFT, 0), (RIGHT, 6)):
                parts = np.stack([vectors[0], vectors[1 + person], vectors[7 + person + other]])
                look = np.sqrt(mix) @ parts + 0.2 * rng.normal(size=200) / 200**0.5
                look = (look / np.linalg.norm(look)).astype(np.float32)
                seen.append(replace(placed(camera, person + other, place + rng.normal(0, 0.1, 2)), look=look))
        dots = fusion.step(step * STEP_NS, seen)
    assert [len(dot.tracks) for dot in dots] == [2] * 6
    assert all(one[2] % 6 == other[2] % 6 for one, other in (dot.tracks for dot in dots))


@pytest.mark.parametrize("has_looks", [True, False])
def test_who_leaves_a_group_on_whichever_side_keeps_their_number_where_looks_are_known(has_looks):
    # Two come from both sides, stand in one place where the view has them as one box, and go back as they came.
    fusion, told = Fusion(), []
    for step in range(95):
        away, is_near = abs(step - 50) / 5 * 0.8, 35 <= step <= 65
        tracks = [(1, 0.0, 0)] if is_near else [(1 + step // 50 * 20, -away, 0), (2 + step // 50 * 20, away, 1)]
        seen = [
            replace(
                placed(LEFT, track, (x, 0.0)),
                is_mixed=is_near,
                look=look_of(who) if has_looks and not is_near else None,
            )
            for track, x, who in tracks
        ]
        told.append(numbers_of(fusion.step(step * STEP_NS, seen)))
    kept = [told[30][LEFT, RUN, track] == told[-1][LEFT, RUN, track + 20] for track in (1, 2)]
    assert kept == ([True, True] if has_looks else [False, False])


def test_cars_in_two_cameras_that_see_their_different_ends_are_one_dot_each():
    # Two at 14 m/s, the second brakes at 3 m/s² for two seconds; each camera takes the end that it sees for the car.
    rng, numbers, counts = np.random.default_rng(6), {1: set(), 2: set()}, []
    fusion = Fusion()
    for step in range(40):
        second = step / 5
        braked = 1.5 * np.clip(second - 3, 0, 2) ** 2 + 6 * max(second - 5, 0)
        seen = [
            placed(
                camera, track, np.array([14 * second - away - late, 0.0]) + end + rng.normal(0, 0.3, 2), 0.3, group=1
            )
            for camera, end in ((LEFT, -1.0), (RIGHT, 1.0))
            for track, away, late in ((1, 0.0, 0.0), (2, 25.0, braked))
        ]
        dots = fusion.step(step * STEP_NS, seen)
        for (_, _, track), number in numbers_of(dots).items():
            numbers[track].add(number)
        counts.append(len(dots))
    assert counts[-25:] == [2] * 25
    assert [len(one) for one in numbers.values()] == [1, 1]
