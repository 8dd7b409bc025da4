"""Motion beyond an end of a track is covered as whose it was; motion elsewhere and light are not."""

import numpy as np

from custodes.media.film import FILM_CAMERA, FILM_RUN
from custodes.pipeline.film_looks import Look
from custodes.pipeline.film_tracks import track_film
from custodes.redact.levels import MaskLevel
from custodes.redact.timeline import MaskPolicy, MaskTimeline
from custodes.types.vision import Detections, ObjectClass
from custodes.units import NS_PER_MS, Ns

SIZE = (640, 480)
STEP_NS = 100 * NS_PER_MS
SHAPE = (72, 96)
BEGINS, KNOWN, LOOKS = 20, 30, 45
"""Somebody's head comes in over the lower edge, and is known to be a person's a second later."""

Box = tuple[float, float, float, float]


def head_at(number: int) -> Box:
    top = 1.0 - 0.02 * (number - BEGINS + 2)
    return (0.45, top, 0.55, min(1.0, top + 0.15))


def person_at(number: int) -> Box:
    head = head_at(number)
    return (head[0] - 0.05, head[1], head[2] + 0.05, 1.0)


def look(number: int, *, is_there: bool = True, elsewhere: Box | None = None, light: float = 0.0) -> Look:
    grid = np.full(SHAPE, 100 + light, np.float32)
    rows, columns = SHAPE
    for box in ([head_at(number)] if is_there and number >= BEGINS else []) + ([elsewhere] if elsewhere else []):
        grid[int(box[1] * rows) : int(box[3] * rows) + 1, int(box[0] * columns) : int(box[2] * columns) + 1] = 30
    found = [person_at(number)] if is_there and number >= KNOWN else []
    return Look(
        seq=number,
        utc_ns=Ns(number * STEP_NS),
        size_px=SIZE,
        found=Detections(
            boxes_px=np.array(found, np.float32).reshape(-1, 4) * np.array([*SIZE, *SIZE], np.float32),
            scores=np.full(len(found), 0.9, np.float32),
            class_ids=np.full(len(found), int(ObjectClass.PERSON), np.int16),
        ),
        grid=grid,
    )


def masks_of(looks: list[Look], *, is_mended: bool = True) -> list[np.ndarray]:
    timeline = MaskTimeline(MaskPolicy(level=MaskLevel.HEAD, margin=0.0))
    timeline.add(track_film(looks, camera_id=FILM_CAMERA, run=FILM_RUN, is_mended=is_mended))
    found = [timeline.masks_at(one.utc_ns, FILM_RUN, SIZE[0] / SIZE[1]) for one in looks]
    return [masks for masks in found if masks is not None]


def is_covered(masks: np.ndarray, x: float, y: float) -> bool:
    return any(m[0] <= x <= m[2] and m[1] <= y <= m[3] for m in masks.tolist())


def test_head_that_comes_in_a_second_before_it_is_known_is_covered_from_where_it_moved() -> None:
    looks = [look(number) for number in range(LOOKS)]
    mended, bare = masks_of(looks), masks_of(looks, is_mended=False)
    middles = [(0.5, (head_at(number)[1] + head_at(number)[3]) / 2) for number in range(LOOKS)]
    assert all(is_covered(mended[number], *middles[number]) for number in range(BEGINS, LOOKS))
    assert not all(is_covered(bare[number], *middles[number]) for number in range(BEGINS, KNOWN)), (
        "else it tests nothing"
    )


def test_motion_that_hangs_together_with_nobody_is_not_covered() -> None:
    looks = [
        look(number, elsewhere=(0.02 + 0.005 * number, 0.1, 0.1 + 0.005 * number, 0.2)) for number in range(LOOKS)
    ]
    assert not any(is_covered(masks, 0.08 + 0.005 * number, 0.15) for number, masks in enumerate(masks_of(looks)))


def test_light_that_changes_is_not_covered() -> None:
    looks = [look(number, light=40.0 if number >= BEGINS + 3 else 0.0) for number in range(LOOKS)]
    assert not any(is_covered(masks, 0.05, 0.05) for masks in masks_of(looks))
