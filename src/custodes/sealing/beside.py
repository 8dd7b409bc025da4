"""What is kept beside a segment, under a key made from its own: it opens and dies with the segment.

AES-256-GCM; the key is HKDF-Expand(data key, label), the segment's header hash is bound as context.
"""

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from custodes.errors import SealBroken
from custodes.sealing.container import chain_start
from custodes.types.media import SegmentHeader

_NONCE_BYTES = 12
_INFO = b"custodes.beside/v1\x00"


def _cipher(data_key: bytes, label: str) -> AESGCM:
    return AESGCM(HKDFExpand(algorithm=SHA256(), length=32, info=_INFO + label.encode()).derive(data_key))


def seal_beside(header: SegmentHeader, data_key: bytes, label: str, payload: bytes) -> bytes:
    """Nonce and ciphertext. Args: label: what it is, e.g. `sketches/1`; another label is another key."""
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + _cipher(data_key, label).encrypt(nonce, payload, chain_start(header))


def open_beside(header: SegmentHeader, data_key: bytes, label: str, sealed: bytes) -> bytes:
    """Raises: SealBroken for anything that was not sealed beside this very segment under this label."""
    try:
        nonce, ciphertext = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        return _cipher(data_key, label).decrypt(nonce, ciphertext, chain_start(header))
    except (InvalidTag, ValueError) as error:
        raise SealBroken(f"what lies beside segment {header.segment_id} is not its own") from error
