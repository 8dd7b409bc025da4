"""The private half: camera-day key pairs and the opening of data keys. Only the warden may import this."""

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hpke import MLKEM768X25519PrivateKey

from custodes.errors import InvalidArgument, SealBroken
from custodes.sealing.chunked import KEY_BYTES
from custodes.sealing.suite import suite, wrap_info
from custodes.types.media import SegmentHeader

_SEED_BYTES = 64
_X25519_BYTES = 32
PRIVATE_KEY_BYTES = _SEED_BYTES + _X25519_BYTES


def generate_camera_day_key() -> tuple[bytes, bytes]:
    """A fresh pair.

    Returns: private (96 bytes: ML-KEM-768 seed, X25519) and public (1216 bytes, see `suite.load_public`).
    """
    mlkem, x25519 = MLKEM768PrivateKey.generate(), X25519PrivateKey.generate()
    private = mlkem.private_bytes_raw() + x25519.private_bytes_raw()
    public = mlkem.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw()
    assert len(private) == PRIVATE_KEY_BYTES
    return private, public


def load_private(private_key: bytes) -> MLKEM768X25519PrivateKey:
    """The pair from what `generate_camera_day_key` returned first. Raises: InvalidArgument."""
    if len(private_key) != PRIVATE_KEY_BYTES:
        raise InvalidArgument(f"camera-day private key of {len(private_key)} bytes; expected {PRIVATE_KEY_BYTES}")
    return MLKEM768X25519PrivateKey(
        MLKEM768PrivateKey.from_seed_bytes(private_key[:_SEED_BYTES]),
        X25519PrivateKey.from_private_bytes(private_key[_SEED_BYTES:]),
    )


def unwrap_data_key(private_key: bytes, header: SegmentHeader) -> bytes:
    """Open a header's data key (32 bytes). About 0.1 ms.

    Raises: SealBroken when the key is of another camera-day or any field of the header was changed;
        InvalidArgument when `private_key` is malformed.
    """
    pair = load_private(private_key)
    try:
        data_key = suite().decrypt(header.wrapped_key, pair, wrap_info(header))
    except (InvalidTag, ValueError) as error:
        raise SealBroken(f"wrapped key of segment {header.segment_id} does not open with {header.key_id}") from error
    if len(data_key) != KEY_BYTES:
        raise SealBroken(f"wrapped key of segment {header.segment_id} holds {len(data_key)} bytes")
    return data_key
