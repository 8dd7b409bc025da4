"""A whole film rendered with its masks, into a new file. The masks are all known before the first frame is written."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from custodes.media.film import FilmInfo, FilmReader, FilmWriter, fitted
from custodes.media.jpeg import encode_jpeg
from custodes.redact.fill import fill_boxes, fill_frame
from custodes.redact.film_masks import FilmMasks
from custodes.types.media import Frame

CRF = 20
"""Of the written film: made once, looked at closely."""

PRESET = "veryfast"
JPEG_QUALITY = 92

OnFrame = Callable[[int], None]
"""Told how many frames are done."""

Picked = Callable[[Frame], None]
"""Is shown each masked frame as it is written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedFilm:
    """What was written."""

    frames: int
    whole_frames: int
    """Covered as a whole, because nobody vouched for them."""
    masked_share: float
    """Mean share of the picture that is covered, overlaps counted once per mask."""
    seconds: float


def render_film(
    source: Path,
    target: Path,
    masks: FilmMasks,
    info: FilmInfo,
    *,
    threads: int,
    on_frame: OnFrame,
    picked: Picked,
) -> RenderedFilm:
    """Read the film again and write it masked: pictures only, no sound, no metadata.

    A moment that no look vouches for, and a frame that is corrupt, is filled whole.
    Raises: InvalidArgument, MediaError.
    """
    with FilmWriter(target, info, crf=CRF, preset=PRESET, threads=threads) as writer:
        return _render(source, masks, info, write=writer.write, on_frame=on_frame, picked=picked)


def render_picture(
    source: Path,
    target: Path,
    masks: FilmMasks,
    info: FilmInfo,
    *,
    threads: int,
    on_frame: OnFrame,
    picked: Picked,
) -> RenderedFilm:
    """The same for a single picture, into a JPEG without metadata. `threads` is not needed."""

    def write(frame: Frame) -> None:
        target.write_bytes(encode_jpeg(frame, JPEG_QUALITY))

    return _render(source, masks, info, write=write, on_frame=on_frame, picked=picked)


def _render(
    source: Path,
    masks: FilmMasks,
    info: FilmInfo,
    *,
    write: Callable[[Frame], None],
    on_frame: OnFrame,
    picked: Picked,
) -> RenderedFilm:
    frames = whole = 0
    share = 0.0
    started = time.monotonic()
    with FilmReader(source) as reader:
        for frame in reader.frames():
            height, width = frame.y.shape
            boxes = None if frame.is_corrupt else masks.masks_at(frame.utc_ns, frame.run, width / height)
            if boxes is None:
                whole += 1
                share += 1.0
                masked = fill_frame(frame)
            else:
                masked = fill_boxes(frame, boxes)
                share += min(1.0, float(((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])).sum()))
            masked = fitted(masked, info.width_px, info.height_px)
            write(masked)
            picked(masked)
            frames += 1
            on_frame(frames)
    return RenderedFilm(
        frames=frames, whole_frames=whole, masked_share=share / max(frames, 1), seconds=time.monotonic() - started
    )  # fmt: skip
