"""PETS 2009 with its ground truth as masks: sealed, played back and scrubbed; pixels are checked after decoding."""

import csv
import io
import os
from collections import defaultdict
from pathlib import Path

import av
import numpy as np
import pytest

from custodes.media.decode import FrameDecoder
from custodes.redact.fill import FILL_UV, FILL_Y, fill_boxes
from custodes.review.playback import PlaybackView
from custodes.review.stills import StillView
from custodes.testing.marks import score, score_all
from custodes.testing.media import encode_clip, read_clip, vouch, write_segment
from custodes.testing.player import PlayedStream, play
from custodes.testing.review import MARK_KEY, START_NS, ReviewSite
from custodes.types.mark import slot_of
from custodes.types.message import StillRendered, ViewNote
from custodes.units import NS_PER_MS, NS_PER_S, Ns

SHARED = Path(os.environ.get("CUSTODES_SHARED", Path(__file__).parents[3] / "shared"))
PEOPLE = SHARED / "data" / "people"
CLIP = PEOPLE / "pets09-s2l1-view001.avi"
FRAMES, WIDTH, HEIGHT = 100, 768, 576
SILENT = range(50, 60)
"""Frames about which analysis says nothing."""
CODEC_NOISE = 16
FILL_RGB = round((FILL_Y - 16) * 255 / 219)

pytestmark = pytest.mark.skipif(not CLIP.exists(), reason=f"no footage at {PEOPLE}")


def truth() -> dict[int, list[tuple[int, tuple[float, float, float, float]]]]:
    """Per frame from 0: (id, box as shares of the frame)."""
    people = defaultdict(list)
    with CLIP.with_name("pets09-s2l1-view001.gt.txt").open() as stream:
        for row in csv.reader(stream):
            frame, person, (x, y, w, h) = int(row[0]) - 1, int(row[1]), map(float, row[2:6])
            box = (x / WIDTH, y / HEIGHT, (x + w) / WIDTH, (y + h) / HEIGHT)
            people[frame].append((person, tuple(min(max(edge, 0.0), 1.0) for edge in box)))
    return people


@pytest.fixture(scope="module")
def clip():
    """H.264 as a camera would send it; the file itself is MS-MPEG-4, which MP4 does not carry."""
    info, packets = read_clip(CLIP, frames=FRAMES, start_ns=START_NS)
    decoder = FrameDecoder(info)
    frames = (frame for packet in packets for frame in decoder.decode(packet))
    return encode_clip(frames, fps=10, gop=10, start_ns=START_NS)


def facts(packets, people):
    """Every second frame analysed, in two stretches with silence between them."""
    out = []
    for stretch in (range(0, SILENT.start, 2), range(SILENT.stop, FRAMES, 2)):
        out += vouch(
            [packets[n].utc_ns for n in stretch],
            [[box for _, box in people[n]] for n in stretch],
            ids=[[person for person, _ in people[n]] for n in stretch],
        )
    return out


def pixels(box, size: int = 1) -> tuple[slice, slice]:
    x1, y1, x2, y2 = box
    width, height = WIDTH // size, HEIGHT // size
    return slice(round(y1 * height), round(y2 * height)), slice(round(x1 * width), round(x2 * width))


def check_pixels(stream: PlayedStream, people, frame_ns: int) -> None:
    for utc_ns, masked, picture in zip(stream.utc_ns, stream.is_fully_masked, stream.pictures, strict=True):
        number = round((utc_ns - START_NS) / frame_ns)
        boxes = [(0.0, 0.0, 1.0, 1.0)] if masked else [box for _, box in people[number]]
        for box in boxes:
            for plane, fill, size in zip(picture, (FILL_Y, FILL_UV, FILL_UV), (1, 2, 2), strict=True):
                area = plane[pixels(box, size)].astype(int)
                assert np.abs(area - fill).max() <= CODEC_NOISE, f"frame {number} shows somebody"


def test_pets_when_played_back_then_every_person_of_the_ground_truth_is_solid(site: ReviewSite, clip):
    info, packets = clip
    people = truth()
    frame_ns = packets[1].utc_ns - packets[0].utc_ns
    segment, _ = write_segment(site.data_dir, info, packets, public_key=site.public_key)
    view = PlaybackView(
        archive=site.archive(segment),
        renderer=site.renderer(),
        keys=site.keys,
        clock=site.clock,
        speed=1.0,
        start_ns=Ns(START_NS),
    )
    view.add_masks(facts(packets, people))
    outputs: list[object] = []
    while not any(isinstance(o, ViewNote) and o.code == "end" for o in outputs):
        step = view.step()
        outputs += step.outputs
        site.clock.advance(max(step.wait_ns, NS_PER_MS))
    (stream,) = play(outputs)
    assert len(stream.pictures) == FRAMES
    check_pixels(stream, people, frame_ns)
    flat = {round((t - START_NS) / frame_ns) for t, m in zip(stream.utc_ns, stream.is_fully_masked, strict=True) if m}
    assert set(SILENT) <= flat
    assert len(flat) < 35, "and elsewhere the scene is seen"
    check_mark(site, clip, stream, frame_ns)


def check_mark(site: ReviewSite, clip, stream: PlayedStream, frame_ns: int) -> None:
    """Frames 2, 12, … of the delivered stream name the session and none of 30 others."""
    decoder = FrameDecoder(clip[0])
    originals = [frame for packet in clip[1][:40] for frame in decoder.decode(packet)]
    for number in (2, 12, 22, 32):
        frame = originals[number]
        masks = site.timeline.masks_at(frame.utc_ns, frame.run)
        assert masks is not None
        shown = stream.pictures[number][0]
        original, slot = fill_boxes(frame, masks).y, slot_of(frame.utc_ns)
        assert round((stream.utc_ns[number] - START_NS) / frame_ns) == number
        assert score(original, shown, MARK_KEY, slot) >= 9
        assert abs(score_all(original, shown, [bytes([n]) * 32 for n in range(30)], slot)).max() < 5


def test_pets_when_scrubbed_then_people_are_solid_in_the_jpeg_and_the_mark_is_read(site: ReviewSite, clip):
    info, packets = clip
    people = truth()
    segment, _ = write_segment(site.data_dir, info, packets, public_key=site.public_key)
    view = StillView(archive=site.archive(segment), renderer=site.renderer(), keys=site.keys, clock=site.clock)
    view.add_masks(facts(packets, people))
    decoder = FrameDecoder(info)
    originals = [frame for packet in packets for frame in decoder.decode(packet)]
    for number in (0, 17, 31, 5, 75):
        view.seek(packets[number].utc_ns, number)
        (still,) = view.step().outputs
        assert isinstance(still, StillRendered)
        assert not still.is_fully_masked
        rgb, luma = decode_jpeg(still.payload)
        for _, box in people[number]:
            error = np.abs(rgb[pixels(box)].astype(int) - FILL_RGB)
            # JPEG rings in the blocks that the mask's edge cuts: a few samples, and never much.
            assert np.percentile(error, 95) <= 12
            assert error.max() <= 40
        masks = site.timeline.masks_at(originals[number].utc_ns, originals[number].run)
        assert masks is not None
        original = fill_boxes(originals[number], masks).y
        slot = slot_of(originals[number].utc_ns)
        assert score(original, luma, MARK_KEY, slot) >= 9
        assert abs(score(original, luma, bytes(32), slot)) < 5
    view.seek(packets[SILENT.start + 4].utc_ns, 9)
    site.clock.advance(NS_PER_S)
    (still,) = view.step().outputs
    assert isinstance(still, StillRendered)
    assert still.is_fully_masked
    assert np.ptp(decode_jpeg(still.payload)[0].astype(int)) <= 16


def decode_jpeg(payload: bytes) -> tuple[np.ndarray, np.ndarray]:
    """RGB, and luma in the limited range."""
    with av.open(io.BytesIO(payload)) as container:
        picture = next(container.decode(video=0))
        plane = picture.planes[0]
        full = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: picture.height, : picture.width]
        limited = np.clip(full.astype(np.float32) * 219 / 255 + 16, 0, 255).astype(np.uint8)
        return picture.to_ndarray(format="rgb24"), limited
