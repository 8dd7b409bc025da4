"""Smoothing on a smaller picture stands for smoothing."""

import cv2
import numpy as np
import pytest
from tests.leaks.scenes import scene

from custodes.leaks.smooth import smooth


@pytest.mark.parametrize("sigma", [3.0, 8.0, 12.0, 20.0])
@pytest.mark.parametrize("size", [(270, 480), (101, 193), (16, 480)])
def test_plane_when_smoothed_on_a_smaller_one_then_as_by_a_gaussian(sigma: float, size: tuple[int, int]) -> None:
    plane = cv2.resize(scene(5), size[::-1], interpolation=cv2.INTER_AREA).astype(np.float32)
    exact = cv2.GaussianBlur(plane, (0, 0), sigma)
    made = smooth(plane, sigma)
    assert made.shape == plane.shape
    assert made.dtype == np.float32
    assert np.abs(made - exact).std() <= 0.06 * (plane - exact).std()
