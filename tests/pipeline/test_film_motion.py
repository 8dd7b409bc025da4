"""What moved and nobody covers: each place by itself, and a change all over the picture as one moment."""

import numpy as np
import pytest

from custodes.media.film import FILM_CAMERA, FILM_RUN
from custodes.pipeline.film_looks import Look
from custodes.pipeline.film_motion import moved_uncovered
from custodes.pipeline.film_tracks import track_film
from custodes.types.vision import Detections
from custodes.units import NS_PER_MS, Ns

NOBODY = Detections(
    boxes_px=np.zeros((0, 4), np.float32), scores=np.zeros(0, np.float32), class_ids=np.zeros(0, np.int16)
)


def look(number: int, places: int) -> Look:
    grid = np.full((54, 96), 100, np.float32)
    for place in range(places):
        grid[4:10, 8 * place : 8 * place + 4] = 30
    return Look(seq=number, utc_ns=Ns(number * 100 * NS_PER_MS), size_px=(640, 360), found=NOBODY, grid=grid)


@pytest.mark.parametrize(("places", "moments"), [(0, 0), (1, 1), (3, 3), (7, 1)])
def test_places_that_change_at_once(places: int, moments: int) -> None:
    looks = [look(0, 0), look(1, places)]
    found = moved_uncovered(looks, track_film(looks, camera_id=FILM_CAMERA, run=FILM_RUN))
    assert len(found) == moments
    if places > moments:
        assert found[0].box[0] == 0 and found[0].box[2] >= (8 * places - 4) / 96
