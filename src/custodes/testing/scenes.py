"""Synthetic footage of a quiet place that people cross now and then: by day, by night, in rain, at constant bit rate.

For what decides when to look. Figures are those of `testing.figures`; no real person.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import av
import msgspec.structs
import numpy as np
import numpy.typing as npt

from custodes.testing.media import coded_packets
from custodes.types.media import Frame, Packet, StreamInfo
from custodes.units import CameraId, Ns, RunId

WIDTH, HEIGHT = 192, 128
_SEED = 11
_NOISES = 12
_DAY_LUMA, _FIGURE = 110, (60, 36)
"""Height and width of a figure in pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """`visits`: (from, to) in seconds, each a figure that crosses from left to right. `noise`: standard deviation in
    grey levels. `rain`: streaks per frame. `moved_s`: when the camera is turned to another ground. `dusk_s`: over how
    many seconds from the start it gets dark."""

    seconds: float
    fps: int = 10
    visits: Sequence[tuple[float, float]] = ()
    noise: float = 1.5
    rain: int = 0
    luma: int = _DAY_LUMA
    moved_s: float = float("inf")
    dusk_s: float = 0.0
    options: dict[str, str] = field(default_factory=dict)
    """x264's, over the usual ones: `{"bf": "2"}`, `{"bitrate": …}`."""
    bit_rate: int = 0
    """Constant bit rate; 0 codes at constant quality."""


def scene_clip(
    scene: Scene, *, gop: int = 10, start_ns: int, first: int = 0, camera_id: str = "cam"
) -> tuple[StreamInfo, list[Packet]]:
    """The scene in H.264, as a camera sends it. `first`: number of the first packet."""
    codec = av.CodecContext.create("libx264", "w")
    codec.width, codec.height, codec.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    codec.time_base, codec.framerate = Fraction(1, 90_000), Fraction(scene.fps)
    codec.thread_count = 1
    codec.options = {"preset": "veryfast", "crf": "24", "g": str(gop), "bf": "0", "scenecut": "0"} | scene.options
    if scene.bit_rate:
        codec.bit_rate = scene.bit_rate
        kilobit = str(scene.bit_rate // 1000)
        codec.options = {key: value for key, value in codec.options.items() if key != "crf"} | {
            "maxrate": f"{kilobit}k",
            "bufsize": f"{kilobit}k",
        }
    codec.flags |= av.codec.context.Flags.global_header
    codec.open()
    info = StreamInfo(
        camera_id=CameraId(camera_id),
        run=RunId("0" * 12),
        codec="h264",
        width_px=WIDTH,
        height_px=HEIGHT,
        extradata=bytes(codec.extradata or b""),
        time_base_num=1,
        time_base_den=90_000,
        fps=float(scene.fps),
    )
    return info, coded_packets(codec, _frames(scene), info, fps=scene.fps, start_ns=start_ns, first=first)


def stuffed(packets: Sequence[Packet], nbytes: int) -> list[Packet]:
    """The same packets filled up to one size with filler data (H.264 7.3.2.7), as constant-bit-rate cameras do."""
    return [msgspec.structs.replace(packet, payload=_fill(packet.payload, nbytes)) for packet in packets]


def _fill(payload: bytes, nbytes: int) -> bytes:
    missing = nbytes - len(payload) - 6
    return payload if missing <= 0 else payload + b"\x00\x00\x00\x01\x0c" + b"\xff" * missing + b"\x80"


def _frames(scene: Scene) -> Iterator[Frame]:
    rng = np.random.default_rng(_SEED)
    noises = np.rint(rng.normal(0, scene.noise, (_NOISES, HEIGHT, WIDTH))).astype(np.int16)
    grounds = [_ground(rng), _ground(rng)]
    for number in range(round(scene.seconds * scene.fps)):
        at_s = number / scene.fps
        dark = min(1.0, at_s / scene.dusk_s) if scene.dusk_s else 0.0
        y = grounds[at_s >= scene.moved_s] + scene.luma - round(60 * dark)
        y = y + (noises[rng.integers(_NOISES)] * (1 + 2 * dark)).astype(np.int16)
        for _ in range(scene.rain):
            row, column = int(rng.integers(HEIGHT - 12)), int(rng.integers(WIDTH))
            y[row : row + 12, column] += 40
        u = np.full((HEIGHT // 2, WIDTH // 2), 128, np.uint8)
        v = np.full((HEIGHT // 2, WIDTH // 2), 128, np.uint8)
        for begin_s, end_s in scene.visits:
            if begin_s <= at_s < end_s:
                _draw(y, u, v, (at_s - begin_s) / (end_s - begin_s))
        yield Frame(
            camera_id=CameraId("cam"),
            run=RunId("0" * 12),
            seq=number,
            utc_ns=Ns(0),
            y=np.clip(y, 16, 235).astype(np.uint8),
            u=u,
            v=v,
            is_keyframe=False,
            is_corrupt=False,
        )


def _ground(rng: np.random.Generator) -> npt.NDArray[np.int16]:
    return np.kron(rng.integers(-20, 21, (HEIGHT // 8, WIDTH // 8)), np.ones((8, 8))).astype(np.int16)


def _draw(y: npt.NDArray[np.int16], u: npt.NDArray[np.uint8], v: npt.NDArray[np.uint8], phase: float) -> None:
    height, width = _FIGURE
    top, left = (HEIGHT - height) // 2, round(phase * (WIDTH + width)) - width
    begin, end = max(0, left), min(WIDTH, left + width)
    if end <= begin:
        return
    stripes = np.where((np.arange(height) // 6) % 2, 215, 40)[:, None]
    y[top : top + height, begin:end] = stripes
    u[top // 2 : (top + height) // 2, begin // 2 : end // 2] = 90
    v[top // 2 : (top + height) // 2, begin // 2 : end // 2] = 180
