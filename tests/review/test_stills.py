"""Stills from sealed segments: the right frame, masked, marked, the newest wish first."""

import io
from pathlib import Path

import av
import numpy as np
import pytest

from custodes.media.decode import FrameDecoder
from custodes.redact.fill import fill_boxes
from custodes.review.stills import MASK_PATIENCE_NS, StillView
from custodes.testing.marks import score, score_all
from custodes.testing.media import make_clip, people_at, read_counter, vouch, write_segment
from custodes.testing.review import MARK_KEY, START_NS, ReviewSite
from custodes.types.mark import slot_of
from custodes.types.message import StillRendered, ViewNote
from custodes.units import NS_PER_MS, NS_PER_S, Ns

FRAMES = 60


@pytest.fixture
def clip():
    return make_clip(frames=FRAMES, fps=10, gop=20, start_ns=START_NS)


@pytest.fixture
def view(site: ReviewSite, clip) -> StillView:
    segment, _ = write_segment(site.data_dir, *clip, public_key=site.public_key)
    return StillView(archive=site.archive(segment), renderer=site.renderer(), keys=site.keys, clock=site.clock)


def facts():
    return vouch([START_NS + i * 200 * NS_PER_MS for i in range(FRAMES // 2)], [people_at(2 * i) for i in range(30)])


def picture_of(jpeg: bytes) -> np.ndarray:
    """Full-range RGB of a JPEG."""
    with av.open(io.BytesIO(jpeg)) as container:
        return next(container.decode(video=0)).to_ndarray(format="rgb24")


def limited(luma: np.ndarray) -> np.ndarray:
    """JPEG's full-range luma back to the limited range."""
    return np.clip(luma.astype(np.float32) * 219 / 255 + 16, 0, 255).astype(np.uint8)


def luma_of(jpeg: bytes) -> np.ndarray:
    with av.open(io.BytesIO(jpeg)) as container:
        frame = next(container.decode(video=0))
        plane = frame.planes[0]
        return limited(np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: frame.height, : frame.width])


def test_still_when_masks_are_known_then_the_frame_at_or_before(view: StillView):
    view.add_masks(facts())
    view.seek(Ns(START_NS + 2_370 * NS_PER_MS), 7)
    (still,) = view.step().outputs
    assert isinstance(still, StillRendered)
    assert still.request_id == 7
    assert still.utc_ns == START_NS + 2_300 * NS_PER_MS
    assert not still.is_fully_masked
    assert read_counter(luma_of(still.payload)) == 23


def test_still_when_people_are_there_then_solid_in_all_planes_of_the_jpeg(view: StillView):
    view.add_masks(facts())
    for number in (4, 13, 22, 41):
        view.seek(Ns(START_NS + number * 100 * NS_PER_MS), number)
        (still,) = view.step().outputs
        rgb = picture_of(still.payload).astype(int)
        for x1, y1, x2, y2 in people_at(number):
            box = rgb[int(y1 * 240) : int(y2 * 240), int(x1 * 320) : int(x2 * 320)]
            assert np.abs(box - np.median(box, axis=(0, 1))).max() <= 16
            assert np.ptp(np.median(box, axis=(0, 1))) <= 4, "grey: no colour is left"


def test_still_when_nobody_vouches_then_waits_and_then_is_flat(site: ReviewSite, view: StillView):
    view.seek(Ns(START_NS + NS_PER_S), 1)
    step = view.step()
    assert step.outputs == ()
    assert 0 < step.wait_ns <= MASK_PATIENCE_NS
    site.clock.advance(step.wait_ns)
    (still,) = view.step().outputs
    assert still.is_fully_masked
    assert np.ptp(picture_of(still.payload).astype(int)) <= 16


def test_still_when_wishes_pile_up_then_only_the_newest_is_answered(view: StillView):
    view.add_masks(facts())
    for number in range(20):
        view.seek(Ns(START_NS + number * 200 * NS_PER_MS), number)
    outputs = view.step().outputs
    assert [o.request_id for o in outputs] == [19]
    assert view.step().outputs == ()


@pytest.mark.parametrize("offset_s", [-5, 30], ids=["before", "after"])
def test_still_when_nothing_was_recorded_then_says_so(view: StillView, offset_s: int):
    view.seek(Ns(START_NS + offset_s * NS_PER_S), 3)
    (answer,) = view.step().outputs
    assert isinstance(answer, ViewNote)
    assert (answer.code, answer.request_id) == ("gap", 3)


def test_still_when_warden_refuses_then_a_sentence_and_no_picture(site: ReviewSite, view: StillView):
    view.add_masks(facts())
    site.releaser.is_refusing = True
    view.seek(Ns(START_NS + NS_PER_S), 4)
    (answer,) = view.step().outputs
    assert isinstance(answer, ViewNote)
    assert answer.code == "permission_denied"
    site.releaser.is_refusing = False
    view.seek(Ns(START_NS + NS_PER_S), 5)
    assert isinstance(view.step().outputs[0], StillRendered)


def test_still_when_going_back_within_a_gop_then_same_pictures(view: StillView):
    view.add_masks(facts())
    numbers = [5, 19, 3, 18, 0, 12, 25, 21, 39, 20, 4]
    for number in numbers:
        view.seek(Ns(START_NS + number * 100 * NS_PER_MS), number)
        (still,) = view.step().outputs
        assert read_counter(luma_of(still.payload)) == number


def test_still_when_leaked_then_names_its_session(site: ReviewSite, view: StillView, clip):
    view.add_masks(facts())
    at_ns = START_NS + 2_300 * NS_PER_MS
    view.seek(Ns(at_ns), 1)
    (still,) = view.step().outputs
    decoder = FrameDecoder(clip[0])
    originals = [frame for packet in clip[1][20:24] for frame in decoder.decode(packet)]
    masks = site.timeline.masks_at(Ns(at_ns), clip[0].run)
    assert masks is not None
    original = fill_boxes(originals[-1], masks)
    suspect = luma_of(still.payload)
    assert score(original.y, suspect, MARK_KEY, slot_of(Ns(at_ns))) >= 9
    wrong = score_all(original.y, suspect, [bytes([n]) * 32 for n in range(40)], slot_of(Ns(at_ns)))
    assert abs(wrong).max() < 5


def test_still_when_file_was_changed_then_a_sentence(site: ReviewSite, clip):
    segment, _ = write_segment(site.data_dir, *clip, public_key=site.public_key)
    path: Path = site.data_dir / segment.path
    raw = bytearray(path.read_bytes())
    raw[-200] ^= 1
    path.write_bytes(raw)
    view = StillView(archive=site.archive(segment), renderer=site.renderer(), keys=site.keys, clock=site.clock)
    view.add_masks(facts())
    view.seek(Ns(START_NS + 5 * NS_PER_S), 1)
    (answer,) = view.step().outputs
    assert isinstance(answer, ViewNote)
    assert answer.code == "data_loss"
