"""Bytes of a segment's header: fixed order, length-prefixed, one encoding per header. Hostile input on reading.

    magic (8) | version u16 | body length u32 | site | camera | run | segment | start_ns i64 | key id | wrapped key

Every text and the wrapped key carry a u16 length. All integers are big-endian. Fragments belong to `container`.
"""

import re
import struct
from typing import BinaryIO

from custodes.errors import InvalidArgument, SealBroken
from custodes.types.media import SegmentHeader
from custodes.units import CameraId, KeyId, Ns, RunId, SegmentId

MAGIC = b"CUSTSEG\x00"
VERSION = 1
_FRONT = struct.Struct(">8sHI")
_U16 = struct.Struct(">H")
_I64 = struct.Struct(">q")

MAX_TEXT_BYTES = 128
"""The longest id is a segment's: 19 digits, 12 hex digits, a counter. A key id is a camera (63) and a day."""

MAX_WRAPPED_KEY_BYTES = 4096
"""HPKE with MLKEM768_X25519 gives 1168; room for a larger KEM, none for a memory attack."""

MAX_HEADER_BYTES = _FRONT.size + 5 * (2 + MAX_TEXT_BYTES) + 8 + 2 + MAX_WRAPPED_KEY_BYTES

_TEXT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]*")


def _check(header: SegmentHeader) -> None:
    texts = (header.site_id, header.camera_id, header.run, header.segment_id, header.key_id)
    for text in texts:
        if len(text) > MAX_TEXT_BYTES or not _TEXT.fullmatch(text):
            raise InvalidArgument(f"id {text[:MAX_TEXT_BYTES]!r} cannot stand in a segment header")
    if header.version != VERSION:
        raise InvalidArgument(f"segment header version {header.version}; this program knows {VERSION}")
    if len(header.wrapped_key) > MAX_WRAPPED_KEY_BYTES:
        raise InvalidArgument(f"wrapped key of {len(header.wrapped_key)} bytes; at most {MAX_WRAPPED_KEY_BYTES}")
    if not 0 <= header.start_ns < 2**63:
        raise InvalidArgument(f"segment start {header.start_ns} ns is out of range")


def _prefixed(raw: bytes) -> bytes:
    return _U16.pack(len(raw)) + raw


def encode_clear(header: SegmentHeader) -> bytes:
    """The header's fields but the wrapped key, as they are bound into its wrapping (HPKE info).

    Raises: InvalidArgument for a field that is out of bounds.
    """
    _check(header)
    texts = (header.site_id, header.camera_id, header.run, header.segment_id)
    front = b"".join(_prefixed(text.encode()) for text in texts)
    return front + _I64.pack(header.start_ns) + _prefixed(header.key_id.encode())


def encode_header(header: SegmentHeader) -> bytes:
    """The bytes that open a segment file. Raises: InvalidArgument for a field that is out of bounds."""
    body = encode_clear(header) + _prefixed(header.wrapped_key)
    return _FRONT.pack(MAGIC, VERSION, len(body)) + body


class _Cursor:
    """Takes fields from a body and never past its end."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._at = 0

    def take(self, count: int) -> bytes:
        piece = self._body[self._at : self._at + count]
        if len(piece) != count:
            raise SealBroken("segment header ends inside a field")
        self._at += count
        return piece

    def prefixed(self) -> bytes:
        (count,) = _U16.unpack(self.take(_U16.size))
        return self.take(count)

    def text(self) -> str:
        raw = self.prefixed()
        try:
            return raw.decode("ascii")
        except UnicodeDecodeError as error:
            raise SealBroken("segment header holds a field that is not ASCII") from error

    @property
    def is_at_end(self) -> bool:
        return self._at == len(self._body)


def read_header(stream: BinaryIO) -> SegmentHeader:
    """Read the header at the stream's position and leave the stream behind it.

    Raises: SealBroken for anything but a header that `encode_header` could have written.
    """
    front = stream.read(_FRONT.size)
    if len(front) != _FRONT.size:
        raise SealBroken(f"segment file of {len(front)} bytes has no header")
    magic, version, length = _FRONT.unpack(front)
    if magic != MAGIC:
        raise SealBroken("not a segment file: wrong magic")
    if version != VERSION:
        raise SealBroken(f"segment file version {version}; this program reads {VERSION}")
    if length > MAX_HEADER_BYTES:
        raise SealBroken(f"segment header of {length} bytes; at most {MAX_HEADER_BYTES}")
    body = stream.read(length)
    if len(body) != length:
        raise SealBroken("segment file ends inside its header")
    cursor = _Cursor(body)
    header = SegmentHeader(
        version=version,
        site_id=cursor.text(),
        camera_id=CameraId(cursor.text()),
        run=RunId(cursor.text()),
        segment_id=SegmentId(cursor.text()),
        start_ns=Ns(_I64.unpack(cursor.take(_I64.size))[0]),
        key_id=KeyId(cursor.text()),
        wrapped_key=cursor.prefixed(),
    )
    if not cursor.is_at_end:
        raise SealBroken("segment header carries more than its fields")
    try:
        _check(header)
    except InvalidArgument as error:
        raise SealBroken(str(error)) from error
    return header
