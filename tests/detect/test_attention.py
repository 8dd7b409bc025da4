"""Where the detector is sent: what moves, what is due, what was missed, and nothing that is known already."""

import numpy as np
import pytest

from custodes.detect.attention import WHOLE_NS, Attention
from custodes.detect.regions import RegionLimits
from custodes.errors import DataLoss
from custodes.geometry.boxes import empty_boxes
from custodes.types.vision import Detections, ObjectClass
from custodes.units import NS_PER_S, Ns

STEP = NS_PER_S // 5
LIMITS = RegionLimits()


class Street:
    """A noisy picture with dark figures, and a detector that finds those whose box lies in a region."""

    def __init__(self, width=768, height=432, limits=LIMITS):
        self.rng = np.random.default_rng(3)
        self.ground = self.rng.integers(90, 160, (height, width)).astype(np.float32)
        self.attention = Attention(limits)
        self.now = 0
        self.gain = 0.0
        self.expected = empty_boxes()

    def plan(self, *figures, step=STEP):
        picture = self.ground + self.gain + self.rng.normal(0, 2.0, self.ground.shape)
        for x, y, w, h in figures:
            picture[y : y + h, x : x + w] = 20
        self.now += step
        return self.attention.plan(np.clip(picture, 0, 255).astype(np.uint8), Ns(self.now), self.expected)

    def look(self, *figures, found=None, step=STEP):
        """Plan and answer; gives the plan and the boxes known afterwards."""
        plan = self.plan(*figures, step=step)
        answer = self.attention.take(
            plan, [_seen(region, figures if found is None else found) for region in plan.regions]
        )
        return plan, sorted(tuple(round(v) for v in row) for row in answer.boxes_px.tolist())

    def settle(self, *figures):
        for _ in range(11):
            self.look(*figures)
        return self


def _seen(region, figures):
    boxes = [
        ((x - region.x1), (y - region.y1), (x + w - region.x1), (y + h - region.y1))
        for x, y, w, h in figures
        if region.x1 <= x and region.y1 <= y and x + w <= region.x2 and y + h <= region.y2
    ]
    scale = [region.width_px / (region.x2 - region.x1), region.height_px / (region.y2 - region.y1)] * 2
    return Detections(
        boxes_px=(np.array(boxes).reshape(-1, 4) * scale).astype(np.float32),
        scores=np.full(len(boxes), 0.9, np.float32),
        class_ids=np.full(len(boxes), ObjectClass.PERSON, np.int16),
    )


def corners(figure):
    x, y, w, h = figure
    return (x, y, x + w, y + h)


def holds(plan, figure):
    x1, y1, x2, y2 = corners(figure)
    return any(r.x1 <= x1 and r.y1 <= y1 and r.x2 >= x2 and r.y2 >= y2 for r in plan.regions)


def test_the_first_frame_and_every_two_seconds_are_looked_at_whole():
    street = Street()
    plans = [street.look()[0] for _ in range(21)]
    assert [n for n, plan in enumerate(plans) if plan.is_whole] == [0, 10, 20]
    assert not any(plan.regions for plan in plans if not plan.is_whole)


@pytest.mark.parametrize("size", [(16, 40), (40, 100), (90, 220)], ids=["far", "middle", "near"])
def test_a_walker_when_he_moves_then_a_small_region_follows_him(size):
    street = Street().settle()
    for n in range(8):
        figure = (200 + 9 * n, 120, *size)
        plan, known = street.look(figure)
        assert holds(plan, figure)
        assert known == [corners(figure)]
        if not plan.is_whole:
            assert sum(region.pixels for region in plan.regions) < LIMITS.whole_px / 2


def test_a_small_walker_in_a_large_picture_when_he_moves_then_the_network_sees_him_large_enough():
    street = Street(1920, 1080).settle()
    plan, known = street.look((700, 300, 14, 40))
    assert known == [(700, 300, 714, 340)]
    assert max(region.scale for region in plan.regions if region.x1 <= 700 <= region.x2) * 40 > 30


def test_somebody_who_stands_still_when_found_then_he_is_known_and_not_looked_at_again_at_once():
    figure = (300, 150, 30, 90)
    street = Street().settle()
    street.look(figure)
    looks = [street.look(figure) for _ in range(10)]
    assert all(known == [corners(figure)] for _, known in looks)
    assert sum(bool(plan.regions) for plan, _ in looks) <= 3


def test_somebody_who_stands_still_and_is_not_found_then_he_is_looked_at_again_within_two_seconds():
    figure = (300, 150, 30, 90)
    street = Street().settle()
    street.look(figure, found=())
    assert any(holds(street.look(figure, found=())[0], figure) for _ in range(10))


def test_somebody_known_when_he_is_gone_then_the_place_is_looked_at_and_he_is_forgotten():
    figure = (300, 150, 30, 90)
    street = Street().settle()
    street.look(figure)
    plan, known = street.look()
    assert holds(plan, figure)
    assert known == []


def test_a_track_that_was_missed_when_predicted_then_its_place_is_looked_at():
    street = Street().settle()
    street.expected = np.array([[500, 200, 530, 290]], np.float32)
    plan, _ = street.look()
    assert holds(plan, (500, 200, 30, 90))


def test_a_lamp_when_switched_on_then_the_whole_frame_is_looked_at_once():
    street = Street().settle()
    street.gain = 50.0
    plan, _ = street.look()
    assert plan.is_whole
    assert plan.motion.is_lighting_change
    assert not street.look()[0].regions


def test_a_failed_look_when_reported_then_nothing_is_known_and_the_whole_frame_is_next():
    figure = (300, 150, 30, 90)
    street = Street().settle(figure)
    street.plan(figure)
    street.attention.failed()
    plan, known = street.look(figure)
    assert plan.is_whole
    assert known == [corners(figure)]


def test_rain_everywhere_when_it_moves_then_the_whole_frame_is_one_look():
    street = Street().settle()
    drops = [(x, y, 16, 16) for x in range(8, 740, 56) for y in range(8, 400, 56)]
    plan = street.plan(*drops)
    assert plan.is_whole
    assert len(plan.shed_px) == 0


def test_no_room_when_something_moves_then_it_is_shed_and_named():
    street = Street(limits=RegionLimits(frame_px=96 * 96)).settle()
    figures = [(60, 100, 12, 30), (600, 100, 12, 30)]
    plan, _ = street.look(*figures)
    assert len(plan.regions) == len(plan.shed_px) == 1
    again, _ = street.look(*figures)
    assert not holds(plan, figures[0]) or holds(again, figures[1])


def test_a_far_scene_when_surveyed_then_every_place_is_seen_finer_within_nine_whole_looks():
    street = Street(1920, 1080)
    tiles = [r for _ in range(9) for r in street.look(step=WHOLE_NS)[0].regions[1:]]
    for point in [(5, 5), (1900, 20), (960, 540), (20, 1060), (1900, 1070)]:
        assert any(r.x1 <= point[0] <= r.x2 and r.y1 <= point[1] <= r.y2 for r in tiles)


def test_answers_of_another_number_than_the_regions_then_it_is_refused():
    street = Street()
    with pytest.raises(ValueError, match="0 findings for 1 region"):
        street.attention.take(street.plan(), [])


def test_a_snapshot_when_restored_then_the_plans_are_equal_and_broken_ones_are_refused():
    street = Street().settle((300, 150, 30, 90))
    state = street.attention.snapshot()
    assert len(state) < 400_000
    other = Attention(LIMITS)
    other.restore(state)
    assert other.snapshot() == state
    luma = np.clip(street.ground, 0, 255).astype(np.uint8)
    plans = [one.plan(luma, Ns(street.now + STEP), empty_boxes()) for one in (street.attention, other)]
    assert plans[0].regions == plans[1].regions
    for broken in (b"", state[:-1], b"\x96" + b"\xc0" * 6):
        with pytest.raises(DataLoss):
            other.restore(broken)
