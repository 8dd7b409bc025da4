"""Where somebody must have been: behind somebody else's box, behind a thing; and where nothing is to be added."""

import numpy as np
import pytest

from custodes.media.film import FILM_CAMERA, FILM_RUN
from custodes.pipeline.film_looks import Look
from custodes.pipeline.film_paths import FilmPath, bridged, steadied
from custodes.pipeline.film_tracks import track_film
from custodes.redact.levels import MaskLevel
from custodes.redact.timeline import MaskPolicy, MaskTimeline
from custodes.types.vision import Detections, ObjectClass
from custodes.units import NS_PER_MS, Ns

SIZE = (640, 480)
STEP_NS = 100 * NS_PER_MS
WIDTH, HEIGHT = 0.06, 0.25


def look(number: int, *boxes: tuple[float, float, float, float]) -> Look:
    scale = np.array([*SIZE, *SIZE], np.float32)
    return Look(
        seq=number,
        utc_ns=Ns(number * STEP_NS),
        size_px=SIZE,
        found=Detections(
            boxes_px=np.array(boxes, np.float32).reshape(-1, 4) * scale,
            scores=np.full(len(boxes), 0.9, np.float32),
            class_ids=np.full(len(boxes), int(ObjectClass.PERSON), np.int16),
        ),
        grid=np.zeros((4, 4), np.float32),
    )


def box_at(x: float, top: float = 0.4) -> tuple[float, float, float, float]:
    return (x, top, x + WIDTH, top + HEIGHT)


def path_of(first: int, *boxes: tuple[float, float, float, float]) -> FilmPath:
    path = FilmPath()
    for number, box in enumerate(boxes, first):
        path.add(number, np.array(box, np.float32), 0.9, int(ObjectClass.PERSON), is_measured=True)
    return path


def is_covered(timeline: MaskTimeline, number: int, box: tuple[float, float, float, float]) -> bool:
    """The head's middle."""
    masks = timeline.masks_at(Ns(number * STEP_NS), FILM_RUN, SIZE[0] / SIZE[1])
    x, y = (box[0] + box[2]) / 2, box[1] + 0.06 * HEIGHT
    return masks is not None and any(m[0] <= x <= m[2] and m[1] <= y <= m[3] for m in masks.tolist())


def test_whose_box_jumps_onto_another_for_three_looks_stays_covered() -> None:
    """Somebody walks past a person behind them; the detector gives one box for both, with the other one's head."""
    walker = [box_at(0.2 + 0.01 * n) for n in range(40)]
    merged = [(box[0], 0.3, box[2], box[3]) if 18 <= n < 21 else box for n, box in enumerate(walker)]
    looks = [look(n, box) for n, box in enumerate(merged)]
    timeline = MaskTimeline(MaskPolicy(level=MaskLevel.HEAD, margin=0.0))
    timeline.add(track_film(looks, camera_id=FILM_CAMERA, run=FILM_RUN))
    assert all(is_covered(timeline, n, box) for n, box in enumerate(walker))


def test_whom_a_post_hides_for_seconds_stays_covered() -> None:
    stands = box_at(0.5)
    looks = [look(n, *([] if 20 <= n < 80 else [stands])) for n in range(100)]
    timeline = MaskTimeline(MaskPolicy(level=MaskLevel.HEAD, margin=0.0))
    timeline.add(track_film(looks, camera_id=FILM_CAMERA, run=FILM_RUN))
    assert all(is_covered(timeline, n, stands) for n in range(100))


def test_who_walks_straight_on_gets_nothing_added() -> None:
    looks = [look(n) for n in range(40)]
    path = path_of(0, *(box_at(0.1 + 0.015 * n) for n in range(40)))
    assert steadied({1: path}, looks) == []
    assert bridged({1: path}, looks) == []


@pytest.mark.parametrize(
    ("second_at", "box"),
    [(30, box_at(0.9, 0.1)), (200, box_at(0.5)), (30, (0.5, 0.4, 0.52, 0.45))],
    ids=["too-far", "too-late", "too-small"],
)
def test_who_comes_out_cannot_be_whom_was_lost(second_at: int, box: tuple[float, float, float, float]) -> None:
    looks = [look(n) for n in range(220)]
    paths = {1: path_of(0, *[box_at(0.5)] * 10), 2: path_of(second_at, *[box] * 10)}
    assert bridged(paths, looks) == []


def test_who_left_at_the_edge_is_not_looked_for() -> None:
    looks = [look(n) for n in range(60)]
    paths = {1: path_of(0, *[box_at(0.0)] * 10), 2: path_of(30, *[box_at(0.02)] * 10)}
    assert bridged(paths, looks) == []


def test_bridge_begins_and_ends_with_what_was_measured() -> None:
    looks = [look(n) for n in range(60)]
    (bridge,) = bridged({1: path_of(0, *[box_at(0.5)] * 10), 2: path_of(30, *[box_at(0.55)] * 10)}, looks)
    assert (bridge.looks[0], bridge.looks[-1]) == (9, 30)
    assert (bridge.measured[0], bridge.measured[-1], any(bridge.measured[1:-1])) == (True, True, False)
    tops = [float(box[0]) for box in bridge.boxes]
    assert tops == sorted(tops)
