"""How well a picture's evidence fits the marks of candidates, and what that is worth. Evidence comes from `residual`.

The evidence is compared with secret random signs, so for every layer key that did not shape the picture,
P(z > t) ≤ exp(-t²/2) whatever the picture is (Hoeffding: signs are independent, weights are fixed before any sign is
looked at). What may be said from which z on is `leaks.rule`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from custodes.watermark.pattern import CELLS, chip_bytes

_AT_ONCE = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a picture says about every cell, grid after grid: (36,000,) float32 of norm 1, or all 0."""

    values: npt.NDArray[np.float32]

    def __post_init__(self) -> None:
        assert self.values.shape == (CELLS,)


def scores(evidence: Evidence, layer_keys: Sequence[bytes]) -> npt.NDArray[np.float64]:
    """z of each candidate: <evidence, signs>. Of norm 1, so about N(0, 1) for a key that shaped nothing.

    Args: layer_keys: from `slot_key` or `session_key`, 32 bytes each.
    Raises: InvalidArgument for a key of another length.
    """
    return np.asarray(scores_in_views([evidence], layer_keys)[0])


def scores_in_views(evidence: Sequence[Evidence], layer_keys: Sequence[bytes]) -> npt.NDArray[np.float64]:
    """Like `scores` for several looks at one picture, (views, candidates): their signs are made once.

    Eight cells at a time by a table of all their 256 sums: 0.03 ms each for one view, most of it SHAKE.
    """
    bits = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).astype(np.float32) * 2 - 1
    tables = [(one.values.reshape(-1, 8) @ bits.T).ravel() for one in evidence]
    base = (np.arange(CELLS // 8, dtype=np.int32) * 256)[None]
    found = np.empty((len(evidence), len(layer_keys)), dtype=np.float64)
    for first in range(0, len(layer_keys), _AT_ONCE):
        keys = layer_keys[first : first + _AT_ONCE]
        packed = np.frombuffer(b"".join(chip_bytes(key) for key in keys), dtype=np.uint8).reshape(len(keys), -1)
        places = packed + base
        for view, table in enumerate(tables):
            found[view, first : first + len(keys)] = table.take(places).sum(axis=1, dtype=np.float64)
    return found
