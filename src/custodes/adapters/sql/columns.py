"""Integer columns to bytes and back: pure packing, no SQL.

A column becomes its smallest value and offsets (or, where that is shorter, steps) in as few bytes as hold them, byte
plane by byte plane: high planes are nearly constant and are deflated, low ones are noise and stay as they are.
"""

import zlib
from collections.abc import Iterable, Mapping

import msgspec
import numpy as np
import numpy.typing as npt

from custodes.errors import DataLoss

Ints = npt.NDArray[np.int64]
Rows = dict[str, Ints]
"""Columns by name, all of one length."""

MAX_ROWS = 65_536
"""Rows per block: a query reads at most this many too much, and packing it takes some 15 ms."""

_LEVEL = 1
"""zlib: level 6 takes six times as long for 3 % less."""

_CRC_BYTES = 4
_NOISE_BITS = 7.5
"""Entropy of a plane's bytes above which deflating it costs ten times what it gains."""


class _Packed(msgspec.Struct, array_like=True):
    first: int
    low: int
    width: int
    is_steps: bool
    planes: list[bytes]
    """Lowest first; a plane that is not as long as there are rows is deflated."""


_BLOCK = msgspec.msgpack.Decoder(dict[str, _Packed])


def pack(rows: Mapping[str, Ints]) -> bytes:
    """At most `MAX_ROWS` rows, at least one."""
    assert 0 < len(next(iter(rows.values()))) <= MAX_ROWS
    packed = msgspec.msgpack.encode({name: _pack_one(column) for name, column in rows.items()})
    return zlib.crc32(packed).to_bytes(_CRC_BYTES, "big") + packed


def unpack(blob: bytes, rows: int, names: Iterable[str]) -> Rows:
    """The columns asked for; others are not inflated. Raises: DataLoss."""
    try:
        checksum, body = blob[:_CRC_BYTES], memoryview(blob)[_CRC_BYTES:]
        if zlib.crc32(body).to_bytes(_CRC_BYTES, "big") != checksum:
            raise ValueError("its checksum is another")
        packed = _BLOCK.decode(body)
        return {name: _unpack_one(packed[name], rows) for name in names}
    except (msgspec.MsgspecError, zlib.error, KeyError, ValueError) as error:
        raise DataLoss(f"a block of columns in the catalog is damaged: {error}") from error


def _pack_one(column: Ints) -> _Packed:
    steps = np.diff(column, prepend=column[:1])
    plain, stepped = _width(column), _width(steps)
    is_steps = stepped < plain or (stepped == plain and bool((steps >= 0).all()))
    values, width = (steps, stepped) if is_steps else (column, plain)
    low = int(values.min())
    offsets = (values - low).view(np.uint8).reshape(-1, 8)  # little-endian, as numpy is here
    return _Packed(
        first=int(column[0]), low=low, width=width, is_steps=is_steps,
        planes=[_pack_plane(np.ascontiguousarray(offsets[:, at])) for at in range(width)],
    )  # fmt: skip


def _pack_plane(plane: npt.NDArray[np.uint8]) -> bytes:
    shares = np.bincount(plane, minlength=256) / len(plane)
    entropy = -float(np.sum(shares * np.log2(shares, where=shares > 0, out=np.zeros(256))))
    if entropy <= _NOISE_BITS:
        packed = zlib.compress(plane.tobytes(), _LEVEL)
        if len(packed) < len(plane):
            return packed
    return plane.tobytes()


def _width(column: Ints) -> int:
    span = int(column.max()) - int(column.min())
    return (span.bit_length() + 7) // 8


def _unpack_one(packed: _Packed, rows: int) -> Ints:
    if not 0 <= packed.width == len(packed.planes) <= 8:
        raise ValueError(f"{len(packed.planes)} planes of a column that is {packed.width} bytes wide")
    offsets = np.zeros((rows, 8), np.uint8)
    for at, plane in enumerate(packed.planes):
        raw = plane if len(plane) == rows else zlib.decompressobj().decompress(plane, rows + 1)
        if len(raw) != rows:
            raise ValueError(f"a plane of {len(raw)} bytes for {rows} rows")
        offsets[:, at] = np.frombuffer(raw, np.uint8)
    values: Ints = offsets.view(np.int64).reshape(rows) + packed.low
    if packed.is_steps:
        values[0] = packed.first
        values = np.cumsum(values)
    return values


def take(rows: Mapping[str, Ints], which: npt.NDArray[np.bool_] | Ints | slice) -> Rows:
    """Some of the rows, in the order given."""
    return {name: column[which] for name, column in rows.items()}


def join(parts: list[Rows], names: Iterable[str]) -> Rows:
    """One behind the other; empty columns for no parts."""
    return {name: np.concatenate([part[name] for part in parts]) if parts else np.zeros(0, np.int64) for name in names}
