"""Checkpoints of analysers: a small file per camera in the run directory, so that tracks survive a kill.

They hold boxes and numbers, never pixels. After a power cut they may be old or gone: the run is over then, too.
"""

from pathlib import Path

import structlog

from custodes.units import CameraId

MAX_BYTES = 4 << 20
"""Of a checkpoint: 512 tracks are a quarter of a megabyte; what is larger is none of ours."""


class Checkpoints:
    """Files of one run directory. A disk that fails costs tracks at the next kill, never the analysis."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
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
        return self._folder / f"tracks-{camera_id}.bin"

    def _tell(self, error: OSError) -> None:
        if not self._is_told:
            structlog.get_logger().warning("checkpoints do not work: a kill would end tracks", reason=error.strerror)
        self._is_told = True
