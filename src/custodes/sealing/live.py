"""Sealing of single packets for live views, under a key derived from the segment's data key.

The hub carries these; whoever may watch gets the data key from the warden, as for playback.
"""

import os
import struct

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from custodes.errors import InvalidArgument, SealBroken

LIVE_KEY_BYTES = 32
STREAM_INFO_SEQ = -1
"""The `seq` under which the StreamInfo travels."""

_NONCE_BYTES = 12
_SEQ = struct.Struct(">q")


def live_key(data_key: bytes) -> bytes:
    """The 32-byte key of a segment's live packets; knowing it does not open the file."""
    if len(data_key) != LIVE_KEY_BYTES:
        raise InvalidArgument(f"data key of {len(data_key)} bytes; expected {LIVE_KEY_BYTES}")
    return HKDFExpand(algorithm=SHA512(), length=LIVE_KEY_BYTES, info=b"custodes.live-key/v1").derive(data_key)


def seal_live(key: bytes, seq: int, plaintext: bytes) -> bytes:
    """Nonce (12), ciphertext, tag (16); bound to `seq` ≥ -1.

    The nonce is random rather than the seq: a StreamInfo may be sealed twice. At 2^-33 chance of a collision
    a key bears 2^31 packets (NIST SP 800-38D 8.3 asks ≤ 2^32); a segment has some thousand.
    """
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plaintext, _SEQ.pack(seq))


def open_live(key: bytes, seq: int, sealed: bytes) -> bytes:
    """Undo `seal_live`. Raises: SealBroken when key, seq or a byte is wrong."""
    try:
        return AESGCM(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _SEQ.pack(seq))
    except (InvalidTag, ValueError) as error:
        raise SealBroken(f"live packet {seq} does not verify") from error
