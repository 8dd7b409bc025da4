"""The renderer fails closed, in pixels."""

import dataclasses

import numpy as np
import pytest

from custodes.errors import FailedPrecondition, SealBroken
from custodes.redact.fill import FILL_UV, FILL_Y
from custodes.redact.levels import MaskLevel
from custodes.redact.timeline import MaskPolicy, MaskTimeline
from custodes.redact.zones import zone_of_box
from custodes.review.keys import MAX_KEYS, ViewKeys
from custodes.review.permitted import Permitted
from custodes.review.render import Renderer
from custodes.testing.media import draw_frame, people_at, vouch
from custodes.testing.review import MARK_KEY, START_NS, ReviewSite
from custodes.types.access import Fidelity
from custodes.types.media import SegmentHeader
from custodes.types.message import KeysReleased
from custodes.units import NS_PER_MS, CameraId, KeyId, Ns, RunId, SegmentId
from custodes.watermark.mark import Marker

MARK = Marker(MARK_KEY)
NEAR = 12  # the mark, at its strongest on pictures this small, and rounding
"""What the mark may add."""


def frame_at(offset_ms: int, index: int = 0):
    return draw_frame(index, width=320, height=240, utc_ns=START_NS + offset_ms * NS_PER_MS)


def vouched(*offsets_ms: int, people=None):
    return vouch([START_NS + ms * NS_PER_MS for ms in offsets_ms], [people or people_at(0) for _ in offsets_ms])


def is_flat(frame) -> bool:
    return (
        bool(np.abs(frame.y.astype(int) - FILL_Y).max() <= NEAR)
        and bool((frame.u == FILL_UV).all())
        and bool((frame.v == FILL_UV).all())
    )


def test_render_when_vouched_then_people_are_solid_and_the_rest_is_kept(site: ReviewSite):
    site.timeline.add(vouched(0, 500, 1000))
    frame = frame_at(100)
    rendered = site.renderer().render(frame, MARK)
    assert not rendered.is_fully_masked
    for x1, y1, x2, y2 in people_at(0):
        rows, columns = slice(int(y1 * 240), int(y2 * 240)), slice(int(x1 * 320), int(x2 * 320))
        assert np.abs(rendered.frame.y[rows, columns].astype(int) - FILL_Y).max() <= NEAR
        half = slice(rows.start // 2, rows.stop // 2), slice(columns.start // 2, columns.stop // 2)
        assert (rendered.frame.u[half] == FILL_UV).all()
        assert (rendered.frame.v[half] == FILL_UV).all()
    assert np.abs(rendered.frame.y[:60].astype(int) - frame.y[:60]).max() <= NEAR


@pytest.mark.parametrize(
    ("facts", "offset_ms"),
    [((), 0), ((0, 500, 1000), 700), ((0, 500, 1000), 1200), ((500, 1000, 2000), 100)],
    ids=["nothing known", "look-ahead not vouched", "behind the last", "before the first"],
)
def test_render_when_not_vouched_up_to_the_look_ahead_then_one_flat_picture(site: ReviewSite, facts, offset_ms):
    site.timeline.add(vouched(*facts))
    rendered = site.renderer().render(frame_at(offset_ms), MARK)
    assert rendered.is_fully_masked
    assert is_flat(rendered.frame)
    assert np.ptp(rendered.frame.y) > 0, "even the flat picture carries the mark"


def test_render_when_a_hole_lies_in_the_look_ahead_then_flat(site: ReviewSite):
    first = vouched(0, 300)
    later = vouch([START_NS + ms * NS_PER_MS for ms in (500, 1500)], [[], []])
    site.timeline.add([*first, *later])
    assert site.timeline.vouched_until(RunId("0" * 12)) > START_NS + 1000 * NS_PER_MS
    assert is_flat(site.renderer().render(frame_at(100), MARK).frame)


def test_render_when_frame_is_corrupt_then_flat_although_vouched(site: ReviewSite):
    site.timeline.add(vouched(0, 500, 1000))
    rendered = site.renderer().render(dataclasses.replace(frame_at(100), is_corrupt=True), MARK)
    assert rendered.is_fully_masked
    assert is_flat(rendered.frame)


def test_render_when_scaled_then_no_pixel_of_the_box_is_mixed_out(site: ReviewSite):
    site.timeline.add(vouched(0, 500, 1000, people=[(0.25, 0.25, 0.5, 0.5)]))
    frame = frame_at(100)
    frame.y[60:120, 80:160] = 235  # a figure that fills its box
    rendered = site.renderer(max_height_px=120).render(frame, MARK)
    assert rendered.frame.y.shape == (120, 160)
    assert rendered.frame.y[28:62, 38:82].max() < 150


@pytest.mark.parametrize("asked", list(Fidelity))
@pytest.mark.parametrize("permitted", list(Fidelity))
def test_renderer_unmasks_only_what_task_and_warden_both_say(asked, permitted):
    renderer = Renderer(
        fidelity=asked,
        timeline=MaskTimeline(MaskPolicy()),
        max_height_px=720,
        permitted=lambda: Permitted(fidelity=permitted),
    )
    frame = frame_at(100)
    frame.y[60:120, 80:160] = 235
    rendered = renderer.render(frame, MARK)
    is_shown = bool(rendered.frame.y[70:110, 90:150].min() > 200)
    assert is_shown is (asked is permitted is Fidelity.UNMASKED)
    assert rendered.is_fully_masked is not is_shown


@pytest.mark.parametrize("permitted", list(Fidelity))
def test_renderer_when_one_person_may_be_seen_then_all_others_and_the_zones_stay_covered(permitted):
    boxes = [(0.1, 0.2, 0.3, 0.9), (0.6, 0.2, 0.8, 0.9)]
    policy = MaskPolicy(margin=0.0, zones=(zone_of_box((0.0, 0.0, 1.0, 0.1)),))
    renderer = Renderer(
        fidelity=Fidelity.UNMASKED,
        timeline=MaskTimeline(policy),
        max_height_px=720,
        permitted=lambda: Permitted(fidelity=permitted),
        shown=frozenset({(RunId("0" * 12), 1)}),
    )
    renderer.timeline.add(vouched(0, 500, 1000, people=boxes))
    frame = frame_at(100)
    frame.y[:] = 235
    picture = renderer.render(frame, MARK).frame.y
    height, width = picture.shape

    def is_clear(x: float, y: float) -> bool:
        return bool(picture[int(y * height), int(x * width)] > 150)

    assert is_clear(0.2, 0.5) is (permitted is Fidelity.UNMASKED)
    assert not is_clear(0.7, 0.5) and not is_clear(0.5, 0.05) and is_clear(0.45, 0.5)


def test_renderer_when_everybody_may_be_seen_then_privacy_zones_stay_covered():
    policy = MaskPolicy(zones=(zone_of_box((0.5, 0.5, 1.0, 1.0)),))
    renderer = Renderer(
        fidelity=Fidelity.UNMASKED,
        timeline=MaskTimeline(policy),
        max_height_px=720,
        permitted=lambda: Permitted(fidelity=Fidelity.UNMASKED),
    )
    frame = frame_at(100)
    frame.y[:] = 235
    picture = renderer.render(frame, MARK).frame.y
    assert picture[200, 280] < 60 and picture[50, 50] > 200


def header(number: int, camera: str = "cam") -> SegmentHeader:
    return SegmentHeader(
        version=1,
        site_id="s",
        camera_id=CameraId(camera),
        run=RunId("0" * 12),
        segment_id=SegmentId(f"{number}-0-0"),
        start_ns=Ns(number),
        key_id=KeyId("cam/20260101"),
        wrapped_key=b"w",
    )


def releasing(asked: list[SegmentHeader], mark_keys=None):
    def release(headers):
        asked.extend(headers)
        mark_key = mark_keys.pop(0) if mark_keys else MARK_KEY
        return KeysReleased(data_keys=tuple(bytes(32) for _ in headers), mark_key=mark_key, log_index=len(asked))

    return release


def test_keys_when_none_was_released_then_no_marker():
    keys = ViewKeys(releasing([]), CameraId("cam"))
    with pytest.raises(FailedPrecondition, match="nothing may be shown"):
        keys.marker()


def test_keys_when_asked_twice_then_released_once_and_bounded():
    asked: list[SegmentHeader] = []
    keys = ViewKeys(releasing(asked), CameraId("cam"))
    for _ in range(2):
        keys.data_key(header(1))
    assert len(asked) == 1
    for number in range(2, MAX_KEYS + 2):
        keys.data_key(header(number))
    keys.data_key(header(1))
    assert len(asked) == MAX_KEYS + 2, "an evicted key is asked for, and logged, again"


def test_keys_when_header_is_of_another_camera_or_changed_then_refused():
    keys = ViewKeys(releasing([]), CameraId("cam"))
    with pytest.raises(SealBroken, match="other"):
        keys.data_key(header(1, camera="other"))
    keys.data_key(header(1))
    with pytest.raises(SealBroken, match="two headers"):
        keys.data_key(dataclasses.replace(header(1), wrapped_key=b"x"))


def test_keys_when_mark_key_changes_within_a_session_then_refused():
    keys = ViewKeys(releasing([], [MARK_KEY, bytes(32)]), CameraId("cam"))
    keys.data_key(header(1))
    with pytest.raises(SealBroken, match="second mark key"):
        keys.data_key(header(2))


ONE, OTHER = (RunId("0" * 12), 1), (RunId("0" * 12), 2)


@pytest.mark.parametrize(
    ("released", "wanted", "shown", "is_everybody"),
    [
        ((), (), (), True),
        ((), (ONE,), (ONE,), False),
        ((ONE,), (), (ONE,), False),  # a task that forgot whom to show does not show everybody
        ((ONE, OTHER), (OTHER,), (OTHER,), False),
        ((ONE,), (OTHER,), (), False),
    ],
)
def test_permitted_is_what_both_release_and_task_say(released, wanted, shown, is_everybody):
    unmasked = Permitted(fidelity=Fidelity.UNMASKED, shown=frozenset(released))
    found = unmasked.of(Fidelity.UNMASKED, frozenset(wanted))
    assert (found.shown, found.is_everybody) == (frozenset(shown), is_everybody)
    assert unmasked.of(Fidelity.MASKED, frozenset(wanted)) == Permitted()
    assert Permitted().of(Fidelity.UNMASKED, frozenset(wanted)) == Permitted()


def test_render_when_the_site_protects_somebody_then_they_stay_whole_and_others_are_shown(site: ReviewSite):
    """Unmasked, at head level: the covered track from head to foot, the other not at all; a lone detection stays."""
    facts = vouched(0, 500, 1000)
    timeline = MaskTimeline(MaskPolicy(level=MaskLevel.HEAD, margin=0.0))
    timeline.add(facts)
    first, second = facts[0].frame.track_ids.tolist()[:2]
    renderer = Renderer(
        fidelity=Fidelity.UNMASKED,
        timeline=timeline,
        max_height_px=240,
        permitted=lambda: Permitted(fidelity=Fidelity.UNMASKED, hidden=frozenset({(facts[0].frame.run, first)})),
    )
    frame = frame_at(100)
    shown = renderer.render(frame, MARK).frame
    boxes = dict(zip((first, second), people_at(0), strict=False))
    rows, columns = _part(boxes[first])
    assert np.abs(shown.y[rows, columns].astype(int) - FILL_Y).max() <= NEAR
    rows, columns = _part(boxes[second])
    assert np.abs(shown.y[rows, columns].astype(int) - frame.y[rows, columns]).max() <= NEAR


def test_render_when_the_site_protects_somebody_then_a_moment_that_nobody_vouches_for_is_flat(site: ReviewSite):
    site.timeline.add(vouched(0, 500))
    renderer = Renderer(
        fidelity=Fidelity.UNMASKED,
        timeline=site.timeline,
        max_height_px=240,
        permitted=lambda: Permitted(fidelity=Fidelity.UNMASKED, hidden=frozenset()),
    )
    assert is_flat(renderer.render(frame_at(5000), MARK).frame)
    assert not renderer.is_settled(Ns(START_NS + 5000 * NS_PER_MS), RunId("0" * 12))


def _part(box):
    x1, y1, x2, y2 = box
    return slice(int(y1 * 240) + 1, int(y2 * 240) - 1), slice(int(x1 * 320) + 1, int(x2 * 320) - 1)
