"""Analysed frames as columns in one blob: pure packing, no SQL.

A chunk that still grows is a plain row of frames, because it is rewritten at each commit; a full one is turned into
columns and deflated, once.
"""

import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from custodes.errors import DataLoss, ProtocolError
from custodes.types.codec import decode_as, encode
from custodes.types.event import FrameAnalysed
from custodes.types.vision import TrackedFrame
from custodes.units import NS_PER_S, CameraId, Ns, RunId

MAX_FRAMES = 64
"""Frames per chunk; with 10 people in view about 20 KB raw."""
MAX_SPAN_NS = 10 * NS_PER_S
"""Time per chunk, so that looking up an interval reads at most this much too much."""
_MAX_CHUNK_BYTES = 64 * 1024 * 1024

TRACK_COLUMNS: dict[str, tuple[str, int]] = {
    "track_ids": ("int64", 1),
    "class_ids": ("int16", 1),
    "boxes_norm": ("float32", 4),
    "scores": ("float32", 1),
    "is_measured": ("bool", 1),
}
"""Array fields of `TrackedFrame`: dtype and values per track. A test fails when the class has one more."""

_GROWING, _FULL = b"\x01", b"\x02"
_LENGTH = struct.Struct(">I")


def pack_one(fact: FrameAnalysed) -> bytes:
    """One frame as it lies in a chunk that still grows. About 10 µs."""
    encoded = encode(fact)
    return _LENGTH.pack(len(encoded)) + encoded


def pack_growing(packed: Sequence[bytes]) -> bytes:
    """A chunk of frames that `pack_one` packed."""
    return _GROWING + b"".join(packed)


def pack_full(frames: Sequence[FrameAnalysed]) -> bytes:
    """Columns of 1 to `MAX_FRAMES` frames of one camera and run, deflated. About 0.6 ms for 64 × 5 tracks."""
    assert frames
    tracked = [fact.frame for fact in frames]
    columns = {
        "seq": np.array([frame.seq for frame in tracked], np.int64).tobytes(),
        "utc_ns": np.array([frame.utc_ns for frame in tracked], np.int64).tobytes(),
        "valid_from_ns": np.array([fact.valid_from_ns for fact in frames], np.int64).tobytes(),
        "quiet_from_ns": np.array([fact.quiet_from_ns for fact in frames], np.int64).tobytes(),
        "count": np.array([len(frame.track_ids) for frame in tracked], np.int64).tobytes(),
    }
    for name, (dtype, _) in TRACK_COLUMNS.items():
        arrays = [np.ascontiguousarray(getattr(frame, name), dtype).reshape(-1) for frame in tracked]
        columns[name] = np.concatenate(arrays).tobytes()
    return _FULL + zlib.compress(msgspec.msgpack.encode(columns), 6)


def is_growing(blob: bytes) -> bool:
    """Whether `pack_growing` made it."""
    return blob[:1] == _GROWING


def unpack(camera_id: CameraId, run: RunId, blob: bytes) -> list[FrameAnalysed]:
    """The frames of a growing or a full chunk. Raises: DataLoss when the blob is neither."""
    try:
        if blob[:1] == _GROWING:
            return [decode_as(FrameAnalysed, part) for part in _parts(blob)]
        if blob[:1] == _FULL:
            return _unpack_columns(camera_id, run, zlib.decompressobj().decompress(blob[1:], _MAX_CHUNK_BYTES))
        raise ValueError(f"unknown form {blob[:1]!r}")
    except (msgspec.MsgspecError, ProtocolError, zlib.error, ValueError, KeyError, IndexError) as error:
        raise DataLoss(f"analysed frames of {camera_id}, run {run}, in the catalog are damaged: {error}") from error


def _parts(blob: bytes) -> Iterator[bytes]:
    place = 1
    while place < len(blob):
        if place + _LENGTH.size > len(blob):
            raise ValueError("cut in the middle of a length")
        (length,) = _LENGTH.unpack_from(blob, place)
        place += _LENGTH.size + length
        yield blob[place - length : place]


def _unpack_columns(camera_id: CameraId, run: RunId, packed: bytes) -> list[FrameAnalysed]:
    columns = msgspec.msgpack.decode(packed, type=dict[str, bytes])
    seqs, times, froms, counts = (_int64(columns, name) for name in ("seq", "utc_ns", "valid_from_ns", "count"))
    quiets = _int64(columns, "quiet_from_ns") if "quiet_from_ns" in columns else np.zeros(len(seqs), np.int64)
    if not len(seqs) == len(times) == len(froms) == len(counts) == len(quiets):
        raise ValueError("columns of unequal length")
    ends = np.cumsum(counts)
    arrays = {name: _column(columns, name, int(ends[-1])) for name in TRACK_COLUMNS}
    frames = []
    for place, end in enumerate(ends.tolist()):
        rows = slice(end - int(counts[place]), end)
        frame = TrackedFrame(
            camera_id=camera_id,
            run=run,
            seq=int(seqs[place]),
            utc_ns=Ns(int(times[place])),
            **{name: array[rows] for name, array in arrays.items()},
        )
        times_ns = Ns(int(froms[place])), Ns(int(quiets[place]))
        frames.append(FrameAnalysed(frame=frame, valid_from_ns=times_ns[0], quiet_from_ns=times_ns[1]))
    return frames


def _int64(columns: dict[str, bytes], name: str) -> npt.NDArray[np.int64]:
    return np.frombuffer(columns[name], np.int64)


def _column(columns: dict[str, bytes], name: str, rows: int) -> npt.NDArray[Any]:
    dtype, width = TRACK_COLUMNS[name]
    array = np.frombuffer(columns[name], dtype)
    return array.reshape(rows, width) if width > 1 else array.reshape(rows)
