"""Network outputs made by hand, and the boxes that must come out."""

import numpy as np
import pytest

from custodes.detect.decode import CANDIDATES_MAX, DETECTING, decode
from custodes.errors import MediaError
from custodes.types.model import OutputKind


def read(kind: OutputKind, *outputs: np.ndarray, floor: float = 0.3):
    return decode(kind, [np.asarray(item, np.float32) for item in outputs], floor=floor, width_px=128, height_px=96)


def test_centernet_when_one_peak_then_one_box_around_it() -> None:
    heat, sides = np.zeros((1, 24, 32, 2)), np.zeros((1, 24, 32, 4))
    heat[0, 5, 10, 1], heat[0, 5, 11, 1] = 0.9, 0.8  # the neighbour is no peak
    sides[0, 5, 10] = [4, 6, 8, 10]
    found = read(OutputKind.CENTERNET, heat, sides)
    assert found.boxes_px.tolist() == [[36, 14, 48, 30]]
    assert found.indices.tolist() == [1]


def test_nanodet_when_distribution_is_sharp_then_distance_is_its_bin() -> None:
    scores, sides = np.zeros((1, 3, 12, 16)), np.full((1, 4 * 8, 12, 16), -50.0)
    scores[0, 2, 3, 4] = 0.7
    for side, reach in enumerate((1, 2, 3, 4)):
        sides[0, side * 8 + reach, 3, 4] = 50
    found = read(OutputKind.NANODET, scores, sides)
    centre_x, centre_y = 4.5 * 8, 3.5 * 8
    np.testing.assert_allclose(found.boxes_px[0], [centre_x - 8, centre_y - 16, centre_x + 24, centre_y + 32])
    assert found.indices.tolist() == [2]


def test_ssd_when_the_list_has_ended_then_later_rows_are_ignored() -> None:
    rows = [[0, 1, 0.9, 0.25, 0.5, 0.5, 1], [-1, 0, 0, 0, 0, 0, 0], [0, 1, 0.99, 0, 0, 1, 1]]
    found = read(OutputKind.SSD, np.array(rows)[None, None])
    assert found.boxes_px.tolist() == [[32, 48, 64, 96]]


def test_centerface_when_one_cell_then_size_is_exponential() -> None:
    maps = [np.zeros((1, n, 24, 32)) for n in (1, 2, 2, 10)]
    maps[0][0, 0, 2, 3] = 0.8
    maps[1][0, :, 2, 3] = np.log([4, 2])
    found = read(OutputKind.CENTERFACE, *maps)
    np.testing.assert_allclose(found.boxes_px[0], [14 - 4, 10 - 8, 14 + 4, 10 + 8], rtol=1e-5)


def test_fastestdet_when_one_cell_then_box_is_read() -> None:
    grid = np.zeros((1, 7, 12, 16))
    grid[0, 0, 2, 3], grid[0, 6, 2, 3] = 1.0, 1.0
    found = read(OutputKind.FASTESTDET, grid)
    # tanh(0) = 0 and sigmoid(0) = ½: the box is centred on the cell's corner and half the input large.
    np.testing.assert_allclose(found.boxes_px[0], [24 - 32, 16 - 24, 24 + 32, 16 + 24])
    assert found.scores.tolist() == [1]


@pytest.mark.parametrize("kind", sorted(DETECTING))
def test_decode_when_shapes_are_wrong_then_it_is_said(kind: OutputKind) -> None:
    with pytest.raises(MediaError, match=kind.value):
        read(kind, np.zeros((1, 2, 3)))


def test_decode_when_everything_fires_then_candidates_are_bounded() -> None:
    found = read(OutputKind.ULTRAFACE, np.ones((1, 5000, 2)), np.ones((1, 5000, 4)))
    assert len(found.scores) == CANDIDATES_MAX
