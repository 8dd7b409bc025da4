"""Looks at a camera once, before a site is bothered with it: for `watch` and `doctor`."""

from custodes.adapters.camera import open_camera
from custodes.errors import CameraEnded
from custodes.runtime.clock import SystemClock
from custodes.types.media import StreamInfo
from custodes.types.message import CameraSpec

LOOK_STALL_S = 10.0


def inspect_source(spec: CameraSpec) -> StreamInfo:
    """Connect, read up to the first whole packet, disconnect.

    Raises: CameraError saying why there is no video; the source's own time-outs bound it.
    """
    source = open_camera(spec, SystemClock(), stall_s=LOOK_STALL_S, wait=lambda _: None)
    try:
        info = source.open()
        if next(iter(source.packets()), None) is None:
            raise CameraEnded(f"{spec.name}: the source ends before its first picture")
        return info
    finally:
        source.close()
