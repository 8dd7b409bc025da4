"""A picture put together of several copies agrees with each in some places: read so, and the bound holds."""

import hashlib

import numpy as np
import pytest

from custodes.watermark.pattern import CELLS, GRIDS, chips
from custodes.watermark.score import Evidence, agreement, scores_in_views


def key(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


def evidence(values: np.ndarray) -> Evidence:
    return Evidence(values=(values / np.linalg.norm(values)).astype(np.float32))


def patchwork(copies: int, strength: float, *, seed: int = 1) -> Evidence:
    """Of noise, and in each of 12×8 places the pattern of one of the copies."""
    random = np.random.default_rng(seed)
    whose = random.integers(0, copies, (8, 12))
    patterns = [chips(key(f"copy {n}")) for n in range(copies)]
    planes = []
    for at, grid in enumerate(GRIDS):
        rows = np.arange(grid.rows) * 8 // grid.rows
        columns = np.arange(grid.columns) * 12 // grid.columns
        signs = np.stack([one[at] for one in patterns])
        planes.append(np.take_along_axis(signs, whose[rows][:, columns][None], axis=0)[0].ravel())
    return evidence(random.normal(0, 1, CELLS) + strength * np.concatenate(planes))


def test_patchwork_when_read_in_parts_then_each_copy_stands_out_more_than_as_a_whole() -> None:
    found = patchwork(5, 0.4)
    guilty = [key(f"copy {n}") for n in range(5)]
    whole, parts = agreement([found], guilty)
    assert parts.min() >= 9
    assert (parts > whole).all()


def test_copy_when_whole_then_parts_lose_little_and_other_rows_are_as_ever() -> None:
    found = patchwork(1, 0.1)
    views = (found, evidence(np.concatenate([np.zeros(GRIDS[0].cells), found.values[GRIDS[0].cells :]])))
    keys = [key("copy 0"), key("copy 1")]
    rows = agreement(views, keys)
    assert np.array_equal(rows[:2], scores_in_views(views, keys))
    assert rows[2, 0] > 0.85 * rows[0, 0] > 9
    assert rows[2, 1] < 5


@pytest.mark.parametrize("kind", ["noise", "few cells", "patchwork", "nothing"])
def test_parts_when_a_key_shaped_nothing_then_no_oftener_than_the_bound(kind: str) -> None:
    """Whatever the picture is: also one that says very much in few places."""
    random = np.random.default_rng(2)
    values = {
        "noise": lambda: random.normal(0, 1, CELLS),
        "few cells": lambda: random.standard_cauchy(CELLS) ** 3,
        "patchwork": lambda: patchwork(5, 1.0).values,
        "nothing": lambda: np.eye(1, CELLS).ravel(),
    }[kind]()
    count = 1000
    z = agreement([evidence(values)], [key(f"{kind} {n}") for n in range(count)])[1]
    for t in (1.0, 1.5, 2.0, 3.0):
        # three standard deviations of a share above the bound
        bound = np.exp(-(t**2) / 2)
        assert (z >= t).mean() <= bound + 3 * np.sqrt(bound / count)
    assert z.max() < 5
