"""Setting cameras up: what a look at a camera finds, who answers on a network, and how a camera was changed.

The prober's socket is `server-probe.sock`. A password travels there alone, in memory; no value that is kept holds one.
"""

from dataclasses import dataclass

from custodes.types.message import CameraSpec
from custodes.units import CameraId, Ns


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeTask:
    """Connect to a camera as the recorder would, look at what comes, disconnect."""

    spec: CameraSpec
    password: str
    """As typed; then the spec's reference is not followed. Empty: what the reference leads to."""
    look_s: float
    """Seconds of packets to look at once the first came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscoverTask:
    """One WS-Discovery probe on the network of an address of this machine."""

    interface: str
    wait_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RedrawTask:
    """Decode a picture that somebody handed over, and draw it anew."""

    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureRedrawn:
    """A JPEG without anything but pixels; with `problem` there is none."""

    problem: str
    jpeg: bytes
    width_px: int
    height_px: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedStream:
    """A profile that an ONVIF camera names; 0 where it does not say."""

    token: str
    width_px: int
    height_px: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraProbed:
    """What the look found. With `problem` the rest is what was found out before it."""

    problem: str
    """Empty where video came; else the camera's error in words."""
    stream_url: str
    """Where the video came from; never with a login in it."""
    offered: tuple[OfferedStream, ...]
    """Of an ONVIF camera; empty for others."""
    codec: str
    width_px: int
    height_px: int
    fps: float
    """Packets a second that came, 0.0 when too few."""
    kbit_per_s: float
    keyframe_every_s: float
    """0.0 where only one came."""
    device_clock_s: float | None
    """The camera's clock minus ours as ONVIF tells it; None where it does not."""
    stream_clock_s: float | None
    """The same as its RTCP reports tell it."""
    took_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundDevice:
    """Who answered; every word of it is the device's own, but for the address."""

    address: str
    url: str
    name: str
    hardware: str
    path_url: str
    """The stream's address as the maker's devices usually have it; empty where that is unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkAsked:
    """Answers, by address."""

    problem: str
    devices: tuple[FoundDevice, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraChange:
    """One step in a camera's configuration; None: there was, or is, no such camera."""

    change_id: str
    utc_ns: Ns
    actor: str
    camera_id: CameraId
    before: CameraSpec | None
    after: CameraSpec | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraHistory:
    """The newest steps, oldest first, and what `site.yaml` said of each camera when it was last taken in."""

    changes: tuple[CameraChange, ...] = ()
    imported: tuple[CameraSpec, ...] = ()
