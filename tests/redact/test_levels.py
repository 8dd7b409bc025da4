"""What each level covers, privacy zones, exemptions, reasons."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from custodes.errors import InvalidArgument
from custodes.redact.levels import MaskLevel, covered_part, plate_part
from custodes.redact.reasons import MaskBasis, MaskReason
from custodes.redact.timeline import MaskPolicy, MaskTimeline
from custodes.redact.zones import PrivacyZone, zone_of_box
from custodes.types.event import FrameAnalysed
from custodes.types.vision import ObjectClass, TrackedFrame
from custodes.units import NS_PER_S, CameraId, Ns, RunId

RUN = RunId("a" * 12)
AT = Ns(1_700_000_000 * NS_PER_S)
PERSON, FACE, CAR = int(ObjectClass.PERSON), int(ObjectClass.FACE), int(ObjectClass.CAR)
WALKER = (0.4, 0.2, 0.5, 0.8)
SITTER = (0.3, 0.2, 0.7, 0.8)
"""Or somebody whom the picture's edge cuts: wider than anybody who stands."""
ASPECT = 4 / 3


def timeline(rows, **policy):
    """rows: (track_id, class, box), all seen at `AT`."""
    made = MaskTimeline(MaskPolicy(**policy))
    frame = TrackedFrame(
        camera_id=CameraId("a"),
        run=RUN,
        seq=0,
        utc_ns=AT,
        track_ids=np.array([row[0] for row in rows], np.int64),
        class_ids=np.array([row[1] for row in rows], np.int16),
        boxes_norm=np.array([row[2] for row in rows], np.float32).reshape(-1, 4),
        scores=np.full(len(rows), 0.9, np.float32),
        is_measured=np.ones(len(rows), bool),
    )
    made.add([FrameAnalysed(frame=frame, valid_from_ns=AT)])
    return made


def area(box):
    return (box[2] - box[0]) * (box[3] - box[1])


def is_covered(masks, x, y):
    return any(m[0] <= x <= m[2] and m[1] <= y <= m[3] for m in masks.tolist())


def test_levels_when_they_rise_then_they_cover_more():
    parts = [covered_part(level, PERSON, WALKER, ASPECT) for level in MaskLevel if level is not MaskLevel.FRAME]
    assert [area(part) for part in parts] == sorted(area(part) for part in parts)


@pytest.mark.parametrize("lean", [-0.08, 0.0, 0.08])
def test_head_level_when_a_standing_person_leans_then_the_head_is_in_it(lean):
    height = WALKER[3] - WALKER[1]
    middle = (WALKER[0] + WALKER[2]) / 2 + lean * height / ASPECT
    part = covered_part(MaskLevel.HEAD, PERSON, WALKER, ASPECT)
    assert part[0] <= middle - 0.08 * height / ASPECT and part[2] >= middle + 0.08 * height / ASPECT
    assert part[1] <= WALKER[1] and part[3] >= WALKER[1] + 0.16 * height


def test_head_level_when_only_the_upper_body_is_in_the_picture_then_half_the_box_is_covered():
    part = covered_part(MaskLevel.HEAD, PERSON, (0.2, 0.3, 0.8, 1.0), ASPECT)
    assert part[3] >= 0.3 + 0.35


@pytest.mark.parametrize(("face", "masks"), [((0.45, 0.22, 0.53, 0.32), 1), ((0.45, 0.42, 0.53, 0.52), 2)])
def test_head_level_when_the_face_is_known_then_it_says_where_the_head_is_but_a_print_on_a_shirt_does_not(face, masks):
    made = timeline([(1, PERSON, SITTER), (2, FACE, face)], level=MaskLevel.HEAD)
    assert len(made.masks_at(AT, RUN, ASPECT)) == masks
    assert is_covered(made.masks_at(AT, RUN, ASPECT), 0.47, 0.22)


def test_head_level_when_a_face_looks_over_a_standing_persons_shoulder_then_both_heads_are_covered():
    made = timeline([(1, PERSON, WALKER), (2, FACE, (0.41, 0.22, 0.44, 0.28))], level=MaskLevel.HEAD)
    masks = made.masks_at(AT, RUN, ASPECT)
    assert is_covered(masks, 0.42, 0.25)
    assert is_covered(masks, 0.49, 0.25)


def test_head_level_when_the_pictures_shape_is_unknown_then_the_head_is_as_wide_as_the_person():
    part = covered_part(MaskLevel.HEAD, PERSON, WALKER, None)
    assert (part[0], part[2]) == (WALKER[0], WALKER[2])


def test_plates_when_wanted_then_the_lower_part_of_a_vehicle_is_covered_else_nothing():
    car = (0.1, 0.5, 0.3, 0.7)
    assert not len(timeline([(1, CAR, car)]).masks_at(AT, RUN))
    masks = timeline([(1, CAR, car)], has_plates=True, margin=0.0).masks_at(AT, RUN)
    assert is_covered(masks, 0.2, 0.68) and not is_covered(masks, 0.2, 0.52)
    assert plate_part(PERSON, WALKER) is None


FIRST = frozenset({(RUN, 1)})


def test_exempt_when_one_of_two_who_overlap_then_the_other_stays_covered():
    rows = [(1, PERSON, WALKER), (2, PERSON, (0.45, 0.2, 0.55, 0.8))]
    masks = timeline(rows, margin=0.0).masks_at(AT, RUN, exempt=FIRST)
    assert is_covered(masks, 0.5, 0.5) and is_covered(masks, 0.47, 0.5) and not is_covered(masks, 0.42, 0.5)


def test_exempt_when_a_face_may_be_somebody_elses_then_it_stays_covered():
    rows = [(1, PERSON, WALKER), (3, FACE, (0.42, 0.22, 0.46, 0.3))]
    other = (2, PERSON, (0.43, 0.2, 0.53, 0.8))
    assert not len(timeline(rows).masks_at(AT, RUN, exempt=FIRST))
    assert len(timeline([*rows, other]).masks_at(AT, RUN, exempt=FIRST)) == 2
    assert len(timeline([(3, FACE, (0.8, 0.2, 0.85, 0.3))]).masks_at(AT, RUN, exempt=FIRST)) == 1


def test_exempt_when_another_run_has_the_same_track_number_then_it_stays_covered():
    assert len(timeline([(1, PERSON, WALKER)]).masks_at(AT, RUN, exempt=frozenset({(RunId("b" * 12), 1)})))


def test_reasons_when_asked_then_one_per_mask_in_its_order():
    made = timeline([(7, PERSON, WALKER)], zones=(zone_of_box((0, 0, 0.2, 0.2)),))
    reasons = made.reasons_at(AT, RUN)
    assert [(mask.reason, mask.basis, mask.track_id) for mask in reasons] == [
        (MaskReason.PERSON, MaskBasis.SEEN, 7),
        (MaskReason.ZONE, MaskBasis.ALWAYS, -1),
    ]
    assert np.allclose([mask.box for mask in reasons], made.masks_at(AT, RUN))
    assert made.reasons_at(Ns(AT + 10**12), RUN)[0].reason is MaskReason.UNKNOWN
    assert all(mask.sentence.endswith(".") for mask in reasons)


corner = st.tuples(st.floats(0, 1), st.floats(0, 1))


@given(st.tuples(corner, corner, corner), st.tuples(st.floats(0, 1), st.floats(0, 1)))
def test_zone_when_a_point_is_inside_the_polygon_then_a_strip_covers_it(triangle, weights):
    try:
        zone = PrivacyZone(polygon=triangle)
    except InvalidArgument:
        return  # three corners on a line
    a, b = sorted(weights)
    shares = (a, b - a, 1 - b)
    x = sum(share * point[0] for share, point in zip(shares, triangle, strict=True))
    y = sum(share * point[1] for share, point in zip(shares, triangle, strict=True))
    assert any(s[0] - 1e-6 <= x <= s[2] + 1e-6 and s[1] - 1e-6 <= y <= s[3] + 1e-6 for s in zone.strips)


def test_zone_when_it_is_a_rectangle_then_it_is_one_box():
    assert np.allclose(zone_of_box((0.1, 0.2, 0.3, 0.55)).strips, [(0.1, 0.2, 0.3, 0.55)])


@pytest.mark.parametrize("polygon", [((0, 0), (1, 1)), ((0, 0), (1, 0), (2, 1)), ((0, 0), (0.5, 0), (1, 0))])
def test_zone_when_it_is_no_polygon_then_it_is_refused(polygon):
    with pytest.raises(InvalidArgument):
        PrivacyZone(polygon=polygon)


def test_zone_when_it_holds_for_a_time_then_only_then():
    made = timeline([], zones=(zone_of_box((0, 0, 0.2, 0.2), from_ns=AT + 1, until_ns=AT + 5),))
    assert not len(made.masks_at(AT, RUN))
    assert len(timeline([], zones=(zone_of_box((0, 0, 0.2, 0.2), until_ns=AT),)).masks_at(AT, RUN)) == 1
