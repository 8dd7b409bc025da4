"""The HPKE suite and the form of a camera-day public key, shared by `wrap` and `unwrap`. No private key here."""

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, MLKEM768X25519PublicKey, Suite

from custodes.errors import InvalidArgument
from custodes.sealing.header import encode_clear
from custodes.types.media import SegmentHeader

ALGORITHM = "HPKE-MLKEM768_X25519-HKDF_SHA256-AES_256_GCM"

_MLKEM_BYTES = 1184
_X25519_BYTES = 32
PUBLIC_KEY_BYTES = _MLKEM_BYTES + _X25519_BYTES


def suite() -> Suite:
    """RFC 9180 with the hybrid KEM: broken only when both ML-KEM-768 and X25519 are."""
    return Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


def wrap_info(header: SegmentHeader) -> bytes:
    """HPKE info: a wrapped key opens only for the segment it was made for."""
    return b"custodes.segment-key/v1\x00" + encode_clear(header)


def load_public(raw: bytes) -> MLKEM768X25519PublicKey:
    """A camera-day public key from its bytes: ML-KEM-768 encapsulation key (1184), X25519 (32).

    Raises: InvalidArgument when the length or the ML-KEM key is wrong.
    """
    if len(raw) != PUBLIC_KEY_BYTES:
        raise InvalidArgument(f"camera-day public key of {len(raw)} bytes; expected {PUBLIC_KEY_BYTES}")
    try:
        return MLKEM768X25519PublicKey(
            MLKEM768PublicKey.from_public_bytes(raw[:_MLKEM_BYTES]),
            X25519PublicKey.from_public_bytes(raw[_MLKEM_BYTES:]),
        )
    except ValueError as error:
        raise InvalidArgument(f"camera-day public key cannot be read: {error}") from error
