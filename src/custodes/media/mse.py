"""Boxes of the fMP4 that a browser's MediaSource takes: one H.264 stream, any number of pictures a fragment.

Written by hand because FFmpeg's muxer gives a fragment only when the next picture arrives, which is one picture of
delay. Nothing is coded here. Source: ISO/IEC 14496-12 (boxes), 14496-15 5.3 (avcC), RFC 6381 3.3 (codec string).
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from custodes.errors import MediaError
from custodes.media.nal import split_annexb

TIMESCALE = 90_000

_NAL_SPS, _NAL_PPS, _NAL_SEI, _NAL_DELIMITER = 7, 8, 6, 9
_FLAGS_SYNC = 0x02000000
"""sample_depends_on = 2: on no other."""
_FLAGS_DEPENDENT = 0x01010000
"""sample_depends_on = 1, sample_is_non_sync_sample."""
_MATRIX = struct.pack(">9i", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One coded picture; `payload` is length-prefixed NAL units, times in `TIMESCALE`."""

    payload: bytes
    duration: int
    is_keyframe: bool


def to_length_prefixed(annexb: bytes) -> bytes:
    """Picture data only: parameter sets live in avcC, and an encoder's SEI is nobody's business."""
    dropped = (_NAL_SPS, _NAL_PPS, _NAL_SEI, _NAL_DELIMITER)
    units = [unit for unit in split_annexb(annexb) if unit[0] & 0x1F not in dropped]
    return b"".join(struct.pack(">I", len(unit)) + unit for unit in units)


def _parameter_sets(extradata: bytes) -> tuple[bytes, bytes]:
    units = split_annexb(extradata)
    sps = [unit for unit in units if unit[0] & 0x1F == _NAL_SPS]
    pps = [unit for unit in units if unit[0] & 0x1F == _NAL_PPS]
    if len(sps) != 1 or len(pps) != 1 or len(sps[0]) < 4:
        raise MediaError(f"encoder gave {len(sps)} SPS and {len(pps)} PPS; expected one of each")
    return sps[0], pps[0]


def mime_of(extradata: bytes) -> str:
    """MSE type with profile, constraints and level from the SPS, e.g. `video/mp4; codecs="avc1.42C01F"`."""
    sps, _ = _parameter_sets(extradata)
    return f'video/mp4; codecs="avc1.{sps[1:4].hex().upper()}"'


def _box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def _full(kind: bytes, version: int, flags: int, *parts: bytes) -> bytes:
    return _box(kind, struct.pack(">I", version << 24 | flags), *parts)


def _avc1(extradata: bytes, width: int, height: int) -> bytes:
    sps, pps = _parameter_sets(extradata)
    # lengthSizeMinusOne = 3; High profile's optional chroma fields may be left out (4:2:0, 8 bit).
    avcc = _box(
        b"avcC",
        bytes([1]) + sps[1:4] + bytes([0xFF, 0xE1]),
        struct.pack(">H", len(sps)) + sps + bytes([1]) + struct.pack(">H", len(pps)) + pps,
    )
    front = struct.pack(">6xH16xHHIII2s32sHh", 1, width, height, 0x480000, 0x480000, 0, b"\0\1", b"", 24, -1)
    return _box(b"avc1", front, avcc)


def init_segment(extradata: bytes, width: int, height: int) -> bytes:
    """`ftyp` and `moov` of a fragmented file with one track.

    Args: extradata: Annex-B SPS and PPS. width, height: pixels.
    Raises: MediaError when the parameter sets are not there.
    """
    mvhd = _full(
        b"mvhd", 0, 0, struct.pack(">IIIIIH10x", 0, 0, 1000, 0, 0x10000, 0x100), _MATRIX, bytes(24), b"\0\0\0\2"
    )
    tkhd = _full(
        b"tkhd", 0, 3, struct.pack(">IIIII8xhhhH", 0, 0, 1, 0, 0, 0, 0, 0, 0), _MATRIX,
        struct.pack(">II", width << 16, height << 16),
    )  # fmt: skip
    mdhd = _full(b"mdhd", 0, 0, struct.pack(">IIIIHH", 0, 0, TIMESCALE, 0, 0x55C4, 0))
    hdlr = _full(b"hdlr", 0, 0, struct.pack(">4x4s12x", b"vide"), b"\0")
    dinf = _box(b"dinf", _full(b"dref", 0, 0, struct.pack(">I", 1), _full(b"url ", 0, 1)))
    stbl = _box(
        b"stbl",
        _full(b"stsd", 0, 0, struct.pack(">I", 1), _avc1(extradata, width, height)),
        _full(b"stts", 0, 0, bytes(4)),
        _full(b"stsc", 0, 0, bytes(4)),
        _full(b"stsz", 0, 0, bytes(8)),
        _full(b"stco", 0, 0, bytes(4)),
    )
    minf = _box(b"minf", _full(b"vmhd", 0, 1, bytes(8)), dinf, stbl)
    trak = _box(b"trak", tkhd, _box(b"mdia", mdhd, hdlr, minf))
    mvex = _box(b"mvex", _full(b"trex", 0, 0, struct.pack(">5I", 1, 1, 0, 0, 0)))
    ftyp = _box(b"ftyp", b"iso6", struct.pack(">I", 0), b"iso6avc1mp41")
    return ftyp + _box(b"moov", mvhd, trak, mvex)


def retimed(one: bytes, sequence: int, decode_time: int) -> bytes:
    """A fragment that `fragment` made, as another one of a stream: with another number and begin.

    Args: as `fragment`. Raises: MediaError for anything else.
    """
    if one[4:8] != b"moof" or one[_MFHD : _MFHD + 4] != b"mfhd" or one[_TFDT : _TFDT + 4] != b"tfdt":
        raise MediaError("not a fragment of this encoder")
    numbered = struct.pack(">I", sequence), struct.pack(">Q", decode_time)
    return b"".join((one[: _MFHD + 8], numbered[0], one[_MFHD + 12 : _TFDT + 8], numbered[1], one[_TFDT + 16 :]))


_MFHD, _TFDT = 12, 52
"""Where the names of these boxes stand in what `fragment` makes: behind moof, and behind mfhd, traf and tfhd."""


def fragment(sequence: int, decode_time: int, samples: Sequence[Sample]) -> bytes:
    """`moof` and `mdat`.

    Args:
        sequence: 1 for the first fragment of a stream, then counting.
        decode_time: of the first sample, in `TIMESCALE`.
        samples: in decode order, which is display order here (no B frames).
    """
    # tr_flags: data offset, and per sample duration, size, flags.
    entries = b"".join(
        struct.pack(">III", s.duration, len(s.payload), _FLAGS_SYNC if s.is_keyframe else _FLAGS_DEPENDENT)
        for s in samples
    )

    def moof(data_offset: int) -> bytes:
        trun = _full(b"trun", 0, 0x000701, struct.pack(">Ii", len(samples), data_offset), entries)
        tfhd = _full(b"tfhd", 0, 0x020000, struct.pack(">I", 1))
        tfdt = _full(b"tfdt", 1, 0, struct.pack(">Q", decode_time))
        return _box(b"moof", _full(b"mfhd", 0, 0, struct.pack(">I", sequence)), _box(b"traf", tfhd, tfdt, trun))

    size = len(moof(0))
    return moof(size + 8) + _box(b"mdat", *(s.payload for s in samples))
