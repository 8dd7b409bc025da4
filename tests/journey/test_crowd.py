"""What everybody's looks have in common tells nobody from anybody, and is kept no longer than looks are."""

from dataclasses import replace

import numpy as np

from custodes.journey.crowd import Crowd
from custodes.journey.fusion import Fusion, Placed
from custodes.units import NS_PER_S, CameraId, RunId

LEFT, RIGHT, RUN = CameraId("left"), CameraId("right"), RunId("00000000beef")
PERSON, VEHICLE = 0, 1
LIGHT, COAT, HAT = np.eye(5, dtype=np.float32)[:3]


def dressed(track, own, group=PERSON, camera=LEFT, light=LIGHT):
    """Two who are dressed otherwise are .8 alike, by the light alone."""
    look = np.sqrt(np.float32(0.8)) * light + np.sqrt(np.float32(0.2)) * own
    return Placed(
        key=(camera, RUN, track),
        group=group,
        place_m=np.array([3.0 * track, 0.0]),
        spread_m2=np.eye(2) * 0.04,
        look=look.astype(np.float32),
    )


def crowd_of(*seen, looks=200):
    crowd = Crowd()
    for _ in range(looks):
        crowd.take(seen)
    return crowd


def alike(crowd, first, second):
    one, other = (crowd.apart(seen.group, seen.key[0], seen.look) for seen in (first, second))
    return float(one @ other)


def test_strangers_who_were_alike_by_the_light_alone_are_so_no_longer():
    coat, hat = dressed(1, COAT), dressed(2, HAT)
    assert coat.look @ hat.look > 0.79
    crowd = crowd_of(coat, hat)
    assert alike(crowd, coat, hat) < 0.2
    assert alike(crowd, coat, dressed(3, COAT)) > 0.999


def test_before_enough_was_seen_looks_are_hardly_changed():
    coat, hat = dressed(1, COAT), dressed(2, HAT)
    assert alike(crowd_of(coat, hat, looks=2), coat, hat) > 0.75


def test_who_was_alone_for_long_still_looks_like_themselves_and_not_like_the_next():
    coat, hat = dressed(1, COAT), dressed(2, HAT)
    crowd = crowd_of(coat, looks=5000)
    assert alike(crowd, coat, dressed(3, COAT)) > 0.999
    assert alike(crowd, coat, hat) < coat.look @ hat.look


def test_each_camera_and_group_has_its_own():
    crowd = crowd_of(dressed(1, COAT), dressed(2, HAT))
    for stranger in (dressed(1, COAT, group=VEHICLE), dressed(1, COAT, camera=RIGHT)):
        apart = crowd.apart(stranger.group, stranger.key[0], stranger.look)
        assert np.allclose(apart, stranger.look, atol=1e-6)


def test_forgotten_means_overwritten_and_given_looks_are_not_touched():
    coat = dressed(1, COAT)
    before, crowd = coat.look.copy(), crowd_of(coat)
    (mean,) = crowd._means.values()
    kept = mean.look
    assert kept @ LIGHT > 0.5
    crowd.forget()
    assert not kept.any()
    assert len(crowd) == 0
    assert np.array_equal(coat.look, before)


def test_a_ground_keeps_it_while_somebodys_look_is_known_and_not_longer():
    fusion, step_ns = Fusion(), NS_PER_S // 5
    for step in range(10):
        fusion.step(step * step_ns, [dressed(1, COAT)])
    (mean,) = fusion._crowd._means.values()
    kept = mean.look
    for step in range(10, 45):
        fusion.step(step * step_ns, [replace(dressed(2, HAT), look=None)])
    assert kept.any()  # the first may come back
    fusion.step(10 * NS_PER_S, [])
    assert not kept.any()
    assert len(fusion._crowd) == 0


def test_it_goes_with_all_looks_when_they_are_to_go():
    fusion = Fusion()
    fusion.step(0, [dressed(1, COAT)])
    assert len(fusion._crowd) == 1
    fusion.forget_looks()
    assert len(fusion._crowd) == 0
