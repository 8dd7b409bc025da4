"""Films that a test makes of pictures in ../shared: nothing of them is kept."""

import io
import tarfile
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

from demo.prepare import prepare

SIZE, FPS = (1280, 720), 8
_FACE_PX = 300


def strangers(archive: Path, count: int) -> list[Image.Image]:
    """The first picture of so many people of an LFW archive."""
    found: dict[str, Image.Image] = {}
    with tarfile.open(archive) as tar:
        for member in tar:
            who = Path(member.name).stem.rsplit("_", 1)[0]
            content = tar.extractfile(member) if member.name.endswith(".jpg") and who not in found else None
            if content is not None:
                picture = Image.open(io.BytesIO(content.read())).convert("RGB")
                found[who] = picture.resize((_FACE_PX, _FACE_PX))
            if len(found) == count:
                break
    return list(found.values())


def passers(people: list[Image.Image], last: Image.Image) -> Iterator[Image.Image]:
    """Four people at a time for two seconds, an empty place between; then `last`, slowly.

    Slowly, so that a busy machine that looks once a second still sees one person and not five.
    """
    noise = np.random.default_rng(5).normal(0, 6, (SIZE[1], SIZE[0], 1))
    floor = np.linspace(150, 90, SIZE[1])[:, None, None] + noise + np.zeros(3)
    empty = Image.fromarray(floor.clip(0, 255).astype(np.uint8))
    pause = [empty] * round(2.2 * FPS)
    yield from pause
    for first in range(0, len(people), 4):
        for step in range(2 * FPS):
            shown = empty.copy()
            for place, one in enumerate(people[first : first + 4]):
                shown.paste(one, (15 + place * 315 + step, 200 + step % 3))
            yield shown
        yield from pause
    tall = last.resize((round(last.width * 980 / last.height), 980))
    for step in range(12 * FPS):
        shown = empty.copy()
        shown.paste(tall, (150 + 2 * step, 60))
        yield shown
    yield from pause


def clip_of(frames: Iterator[Image.Image], target: Path) -> Path:
    """As `demo.prepare` makes them, for the RTSP server."""
    film = target.with_suffix(".mp4")
    with av.open(str(film), "w") as out:
        stream = out.add_stream("libx264", rate=FPS, options={"crf": "20", "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        for number, picture in enumerate(frames):
            frame = av.VideoFrame.from_image(picture)
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    prepare(film, target, fps=FPS, height=None, seconds=None)
    return target
