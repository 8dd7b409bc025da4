"""C2SP chunked-encryption with SHA-512 and AES-256-GCM ("Cobblestone-256"): one message of bytes, seekable.

Source: https://c2sp.org/chunked-encryption@v1, sections "Key derivation", "Message chunking", "AEAD usage".
Files, fragments and headers do not belong here; see `container`.
"""

import hmac
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from custodes.errors import InvalidArgument, SealBroken

KEY_BYTES = 32
SALT_BYTES = 24
COMMITMENT_BYTES = 32
PREFIX_BYTES = SALT_BYTES + COMMITMENT_BYTES
CHUNK_BYTES = 16 * 1024
TAG_BYTES = 16
_SEALED_CHUNK_BYTES = CHUNK_BYTES + TAG_BYTES
_NONCE_BYTES = 12
_MAX_CHUNKS = 2**38
_INFO_PREFIX = b"c2sp.org/chunked-encryption@v1+" + b"AEAD_AES_256_GCM" + b"\x00"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Derived:
    """What one message is encrypted with."""

    key: bytes
    base_nonce: int
    commitment: bytes


def _derive(input_key: bytes, salt: bytes, context: bytes) -> _Derived:
    if len(input_key) != KEY_BYTES:
        raise InvalidArgument(f"data key of {len(input_key)} bytes; expected {KEY_BYTES}")
    length = KEY_BYTES + _NONCE_BYTES + COMMITMENT_BYTES
    okm = HKDFExpand(algorithm=SHA512(), length=length, info=_INFO_PREFIX + salt + context).derive(input_key)
    nonce_end = KEY_BYTES + _NONCE_BYTES
    return _Derived(
        key=okm[:KEY_BYTES],
        base_nonce=int.from_bytes(okm[KEY_BYTES:nonce_end], "big"),
        commitment=okm[nonce_end:],
    )


def _nonce(base_nonce: int, chunk: int) -> bytes:
    return (base_nonce ^ chunk).to_bytes(_NONCE_BYTES, "big")


def sealed_length(plaintext_bytes: int) -> int:
    """Length in bytes of the ciphertext of a message of `plaintext_bytes` ≥ 0 bytes."""
    return PREFIX_BYTES + plaintext_bytes + TAG_BYTES * (plaintext_bytes // CHUNK_BYTES + 1)


def plaintext_length(sealed_bytes: int) -> int:
    """Length in bytes of the message inside a ciphertext of `sealed_bytes` bytes.

    Raises: SealBroken when no message has that ciphertext length, as after a cut at a chunk's end.
    """
    chunks_bytes = sealed_bytes - PREFIX_BYTES
    full, last = divmod(max(chunks_bytes, 0), _SEALED_CHUNK_BYTES)
    if chunks_bytes < 0 or last < TAG_BYTES:
        raise SealBroken(f"ciphertext of {sealed_bytes} bytes is truncated: its last chunk is missing")
    return full * CHUNK_BYTES + last - TAG_BYTES


def encrypt(input_key: bytes, plaintext: bytes, *, salt: bytes, context: bytes) -> bytes:
    """Encrypt one message.

    Args:
        input_key: 32 uniformly random bytes.
        plaintext: any length.
        salt: 24 random bytes; must never repeat under one `input_key`.
        context: bound into the key derivation; decryption needs the same.

    Returns: salt, commitment, chunks. About 0.9 GB/s on one core (bench.gate, `seal_mb_per_s`).
    """
    sealed = bytearray(sealed_length(len(plaintext)))
    encrypt_into(input_key, plaintext, memoryview(sealed), salt=salt, context=context)
    return bytes(sealed)


def encrypt_into(
    input_key: bytes, plaintext: bytes | memoryview, target: memoryview, *, salt: bytes, context: bytes
) -> None:
    """Like `encrypt`, into a buffer of exactly `sealed_length(len(plaintext))` bytes: saves two copies of a GOP."""
    if len(salt) != SALT_BYTES:
        raise InvalidArgument(f"salt of {len(salt)} bytes; expected {SALT_BYTES}")
    assert len(target) == sealed_length(len(plaintext))
    derived = _derive(input_key, salt, context)
    target[:SALT_BYTES] = salt
    target[SALT_BYTES:PREFIX_BYTES] = derived.commitment
    aead, source = AESGCM(derived.key), memoryview(plaintext)
    chunks = len(plaintext) // CHUNK_BYTES + 1
    assert chunks < _MAX_CHUNKS
    encrypt, base_nonce = aead.encrypt_into, derived.base_nonce
    at, offset = 0, PREFIX_BYTES
    for chunk in range(chunks - 1):  # one call a chunk: what surrounds it is a tenth of a GOP's sealing
        nonce = (base_nonce ^ chunk).to_bytes(_NONCE_BYTES, "big")
        after, at_end = offset + _SEALED_CHUNK_BYTES, at + CHUNK_BYTES
        encrypt(nonce, source[at:at_end], None, target[offset:after])
        at, offset = at_end, after
    encrypt(_nonce(base_nonce, chunks - 1), source[at:], None, target[offset:])


def decrypt(input_key: bytes, sealed: bytes, *, context: bytes) -> bytes:
    """Check and decrypt a whole message. Raises: SealBroken when anything was changed, cut or swapped."""
    return decrypt_range(
        input_key,
        len(sealed),
        lambda at, count: sealed[at : at + count],
        0,
        plaintext_length(len(sealed)),
        context=context,
    )


def decrypt_range(
    input_key: bytes,
    sealed_bytes: int,
    read: Callable[[int, int], bytes],
    start: int,
    stop: int,
    *,
    context: bytes,
) -> bytes:
    """Decrypt plaintext[start:stop] and touch no other chunk.

    Args:
        sealed_bytes: length of the whole ciphertext in bytes.
        read: `read(at, count)` gives `count` bytes of the ciphertext from `at`; fewer is taken as damage.
        start, stop: 0 ≤ start ≤ stop ≤ `plaintext_length(sealed_bytes)`.

    Raises: SealBroken, InvalidArgument for a range outside the message.
    """
    total = plaintext_length(sealed_bytes)
    if not 0 <= start <= stop <= total:
        raise InvalidArgument(f"range {start}..{stop} outside a message of {total} bytes")
    prefix = read(0, PREFIX_BYTES)
    derived = _derive(input_key, prefix[:SALT_BYTES], context)
    if not hmac.compare_digest(derived.commitment, prefix[SALT_BYTES:]):
        raise SealBroken("key commitment does not match: another key, another place, or a damaged ciphertext")
    aead = AESGCM(derived.key)
    first = start // CHUNK_BYTES
    # A range that reaches the end checks the final short chunk even if it is empty: only that one proves that the
    # message was not cut at a chunk's edge.
    last = total // CHUNK_BYTES if stop == total else max(start, stop - 1) // CHUNK_BYTES
    at = PREFIX_BYTES + first * _SEALED_CHUNK_BYTES
    end = min(PREFIX_BYTES + (last + 1) * _SEALED_CHUNK_BYTES, sealed_bytes)
    body = memoryview(read(at, end - at))
    if len(body) != end - at:
        raise SealBroken(f"ciphertext ends {end - at - len(body)} bytes early")
    plain = bytearray(len(body) - TAG_BYTES * (last - first + 1))
    target = memoryview(plain)
    for number in range(last - first + 1):
        piece = body[number * _SEALED_CHUNK_BYTES : (number + 1) * _SEALED_CHUNK_BYTES]
        into = target[number * CHUNK_BYTES : number * CHUNK_BYTES + len(piece) - TAG_BYTES]
        try:
            aead.decrypt_into(_nonce(derived.base_nonce, first + number), piece, None, into)
        except InvalidTag as error:
            raise SealBroken(f"chunk {first + number} does not verify") from error
    return bytes(target[start - first * CHUNK_BYTES : stop - first * CHUNK_BYTES])
