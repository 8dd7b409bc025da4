"""Cameras as sources of packets. The only package that parses what cameras send."""

import os
import time
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from custodes.adapters.camera.file import file_camera
from custodes.adapters.camera.rtsp import network_camera
from custodes.errors import CameraGarbage
from custodes.ports.camera import CameraSource
from custodes.ports.clock import Clock
from custodes.types.message import CameraSpec

DEFAULT_STALL_S = 10.0


def open_camera(
    spec: CameraSpec,
    clock: Clock,
    *,
    stall_s: float = DEFAULT_STALL_S,
    environ: Mapping[str, str] = os.environ,
    wait: Callable[[float], object] = time.sleep,
) -> CameraSource:
    """The source for a camera; nothing is connected before its `open`.

    Args:
        stall_s: without a packet for this long the source raises CameraStalled.
        environ: where `env:NAME` passwords are looked up.
        wait: sleeps for file cameras; may return early when the caller is stopping.

    Raises: CameraUnauthorized when the password's reference leads nowhere, CameraGarbage for an unknown scheme.
    """
    scheme = urlsplit(spec.url).scheme
    if scheme == "file":
        return file_camera(spec, clock, wait=wait)
    if scheme in ("rtsp", "rtsps", "http", "https", "onvif"):
        return network_camera(spec, clock, read_timeout_s=stall_s, environ=environ)
    raise CameraGarbage(f"camera {spec.camera_id}: no source for scheme {scheme or '(none)'!r}")
