"""Facts: what recorder and analyser tell the server. A fact has a key, so sending it twice is harmless."""

from dataclasses import dataclass
from enum import StrEnum

from custodes.types.media import UNKNOWN_CLOCK, Authenticity, ClockReading, FrameShape, Gap, Segment
from custodes.types.vision import ObjectClass, TrackedFrame, Tracklet
from custodes.units import CameraId, Ns, RunId, SegmentId


class CameraState(StrEnum):
    """What a camera is doing, as the recorder sees it."""

    STARTING = "starting"
    RECORDING = "recording"
    UNREACHABLE = "unreachable"
    UNAUTHORIZED = "unauthorized"
    GARBAGE = "garbage"
    NO_VIDEO = "no_video"
    STALLED = "stalled"
    ENDED = "ended"
    DISK_FULL = "disk_full"
    DISK_ERROR = "disk_error"
    NO_KEY = "no_key"
    DISABLED = "disabled"


class TamperKind(StrEnum):
    """What was done to a camera, as its picture tells."""

    COVERED = "covered"
    """Most of the picture shows nothing: a hand, tape, spray, or no light at all."""
    MOVED = "moved"
    DEFOCUSED = "defocused"
    REPLAYED = "replayed"
    """The very same pictures again: a recording instead of the camera."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tampering:
    """Something that lasts while it is said."""

    kind: TamperKind
    start_ns: Ns
    detail: str
    """The measure, in words for a person."""


class GateMode(StrEnum):
    """What decides which frames of a camera are decoded and looked at."""

    LEARNING = "learning"
    """All is decoded; how quiet looks is not known yet."""
    PACKETS = "packets"
    """Only what packets say is active is decoded."""
    PIXELS = "pixels"
    """All is decoded; the detector is asked where pixels move."""
    EVERY_FRAME = "every_frame"
    """All is decoded, and the detector is asked about every frame that is due."""


class DeviceWord(StrEnum):
    """What a camera itself says happens: its own events, not what we see in its picture."""

    MOTION = "motion"
    TAMPERING = "tampering"
    INPUT = "input"
    """Something is connected to one of its inputs: a door contact, a button."""
    STORAGE = "storage"
    """Its own card or disk fails."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceSaying:
    """Something that lasts while it is said; at most one of each word."""

    word: DeviceWord
    start_ns: Ns
    """When we heard of it first; a device's clock may be anything."""
    detail: str
    """Topics and sources, as it names them."""


HEARD = "heard"


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraStatus:
    """The recorder's word on one camera, sent on change and every second. Latest wins; never stored."""

    camera_id: CameraId
    state: CameraState
    detail: str
    """One sentence for a person; empty while all is well."""
    run: RunId
    utc_ns: Ns
    recorded_ns: Ns
    """Media recorded since the recorder process started."""
    packets: int
    bytes_received: int
    fps: float
    bitrate_bps: float
    width_px: int
    height_px: int
    codec: str
    reconnects: int
    dropped_analysis_gops: int
    """Whole GOPs not handed to the analyser because its edge was full."""
    dropped_live_gops: int
    clock: ClockReading = UNKNOWN_CLOCK
    lost_packets: int = 0
    """RTP packets that never came over UDP, since the camera's thread began; at least so many."""
    device_events: str = ""
    """Empty where the device's own events are not asked for; `HEARD`, or in words why they are not."""
    device_says: tuple[DeviceSaying, ...] = ()
    """What lasts now."""


class SiteEventKind(StrEnum):
    """What the people who run a site are told of."""

    DISK_FULL = "disk_full"
    DISK_ERROR = "disk_error"
    CAMERA_DOWN = "camera_down"
    CAMERA_COVERED = "camera_covered"
    CAMERA_MOVED = "camera_moved"
    CAMERA_DEFOCUSED = "camera_defocused"
    CAMERA_REPLAYED = "camera_replayed"
    DEVICE_MOTION = "device_motion"
    """By the camera's own word, as the three that follow."""
    DEVICE_TAMPERING = "device_tampering"
    DEVICE_INPUT = "device_input"
    DEVICE_STORAGE = "device_storage"
    CLOCK_DRIFT = "clock_drift"
    RECOGNITION_DRIFT = "recognition_drift"
    """Strangers score otherwise in a recognition zone than they did: its error rates are not those approved."""
    DISK_FORECAST = "disk_forecast"
    """Recordings will have to be deleted before the time that they are to be kept."""
    FLEET_FINDING = "fleet_finding"
    """An audit of the cameras found what the one before had not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreached:
    """Another system that is to be told, and did not take it the last time."""

    name: str
    """`siem`, `home`, or the name of a rule."""
    is_rule: bool
    since_ns: Ns
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteEvent:
    """Something that began, and ended or lasts; stored. Key = (kind, start_ns)."""

    kind: SiteEventKind
    start_ns: Ns
    end_ns: Ns
    """0 while it lasts."""
    camera_ids: tuple[CameraId, ...]
    """Of the disk: those that were not recorded for at least some of it; else the one that it is about, if any."""
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSegment:
    """A segment that grows: sent at its start and after each fragment, so that viewing needs no sealed file."""

    segment: Segment


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentOpened:
    """Durable journal record: the file exists and is named; written before its first fragment."""

    segment: Segment


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentSealed:
    """Durable journal record: the file is whole and fsynced."""

    segment: Segment


@dataclass(frozen=True, slots=True, kw_only=True)
class GapRecorded:
    """Durable journal record of a gap that has ended or is still growing (latest end for a start wins)."""

    gap: Gap


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentDeleted:
    """Durable journal record of the server's: retention took the file away, and its row is gone."""

    camera_id: CameraId
    segment_id: SegmentId
    path: str


JournalRecord = SegmentOpened | SegmentSealed | GapRecorded | SegmentDeleted


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameAnalysed:
    """A frame was looked at; key = (camera, run, seq). No tracks is a fact too: it permits a clear picture."""

    frame: TrackedFrame
    valid_from_ns: Ns
    """The analyser vouches for masks of this run over [valid_from_ns, frame.utc_ns]: nothing was shed in between."""
    quiet_from_ns: Ns = Ns(0)  # noqa: RUF009 - a NewType of int
    """Nonzero: time of the look before, since which packets were left undecoded on purpose, and nothing changed from
    that look to this. Nobody vouches for what lies between; a view may show what looks like the former."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackEnded:
    """A confirmed track is over; key = (camera, run, track_id)."""

    tracklet: Tracklet


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamVerified:
    """What a camera's signatures say of one stretch; sent when that changes and once a minute. Key = (camera, run,
    start_ns)."""

    camera_id: CameraId
    run: RunId
    state: Authenticity
    start_ns: Ns
    end_ns: Ns
    pictures: int
    """Verified in this stretch."""
    missing: int
    wrong: int
    signer: str
    """SHA-256 of the signer's public key, hex; empty when nothing was signed."""
    vendor: str
    """As the signed stream announces it."""
    detail: str
    """Why it is not authentic; empty otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LineCrossed:
    """A confirmed track crossed a line of its camera; key = (camera, run, line, track_id, utc_ns)."""

    camera_id: CameraId
    run: RunId
    line: str
    track_id: int
    object_class: ObjectClass
    """By vote at that moment; the tracklet has the last word."""
    utc_ns: Ns
    is_forward: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalyserStatus:
    """Counters of one camera in one analyser, sent every second. Latest wins; never stored."""

    camera_id: CameraId
    run: RunId
    utc_ns: Ns
    packets: int
    frames_decoded: int
    frames_analysed: int
    frames_skipped_rate: int
    """Decoded, not due at the wanted analysis rate."""
    frames_skipped_quiet: int
    """Due, but no motion: tracks carried on without the detector."""
    gops_shed: int
    """Dropped because the analyser could not keep up."""
    decode_errors: int
    detector_calls: int
    tracks_people: int
    """Confirmed since the analyser process started."""
    tracks_vehicles: int
    live_people: int
    live_vehicles: int
    lag_ns: Ns
    """Newest packet received minus newest frame analysed."""
    frames_undecoded_quiet: int = 0
    """Packets that the gate left undecoded, because nothing moved."""
    frames_undecoded_rate: int = 0
    """Packets no other needs, left undecoded because fewer pictures per second are wanted."""
    gate_mode: GateMode = GateMode.LEARNING
    gate_reason: str = ""
    """Why it is in this mode; empty since the start."""
    gate_since_ns: int = 0
    gate_trials: int = 0
    """Quiet GOPs that were decoded to see whether the gate was right."""
    gate_missed: int = 0
    """Of them, those with motion that the gate did not see."""
    gate_miss_low: float = 0.0
    gate_miss_high: float = 1.0
    """95 % interval of the share of quiet GOPs with motion in them."""
    whole_looks: int = 0
    """Frames that the detector saw as a whole; the others in regions or not at all."""
    regions_looked: int = 0
    regions_shed: int = 0
    """Moved and found no room in what a frame may cost; masked as if somebody were there."""
    lighting_changes: int = 0
    detections_outside: int = 0
    """Stood outside the camera's zones or in an object mask: not tracked, not counted; people are masked."""
    detector_errors: int = 0
    frames_damaged: int = 0
    """Came out of the decoder with parts missing: packets were lost on the way."""
    is_scene_known: bool = False
    """Its usual picture is learnt: tampering would be noticed."""
    scene_agreement: float = 0.0
    """Of the newest picture's edges with the usual ones, 0 to 1."""
    tampering: tuple[Tampering, ...] = ()
    """What lasts now."""
    shape: FrameShape | None = None
    """Of the newest picture; None before the first of a run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateChanged:
    """The analyser decides otherwise from here on what it decodes of a camera; key = (camera, run, utc_ns)."""

    camera_id: CameraId
    run: RunId
    utc_ns: Ns
    mode_before: GateMode
    mode: GateMode
    reason: str
    """In words for a person, with the counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateHour:
    """How a camera's gate stood at the end of an hour, or stands in the one that runs. Key = (camera, start_ns)."""

    camera_id: CameraId
    start_ns: Ns
    mode: GateMode
    trials: int
    missed: int
    miss_low: float
    miss_high: float


Fact = (
    CameraStatus
    | OpenSegment
    | FrameAnalysed
    | TrackEnded
    | AnalyserStatus
    | StreamVerified
    | GateChanged
    | LineCrossed
)
