"""Looks at films in parts: what an edge of a part cut off is no person of its own."""

from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from custodes.detect.detector import SessionDetector
from custodes.media.film import FILM_CAMERA, FILM_RUN
from custodes.pipeline.film_looks import FilmLooker
from custodes.types.media import Frame
from custodes.types.vision import Detections, ObjectClass
from custodes.units import Ns

WIDTH, HEIGHT = 640, 480
PERSON, CAR = int(ObjectClass.PERSON), int(ObjectClass.CAR)
TALL = (200.0, 60.0, 420.0, 478.0)
"""Somebody in the middle; the lower parts begin at y = 192."""


class Detector:
    """Finds, in the whole picture and in its parts, what the test says. In pixels of the frame."""

    ref = SimpleNamespace(name="test")
    manifest = SimpleNamespace(input=SimpleNamespace(width_px=320, height_px=320))

    def __init__(self, *of_each: list[tuple[int, tuple[float, ...]]]) -> None:
        self._answers = list(of_each)

    def input_size_px(self, width: int, height: int) -> tuple[int, int]:
        return width, height

    def detect(self, pictures: list[np.ndarray]) -> list[Detections]:
        x, y = pictures[0][0, 0, :2].tolist()
        found = self._answers.pop(0)
        boxes = np.array([box for _, box in found], np.float32).reshape(-1, 4) - np.array([x, y, x, y], np.float32) * 4
        return [Detections(boxes_px=boxes, scores=np.full(len(found), 0.5, np.float32),
                           class_ids=np.array([kind for kind, _ in found], np.int16))]  # fmt: skip


def look(*of_each: list[tuple[int, tuple[float, ...]]]) -> list[list[float]]:
    """Boxes of one look: whole, upper left part, lower right part."""

    def to_rgb(_: Frame, part: tuple[int, int, int, int], size: tuple[int, int]) -> np.ndarray:
        return np.full((2, 2, 3), [part[0] // 4, part[1] // 4, 0], np.uint8)

    looker = FilmLooker(cast(SessionDetector, Detector(*of_each)), None, to_rgb, fps=10)
    planes = [np.zeros((HEIGHT // scale, WIDTH // scale), np.uint8) for scale in (1, 2, 2)]
    frame = Frame(camera_id=FILM_CAMERA, run=FILM_RUN, seq=0, utc_ns=Ns(0), y=planes[0], u=planes[1], v=planes[2],
                  is_keyframe=True, is_corrupt=False)  # fmt: skip
    return [list(map(float, box)) for box in looker.look(frame).found.boxes_px]


@pytest.mark.parametrize(
    ("piece", "kind", "known", "is_kept"),
    [
        ((260.0, 198.0, 430.0, 478.0), PERSON, [(PERSON, TALL)], False),
        ((260.0, 198.0, 430.0, 478.0), PERSON, [], True),
        ((260.0, 198.0, 430.0, 478.0), PERSON, [(CAR, TALL)], True),
        ((300.0, 240.0, 430.0, 478.0), PERSON, [(PERSON, TALL)], True),
        ((430.0, 198.0, 560.0, 478.0), PERSON, [(PERSON, TALL)], True),
        ((260.0, 193.0, 430.0, 478.0), PERSON, [], False),
    ],
    ids=["torso of somebody known", "nobody knows more", "in a car", "a child in front of somebody", "beside somebody",
         "at the very edge"],
)  # fmt: skip
def test_box_at_the_inner_edge_of_a_part(
    piece: tuple[float, ...], kind: int, known: list[tuple[int, tuple[float, ...]]], is_kept: bool
) -> None:
    found = look(known, [], [(kind, piece)])
    assert any(np.allclose(box, piece, atol=1) for box in found) == is_kept
    assert all(any(np.allclose(box, whole, atol=1) for box in found) for _, whole in known if known[0][1] != piece)


@pytest.mark.parametrize(("fps", "looked_at"), [(10, 12), (30, 4), (1200, 2)])
def test_film_with_a_wrong_clock_is_still_looked_at_every_sixth_frame(fps: float, looked_at: int) -> None:
    detector = Detector(*[[] for _ in range(3 * 12)])
    looker = FilmLooker(
        cast(SessionDetector, detector), None, lambda _, part, size: np.zeros((2, 2, 3), np.uint8), fps=fps
    )
    planes = [np.zeros((HEIGHT // scale, WIDTH // scale), np.uint8) for scale in (1, 2, 2)]
    frames = [
        Frame(camera_id=FILM_CAMERA, run=FILM_RUN, seq=number, utc_ns=Ns(number), y=planes[0], u=planes[1],
              v=planes[2], is_keyframe=True, is_corrupt=False)
        for number in range(12)
    ]  # fmt: skip
    assert sum(looker.take(frame) for frame in frames) == looked_at
