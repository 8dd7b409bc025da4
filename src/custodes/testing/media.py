"""Synthetic clips of walking figures for tests: every frame carries its number, every figure's box is known.

Figures are striped ellipses in colour on a textured grey ground, so that a mask that slips shows. No real person.
"""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from functools import lru_cache
from itertools import chain
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from custodes.errors import CameraEnded
from custodes.media.demux import Demuxer
from custodes.media.fmp4 import FragmentMuxer
from custodes.media.planes import to_picture
from custodes.sealing.container import FragmentSealer, encode_header
from custodes.sealing.wrap import new_segment
from custodes.types.event import FrameAnalysed
from custodes.types.media import Frame, Gop, Packet, Segment, StreamInfo
from custodes.types.vision import ObjectClass, TrackedFrame
from custodes.units import NS_PER_S, CameraId, KeyId, Ns, RunId, SegmentId

_BITS = 12
_CELL_PX = 8
"""A counter bit is a cell of one macroblock quarter: readable after crf 35."""
_GROUND_LUMA, _FIGURE_LUMA = 90, 215
_SEED = 7

Box = tuple[float, float, float, float]


def people_at(index: int) -> list[Box]:
    """Boxes of the figures in frame `index`, x1 y1 x2 y2 as shares of the frame: two that walk towards each other."""
    phase = (index % 200) / 200
    return [(0.1 + 0.6 * phase, 0.35, 0.2 + 0.6 * phase, 0.85), (0.8 - 0.6 * phase, 0.4, 0.88 - 0.6 * phase, 0.8)]


@lru_cache(maxsize=8)
def _ground(width: int, height: int) -> npt.NDArray[np.uint8]:
    noise = np.random.default_rng(_SEED).integers(-25, 26, size=(height // 4 + 1, width // 4 + 1))
    texture = np.kron(noise, np.ones((4, 4), dtype=np.int64))[:height, :width]
    return (_GROUND_LUMA + texture).astype(np.uint8)


def draw_frame(
    index: int, *, width: int, height: int, camera_id: str = "cam", run: str = "0" * 12, utc_ns: int = 0
) -> Frame:
    """Frame `index` of the synthetic clip, width and height even."""
    y = _ground(width, height).copy()
    u = np.full((height // 2, width // 2), 128, dtype=np.uint8)
    v = np.full((height // 2, width // 2), 128, dtype=np.uint8)
    for x1, y1, x2, y2 in people_at(index):
        top, bottom, left, right = (int(edge) for edge in (y1 * height, y2 * height, x1 * width, x2 * width))
        rows, columns = np.ogrid[top:bottom, left:right]
        across = (columns - (left + right) / 2) / ((right - left) / 2)
        down = (rows - (top + bottom) / 2) / ((bottom - top) / 2)
        inside = across**2 + down**2 < 1
        stripes = np.where((rows // 6) % 2, _FIGURE_LUMA, 40).astype(np.uint8)
        y[top:bottom, left:right] = np.where(inside, stripes, y[top:bottom, left:right])
        half = slice(top // 2, bottom // 2), slice(left // 2, right // 2)
        u[half], v[half] = 90, 180
    for bit in range(_BITS):
        left = bit * _CELL_PX
        y[:_CELL_PX, left : left + _CELL_PX] = 235 if index >> bit & 1 else 16
    return Frame(
        camera_id=CameraId(camera_id),
        run=RunId(run),
        seq=index,
        utc_ns=Ns(utc_ns),
        y=y,
        u=u,
        v=v,
        is_keyframe=False,
        is_corrupt=False,
    )


def read_counter(y: npt.NDArray[np.uint8]) -> int:
    """The number that `draw_frame` burnt into a frame, from its (possibly coded) luma at full size."""
    number = 0
    for bit in range(_BITS):
        left = bit * _CELL_PX
        cell = y[2 : _CELL_PX - 2, left + 2 : left + _CELL_PX - 2]
        number |= int(cell.mean() > 128) << bit
    return number


def make_clip(
    *,
    frames: int,
    fps: int = 10,
    gop: int = 10,
    width: int = 320,
    height: int = 240,
    start_ns: int,
    first: int = 0,
    camera_id: str = "cam",
    run: str = "0" * 12,
    b_frames: int = 0,
) -> tuple[StreamInfo, list[Packet]]:
    """Encode a synthetic clip to H.264, as a camera would send it: in decode order.

    Args: first: number of the first frame (packets then carry seq from `first`); start_ns: UTC of that frame.
    """
    drawn = (draw_frame(first + number, width=width, height=height) for number in range(frames))
    return encode_clip(
        drawn, fps=fps, gop=gop, start_ns=start_ns, first=first, camera_id=camera_id, run=run, b_frames=b_frames
    )


def encode_clip(
    frames: Iterable[Frame],
    *,
    fps: int,
    gop: int,
    start_ns: int,
    first: int = 0,
    camera_id: str = "cam",
    run: str = "0" * 12,
    b_frames: int = 0,
) -> tuple[StreamInfo, list[Packet]]:
    """Encode frames of one size to H.264. Arguments as for `make_clip`."""
    frames = iter(frames)
    frame = next(frames)
    height, width = frame.y.shape
    codec = av.CodecContext.create("libx264", "w")
    codec.width, codec.height, codec.pix_fmt = width, height, "yuv420p"
    codec.time_base, codec.framerate = Fraction(1, 90_000), Fraction(fps)
    codec.thread_count = 1
    codec.options = {"preset": "ultrafast", "crf": "20", "g": str(gop), "bf": str(b_frames), "b-adapt": "0"}
    codec.flags |= av.codec.context.Flags.global_header
    codec.open()
    info = StreamInfo(
        camera_id=CameraId(camera_id),
        run=RunId(run),
        codec="h264",
        width_px=width,
        height_px=height,
        extradata=bytes(codec.extradata or b""),
        time_base_num=1,
        time_base_den=90_000,
        fps=float(fps),
    )
    return info, coded_packets(codec, chain([frame], frames), info, fps=fps, start_ns=start_ns, first=first)


def coded_packets(
    codec: av.VideoCodecContext, frames: Iterable[Frame], info: StreamInfo, *, fps: int, start_ns: int, first: int
) -> list[Packet]:
    """What an opened encoder on a 90 kHz clock makes of frames. `first`: number of the first packet."""
    packets: list[Packet] = []
    for number, one in enumerate(chain(frames, [None])):
        picture = None if one is None else to_picture(one)
        if picture is not None:
            picture.pts, picture.time_base = number * 90_000 // fps, codec.time_base
        for coded in codec.encode(picture):
            pts, dts = int(coded.pts or 0), int(coded.dts or 0)
            packets.append(
                Packet(
                    camera_id=info.camera_id,
                    run=info.run,
                    seq=first + len(packets),
                    payload=bytes(coded),
                    pts=pts,
                    dts=dts,
                    duration=90_000 // fps,
                    is_keyframe=coded.is_keyframe,
                    is_corrupt=False,
                    utc_ns=Ns(start_ns + pts * NS_PER_S // 90_000),
                )
            )
    return packets


def gops_of(info: StreamInfo, packets: list[Packet]) -> Iterator[Gop]:
    """Cut a packet list, which begins with a keyframe, into GOPs."""
    starts = [at for at, packet in enumerate(packets) if packet.is_keyframe]
    for begin, end in zip(starts, [*starts[1:], len(packets)], strict=True):
        yield Gop(info=info, packets=tuple(packets[begin:end]))


def write_segment(
    data_dir: Path,
    info: StreamInfo,
    packets: list[Packet],
    *,
    public_key: bytes,
    key_id: str = "cam/20260101",
    is_sealed: bool = True,
    site_id: str = "test-site",
) -> tuple[Segment, bytes]:
    """Seal packets (from a keyframe on) into one segment file under `data_dir`, as the recorder does.

    Returns: the catalog's Segment and the data key.
    """
    start_ns = packets[0].utc_ns
    segment_id = SegmentId(f"{start_ns:019d}-{info.run}-0")
    header, data_key = new_segment(
        public_key=public_key,
        key_id=KeyId(key_id),
        site_id=site_id,
        camera_id=info.camera_id,
        run=info.run,
        segment_id=segment_id,
        start_ns=start_ns,
    )
    muxer, sealer = FragmentMuxer(info), FragmentSealer(header, data_key)
    blob = bytearray(encode_header(header))
    blob += sealer.seal(muxer.init_segment(), start_ns=start_ns, end_ns=start_ns, is_init=True)
    tick_ns = NS_PER_S * info.time_base_num / info.time_base_den
    end_ns = start_ns
    for gop in gops_of(info, packets):
        last = gop.packets[-1]
        end_ns = Ns(last.utc_ns + int(last.duration * tick_ns))
        blob += sealer.seal(muxer.fragment(gop.packets), start_ns=gop.packets[0].utc_ns, end_ns=end_ns, is_init=False)
    path = Path("segments") / info.camera_id / "20260101" / f"{segment_id}.seg"
    (data_dir / path).parent.mkdir(parents=True, exist_ok=True)
    (data_dir / path).write_bytes(blob)
    segment = Segment(
        header=header,
        path=str(path),
        end_ns=end_ns,
        bytes_on_disk=len(blob),
        fragments=sealer.count,
        root=sealer.root if is_sealed else b"",
        is_sealed=is_sealed,
    )
    return segment, data_key


def read_clip(path: Path, *, frames: int, start_ns: int, camera_id: str = "cam") -> tuple[StreamInfo, list[Packet]]:
    """The first packets of a video file, or all, as a camera of the file's own frame rate would have sent them."""
    demuxer = Demuxer(str(path), where=path.name, options={}, open_timeout_s=10, read_timeout_s=10)
    try:
        info = demuxer.info(CameraId(camera_id), RunId("0" * 12))
        tick_ns = NS_PER_S * info.time_base_num / info.time_base_den
        packets: list[Packet] = []
        for raw in demuxer.packets():
            pts = raw.pts if raw.pts is not None else raw.dts if raw.dts is not None else len(packets)
            packets.append(
                Packet(
                    camera_id=info.camera_id,
                    run=info.run,
                    seq=len(packets),
                    payload=raw.payload,
                    pts=pts,
                    dts=raw.dts if raw.dts is not None else pts,
                    duration=raw.duration,
                    is_keyframe=raw.is_keyframe,
                    is_corrupt=raw.is_corrupt,
                    utc_ns=Ns(start_ns + round(pts * tick_ns)),
                )
            )
            if len(packets) == frames:
                break
    except CameraEnded:
        pass  # shorter than asked for
    finally:
        demuxer.close()
    return info, packets


def vouch(
    times_ns: list[int],
    boxes: list[list[Box]],
    *,
    ids: list[list[int]] | None = None,
    camera_id: str = "cam",
    run: str = "0" * 12,
    is_first: bool = True,
) -> tuple[FrameAnalysed, ...]:
    """What an analyser says that looked at frames at `times_ns` and saw people in `boxes`.

    `ids`: track ids; without them the position in the list is the id.
    `is_first`: the first of them vouches for its own moment only, as at the start of a run.
    """
    facts: list[FrameAnalysed] = []
    previous: int | None = None
    for seq, (utc_ns, people) in enumerate(zip(times_ns, boxes, strict=True)):
        count = len(people)
        frame = TrackedFrame(
            camera_id=CameraId(camera_id),
            run=RunId(run),
            seq=seq,
            utc_ns=Ns(utc_ns),
            track_ids=np.arange(1, count + 1, dtype=np.int64) if ids is None else np.array(ids[seq], dtype=np.int64),
            class_ids=np.full(count, ObjectClass.PERSON, dtype=np.int16),
            boxes_norm=np.array(people, dtype=np.float32).reshape(count, 4),
            scores=np.full(count, 0.9, dtype=np.float32),
            is_measured=np.ones(count, dtype=np.bool_),
        )
        begin = utc_ns if previous is None and is_first else (previous or 0)
        facts.append(FrameAnalysed(frame=frame, valid_from_ns=Ns(begin)))
        previous = utc_ns
    return tuple(facts)
