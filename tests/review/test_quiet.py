"""What the analyser left undecoded: shown where it looks like what was looked at, masked whole where it does not."""

import dataclasses

import numpy as np
import pytest

from custodes.adapters.sql import chunks
from custodes.pipeline.activity_gate import draw_by_hash
from custodes.pipeline.camera import CameraPipeline
from custodes.redact.likeness import grid_of, is_like
from custodes.redact.timeline import MAX_QUIET_NS, MaskPolicy, MaskTimeline
from custodes.review.playback import PlaybackView
from custodes.review.stills import StillView
from custodes.testing.looking import make_looking
from custodes.testing.media import draw_frame, vouch, write_segment
from custodes.testing.review import MARK_KEY, START_NS, ReviewSite
from custodes.testing.scenes import Scene, scene_clip
from custodes.types.event import FrameAnalysed
from custodes.types.message import MediaChunk, StillRendered, StreamOpened
from custodes.units import NS_PER_MS, NS_PER_S, CameraId, Ns, RunId
from custodes.watermark.mark import Marker

MARK = Marker(MARK_KEY)
RUN = RunId("0" * 12)
WALKER = (0.4, 0.3, 0.5, 0.8)


STEP = 100 * NS_PER_MS
"""Between the scene's pictures."""


def at(seconds: float) -> Ns:
    return Ns(START_NS + round(seconds * 1000) * NS_PER_MS)


def quiet(begin_s: float, end_s: float, boxes=((), ()), *, from_s: float | None = None) -> tuple[FrameAnalysed, ...]:
    """Two looks with nothing decoded in between; each vouches for half a second on its far side."""
    looks = vouch([at(begin_s - 1), at(begin_s), at(end_s), at(end_s + 1)], [[], list(boxes[0]), list(boxes[1]), []])
    end = dataclasses.replace(
        looks[2], valid_from_ns=at(end_s), quiet_from_ns=at(begin_s if from_s is None else from_s)
    )
    return looks[0], looks[1], end, looks[3]


def picture(seconds: float, index: int = 0, *, run: str = RUN):
    return draw_frame(index, width=320, height=240, utc_ns=at(seconds), run=run)


@pytest.fixture
def renderer(site: ReviewSite):
    renderer = site.renderer()
    renderer.find_frame = lambda utc_ns, run: picture((utc_ns - START_NS) / NS_PER_S, run=run)
    return renderer


def test_between_two_quiet_looks_a_picture_like_the_former_is_shown(site, renderer):
    site.timeline.add(quiet(1, 4))
    assert not renderer.render(picture(2.5), MARK).is_fully_masked


def test_a_picture_in_which_somebody_is_elsewhere_is_filled_whole(site, renderer):
    site.timeline.add(quiet(1, 4))
    assert renderer.render(picture(2.5, index=20), MARK).is_fully_masked


@pytest.mark.parametrize(
    "facts",
    [
        (),
        vouch([at(1), at(4)], [[], []])[:1] + tuple(dataclasses.replace(f, valid_from_ns=f.frame.utc_ns)
                                                     for f in vouch([at(4)], [[]])),
        quiet(1, 4)[:2],
        quiet(1, 4, from_s=4 - MAX_QUIET_NS / NS_PER_S - 0.1),
    ],
    ids=["nothing known", "a hole that was not left on purpose", "the look behind is not known yet", "too long"],
)  # fmt: skip
def test_without_two_quiet_looks_the_same_picture_is_filled_whole(site, renderer, facts):
    site.timeline.add(facts)
    assert renderer.render(picture(2.5), MARK).is_fully_masked


def test_a_corrupt_picture_is_filled_whole(site, renderer):
    site.timeline.add(quiet(1, 4))
    assert renderer.render(dataclasses.replace(picture(2.5), is_corrupt=True), MARK).is_fully_masked


def test_quiet_looks_of_another_run_say_nothing(site, renderer):
    site.timeline.add(quiet(1, 4))
    assert renderer.render(picture(2.5, run="f" * 12), MARK).is_fully_masked


def test_without_the_former_picture_it_is_filled_whole(site):
    site.timeline.add(quiet(1, 4))
    assert site.renderer().render(picture(2.5), MARK).is_fully_masked


@pytest.mark.parametrize("boxes", [((WALKER,), ()), ((), (WALKER,))], ids=["former look", "latter look"])
def test_who_was_seen_at_either_look_is_covered_all_the_time(boxes):
    timeline = MaskTimeline(MaskPolicy(margin=0.0))
    timeline.add(quiet(1, 9, boxes))
    for seconds in (1.1, 3.0, 5.0, 7.0, 8.9):
        found = timeline.quiet_at(at(seconds), RUN)
        assert found is not None
        assert any(np.allclose(box, WALKER, atol=1e-6) for box in found[1])


def test_forgotten_quiet_is_filled_whole(site, renderer):
    site.timeline.add(quiet(1, 4))
    site.timeline.forget_before(at(5))
    assert renderer.render(picture(2.5), MARK).is_fully_masked


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda y: y, True),
        (lambda y: y + 20, True),
        (lambda y: np.where(np.indices(y.shape)[1] // 40 == 3, y + 12, y), False),
        (lambda y: y[:-16], False),
    ],
    ids=["same", "brighter everywhere", "a strip", "another size"],
)
def test_likeness_is_about_what_changes_in_places(change, expected):
    ground = np.random.default_rng(3).integers(80, 120, (240, 320)).astype(np.uint8)
    assert (
        is_like(change(ground.astype(int)).astype(np.uint8), grid_of(ground), np.zeros((0, 4), np.float32)) is expected
    )


def test_a_change_under_a_mask_is_no_change():
    ground = np.full((240, 320), 100, np.uint8)
    swayed = ground.copy()
    swayed[80:160, 130:160] = 160
    mask = np.array([[0.35, 0.3, 0.55, 0.7]], np.float32)
    assert is_like(swayed, grid_of(ground), mask)
    assert not is_like(swayed, grid_of(ground), mask * np.float32(0.5))


SECONDS, CAME, LEFT = 40, 31.0, 33.0


@pytest.fixture(scope="module")
def analysed() -> tuple[FrameAnalysed, ...]:
    """What the analyser says of the empty place: from the twentieth second on it hardly decodes."""
    info, packets = scene_clip(Scene(seconds=SECONDS), start_ns=START_NS)
    pipeline = CameraPipeline(CameraId("cam"), make_looking(), fps=5.0, draw=draw_by_hash(CameraId("cam")))
    facts = [fact for item in [StreamOpened(info=info), *packets] for fact in pipeline.process(item)]
    return tuple(fact for fact in facts if isinstance(fact, FrameAnalysed))


def record(site: ReviewSite, scene: Scene):
    segment, _ = write_segment(site.data_dir, *scene_clip(scene, start_ns=START_NS), public_key=site.public_key)
    return segment


def test_stills_of_a_quiet_hour_are_seen_and_who_came_unseen_is_not(site: ReviewSite, analysed):
    segment = record(site, Scene(seconds=SECONDS, visits=((CAME, LEFT),)))
    view = StillView(archive=site.archive(segment), renderer=site.renderer(), keys=site.keys, clock=site.clock)
    view.add_masks(analysed)
    masked = {}
    for quarter in range(22 * 4, 37 * 4):
        view.seek(at(quarter / 4), quarter)
        (still,) = view.step().outputs
        assert isinstance(still, StillRendered)
        masked[quarter / 4] = still.is_fully_masked
    looked = {fact.frame.utc_ns for fact in analysed}
    unseen = [
        moment for moment in masked if CAME + 0.3 <= moment <= LEFT - 0.3 and at(moment) // STEP * STEP not in looked
    ]
    assert unseen
    assert all(masked[moment] for moment in unseen)
    seen = [not masked[moment] for moment in masked if not CAME - 0.3 <= moment <= LEFT + 0.3]
    assert sum(seen) >= 0.9 * len(seen)


def test_playback_of_a_quiet_hour_is_seen_without_waiting(site: ReviewSite, analysed):
    segment = record(site, Scene(seconds=SECONDS))
    view = PlaybackView(archive=site.archive(segment), renderer=site.renderer(), keys=site.keys, clock=site.clock,
                        speed=1.0, start_ns=at(24.3))  # fmt: skip
    view.add_masks(analysed)
    sent = []
    for _ in range(200):
        step = view.step()
        sent += [output for output in step.outputs if isinstance(output, MediaChunk)]
        site.clock.advance(max(step.wait_ns, NS_PER_MS))
    shown = [chunk for chunk in sent if chunk.utc_ns < at(36)]
    assert len(shown) > 50
    assert sum(chunk.is_fully_masked for chunk in shown) <= 0.1 * len(shown)


def test_quiet_stretches_are_kept_in_chunks_of_either_form():
    looks = quiet(1, 4)
    for packed in (chunks.pack_full(looks), chunks.pack_growing([chunks.pack_one(fact) for fact in looks])):
        assert [f.quiet_from_ns for f in chunks.unpack(CameraId("cam"), RUN, packed)] == [0, 0, at(1), 0]
