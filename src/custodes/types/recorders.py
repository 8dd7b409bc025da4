"""What recorders and server say to each other about who records what (socket server-leases.sock), and to people."""

from dataclasses import dataclass

from custodes.units import CameraId, Ns

# A camera here is a device: its second stream goes where it goes.


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldCamera:
    """A camera that the recorder works on, and under which epoch."""

    camera_id: CameraId
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AskCameras:
    """Said every second: "this is what I hold; what is mine?". What is not in `holds` is let go. Answer: CamerasGiven.

    `is_leaving`: the recorder stops, and holds nothing any more.
    """

    recorder: str
    holds: tuple[HeldCamera, ...]
    is_leaving: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenCamera:
    """The recorder may write of this camera, under `epoch`. `story`: of its streams of which something is known, up to
    where it goes; told with a new epoch alone."""

    camera_id: CameraId
    epoch: int
    story: tuple[tuple[CameraId, Ns], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CamerasGiven:
    """All that is the recorder's, for `ttl_ns` from when it asked. A camera that is held and not named here is
    another's, or is to be let go of: it is sealed, and then asked for no more."""

    cameras: tuple[GivenCamera, ...]
    ttl_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadRecorders:
    """Answer: RecorderTable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecorderRow:
    """One recorder process. `state`: recording, silent, drained, draining, stopped."""

    name: str
    state: str
    cameras: tuple[CameraId, ...]
    packets_per_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RecorderTable:
    """All that the configuration names; `unowned`: cameras that nobody records. Empty for a site of one recorder."""

    recorders: tuple[RecorderRow, ...]
    unowned: tuple[CameraId, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainRecorder:
    """Give its cameras to the others, or, with `is_over`, let it have some again. Answer: Ok."""

    recorder: str
    is_over: bool = False
