"""Planning regions: scale by expected size, joining, the bound of a frame and who is served first."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from custodes.detect.regions import (
    BEST_PX,
    ENLARGE_MAX,
    LARGEST_PX,
    RegionLimits,
    SizeMap,
    Wanted,
    fit_region,
    heights_as_people,
    plan_regions,
)

LIMITS = RegionLimits()
HD = (1920, 1080)


def wanted(*boxes, heights=None, since=None):
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    heights = boxes[:, 3] - boxes[:, 1] if heights is None else np.array(heights, np.float32)
    since = np.zeros(len(boxes), np.int64) if since is None else np.array(since, np.int64)
    return Wanted(boxes_px=boxes, small_px=heights, large_px=heights, since_ns=since)


def plan(*boxes, size=HD, limits=LIMITS, whole=False, **more):
    return plan_regions(wanted(*boxes, **more), size, limits, is_whole_due=whole)


def holds(region, box):
    return region.x1 <= box[0] and region.y1 <= box[1] and region.x2 >= box[2] and region.y2 >= box[3]


@given(
    st.tuples(st.integers(16, 4000), st.integers(16, 4000)),
    st.tuples(*[st.floats(0, 1)] * 4),
    st.floats(0.1, ENLARGE_MAX),
    st.sampled_from([16, 32, 64]),
    st.sampled_from([None, (672, 384), (320, 544)]),
)
def test_a_region_when_fitted_then_it_lies_in_the_frame_holds_the_box_and_keeps_the_budget(
    size, corners, scale, stride, fixed
):
    limits = RegionLimits(stride_px=stride, fixed_px=fixed, whole_px=fixed[0] * fixed[1] if fixed else 352 * 352)
    x = sorted((corners[0] * size[0], corners[2] * size[0]))
    y = sorted((corners[1] * size[1], corners[3] * size[1]))
    region = fit_region((x[0], y[0], x[1], y[1]), scale, size, limits)
    assert 0 <= region.x1 < region.x2 <= size[0]
    assert 0 <= region.y1 < region.y2 <= size[1]
    assert all(value % 2 == 0 for value in (region.x1, region.y1, region.x2, region.y2))
    assert region.width_px % stride == region.height_px % stride == 0
    assert region.width_px * region.height_px <= limits.whole_px
    assert fixed is None or (region.width_px <= fixed[0] and region.height_px <= fixed[1])
    # Even pixels: at an odd edge of the frame the last row or column is left out.
    assert region.x1 <= x[0] + 2 and region.x2 >= x[1] - 2
    assert region.y1 <= y[0] + 2 and region.y2 >= y[1] - 2


@pytest.mark.parametrize("height", [24, 40, 80, 300, 900], ids=str)
def test_one_person_when_planned_then_the_network_sees_a_good_height(height):
    box = (900, 100, 900 + height / 3, 100 + height)
    result = plan(box)
    (region,) = result.regions
    assert holds(region, box)
    assert 0.7 * BEST_PX < region.scale * height < LARGEST_PX
    assert not result.is_whole


def test_two_people_side_by_side_when_planned_then_they_share_a_region():
    assert len(plan((500, 500, 530, 590), (540, 500, 570, 590)).regions) == 1


def test_two_people_far_apart_when_planned_then_each_has_a_region():
    assert len(plan((100, 500, 130, 590), (1700, 500, 1730, 590)).regions) == 2


def test_many_people_everywhere_when_planned_then_the_whole_frame_does_for_the_large_ones_only():
    large = [(x, y, x + 60, y + 150) for x in range(0, 1850, 300) for y in (0, 300, 600)]
    small = (1000, 900, 1010, 930)
    result = plan(*large, small)
    assert result.is_whole
    assert len(result.regions) == 1
    assert holds(result.regions[0], small)


def test_what_does_not_fit_when_planned_then_it_is_shed_and_who_waits_longest_is_served():
    boxes = [(x, y, x + 14, y + 30) for x in range(50, 1900, 300) for y in (100, 500, 900)]
    limits = RegionLimits(frame_px=4 * 96 * 96)
    since = np.arange(len(boxes))[::-1]
    result = plan(*boxes, limits=limits, since=since)
    assert len(result.regions) + len(result.shed_px) == len(boxes)
    assert 0 < len(result.regions) <= 4
    served = [box for box in boxes if any(holds(region, box) for region in result.regions)]
    assert served == boxes[-len(served) :]


def test_nothing_wanted_when_the_whole_is_due_then_only_the_whole():
    result = plan(whole=True)
    assert result.is_whole
    assert result.regions == ()


def test_more_parts_than_the_bound_when_planned_then_they_are_joined():
    rng = np.random.default_rng(4)
    corners = rng.uniform(0, 1000, (60, 2))
    result = plan(*np.concatenate([corners, corners + 12], axis=1))
    assert len(result.regions) + len(result.shed_px) <= 24


def test_sizes_when_learnt_then_each_place_expects_its_own_and_its_row_the_mean():
    sizes = SizeMap()
    for _ in range(50):
        boxes = np.array([[0.1, 0.2, 0.12, 0.3], [0.5, 0.5, 0.6, 0.9]], np.float32)
        sizes.learn(boxes, np.array([0.1, 0.4], np.float32))
    asked = np.array([[0.1, 0.25, 0.12, 0.3], [0.9, 0.25, 0.92, 0.3], [0.0, 0.0, 0.1, 0.1]], np.float32)
    np.testing.assert_allclose(sizes.expected(asked), [0.1, 0.1, 0.0], atol=1e-6)


def test_large_things_when_no_people_then_they_get_a_larger_scale_than_people_of_that_height():
    boxes = np.array([[0, 0, 100, 60], [0, 0, 150, 250], [0, 0, 150, 250]], np.float32)
    for turn, larger in ((0, 100), (1, 137.5), (2, 100)):
        heights = heights_as_people(boxes, np.array([False, False, True]), turn=turn)
        np.testing.assert_allclose(BEST_PX / heights * [60, 250, 250], [48, larger, 48])
