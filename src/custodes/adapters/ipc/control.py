"""What the CLI asks of a running site, blocking: cameras from the server, processes from the supervisor."""

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from custodes.adapters.ipc.framing import Channel
from custodes.types.message import (
    CameraSpec,
    CameraTable,
    Ok,
    PutCameras,
    ReadCameras,
    ReadStatus,
    RemoveCamera,
    SiteStatus,
    StopSite,
)
from custodes.units import CameraId

T = TypeVar("T")

ANSWER_TIMEOUT_S = 5.0
"""A person waits at a prompt."""


def _ask(path: Path, message: object, reply: type[T]) -> T:
    channel = Channel.connect(path, timeout_s=ANSWER_TIMEOUT_S)
    try:
        return channel.request(message, reply)
    finally:
        channel.close()


def read_processes(supervisor_socket: Path) -> SiteStatus:
    """Raises: Unavailable when no site runs there."""
    return _ask(supervisor_socket, ReadStatus(), SiteStatus)


def stop_site(supervisor_socket: Path) -> None:
    """Ask the site to stop; returns before it has stopped. Raises: Unavailable."""
    _ask(supervisor_socket, StopSite(), Ok)


def read_cameras(control_socket: Path) -> CameraTable:
    """Raises: Unavailable when the server is down."""
    return _ask(control_socket, ReadCameras(), CameraTable)


def put_cameras(control_socket: Path, cameras: Sequence[CameraSpec], *, is_exclusive: bool) -> None:
    """Create or replace; `is_exclusive` removes all others. Raises: Unavailable, InvalidArgument."""
    _ask(control_socket, PutCameras(cameras=tuple(cameras), is_exclusive=is_exclusive), Ok)


def remove_camera(control_socket: Path, camera_id: CameraId) -> None:
    """Raises: NotFound, Unavailable."""
    _ask(control_socket, RemoveCamera(camera_id=camera_id), Ok)
