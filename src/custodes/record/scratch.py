"""Buffers that GOPs are put together and sealed in, used again and again by all cameras of a recorder.

Fresh memory for every GOP costs a page fault per 4 KiB: measured, more than encrypting it. Which bytes go in is the
borrower's business.
"""

from collections.abc import Iterator
from contextlib import contextmanager

KEPT_BUFFERS = 8
"""Two per thread that seals at the same time; the others are made and dropped."""

KEPT_BYTES = 8 * 1024 * 1024
"""A larger GOP (16 s at 4 Mbit/s) gets a buffer of its own: 64 MB at most stay with the pool."""

_STEP_BYTES = 256 * 1024
"""Buffers grow in such steps, so that GOPs of a camera that differ a little fit the same one."""


class Scratch:
    """Lends buffers. Thread-safe without a lock: append and pop of a list are atomic."""

    def __init__(self) -> None:
        self._free: list[bytearray] = []

    @contextmanager
    def borrow(self, wanted_bytes: int) -> Iterator[memoryview]:
        """A writable view of exactly `wanted_bytes` with whatever was in it before; not to be kept."""
        try:
            buffer = self._free.pop()
        except IndexError:
            buffer = bytearray()
        if len(buffer) < wanted_bytes:
            buffer = bytearray(-(-wanted_bytes // _STEP_BYTES) * _STEP_BYTES)
        with memoryview(buffer) as whole, whole[:wanted_bytes] as view:
            yield view
        if len(buffer) <= KEPT_BYTES and len(self._free) < KEPT_BUFFERS:
            self._free.append(buffer)
