"""A bound on what a stream can make FFmpeg allocate, which has none of its own for descriptions and pictures.

Measured without it (`custodes.testing.hostile`, 2026-11-25): a description said to have 2 GB took 2 GB, a JPEG or a
fragmented picture without end 1.3 to 2 GB before its time was over.
"""

import ctypes
import functools
from pathlib import Path

MAX_ALLOCATION_BYTES = 64 << 20
"""Of one block. Twice the largest packet that is taken (media.demux); a decoded 8K picture has 50 MB."""


@functools.cache
def bound_allocations() -> bool:
    """Set the bound for the whole process, once. False when FFmpeg's library is not where PyAV brings it.

    `av_max_alloc` is FFmpeg's own (libavutil/mem.h; `ffmpeg -max_alloc`); PyAV does not offer it.
    """
    for line in Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace").splitlines():
        path = line.partition("/")[2]
        if "libavutil" in path:
            bound = ctypes.CDLL(f"/{path}").av_max_alloc
            bound.argtypes, bound.restype = [ctypes.c_size_t], None
            bound(MAX_ALLOCATION_BYTES)
            return True
    return False
