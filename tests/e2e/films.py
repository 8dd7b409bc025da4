"""Films that a test makes of pictures in ../shared: nothing of them is kept."""

import io
import tarfile
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

from custodes.testing.plates import plate_picture
from demo.prepare import prepare

SIZE, FPS = (1280, 720), 8
_FACE_PX = 300
_CARPARK = (0, 214)
"""Frames of intel-car-detection.mp4 without and with cars."""
_CAR, _PLATE = (305, 45, 470, 312), (156, 379)
"""The red one in the second of them; the middle of its plate after it was made larger."""
_LARGER = 5 / 3


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


def comers(film: Path, plates: tuple[str, str]) -> Iterator[Image.Image]:
    """Two cars of ../shared's car park, one after the other, drive up, stand for five seconds and drive on. Their
    plates are drawn, over the true ones: the first of a blue car, the second of a red one."""
    with av.open(str(film)) as source:
        frames = {number: one for number, one in enumerate(source.decode(video=0)) if number in _CARPARK}
        empty, seen = (frames[number].to_image() for number in _CARPARK)
    asphalt = empty.resize(SIZE)
    red = seen.crop(_CAR).resize((round((_CAR[2] - _CAR[0]) * _LARGER), round((_CAR[3] - _CAR[1]) * _LARGER)))
    blue = Image.merge("RGB", [red.getchannel(one) for one in "BGR"])
    stand = (SIZE[1] - red.height) // 2
    for car, text in zip((blue, red), plates, strict=True):
        plate = Image.fromarray(plate_picture(text, 36))
        car.paste(plate, (_PLATE[0] - plate.width // 2, _PLATE[1] - plate.height // 2))
        up = np.linspace(SIZE[1], stand, 3 * FPS)
        away = np.linspace(stand, -red.height, 3 * FPS)
        for top in [*up, *[stand] * (5 * FPS), *away, *[SIZE[1]] * (4 * FPS)]:
            shown = asphalt.copy()
            shown.paste(car, (480, round(top)))
            yield shown


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
