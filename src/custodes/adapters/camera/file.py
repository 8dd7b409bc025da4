"""File cameras: a clip played in real time, once or without end. A stand-in for a camera, and an import path."""

import stat
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlsplit

from custodes.adapters.camera.source import DemuxedCamera
from custodes.errors import CameraGarbage, CameraUnreachable
from custodes.media.demux import Demuxer
from custodes.ports.clock import Clock
from custodes.types.message import CameraSpec
from custodes.units import NS_PER_S

_FILE_FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,avi,matroska,webm,mpegts,mpeg,h264,hevc,m4v,mjpeg,mpjpeg,gif,flv,asf,ogg,image2,jpeg_pipe"
)
"""No playlist and no concat format: a hostile clip must not make FFmpeg open anything else."""

_OPEN_TIMEOUT_S = 10.0
_MAX_LATE_NS = 5 * NS_PER_S
"""Beyond this the machine slept or is overloaded: play on from here instead of racing through the backlog."""


class RealTimePacer:
    """Releases packets at their media time, counted from the first."""

    def __init__(self, clock: Clock, wait: Callable[[float], object]) -> None:
        self._clock = clock
        self._wait = wait
        self._zero_ns: int | None = None

    def wait(self, media_ns: int) -> None:
        """Return when it is due."""
        now_ns = self._clock.monotonic_ns()
        if self._zero_ns is None or now_ns - self._zero_ns - media_ns > _MAX_LATE_NS:
            self._zero_ns = now_ns - media_ns
        early_ns = self._zero_ns + media_ns - now_ns
        if early_ns > 0:
            self._wait(early_ns / NS_PER_S)


def file_camera(spec: CameraSpec, clock: Clock, *, wait: Callable[[float], object]) -> DemuxedCamera:
    """A source for file:///path. Opens on `open`. `wait(seconds)` sleeps and may return early, at shutdown."""
    path = Path(unquote(urlsplit(spec.url).path))

    def connect() -> Demuxer:
        _check(path)
        return Demuxer(
            str(path),
            where=path.name,
            options={"protocol_whitelist": "file", "format_whitelist": _FILE_FORMATS},
            open_timeout_s=_OPEN_TIMEOUT_S,
            read_timeout_s=_OPEN_TIMEOUT_S,
        )

    return DemuxedCamera(
        camera_id=spec.camera_id,
        where=path.name,
        clock=clock,
        connect=connect,
        pacer=RealTimePacer(clock, wait),
        is_looped=spec.is_looped,
    )


def _check(path: Path) -> None:
    try:
        status = path.stat()
    except OSError as error:
        raise CameraUnreachable(f"{path}: {(error.strerror or 'cannot be read').lower()}") from error
    if not stat.S_ISREG(status.st_mode):
        raise CameraGarbage(f"{path} is not a file")
    if status.st_size == 0:
        raise CameraGarbage(f"{path.name} is empty")
