"""Values of compressed video: streams, packets, GOPs, segments, gaps, frames."""

from dataclasses import dataclass
from enum import StrEnum

import msgspec
import numpy as np
import numpy.typing as npt

from custodes.units import CameraId, KeyId, Ns, RunId, SegmentId


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamInfo:
    """What a decoder needs to know of one video stream, as it was announced at the start of a run."""

    camera_id: CameraId
    run: RunId
    codec: str
    """FFmpeg's codec name: h264, hevc, mjpeg, …"""
    width_px: int
    height_px: int
    extradata: bytes
    """avcC/hvcC or Annex-B parameter sets, as the demuxer gave them; may be empty."""
    time_base_num: int
    time_base_den: int
    fps: float
    """Announced mean frame rate, 0.0 when unknown. For display; never used as a clock."""
    pixel_aspect: float = 1.0
    """Width of a pixel over its height, as the container says (sample aspect ratio); 1.0 where it says nothing. What
    the pictures say of themselves only a decoder reads (`FrameShape`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameShape:
    """How large and how wide a camera's pictures were when it was seen last. Kept, so that a server that starts, or a
    camera that is down, does not change what was measured."""

    camera_id: CameraId
    width_px: int
    height_px: int
    pixel_aspect: float = 1.0

    @property
    def aspect(self) -> float:
        """Width over height of what the lens saw: shares of the frame times (aspect, 1) are square."""
        return self.width_px * self.pixel_aspect / self.height_px


class Packet(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One access unit as it came from the camera; never changed on its way to disk.

    A struct, not a dataclass: it is made for every picture of every camera, and making a frozen dataclass of ten
    fields costs 3.5 µs, this 0.3 (2026-11-25). Holding no containers, it is nothing for the garbage collector.
    """

    camera_id: CameraId
    run: RunId
    seq: int
    """Counts packets of the run from 0."""
    payload: bytes
    pts: int
    """In the stream's time base."""
    dts: int
    duration: int
    is_keyframe: bool
    is_corrupt: bool
    utc_ns: Ns
    """Best estimate of when the picture was taken (see `ingest`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gop:
    """A keyframe and all that depends on it, in decode order. packets[0].is_keyframe holds."""

    info: StreamInfo
    packets: tuple[Packet, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentHeader:
    """What is written, in clear, at the head of a segment file and bound into its encryption."""

    version: int
    site_id: str
    camera_id: CameraId
    run: RunId
    segment_id: SegmentId
    start_ns: Ns
    key_id: KeyId
    wrapped_key: bytes
    """The data key, sealed by HPKE to `key_id`'s public key with this header's other fields as info."""


class ClockSource(StrEnum):
    """Whose clock a time follows."""

    UNKNOWN = "unknown"
    """Recorded before this was noted, or found again without its journal."""
    ARRIVAL = "arrival"
    """This machine's, when the packet arrived."""
    CAMERA = "camera"
    """The camera's, by its RTCP sender reports."""
    PLAYED = "played"
    """A file: the times are those of playing it, not of the scene."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockReading:
    """How well times are known; how `ingest.clock` gets there is said there."""

    source: ClockSource = ClockSource.UNKNOWN
    error_ns: int = 0
    """The truth is believed to lie within ± this; against this machine's clock, whose own error is not in it."""
    camera_offset_ns: int | None = None
    """The camera's clock minus this machine's, as it was when the packets arrived; None: the camera tells no time."""


UNKNOWN_CLOCK = ClockReading()


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One recorded file of about a minute, known to the catalog."""

    header: SegmentHeader
    path: str
    """Relative to the data directory."""
    end_ns: Ns
    bytes_on_disk: int
    fragments: int
    root: bytes
    """Head of the fragment hash chain (32 bytes); empty while the segment is open."""
    is_sealed: bool
    media_ns: int = 0
    """Length by the stream's own clock; `end_ns - start_ns` is by ours. 0 where it is not known."""
    clock: ClockReading = UNKNOWN_CLOCK
    """The worst over the segment."""
    lease_epoch: int = 0
    """Number of the recorder's tenure of the camera (`ports.leases`); 0 where a site has one recorder."""


class Authenticity(StrEnum):
    """What a camera's own signatures (ONVIF Media Signing) say of a stretch of video."""

    AUTHENTIC = "authentic"
    MISSING = "missing"
    """What is there is as the camera made it, but the camera signed more than came."""
    NOT_AUTHENTIC = "not_authentic"
    """Changed, or its signature does not verify."""
    NOT_SIGNED = "not_signed"


class GapCause(StrEnum):
    """Why there is no video. Absence is evidence, so every cause has a name."""

    UNREACHABLE = "unreachable"
    UNAUTHORIZED = "unauthorized"
    GARBAGE = "garbage"
    NO_VIDEO = "no_video"
    STALLED = "stalled"
    ENDED = "ended"
    DISK_FULL = "disk_full"
    DISK_ERROR = "disk_error"
    RECORDER_DOWN = "recorder_down"
    NO_KEY = "no_key"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A stretch without recorded video."""

    camera_id: CameraId
    start_ns: Ns
    end_ns: Ns
    cause: GapCause


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A decoded picture inside one process; it never travels between processes.

    `y`: (h, w) uint8; `u`, `v`: (h/2, w/2) uint8, planar 4:2:0, BT.601 or 709 limited range as coded.
    """

    camera_id: CameraId
    run: RunId
    seq: int
    """Packet number of the run that the picture came from."""
    utc_ns: Ns
    y: npt.NDArray[np.uint8]
    u: npt.NDArray[np.uint8]
    v: npt.NDArray[np.uint8]
    is_keyframe: bool
    is_corrupt: bool
