"""What a child prints: kept in a file of bounded size, and its last line in memory.

The child's structured log is `telemetry.logs`' matter; this is for tracebacks and what libraries write to stderr.
"""

import os
from pathlib import Path

MAX_OUTPUT_BYTES = 1 << 20
"""Per file; one older file is kept. A child that prints in a loop must not fill the recordings' disk."""

_MAX_TAIL_BYTES = 4096


class BoundedOutput:
    """Appends to `path`; at `MAX_OUTPUT_BYTES` the file becomes `<path>.1`. A full disk loses output, nothing else."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._tail = b""

    def write(self, chunk: bytes) -> None:
        """Append bytes as the child wrote them."""
        self._tail = (self._tail + chunk)[-_MAX_TAIL_BYTES:]
        try:
            with self._path.open("ab") as stream:
                if stream.tell() + len(chunk) > MAX_OUTPUT_BYTES:
                    self._path.replace(self._path.with_name(self._path.name + ".1"))
                    with self._path.open("wb") as fresh:
                        fresh.write(chunk)
                else:
                    stream.write(chunk)
        except OSError:
            return  # disk full or gone; the tail in memory still says why the child ended

    def restart(self) -> None:
        """A new incarnation: what the last one said no longer explains anything."""
        self._tail = b""

    def last_line(self) -> str:
        """The last non-empty line, at most 300 characters."""
        for line in reversed(self._tail.decode("utf-8", "replace").splitlines()):
            if line.strip():
                return line.strip()[:300]
        return ""


def drain(descriptor: int, output: BoundedOutput) -> bool:
    """Move what is readable now from a non-blocking pipe to `output`; False when the writer closed it."""
    while True:
        try:
            chunk = os.read(descriptor, 1 << 16)
        except BlockingIOError:
            return True
        if not chunk:
            return False
        output.write(chunk)
