"""A camera that signs its video as ONVIF Media Signing has it, for tests: keys are made, pictures are any bytes."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from custodes.media.signing_sei import UUID

_SHA256_OID = bytes.fromhex("0609608648016503040201")


class FakeSigningCamera:
    """Signs GOP after GOP; the SEI of one comes in the packet after its end. One slice a picture, H.264 or HEVC."""

    def __init__(self, *, codec: str = "h264", has_hash_list: bool = True, is_escaped: bool = False) -> None:
        self._codec = codec
        self._has_hash_list = has_hash_list
        self._is_escaped = is_escaped
        self._counter = 0
        self._linked = bytes(32)
        self._key, self._pem = _key_and_certificate()

    def new_key(self) -> None:
        """From here on with another key."""
        self._key, self._pem = _key_and_certificate()

    def picture(self, content: bytes, *, is_keyframe: bool) -> bytes:
        """A slice with this content."""
        if self._codec == "h264":
            return (b"\x65\x88" if is_keyframe else b"\x41\x9a") + content
        return (b"\x26\x01\xaf" if is_keyframe else b"\x02\x01\xd0") + content

    def sei_for(self, gop: Sequence[bytes], *, is_signed: bool = True, anchor_hash: bytes | None = None) -> bytes:
        """The SEI that covers these units: slices, and SEIs that carry no signature of their own."""
        first = anchor_hash or _hash(gop[0])
        listed = [first, *(_hash(unit) if self._is_sei(unit) else _hash(first + _hash(unit)) for unit in gop[1:])]
        self._counter += 1
        general = b"\x01" + bytes(3) + b"\x00" + bytes(8) + self._counter.to_bytes(4, "big")
        general += len(gop).to_bytes(2, "big") + _hash(b"".join(listed)) + self._linked
        self._linked = first
        tlvs = _tlv(4, b"\x01" + bytes([len(_SHA256_OID)]) + _SHA256_OID + b"\x00\x00\x00")
        tlvs += _tlv(6, b"\x01\x00" + self._pem) + _tlv(1, general)
        if self._has_hash_list:
            tlvs += _tlv(2, b"\x01" + b"".join(listed))
        return self._sei(tlvs, is_signed=is_signed)

    def _is_sei(self, unit: bytes) -> bool:
        return unit[0] & 0x1F == 6 if self._codec == "h264" else (unit[0] >> 1) & 0x3F == 39

    def _sei(self, tlvs: bytes, *, is_signed: bool) -> bytes:
        # The signature's length is not known before it is made, the payload's size is signed: pad, as cameras do.
        padded = 80
        size = len(UUID) + 1 + len(tlvs) + (3 + 3 + padded if is_signed else 0)
        front = (b"\x06" if self._codec == "h264" else b"\x4e\x01") + b"\x05" + b"\xff" * (size // 255)
        front += bytes([size % 255]) + UUID + (b"\x40" if self._is_escaped else b"\x00")
        covered = front + tlvs
        if not is_signed:
            return (_escaped(covered) if self._is_escaped else covered) + b"\x80"
        signed = _escaped(covered) if self._is_escaped else covered
        signature = self._key.sign(signed, ec.ECDSA(hashes.SHA256()))
        value = b"\x01" + len(signature).to_bytes(2, "big") + signature.ljust(padded, b"\x01")
        whole = covered + _tlv(3, value)
        return (_escaped(whole) if self._is_escaped else whole) + b"\x80"


def _hash(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


def _tlv(tag: int, value: bytes) -> bytes:
    return bytes([tag]) + len(value).to_bytes(2, "big") + value


def _escaped(unit: bytes) -> bytes:
    out, zeros = bytearray(), 0
    for byte in unit:
        if zeros >= 2 and byte <= 3:
            out.append(3)
            zeros = 0
        out.append(byte)
        zeros = zeros + 1 if byte == 0 else 0
    return bytes(out)


def _key_and_certificate() -> tuple[ec.EllipticCurvePrivateKey, bytes]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Fake camera")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2046, 1, 1, tzinfo=UTC))
        .sign(key, hashes.SHA256())
    )
    return key, certificate.public_bytes(serialization.Encoding.PEM)
