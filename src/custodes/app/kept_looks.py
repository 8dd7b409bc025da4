"""Reading what analysers kept (`analyser_looks`), in a trace job: each key is asked of the warden, and logged."""

from collections.abc import Sequence
from pathlib import Path

import structlog

from custodes.app.kept_names import Kept
from custodes.errors import DataLoss, KeyMissing, SealBroken
from custodes.leaks.background import Background, unpack_background
from custodes.leaks.sketchbook import Dated, unpack
from custodes.review.keys import ViewKeys
from custodes.sealing.apart import MAX_BYTES, open_apart, split_apart
from custodes.units import CameraId

SKETCHES, BACKGROUND = "sketches/1", "background/1"


class KeptLooks:
    """Of one camera, under one grant. Owned by one thread. What cannot be opened is left out, and said in the log."""

    def __init__(self, camera_id: CameraId, keys: ViewKeys) -> None:
        self._camera_id = camera_id
        self._keys = keys

    def background(self, kept: Kept) -> Background | None:
        """Raises: PermissionDenied, Unavailable from the warden."""
        payload = self._open(kept.path, BACKGROUND)
        if payload is None:
            return None
        try:
            return unpack_background(payload)
        except DataLoss as error:
            _leave_out(kept.path, error)
            return None

    def sketches(self, kept: Kept) -> Sequence[Dated]:
        """Raises: PermissionDenied, Unavailable from the warden."""
        payload = self._open(kept.path, SKETCHES)
        try:
            return [] if payload is None else unpack(payload)
        except DataLoss as error:
            _leave_out(kept.path, error)
            return []

    def _open(self, path: Path, label: str) -> bytes | None:
        try:
            if path.stat().st_size > MAX_BYTES:
                raise SealBroken(f"larger than {MAX_BYTES} bytes")
            header, body = split_apart(path.read_bytes())
            if header.camera_id != self._camera_id:
                raise SealBroken(f"of camera {header.camera_id}")
            return open_apart(header, self._keys.data_key(header), label, body)
        except (OSError, SealBroken, KeyMissing) as error:
            _leave_out(path, error)
            return None


def _leave_out(path: Path, error: Exception) -> None:
    structlog.get_logger().warning("what an analyser kept cannot be read", path=path.name, reason=str(error))
