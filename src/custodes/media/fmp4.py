"""Fragmented MP4: an init segment for a stream, one moof+mdat per GOP, and the way back to packets.

FFmpeg's muxer writes the init segment once per segment; fragments are written and parsed here, because that is
all a GOP costs (about 1 µs per packet beside the copy). Sealing, files and clocks do not belong here.
Sources: ISO/IEC 14496-12 8.8 (moof, tfhd, tfdt, trun), 8.8.3.1 (sample flags).
"""

import io
import struct
from collections.abc import Iterator, Sequence
from fractions import Fraction

import av
import av.error

from custodes.errors import MediaError
from custodes.media import nal
from custodes.types.media import Packet, StreamInfo
from custodes.units import NS_PER_S, CameraId, Ns, RunId

RECORDABLE_CODECS = frozenset({"h264", "hevc", "mjpeg", "mpeg4"})
"""What cameras send and MP4 carries. Others are refused with a sentence, never transcoded."""

MAX_SAMPLES = 100_000
"""Packets in one fragment; `ingest` cuts a GOP long before."""

_BOX = struct.Struct(">I4s")
_U32 = struct.Struct(">I")
_MFHD = struct.Struct(">I4sII")
_TFHD = struct.Struct(">I4sII")
_TFDT = struct.Struct(">I4sIQ")
_TRUN = struct.Struct(">I4sIIi")
_SAMPLE = struct.Struct(">IIIi")
_TFHD_BASE_IS_MOOF = 0x020000
_TRUN_FLAGS = 0x01000F01  # version 1; data offset, duration, size, flags, composition offset
_SYNC_SAMPLE = 0x02000000
_OTHER_SAMPLE = 0x01010000
_NOT_SYNC = 0x00010000
_DEGRADED = 0x00000001
"""sample_degradation_priority 1: the packet was announced as corrupt."""
_U32_MAX = (1 << 32) - 1
_I32_MAX = (1 << 31) - 1
_MPEG4_VOP_START = b"\x00\x00\x01\xb6"
_TRACK_ID = 1


class FragmentMuxer:
    """Writes one stream as fragments. Cheap to make; one per segment. Not thread-safe."""

    def __init__(self, info: StreamInfo) -> None:
        """Raises: MediaError when MP4 cannot carry the stream; the message names the codec."""
        if info.codec not in RECORDABLE_CODECS:
            known = ", ".join(sorted(RECORDABLE_CODECS))
            raise MediaError(f"codec {info.codec} cannot be recorded in MP4 as it is; recordable are {known}")
        if not 0 < info.time_base_den <= _I32_MAX or info.time_base_num <= 0:
            raise MediaError(f"time base {info.time_base_num}/{info.time_base_den} does not fit MP4")
        self._info = info
        self._offset: int | None = None
        self._is_nal = info.codec in nal.NAL_CODECS
        self._length_size = nal.length_size(info.extradata, info.codec) if self._is_nal else 0
        self._init = _init_segment(info)

    def init_segment(self) -> bytes:
        """ftyp and moov. NAL streams are announced with 4-byte lengths whatever the source uses."""
        return self._init

    def fragment(self, packets: Sequence[Packet]) -> bytes:
        """moof and mdat of these packets, in the order given, 1 to `MAX_SAMPLES`; see `fragment_parts`."""
        return b"".join(self.fragment_parts(packets))

    def fragment_parts(self, packets: Sequence[Packet]) -> list[bytes | memoryview]:
        """moof and mdat of these packets in pieces that borrow from their payloads, to be joined where they go.

        `Packet.seq` of the first and every pts, keyframe and corrupt flag come back from `demux_fragment`.
        Payloads of NAL streams are stored with 4-byte lengths (same units, same order); others byte for byte.
        Raises: MediaError when times do not fit.
        """
        if not 0 < len(packets) <= MAX_SAMPLES:
            raise MediaError(f"fragment of {len(packets)} packets; expected 1 to {MAX_SAMPLES}")
        scale = self._info.time_base_num
        base = packets[0].dts * scale
        if self._offset is None:
            self._offset = max(0, -base)
        mdat: list[bytes | memoryview] = []
        samples, at, mdat_bytes = bytearray(), base, 0
        last = len(packets) - 1
        for number, packet in enumerate(packets):
            length = self._add_sample(packet.payload, mdat)
            mdat_bytes += length
            after = packets[number + 1].dts * scale if number < last else at + packet.duration * scale
            duration, cto = max(after - at, 0), packet.pts * scale - at
            if duration > _U32_MAX or not -_I32_MAX <= cto <= _I32_MAX:
                raise MediaError(f"packet {packet.seq}: duration {duration} or offset {cto} does not fit a fragment")
            flags = (_SYNC_SAMPLE if packet.is_keyframe else _OTHER_SAMPLE) | (_DEGRADED if packet.is_corrupt else 0)
            samples += _SAMPLE.pack(duration, length, flags, cto)
            at += duration
        moof = _moof(packets[0].seq + 1, max(base + self._offset, 0), samples, len(packets))
        return [moof, _mdat_head(mdat_bytes), *mdat]

    def _add_sample(self, payload: bytes, mdat: list[bytes | memoryview]) -> int:
        """Append one packet's sample; returns its length in bytes."""
        if not self._is_nal or self._length_size == 4:
            mdat.append(payload)
            return len(payload)
        if self._length_size:
            sample = nal.join_lengths(nal.split_lengths(payload, self._length_size))
            mdat.append(sample)
            return len(sample)
        view, length = memoryview(payload), 0
        for begin, end in nal.annexb_spans(payload):
            mdat += (_U32.pack(end - begin), view[begin:end])
            length += 4 + end - begin
        return length


def read_init(init: bytes, *, camera_id: CameraId, run: RunId) -> StreamInfo:
    """What an init segment announces; fps is not in it (0.0). About 0.4 ms. Raises: MediaError."""
    try:
        with av.open(io.BytesIO(init), "r", format="mp4") as container:
            if not container.streams.video:
                raise MediaError("init segment announces no video")
            stream = container.streams.video[0]
            context, time_base = stream.codec_context, stream.time_base or Fraction(1, 90_000)
            # Without a picture FFmpeg does not tell the size of MPEG-4 part 2; the sample entry does.
            width, height = (context.width, context.height) if context.width else _entry_size(init)
            return StreamInfo(
                camera_id=camera_id,
                run=run,
                codec=context.name,
                width_px=width,
                height_px=height,
                extradata=bytes(context.extradata or b""),
                time_base_num=time_base.numerator,
                time_base_den=time_base.denominator,
                fps=0.0,
                pixel_aspect=float(stream.sample_aspect_ratio or 1),
            )
    except (av.error.FFmpegError, ValueError) as error:
        raise MediaError(f"init segment of {len(init)} bytes cannot be read: {type(error).__name__}") from error


def demux_fragment(
    init: bytes, payload: bytes, *, camera_id: CameraId, run: RunId, start_ns: Ns
) -> tuple[StreamInfo, list[Packet]]:
    """`read_init` and `read_packets` in one."""
    info = read_init(init, camera_id=camera_id, run=run)
    return info, read_packets(info, payload, start_ns=start_ns)


def read_packets(info: StreamInfo, payload: bytes, *, start_ns: Ns) -> list[Packet]:
    """Packets of a moof+mdat that `FragmentMuxer` wrote.

    Args: info: from `read_init`. start_ns: UTC of the first packet; the others follow by their pts.
    Raises: MediaError for anything malformed.
    """
    try:
        first_seq, dts, samples, at = _parse_moof(payload)
    except struct.error as error:
        raise MediaError(f"fragment of {len(payload)} bytes is malformed: {error}") from error
    packets: list[Packet] = []
    first_pts: int | None = None
    unit_ns = NS_PER_S * info.time_base_num
    for number, (duration, length, flags, cto) in enumerate(samples):
        if at + length > len(payload):
            raise MediaError(f"sample {number} ends behind its fragment of {len(payload)} bytes")
        pts = dts + cto
        first_pts = pts if first_pts is None else first_pts
        packets.append(
            Packet(
                camera_id=info.camera_id,
                run=info.run,
                seq=first_seq + number,
                payload=payload[at : at + length],
                pts=pts,
                dts=dts,
                duration=duration,
                is_keyframe=not flags & _NOT_SYNC,
                is_corrupt=bool(flags & _DEGRADED),
                utc_ns=Ns(start_ns + (pts - first_pts) * unit_ns // info.time_base_den),
            )
        )
        at += length
        dts += duration
    return packets


def _init_segment(info: StreamInfo) -> bytes:
    extradata = info.extradata
    if info.codec in nal.NAL_CODECS:
        sets = nal.parameter_sets(extradata, info.codec)
        if not any(nal.is_sequence_set(unit, info.codec) for unit in sets):
            raise MediaError(f"{info.codec} stream without parameter sets cannot be recorded")
        extradata = nal.join_annexb(sets)
    elif info.codec == "mpeg4":
        # FFmpeg takes what precedes the first VOP as the decoder's configuration.
        extradata += _MPEG4_VOP_START
    options = {
        "movflags": "empty_moov+default_base_moof+frag_custom",
        "video_track_timescale": str(info.time_base_den),
    }
    time_base = Fraction(1, info.time_base_den)
    target = io.BytesIO()
    try:
        with av.open(target, "w", format="mp4", options=options) as container:
            stream = container.add_mux_stream(
                info.codec, width=info.width_px, height=info.height_px, time_base=time_base
            )
            # PyAV 18 reads a mux-only stream's extradata from its first packet; the packet itself is discarded
            # because the header is taken before the container is closed.
            packet = av.Packet(extradata or b"\x00\x00\x00\x00")
            packet.stream, packet.time_base = stream, time_base
            packet.pts = packet.dts = 0
            packet.is_keyframe = True
            container.mux(packet)
            init = target.getvalue()
    except (av.error.FFmpegError, ValueError) as error:
        raise MediaError(f"MP4 cannot carry this {info.codec} stream: {type(error).__name__}") from error
    if b"moov" not in init:
        raise MediaError(f"MP4 cannot carry this {info.codec} stream: no parameter sets were found")
    return init


def _entry_size(init: bytes) -> tuple[int, int]:
    """Width and height of the visual sample entry (ISO/IEC 14496-12 12.1.3.2), 0 × 0 when there is none."""
    at = init.find(b"mp4v")
    if at < 0 or at + 32 > len(init):
        return 0, 0
    width, height = struct.unpack_from(">HH", init, at + 28)
    return int(width), int(height)


def _moof(sequence: int, base_dts: int, samples: bytes | bytearray, count: int) -> bytes:
    mfhd = _MFHD.pack(_MFHD.size, b"mfhd", 0, sequence & _U32_MAX)
    tfhd = _TFHD.pack(_TFHD.size, b"tfhd", _TFHD_BASE_IS_MOOF, _TRACK_ID)
    tfdt = _TFDT.pack(_TFDT.size, b"tfdt", 1 << 24, base_dts)
    trun_size = _BOX.size + 12 + len(samples)
    traf_size = _BOX.size + len(tfhd) + len(tfdt) + trun_size
    moof_size = _BOX.size + len(mfhd) + traf_size
    trun = _BOX.pack(trun_size, b"trun") + struct.pack(">IIi", _TRUN_FLAGS, count, moof_size + _BOX.size)
    return b"".join(
        (_BOX.pack(moof_size, b"moof"), mfhd, _BOX.pack(traf_size, b"traf"), tfhd, tfdt, trun, bytes(samples))
    )


def _mdat_head(payload_bytes: int) -> bytes:
    size = _BOX.size + payload_bytes
    if size > _U32_MAX:
        raise MediaError(f"fragment of {size} bytes; at most {_U32_MAX}")
    return _BOX.pack(size, b"mdat")


def _boxes(payload: bytes, start: int, stop: int) -> Iterator[tuple[bytes, int, int]]:
    """(type, start of body, end) of the boxes in payload[start:stop]."""
    at = start
    while at < stop:
        size, kind = _BOX.unpack_from(payload, at)
        if size < _BOX.size or at + size > stop:
            raise MediaError(f"box {kind!r} of {size} bytes does not fit its place")
        yield kind, at + _BOX.size, at + size
        at += size


def _parse_moof(payload: bytes) -> tuple[int, int, list[tuple[int, int, int, int]], int]:
    """First seq, first dts, (duration, size, flags, cto) of each sample, offset of the first sample."""
    top = {kind: (start, stop) for kind, start, stop in _boxes(payload, 0, len(payload))}
    if b"moof" not in top or b"mdat" not in top:
        raise MediaError("fragment is not moof and mdat")
    moof = {kind: (start, stop) for kind, start, stop in _boxes(payload, *top[b"moof"])}
    if b"mfhd" not in moof or b"traf" not in moof:
        raise MediaError("moof without mfhd or traf")
    traf = {kind: (start, stop) for kind, start, stop in _boxes(payload, *moof[b"traf"])}
    if b"tfdt" not in traf or b"trun" not in traf:
        raise MediaError("traf without tfdt or trun")
    (sequence,) = struct.unpack_from(">I", payload, moof[b"mfhd"][0] + 4)
    (dts,) = struct.unpack_from(">Q", payload, traf[b"tfdt"][0] + 4)
    start, stop = traf[b"trun"]
    flags, count, offset = struct.unpack_from(">IIi", payload, start)
    if flags != _TRUN_FLAGS or count > MAX_SAMPLES or start + 12 + count * _SAMPLE.size != stop or offset < 0:
        raise MediaError(f"trun with flags {flags:#x} and {count} samples is not ours")
    samples = list(_SAMPLE.iter_unpack(payload[start + 12 : stop]))
    return sequence - 1, dts, samples, offset
