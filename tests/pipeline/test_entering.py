"""Somebody comes in over the lower edge whom no detector finds: live masks cover them all the same."""

from collections.abc import Iterator

import numpy as np
import pytest

from custodes.pipeline.analysis import FrameAnalysis
from custodes.pipeline.counters import Counters
from custodes.redact.levels import MaskLevel
from custodes.redact.reasons import MaskReason
from custodes.redact.timeline import MaskPolicy, MaskTimeline
from custodes.track.tracker import NO_TRACK
from custodes.types.event import FrameAnalysed
from custodes.types.media import Frame
from custodes.units import NS_PER_S, CameraId, Ns, RunId

WIDTH, HEIGHT = 640, 360
RUN = RunId("a" * 12)
T0 = 1_700_000_000 * NS_PER_S
QUIET, SHOWN = 10, 8
LEFT, RIGHT = 300, 360


def frames() -> Iterator[Frame]:
    """An empty hall, then a dark head that comes up by 8 px a look."""
    noise = np.random.default_rng(3).integers(-2, 3, (HEIGHT, WIDTH))
    for number in range(QUIET + SHOWN):
        y = (120 + noise).astype(np.uint8)
        if number >= QUIET:
            y[HEIGHT - 24 - 8 * (number - QUIET) :, LEFT:RIGHT] = 30
        grey = np.full((HEIGHT // 2, WIDTH // 2), 128, np.uint8)
        yield Frame(camera_id=CameraId("hall"), run=RUN, seq=number, utc_ns=Ns(T0 + number * NS_PER_S // 5), y=y,
                    u=grey, v=grey, is_keyframe=number == 0, is_corrupt=False)  # fmt: skip


@pytest.mark.parametrize("level", [MaskLevel.PERSON, MaskLevel.HEAD, MaskLevel.FACE])
def test_they_are_covered_from_the_first_look_on(make_looking, level):
    analysis = FrameAnalysis(CameraId("hall"), RUN, make_looking(), Counters())
    facts = [fact for frame in frames() for fact in analysis.process(frame)]
    assert all(isinstance(fact, FrameAnalysed) for fact in facts)  # nobody is counted
    assert {one for fact in facts for one in fact.frame.track_ids.tolist()} == {NO_TRACK}
    timeline = MaskTimeline(MaskPolicy(level=level))
    timeline.add(facts)
    for number in range(SHOWN):
        top = (HEIGHT - 24 - 8 * number) / HEIGHT
        at_ns = Ns(T0 + (QUIET + number) * NS_PER_S // 5)
        masks = timeline.masks_at(at_ns, RUN, WIDTH / HEIGHT).tolist()
        head = (LEFT / WIDTH, top, RIGHT / WIDTH, top + 24 / HEIGHT)
        assert any(m[0] <= head[0] and m[1] <= head[1] and m[2] >= head[2] and m[3] >= head[3] - 1e-6 for m in masks)


def test_whoever_asks_is_told_that_it_moved(make_looking):
    analysis = FrameAnalysis(CameraId("hall"), RUN, make_looking(), Counters())
    timeline = MaskTimeline(MaskPolicy())
    timeline.add([fact for frame in frames() for fact in analysis.process(frame)])
    at_ns = Ns(T0 + (QUIET + 2) * NS_PER_S // 5)
    reasons = timeline.reasons_at(at_ns, RUN, WIDTH / HEIGHT)
    assert {one.reason for one in reasons} == {MaskReason.MOVED}
    assert "something that moved and may be a person" in reasons[0].sentence
    timeline.forget_before(Ns(at_ns + 60 * NS_PER_S))
    assert timeline.boxes_kept == 0


def test_an_empty_hall_has_no_masks(make_looking):
    analysis = FrameAnalysis(CameraId("hall"), RUN, make_looking(), Counters())
    facts = [fact for frame in list(frames())[:QUIET] for fact in analysis.process(frame)]
    assert not any(len(fact.frame.track_ids) for fact in facts)
