"""Bytes for a tracker's state: MessagePack of version, counters, columns. Their meaning is `track.tracker`'s."""

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from custodes.errors import DataLoss
from custodes.track.ended import EndedTrack

_VERSION = 2
_MAX_ROWS = 4096

_Column = tuple[list[int], bytes]
_Packed = tuple[int, int, int | None, list[float], list[_Column], list[EndedTrack]]
_DECODER = msgspec.msgpack.Decoder(_Packed)


def pack(
    next_id: int,
    utc_ns: int | None,
    steady: npt.NDArray[np.float64],
    columns: Sequence[npt.NDArray[np.generic]],
    ended: Sequence[EndedTrack],
) -> bytes:
    """All of a tracker's state."""
    packed = [(list(column.shape), column.tobytes()) for column in columns]
    return msgspec.msgpack.encode((_VERSION, next_id, utc_ns, steady.ravel().tolist(), packed, list(ended)))


def unpack(
    state: bytes, like: Sequence[npt.NDArray[np.generic]]
) -> tuple[int, int | None, npt.NDArray[np.float64], list[npt.NDArray[Any]], list[EndedTrack]]:
    """What `pack` was given.

    Args: like: a column of each dtype and row shape, in order; all columns must have one length.
    Raises: DataLoss naming what is wrong.
    """
    try:
        version, next_id, utc_ns, steady, packed, ended = _DECODER.decode(state)
        if version != _VERSION:
            raise DataLoss(f"tracker snapshot of version {version}; this code reads {_VERSION}")
        steady_map = np.array(steady, np.float64).reshape(2, 3)
        columns = [
            np.frombuffer(raw, dtype=example.dtype).reshape(shape).copy()
            for (shape, raw), example in zip(packed, like, strict=True)
        ]
    except (msgspec.MsgspecError, ValueError) as error:
        raise DataLoss(f"tracker snapshot cannot be read: {error}") from error
    for column, example in zip(columns, like, strict=True):
        if column.shape[1:] != example.shape[1:] or len(column) != len(columns[0]) or len(column) > _MAX_ROWS:
            raise DataLoss(f"tracker snapshot has a column of shape {column.shape}")
    return next_id, utc_ns, steady_map, columns, ended
