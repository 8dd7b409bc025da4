"""The SEI of ONVIF Media Signing: finding and reading it. Hostile input; what it proves is `authenticity`'s question.

    NAL header | 05 | payload size | UUID | flags u8 | TLVs: tag u8, length u16, value | stop bit

Source: ONVIF Media Signing Specification 1.0; formats and hashing checked against onvif/media-signing-framework and
its signed test clip. All integers are big-endian.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from custodes.errors import MediaError

UUID = bytes.fromhex("005bc93f2d715e95ada4796f90877a6f")

MAX_SEI_BYTES = 256 * 1024
"""A hash list of a thousand pictures is 32 KiB, a certificate chain a few KiB."""

MAX_HASHES = 4096
"""Pictures of one partial GOP: more than two minutes at 30 fps."""

_USER_DATA_UNREGISTERED = 5
_FLAG_GOLDEN, _FLAG_ESCAPED = 0x80, 0x40
_GENERAL, _HASH_LIST, _SIGNATURE, _CRYPTO, _VENDOR, _CERTIFICATES = 1, 2, 3, 4, 5, 6
_HASHES: dict[bytes, Callable[[bytes], Any]] = {
    bytes.fromhex("0609608648016503040201"): hashlib.sha256,
    bytes.fromhex("0609608648016503040202"): hashlib.sha384,
    bytes.fromhex("0609608648016503040203"): hashlib.sha512,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningSei:
    """One SEI, taken apart. Nothing in it is to be believed before its signature was verified."""

    signed_bytes: bytes
    """What the signature covers, and what a later SEI hashes when this one carries none: NAL header to signature."""
    signature: bytes
    """Empty when a later SEI signs this one."""
    certificates_pem: bytes
    """The signer's chain, leaf first; empty when it was sent before."""
    hash_name: str
    """hashlib's name; empty when it was announced before."""
    is_golden: bool
    """Announces the certificates alone and covers no picture."""
    counter: int
    """Number of the partial GOP, u32."""
    start_ns: int
    """As the camera wrote it: 100 ns ticks since 1601 in the specification, whatever a vendor does elsewhere."""
    nal_units: int
    """Units that the GOP hash covers."""
    gop_hash: bytes
    linked_hash: bytes
    """Anchor hash of the partial GOP before; zeros at a stream's start."""
    hashes: tuple[bytes, ...]
    """Hash of each unit; empty in low-bitrate mode."""
    vendor: str
    """Maker, serial number, firmware as announced; empty when none."""


def is_signing_sei(unit: bytes, codec: str) -> bool:
    """Whether a NAL unit is an SEI of ONVIF Media Signing. Cheap: reads 30 bytes at most."""
    payload = _payload_at(unit, codec)
    return payload is not None and unit[payload[0] : payload[0] + len(UUID)] == UUID


def read_signing_sei(unit: bytes, codec: str) -> SigningSei:
    """Take one apart. Raises: MediaError when it is malformed or of an unknown version."""
    found = _payload_at(unit, codec)
    if found is None or len(unit) > MAX_SEI_BYTES:
        raise MediaError(f"NAL unit of {len(unit)} bytes is no media-signing SEI")
    at, size = found
    if at + len(UUID) + 1 > len(unit) or size < len(UUID) + 1:
        raise MediaError(f"media-signing SEI of {len(unit)} bytes ends before its flags")
    is_escaped = bool(unit[at + len(UUID)] & _FLAG_ESCAPED)
    # Some signers add no emulation prevention; then 00 00 03 is plain content.
    has_escapes = len(unit) - at - size - (unit[-1] == 0x80) > 0
    plain = unescaped(unit) if has_escapes else unit
    tlv_at = at + len(UUID) + 1  # neither size bytes nor UUID can hold an escape
    values, tag_at = _tlvs(plain, tlv_at, at + size)
    signature_at = tag_at.get(_SIGNATURE, at + size)
    covered = unit[: _escaped_length(unit, signature_at)] if is_escaped and has_escapes else plain[:signature_at]
    hash_name, hash_bytes = _crypto(values.get(_CRYPTO))
    counter, start_ns, nal_units, gop_hash, linked_hash = _general(values.get(_GENERAL))
    return SigningSei(
        signed_bytes=covered,
        signature=_signature(values.get(_SIGNATURE)),
        certificates_pem=_versioned(values[_CERTIFICATES], "certificates")[1:] if _CERTIFICATES in values else b"",
        hash_name=hash_name,
        is_golden=bool(unit[at + len(UUID)] & _FLAG_GOLDEN) or _GENERAL not in values,
        counter=counter,
        start_ns=start_ns,
        nal_units=nal_units,
        gop_hash=gop_hash,
        linked_hash=linked_hash,
        hashes=_hash_list(values.get(_HASH_LIST), hash_bytes or len(gop_hash)),
        vendor=_vendor(values.get(_VENDOR)),
    )


def unescaped(unit: bytes) -> bytes:
    """Without emulation prevention bytes (H.264 7.3.1, H.265 7.3.1.1)."""
    pieces, begin = [], 0
    at = unit.find(b"\x00\x00\x03")
    while at >= 0:
        pieces.append(unit[begin : at + 2])
        begin = at + 3
        at = unit.find(b"\x00\x00\x03", begin)
    pieces.append(unit[begin:])
    return b"".join(pieces)


def _escaped_length(unit: bytes, plain_bytes: int) -> int:
    """How many bytes of `unit` hold its first `plain_bytes` after unescaping."""
    escapes, at = 0, unit.find(b"\x00\x00\x03")
    while at >= 0 and at + 2 - escapes < plain_bytes:
        escapes += 1
        at = unit.find(b"\x00\x00\x03", at + 3)
    return plain_bytes + escapes


def _payload_at(unit: bytes, codec: str) -> tuple[int, int] | None:
    """Offset and size of a user-data payload; None for any other unit."""
    if codec == "h264":
        at, is_sei = 1, len(unit) > 1 and unit[0] & 0x1F == 6
    else:
        at, is_sei = 2, len(unit) > 2 and (unit[0] >> 1) & 0x3F in (39, 40)
    if not is_sei or unit[at] != _USER_DATA_UNREGISTERED:
        return None
    at, size = at + 1, 0
    while at < len(unit) and unit[at] == 0xFF:
        size, at = size + 0xFF, at + 1
    if at >= len(unit):
        return None
    return at + 1, size + unit[at]


def _tlvs(plain: bytes, at: int, stop: int) -> tuple[dict[int, bytes], dict[int, int]]:
    """Values and offsets by tag; the signature comes last. Unknown tags are signed and skipped."""
    values: dict[int, bytes] = {}
    offsets: dict[int, int] = {}
    stop = min(stop, len(plain))
    while at < stop:
        if at + 3 > stop:
            raise MediaError("media-signing SEI ends inside a tag")
        tag, length = plain[at], int.from_bytes(plain[at + 1 : at + 3], "big")
        if at + 3 + length > stop:
            raise MediaError(f"media-signing tag {tag} of {length} bytes ends behind its SEI")
        if tag in values:
            raise MediaError(f"media-signing tag {tag} comes twice")
        if _SIGNATURE in values:
            raise MediaError(f"media-signing tag {tag} comes after the signature that should cover it")
        values[tag], offsets[tag] = plain[at + 3 : at + 3 + length], at
        at += 3 + length
    return values, offsets


def _versioned(value: bytes, name: str, versions: tuple[int, ...] = (1,)) -> bytes:
    if not value or value[0] not in versions:
        raise MediaError(f"media-signing {name} of version {value[:1].hex() or 'none'}; known are {versions}")
    return value[1:]


def _general(value: bytes | None) -> tuple[int, int, int, bytes, bytes]:
    if value is None:
        return 0, 0, 0, b"", b""
    body = _versioned(value, "general information", (1, 2))
    at = 4 + 8 * value[0]  # software version (3), trigger (1), start; in version 2 also the end
    hashes = body[at + 6 :]
    if not hashes or len(hashes) % 2 or len(hashes) > 128:
        raise MediaError(f"media-signing general information of {len(value)} bytes")
    half = len(hashes) // 2
    return (
        int.from_bytes(body[at : at + 4], "big"),
        int.from_bytes(body[4:12], "big", signed=True),
        int.from_bytes(body[at + 4 : at + 6], "big"),
        hashes[:half],
        hashes[half:],
    )


def _crypto(value: bytes | None) -> tuple[str, int]:
    if value is None:
        return "", 0
    body = _versioned(value, "crypto information")
    oid = body[1 : 1 + body[0]] if body else b""
    if oid not in _HASHES:
        raise MediaError(f"media-signing hash algorithm {oid.hex() or 'none'} is not known")
    made = _HASHES[oid](b"")
    return str(made.name), int(made.digest_size)


def _signature(value: bytes | None) -> bytes:
    if value is None:
        return b""
    body = _versioned(value, "signature")
    length = int.from_bytes(body[:2], "big")
    if not length or len(body) < 2 + length:
        raise MediaError(f"media-signing signature of {length} bytes in {len(body)}")
    return body[2 : 2 + length]


def _hash_list(value: bytes | None, hash_bytes: int) -> tuple[bytes, ...]:
    if value is None:
        return ()
    body = _versioned(value, "hash list")
    if not hash_bytes or len(body) % hash_bytes or len(body) // hash_bytes > MAX_HASHES:
        raise MediaError(f"media-signing hash list of {len(body)} bytes, hashes of {hash_bytes}")
    return tuple(body[at : at + hash_bytes] for at in range(0, len(body), hash_bytes))


def _vendor(value: bytes | None) -> str:
    if value is None:
        return ""
    body, words = _versioned(value, "vendor information"), []
    while body:
        words.append(body[1 : 1 + body[0]].decode("ascii", errors="replace"))
        body = body[1 + body[0] :]
    text = " ".join(word for word in reversed(words) if word)
    return "".join(ch if ch.isprintable() else "?" for ch in text)[:200]
