"""The content index of one segment: a sketch of each keyframe, small enough to keep and compare by the thousand.

Cell means in steps of 3 luma, each as its difference from the one before, packed by LZMA: what stands still costs
nothing. Deflate, which books of before have, takes a bit a cell at least where anything moves: an eighth more.
"""

import lzma
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from custodes.errors import DataLoss
from custodes.leaks.sketch import Plane, Sketch
from custodes.units import Ns

_STEP = 3.0
_HEAD = struct.Struct(">4sHHI")
_MAGIC, _DEFLATED = b"SKB2", b"SKB1"
_LZMA = [{"id": lzma.FILTER_LZMA2, "preset": 9, "dict_size": 1 << 20, "lc": 3, "lp": 0, "pb": 0}]
"""Said here, not in the book: a forged one cannot ask for gigabytes. A byte is a cell: no place in it is special."""
MAX_SKETCHES = 65_536
_MAX_CELLS = 256 * 256
_MAX_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Dated:
    """A keyframe's sketch."""

    utc_ns: Ns
    sketch: Sketch


def pack(sketches: Sequence[Dated]) -> bytes:
    """Sketches of one size and segment, in time order. Args: sketches: at least one."""
    first = sketches[0].sketch.luma
    levels = np.stack([np.rint(one.sketch.luma / _STEP) for one in sketches]).astype(np.int16)
    deltas = np.diff(levels, axis=0, prepend=np.zeros_like(levels[:1])).astype(np.int8)
    times = np.array([one.utc_ns for one in sketches], dtype=">i8")
    body = lzma.compress(times.tobytes() + deltas.tobytes(), format=lzma.FORMAT_RAW, filters=_LZMA)
    return _HEAD.pack(_MAGIC, first.shape[0], first.shape[1], len(sketches)) + body


def unpack(packed: bytes) -> list[Dated]:
    """Raises: DataLoss for what `pack` did not make."""
    try:
        magic, rows, columns, count = _HEAD.unpack_from(packed)
        cells = rows * columns
        size = count * (8 + cells)
        if (
            magic not in (_MAGIC, _DEFLATED)
            or not 0 < cells <= _MAX_CELLS
            or count > MAX_SKETCHES
            or size > _MAX_BYTES
        ):
            raise DataLoss("not a sketchbook, or too large")
        body = _unpacked(packed[_HEAD.size :], size + 1, is_deflated=magic == _DEFLATED)
    except (struct.error, zlib.error, lzma.LZMAError) as error:
        raise DataLoss(f"sketchbook is damaged: {error}") from error
    if len(body) != size:
        raise DataLoss(f"sketchbook of {len(body)} bytes; expected {size}")
    times = np.frombuffer(body, dtype=">i8", count=count)
    deltas = np.frombuffer(body, dtype=np.int8, offset=8 * count).reshape(count, rows, columns)
    levels = np.cumsum(deltas, axis=0, dtype=np.int16)
    seen = np.ones((rows, columns), dtype=np.float32)
    planes: list[Plane] = [(level * np.float32(_STEP)).astype(np.float32) for level in levels]
    return [
        Dated(utc_ns=Ns(int(time)), sketch=Sketch(luma=plane, seen=seen))
        for time, plane in zip(times, planes, strict=True)
    ]


def _unpacked(body: bytes, limit: int, *, is_deflated: bool) -> bytes:
    if is_deflated:
        return zlib.decompressobj().decompress(body, limit)
    return lzma.LZMADecompressor(format=lzma.FORMAT_RAW, filters=_LZMA).decompress(body, limit)
