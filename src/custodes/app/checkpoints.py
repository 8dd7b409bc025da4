"""Checkpoints of analysers: small files per camera in the run directory. With `tracks-…` tracks survive a kill, with
`gate-…` what packets taught survives every restart.

They hold boxes and numbers, never pixels. After a power cut they may be old or gone: the run is over then, too.
"""

from pathlib import Path

import structlog

from custodes.units import CameraId

MAX_BYTES = 4 << 20
"""Of a checkpoint: 512 tracks are a quarter of a megabyte; what is larger is none of ours."""


class Checkpoints:
    """Files of one run directory. A disk that fails costs tracks at the next kill, never the analysis."""

    def __init__(self, folder: Path, kind: str = "tracks") -> None:
        """`kind`: what its files' names begin with."""
        self._folder = folder
        self._kind = kind
        self._is_told = False

    def read(self, camera_id: CameraId) -> bytes:
        """What was last written; empty when there is nothing to go on from."""
        path = self._path(camera_id)
        try:
            if path.stat().st_size > MAX_BYTES:
                return b""
            return path.read_bytes()
        except FileNotFoundError:
            return b""
        except OSError as error:
            self._tell(error)
            return b""

    def write(self, camera_id: CameraId, state: bytes) -> None:
        """Replace it, whole or not at all; an empty state removes it. Not synced: it must outlive the process only."""
        path = self._path(camera_id)
        try:
            if not state:
                path.unlink(missing_ok=True)
                return
            fresh = path.with_suffix(".new")
            fresh.unlink(missing_ok=True)
            fresh.touch(mode=0o600)
            fresh.write_bytes(state)
            fresh.replace(path)
            self._is_told = False
        except OSError as error:
            self._tell(error)

    def _path(self, camera_id: CameraId) -> Path:
        return self._folder / f"{self._kind}-{camera_id}.bin"

    def _tell(self, error: OSError) -> None:
        if not self._is_told:
            structlog.get_logger().warning(
                "checkpoints do not work: the next start knows nothing", reason=error.strerror
            )
        self._is_told = True
