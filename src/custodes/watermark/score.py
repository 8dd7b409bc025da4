"""How well a picture's evidence fits the marks of candidates, and what that is worth. Evidence comes from `residual`.

The evidence is compared with secret random signs, so for every layer key that did not shape the picture,
P(z > t) ≤ exp(-t²/2) whatever the picture is (Hoeffding: signs are independent, weights are fixed before any sign is
looked at). What may be said from which z on is `leaks.rule`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from custodes.watermark.pattern import CELLS, GRIDS, chip_bytes

_AT_ONCE = 512
_FINE, _COARSE = GRIDS
_PART_ROWS = (9, 3)
"""Of the fine and the coarse grid: parts of 8×9 fine cells, 4×3 coarse ones, about square."""
_SHARES = (0.1, 0.2, 0.4)
"""Of the parts that may be of one copy."""
_STRENGTHS = (16.0, 32.0, 64.0)
"""z that the whole picture would have, were all of it of that copy; from what names a copy of which half is there."""
_MAX_EXPONENT = 60.0
PARTS = 1
"""Ways to look that `agreement` adds to the views."""


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
    found = np.empty((len(evidence), len(layer_keys)), dtype=np.float64)
    tables = [_signed(one.values, 8) for one in evidence]
    for at, packed in _packed(layer_keys):
        for view, table in enumerate(tables):
            found[view, at] = _looked_up(table, packed).sum(axis=1, dtype=np.float64)
    return found


def _packed(layer_keys: Sequence[bytes]) -> Iterator[tuple[slice, npt.NDArray[np.uint8]]]:
    """Which keys, and their chips as bits, eight cells a byte: (n, CELLS / 8)."""
    for first in range(0, len(layer_keys), _AT_ONCE):
        keys = layer_keys[first : first + _AT_ONCE]
        packed = np.frombuffer(b"".join(chip_bytes(key) for key in keys), dtype=np.uint8)
        yield slice(first, first + len(keys)), packed.reshape(len(keys), -1)


def agreement(evidence: Sequence[Evidence], layer_keys: Sequence[bytes]) -> npt.NDArray[np.float64]:
    """z of each candidate in every way to look, (views + `PARTS`, candidates): all rows have the bound of `scores`.

    The last row reads the first view in parts: a picture that was put together of several copies agrees with each of
    them in some places only, and elsewhere with nobody. Were a share p of the parts of this copy, with a strength k,
    the likelihood ratio of part b would be 1 - p + p·exp(k·s - k²·v/2), where s is the part's sum of signed evidence
    and v of squared. Signs are independent and E exp(k·s) ≤ exp(k²·v/2) (Hoeffding), so for a key that shaped nothing
    the product over parts has a mean of at most 1, and so has the mean of such products over a fixed list of p and k.
    By Markov's inequality it reaches exp(t²/2) with a chance of at most exp(-t²/2): z is the t that it reaches.
    0.1 ms each.

    Raises: InvalidArgument for a key of another length.
    """
    found = np.empty((len(evidence) + PARTS, len(layer_keys)), dtype=np.float64)
    tables = [_signed(one.values, 8) for one in evidence]
    parts = _Parts(evidence[0])
    for at, packed in _packed(layer_keys):
        for view, table in enumerate(tables):
            found[view, at] = _looked_up(table, packed).sum(axis=1, dtype=np.float64)
        found[-1, at] = parts.z(packed)
    return found


class _Parts:
    """One view of a picture, part by part."""

    def __init__(self, evidence: Evidence) -> None:
        fine, coarse = evidence.values[: _FINE.cells], evidence.values[_FINE.cells :]
        self._of_byte, self._of_nibble = _signed(fine, 8), _signed(coarse, 4)
        self._variance = np.concatenate([
            _sums((fine.reshape(-1, 8) ** 2).sum(axis=1)[None], _FINE.rows, _PART_ROWS[0]),
            _sums((coarse.reshape(-1, 4) ** 2).sum(axis=1)[None], _COARSE.rows, _PART_ROWS[1]),
        ], axis=1)  # fmt: skip

    def z(self, packed: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
        """Of candidates whose chips these are."""
        late = packed[:, _FINE.cells // 8 :]
        nibbles = np.stack([late >> 4, late & 15], axis=-1).reshape(len(packed), -1)
        sums = np.concatenate([
            _sums(_looked_up(self._of_byte, packed[:, : _FINE.cells // 8]), _FINE.rows, _PART_ROWS[0]),
            _sums(_looked_up(self._of_nibble, nibbles), _COARSE.rows, _PART_ROWS[1]),
        ], axis=1)  # fmt: skip
        return np.asarray(np.sqrt(2 * np.maximum(_log_mean_ratio(sums, self._variance), 0)), dtype=np.float64)


def _signed(values: npt.NDArray[np.float32], cells: int) -> npt.NDArray[np.float32]:
    """(groups, 2^cells): the sum of each group of so many cells under all signs, most significant bit first."""
    bits = np.unpackbits(np.arange(2**cells, dtype=np.uint8)[:, None], axis=1)[:, 8 - cells :]
    return np.asarray(values.reshape(-1, cells) @ (bits.astype(np.float32) * 2 - 1).T, dtype=np.float32)


def _looked_up(table: npt.NDArray[np.float32], packed: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    base = np.arange(len(table), dtype=np.int32) * table.shape[1]
    return np.asarray(table.ravel().take(packed + base[None]), dtype=np.float32)


def _sums(groups: npt.NDArray[np.float32], rows: int, of_part: int) -> npt.NDArray[np.float32]:
    """(n, rows × columns) → (n, parts): `of_part` rows together."""
    tall = groups.reshape(len(groups), rows // of_part, of_part, -1)
    return np.asarray(tall.sum(axis=2).reshape(len(groups), -1), dtype=np.float32)


def _log_mean_ratio(sums: npt.NDArray[np.float32], variance: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Natural logarithm of the mean of the products, (n,). Args: sums: (n, parts); variance: (1, parts)."""
    each: list[npt.NDArray[np.float64]] = []
    for strength in map(np.float32, _STRENGTHS):
        # A cut exponent makes the ratio smaller, so the bound holds all the same.
        exponents = np.minimum(strength * sums - strength**2 / 2 * variance, np.float32(_MAX_EXPONENT))
        above = np.expm1(exponents)
        each += [np.log1p(np.float32(share) * above).sum(axis=1, dtype=np.float64) for share in _SHARES]
    logs = np.stack(each)
    most = logs.max(axis=0)
    return np.asarray(most + np.log(np.exp(logs - most).mean(axis=0)), dtype=np.float64)
