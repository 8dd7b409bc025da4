"""What a picture's slice header says without decoding it: whether others refer to it, and its QP.

H.264: both. HEVC: the first from the NAL type. Other codecs: every picture counts as a reference. Headers are read as
far as the QP and no further; whatever does not parse gives None.
Sources: ITU-T H.264 7.3.2.1, 7.3.2.2, 7.3.3, 9.1; H.265 table 7-1.
"""

from dataclasses import dataclass

from custodes.media import nal
from custodes.types.media import StreamInfo

_HEADER_BYTES = 32
"""More than a slice header up to its QP; one with long reference lists is given up."""

_HIGH_PROFILES = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})
_MAX_UNITS = 6
"""Units before the slice that are stepped over: delimiter, parameter sets, SEI."""

_MAX_GOLOMB = 24
_START_CODE = b"\x00\x00\x00\x01"


class _Short(Exception):
    """The bits ended, or a number is larger than any here."""


class _Bits:
    """Bits of a NAL unit, most significant first, emulation prevention taken out."""

    __slots__ = ("_left", "_value")

    def __init__(self, unit: bytes) -> None:
        clean = unit.replace(b"\x00\x00\x03", b"\x00\x00")
        self._value = int.from_bytes(clean, "big")
        self._left = 8 * len(clean)

    def u(self, count: int) -> int:
        self._left -= count
        if self._left < 0:
            raise _Short
        return self._value >> self._left & ((1 << count) - 1)

    def ue(self) -> int:
        left = self._left
        rest = self._value & ((1 << left) - 1)
        zeros = left - rest.bit_length()
        left -= 2 * zeros + 1
        if zeros > _MAX_GOLOMB or left < 0:
            raise _Short
        self._left = left
        return (rest >> left) - 1  # it begins with its one

    def se(self) -> int:
        code = self.ue()
        return (code + 1) // 2 if code & 1 else -(code // 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sps:
    frame_num_bits: int
    order_type: int
    order_bits: int
    has_zero_deltas: bool
    is_frames_only: bool
    is_separate: bool
    has_chroma: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pps:
    sps_id: int
    has_cabac: bool
    has_field_order: bool
    references: tuple[int, int]
    is_weighted: bool
    weighted_b: int
    init_qp: int
    has_redundant: bool


class SliceReader:
    """Reads slice headers of one stream. Parameter sets come from its extradata (`demux.inspect_keyframe`)."""

    def __init__(self, info: StreamInfo) -> None:
        self._codec = info.codec
        self._length_size = nal.length_size(info.extradata, info.codec) if info.codec in nal.NAL_CODECS else 0
        self._sps: dict[int, _Sps] = {}
        self._pps: dict[int, _Pps] = {}
        if info.codec in nal.NAL_CODECS:
            self._learn(nal.parameter_sets(info.extradata, info.codec))

    def is_reference(self, payload: bytes) -> bool:
        """Whether other pictures may refer to this one; True when that cannot be told."""
        if self._codec == "h264":
            if len(payload) > 4 and (self._length_size == 4 or payload.startswith(_START_CODE)):
                head = payload[4]
                if 1 <= head & 0x1F <= 5:  # the usual case, at a fifth of the cost
                    return head & 0x60 != 0
            at = self._slice_at(payload)
            return at < 0 or payload[at] & 0x60 != 0
        if self._codec == "hevc":
            at = self._slice_at(payload)
            # Types 0, 2, … 14 are not referred to in their sub-layer (table 7-1).
            return at < 0 or not (payload[at] >> 1 & 0x3F < 16 and payload[at] >> 1 & 1 == 0)
        return True

    def qp(self, payload: bytes) -> int | None:
        """QP of the picture's first slice, 0 to 51; None when it cannot be read. About 6 µs."""
        if self._codec != "h264":
            return None
        at = self._slice_at(payload)
        if at < 0:
            return None
        try:
            qp = self._read_qp(payload[at : at + _HEADER_BYTES])
        except (_Short, KeyError, IndexError):
            return None
        return qp if 0 <= qp <= 51 else None

    def _slice_at(self, payload: bytes) -> int:
        """Offset of the first slice's NAL header; -1 when there is none near the beginning."""
        at = 0
        size = self._length_size
        for _ in range(_MAX_UNITS):
            if size:
                head = at + size
            else:
                found = payload.find(b"\x00\x00\x01", at)
                if found < 0:
                    return -1
                head = found + 3
            if head >= len(payload):
                return -1
            kind = payload[head] & 0x1F if self._codec == "h264" else payload[head] >> 1 & 0x3F
            if (1 <= kind <= 5) if self._codec == "h264" else kind < 32:
                return head
            at = head + int.from_bytes(payload[at:head], "big") if size else head
        return -1

    def _learn(self, units: list[bytes]) -> None:
        for unit in units:
            try:
                if self._codec != "h264":
                    continue
                if unit[0] & 0x1F == 7:
                    self._take_sps(unit)
                elif unit[0] & 0x1F == 8:
                    self._take_pps(unit)
            except (_Short, IndexError):
                continue  # QP of pictures that use it cannot be read, and sizes alone have to do

    def _take_sps(self, unit: bytes) -> None:
        profile = unit[1]
        bits = _Bits(unit[4:])
        sps_id = bits.ue()
        is_separate, chroma = False, 1
        if profile in _HIGH_PROFILES:
            chroma = bits.ue()
            if chroma == 3:
                is_separate = bool(bits.u(1))
            bits.ue(), bits.ue(), bits.u(1)
            if bits.u(1):
                self._skip_scaling(bits, 8 if chroma != 3 else 12)
        frame_num_bits = bits.ue() + 4
        order_type = bits.ue()
        order_bits, has_zero_deltas = 0, False
        if order_type == 0:
            order_bits = bits.ue() + 4
        elif order_type == 1:
            has_zero_deltas = bool(bits.u(1))
            bits.se(), bits.se()
            for _ in range(bits.ue()):
                bits.se()
        bits.ue(), bits.u(1), bits.ue(), bits.ue()
        self._sps[sps_id] = _Sps(
            frame_num_bits=frame_num_bits,
            order_type=order_type,
            order_bits=order_bits,
            has_zero_deltas=has_zero_deltas,
            is_frames_only=bool(bits.u(1)),
            is_separate=is_separate,
            has_chroma=chroma != 0 and not is_separate,
        )

    def _skip_scaling(self, bits: _Bits, lists: int) -> None:
        for at in range(lists):
            if not bits.u(1):
                continue
            last = following = 8
            for _ in range(16 if at < 6 else 64):
                if following:
                    following = (last + bits.se()) % 256
                last = following or last

    def _take_pps(self, unit: bytes) -> None:
        bits = _Bits(unit[1:])
        pps_id, sps_id = bits.ue(), bits.ue()
        has_cabac, has_field_order = bool(bits.u(1)), bool(bits.u(1))
        if bits.ue():
            return  # slice groups: no camera sends them
        references = (bits.ue() + 1, bits.ue() + 1)
        is_weighted, weighted_b = bool(bits.u(1)), bits.u(2)
        init_qp = 26 + bits.se()
        bits.se(), bits.se(), bits.u(1), bits.u(1)
        self._pps[pps_id] = _Pps(
            sps_id=sps_id,
            has_cabac=has_cabac,
            has_field_order=has_field_order,
            references=references,
            is_weighted=is_weighted,
            weighted_b=weighted_b,
            init_qp=init_qp,
            has_redundant=bool(bits.u(1)),
        )

    def _read_qp(self, unit: bytes) -> int:
        """Raises: _Short, KeyError."""
        bits = _Bits(unit[1:])
        is_idr, ref_idc = unit[0] & 0x1F == 5, unit[0] >> 5 & 3
        bits.ue()
        slice_type = bits.ue() % 5
        pps = self._pps[bits.ue()]
        sps = self._sps[pps.sps_id]
        if sps.is_separate:
            bits.u(2)
        bits.u(sps.frame_num_bits)
        is_field = not sps.is_frames_only and bool(bits.u(1))
        if is_field:
            bits.u(1)
        if is_idr:
            bits.ue()
        if sps.order_type == 0:
            bits.u(sps.order_bits)
            if pps.has_field_order and not is_field:
                bits.se()
        elif sps.order_type == 1 and not sps.has_zero_deltas:
            bits.se()
            if pps.has_field_order and not is_field:
                bits.se()
        if pps.has_redundant:
            bits.ue()
        self._skip_references(bits, pps, slice_type, has_chroma=sps.has_chroma)
        if ref_idc:
            self._skip_marking(bits, is_idr=is_idr)
        if pps.has_cabac and slice_type not in (2, 4):
            bits.ue()
        return pps.init_qp + bits.se()

    def _skip_references(self, bits: _Bits, pps: _Pps, slice_type: int, *, has_chroma: bool) -> None:
        is_b = slice_type == 1
        if is_b:
            bits.u(1)
        lists = 0 if slice_type in (2, 4) else 2 if is_b else 1
        counts = list(pps.references)
        if lists and bits.u(1):
            for at in range(lists):
                counts[at] = bits.ue() + 1
        for _ in range(lists):
            if bits.u(1):
                while bits.ue() != 3:
                    bits.ue()
        if (pps.is_weighted and slice_type in (0, 3)) or (pps.weighted_b == 1 and is_b):
            self._skip_weights(bits, counts[:lists], has_chroma=has_chroma)

    def _skip_weights(self, bits: _Bits, counts: list[int], *, has_chroma: bool) -> None:
        bits.ue()
        if has_chroma:
            bits.ue()
        for count in counts:
            for _ in range(count):
                if bits.u(1):
                    bits.se(), bits.se()
                if has_chroma and bits.u(1):
                    for _ in range(4):
                        bits.se()

    def _skip_marking(self, bits: _Bits, *, is_idr: bool) -> None:
        if is_idr:
            bits.u(2)
        elif bits.u(1):
            while (operation := bits.ue()) != 0:
                bits.ue()
                if operation == 3:
                    bits.ue()
