"""Compressed packets out of anything FFmpeg can open: RTSP, HTTP, files. The first video stream only.

A container is owned, used and closed by one thread (PyAV #584, #1112). FFmpeg's messages may repeat the URL with its
credentials, so none of them leaves this module: every failure becomes a CameraError in our words. Decoding, pacing
and clocks do not belong here.
"""

import errno
import io
import struct
import time
from collections.abc import Iterator, Mapping
from typing import Any

import av
import av.container
import av.error
import msgspec

from custodes.errors import (
    CameraEnded,
    CameraError,
    CameraGarbage,
    CameraNoVideo,
    CameraStalled,
    CameraUnauthorized,
    CameraUnreachable,
    MediaError,
)
from custodes.media import nal
from custodes.media.bounds import bound_allocations
from custodes.types.media import StreamInfo
from custodes.units import CameraId, RunId

MAX_PACKET_BYTES = 32 * 1024 * 1024
"""An 8K intra picture at 12 bit per pixel is 50 MB raw and below 20 MB coded."""

NEVER_DECODED = "mjpeg,mpeg4"
"""Value of FFmpeg's `codec_whitelist`. It decodes the first pictures to describe a stream; for H.264 and H.265 its
parsers are enough. Their decoders take 4 kB per NAL unit, so that a picture of a million empty units costs 4 GB
(measured 2026-11-25), and the process that records all cameras had better not run them on hostile bytes at all."""

MAX_UNITS = 16_384
"""NAL units of one packet. A 4K picture in slices of one row has 135; what the decoders of viewers and analysis take
for as many is 64 MB. Packets too small to hold them are not counted: that takes 2 µs per kB."""

_NO_VIDEO = (av.error.InvalidDataError, av.error.EOFError, av.error.PatchWelcomeError)

_START_CODE = b"\0\0\1"

_PRFT = struct.Struct("=qi")
"""libavcodec's AVProducerReferenceTime: UTC in microseconds, flags."""
_PRFT_OF_CAPTURE = 24
"""What FFmpeg's RTP client sets for a time that it took from the newest RTCP sender report."""
_MAX_UTC_US = 1 << 53
"""The year 2255: a report beyond it is nonsense."""

MAX_CORRUPT_READS = 100
"""Unreadable packets in a row after which a source counts as garbage."""


class RawPacket(msgspec.Struct, kw_only=True, gc=False):  # a struct for the reason of `types.media.Packet`
    """What FFmpeg said of one packet; times in the stream's time base, None where it knew none."""

    payload: bytes
    pts: int | None
    dts: int | None
    duration: int
    is_keyframe: bool
    is_corrupt: bool
    has_new_parameters: bool
    """The container announced other parameters from here on."""
    camera_ns: int | None = None
    """UTC of the picture by the camera's own clock (RTCP sender reports); None while it tells none."""
    arrival_ns: int = 0
    """UTC when it was read, and at the same moment:"""
    monotonic_ns: int = 0
    """Both are set by whoever reads (`adapters.camera.source`)."""


class Demuxer:
    """One opened input. `where` names it in messages and must hold no credentials."""

    def __init__(
        self,
        url: str,
        *,
        where: str,
        options: Mapping[str, str],
        open_timeout_s: float,
        read_timeout_s: float,
        container_format: str | None = None,
    ) -> None:
        """Connect and inspect. Raises: CameraError subclasses; never an exception of PyAV."""
        self._where = where
        self._read_timeout_s = read_timeout_s
        bound_allocations()
        failure: CameraError | None = None
        began_s = time.monotonic()
        try:
            self._container = av.open(
                url,
                "r",
                format=container_format,
                options=dict(options),
                timeout=(open_timeout_s, read_timeout_s),
                metadata_errors="replace",
            )
        except (av.error.FFmpegError, OSError, ValueError) as error:
            is_late = time.monotonic() - began_s >= open_timeout_s
            failure = _open_failure(error, where, open_timeout_s, is_late=is_late)
        if failure is not None:
            # Outside the handler: the cause's text holds the URL, and chaining would carry it into logs.
            raise failure
        streams = self._container.streams.video
        pictures = [stream for stream in streams if not _is_cover(stream)]
        if not pictures:
            others = sorted({stream.type for stream in self._container.streams})
            self._container.close()
            kinds = ", ".join(others)
            raise CameraNoVideo(f"{where} carries no video, only {kinds}" if others else f"{where} carries no video")
        self._stream = pictures[0]
        codec, extradata = self._stream.codec_context.name, bytes(self._stream.codec_context.extradata or b"")
        self._is_annexb = codec in nal.NAL_CODECS and not nal.length_size(extradata, codec)

    def info(self, camera_id: CameraId, run: RunId) -> StreamInfo:
        """What was announced. Width and height may be 0 until a keyframe was inspected."""
        context, time_base = self._stream.codec_context, self._stream.time_base
        rate = self._stream.average_rate or self._stream.guessed_rate
        return StreamInfo(
            camera_id=camera_id,
            run=run,
            codec=context.name,
            width_px=context.width,
            height_px=context.height,
            extradata=bytes(context.extradata or b""),
            time_base_num=time_base.numerator if time_base else 1,
            time_base_den=time_base.denominator if time_base else 90_000,
            fps=float(rate) if rate else 0.0,
            pixel_aspect=float(self._stream.sample_aspect_ratio or 1),
        )

    def packets(self) -> Iterator[RawPacket]:
        """Packets until the source ends, which raises CameraEnded.

        Raises: CameraStalled after the read timeout, CameraGarbage, CameraUnreachable when the connection breaks.
        """
        demuxed = self._container.demux(self._stream)
        corrupt_in_a_row = 0
        while True:
            failure: CameraError | None = None
            try:
                packet = next(demuxed)
            except (StopIteration, av.error.EOFError):
                break
            except (av.error.FFmpegError, OSError, ValueError) as error:
                if isinstance(error, av.error.InvalidDataError) and corrupt_in_a_row < MAX_CORRUPT_READS:
                    corrupt_in_a_row += 1
                    demuxed = self._container.demux(self._stream)
                    continue
                failure = _read_failure(error, self._where, self._read_timeout_s)
            if failure is not None:
                raise failure
            size = packet.size
            if size == 0:  # PyAV ends with an empty packet, to flush decoders
                continue
            if size > MAX_PACKET_BYTES:
                raise CameraGarbage(f"{self._where} sent a packet of {size} bytes; at most {MAX_PACKET_BYTES}")
            corrupt_in_a_row = 0
            raw = _raw(packet)
            if self._is_annexb and size > 4 * MAX_UNITS and raw.payload.count(_START_CODE) > MAX_UNITS:
                raise CameraGarbage(f"{self._where} sent a picture of more than {MAX_UNITS} pieces")
            yield raw
        raise CameraEnded(f"{self._where} came to its end")

    def rewind(self) -> None:
        """Files only: go back to the first packet. Raises: CameraGarbage when the file cannot be read twice."""
        failure: CameraError | None = None
        try:
            self._container.seek(self._container.start_time or 0, backward=True)
        except (av.error.FFmpegError, OSError, ValueError):
            failure = CameraGarbage(f"{self._where} cannot be played from its beginning again")
        if failure is not None:
            raise failure

    def close(self) -> None:
        """Release the connection; by the owning thread only."""
        self._container.close()


def inspect_keyframe(codec: str, units: list[bytes]) -> tuple[int, int, bytes]:
    """Width, height and Annex-B parameter sets that a keyframe carries in itself.

    Args: units: NAL units of the keyframe, parameter sets included.
    Raises: MediaError when they do not describe a picture.
    """
    sets = [unit for unit in units if nal.is_parameter_set(unit, codec)]
    if not any(nal.is_sequence_set(unit, codec) for unit in sets):
        raise MediaError(f"{codec} keyframe without parameter sets")
    try:
        options = {"codec_whitelist": NEVER_DECODED}
        with av.open(io.BytesIO(nal.join_annexb(units)), "r", format=codec, options=options) as container:
            context = container.streams.video[0].codec_context
            width, height = context.width, context.height
    except (av.error.FFmpegError, ValueError, IndexError) as error:
        raise MediaError(f"{codec} keyframe cannot be inspected: {type(error).__name__}") from error
    if not (width and height):
        raise MediaError(f"{codec} keyframe announces no picture size")
    return width, height, nal.join_annexb(sets)


def _is_cover(stream: Any) -> bool:
    """A still attached to a music file is no video."""
    return "attached_pic" in str(stream.disposition)


def _raw(packet: Any) -> RawPacket:
    has_side_data = next(packet.iter_sidedata(), None) is not None  # asking for a kind by name costs 1 µs each
    return RawPacket(
        payload=bytes(packet),
        pts=packet.pts,
        dts=packet.dts,
        duration=packet.duration or 0,
        is_keyframe=packet.is_keyframe,
        is_corrupt=packet.is_corrupt,
        has_new_parameters=has_side_data and packet.has_sidedata("new_extradata"),
        camera_ns=_camera_ns(packet) if has_side_data and packet.has_sidedata("prft") else None,
    )


def _camera_ns(packet: Any) -> int | None:
    raw = bytes(packet.get_sidedata("prft"))
    if len(raw) < _PRFT.size:
        return None
    utc_us, flags = _PRFT.unpack_from(raw)
    return utc_us * 1000 if flags == _PRFT_OF_CAPTURE and 0 < utc_us < _MAX_UTC_US else None


def _open_failure(error: Exception, where: str, timeout_s: float, *, is_late: bool) -> CameraError:
    if isinstance(error, av.error.HTTPUnauthorizedError | av.error.HTTPForbiddenError):
        return CameraUnauthorized(f"{where} refuses the user name or password")
    if isinstance(error, av.error.HTTPNotFoundError):
        return CameraUnreachable(f"{where}: the server answers, but has no such stream")
    if isinstance(error, FileNotFoundError):
        return CameraUnreachable(f"{where}: no such file")
    if isinstance(error, PermissionError):
        return CameraUnreachable(f"{where} may not be read by this process")
    if isinstance(error, IsADirectoryError):
        return CameraGarbage(f"{where} is a directory, not a video")
    if isinstance(error, ConnectionRefusedError):
        return CameraUnreachable(f"{where}: connection refused; nothing listens there")
    # FFmpeg's RTSP client reports its own timeout as invalid data.
    if isinstance(error, TimeoutError | av.error.ExitError) or (is_late and isinstance(error, _NO_VIDEO)):
        return CameraUnreachable(f"{where} did not answer within {timeout_s:g} s")
    if isinstance(error, av.error.ProtocolNotFoundError | av.error.DemuxerNotFoundError):
        return CameraGarbage(f"{where}: this kind of source is not supported")
    if isinstance(error, av.error.HTTPError):
        return CameraUnreachable(f"{where}: the server answers with an error")
    if isinstance(error, OSError):
        return CameraUnreachable(_why_not(error, where))
    return CameraGarbage(f"{where} sends nothing that can be read as video")


def _why_not(error: OSError, where: str) -> str:
    if error.errno == errno.EIO:
        # FFmpeg's word for a name that does not resolve, and for an answer that ends too early.
        return f"{where}: its host name is unknown, or it hung up before any video came"
    if error.errno == errno.EPROTONOSUPPORT:
        return f"{where} agrees to send over neither TCP nor UDP"
    reason = getattr(error, "strerror", None) or type(error).__name__
    return f"{where} cannot be reached: {reason.lower()}"


def _read_failure(error: Exception, where: str, timeout_s: float) -> CameraError:
    if isinstance(error, TimeoutError | av.error.ExitError):
        return CameraStalled(f"{where} is connected but sent no packet for {timeout_s:g} s")
    if isinstance(error, av.error.InvalidDataError | ValueError):
        return CameraGarbage(f"{where} sends packets that cannot be read")
    return CameraUnreachable(f"{where}: the connection broke")
