"""C2SP chunked-encryption: against a second, independent implementation of the text, and against damage."""

import hashlib
import hmac

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given, settings
from hypothesis import strategies as st

from custodes.errors import InvalidArgument, SealBroken
from custodes.sealing.chunked import CHUNK_BYTES, decrypt, decrypt_range, encrypt, plaintext_length, sealed_length

KEY = bytes(range(32))
SALT = bytes(range(100, 124))


def reference_encrypt(key: bytes, plaintext: bytes, salt: bytes, context: bytes) -> bytes:
    """The specification written down with hmac and a plain cipher, without our module's parts."""
    info = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\x00" + salt + context
    okm, block = b"", b""
    for counter in (1, 2):
        block = hmac.digest(key, block + info + bytes([counter]), hashlib.sha512)
        okm += block
    aes_key, nonce, commitment = okm[:32], okm[32:44], okm[44:76]
    out = salt + commitment
    for number in range(len(plaintext) // 16384 + 1):
        tail = int.from_bytes(nonce[-5:], "big") ^ number
        cipher = Cipher(algorithms.AES(aes_key), modes.GCM(nonce[:-5] + tail.to_bytes(5, "big"))).encryptor()
        out += cipher.update(plaintext[number * 16384 : (number + 1) * 16384]) + cipher.finalize() + cipher.tag
    return out


@pytest.mark.parametrize("length", [0, 1, 1024, 16383, 16384, 16385, 20 * 1024, 32768, 50_000])
def test_encrypt_when_compared_with_the_specification_then_equal(length: int) -> None:
    plaintext = hashlib.shake_128(b"plain").digest(length)
    sealed = encrypt(KEY, plaintext, salt=SALT, context=b"place")
    assert sealed == reference_encrypt(KEY, plaintext, SALT, b"place")
    assert len(sealed) == sealed_length(length)
    assert plaintext_length(len(sealed)) == length


def test_encrypt_when_run_today_then_gives_the_golden_bytes() -> None:
    sealed = encrypt(KEY, b"custodes", salt=SALT, context=b"golden")
    assert hashlib.sha256(sealed).hexdigest() == "82ae1093a98140870d983007e6d4f516809ef80f12cfb568148f5557006cae1c"


@settings(deadline=None, max_examples=60)
@given(data=st.data(), length=st.integers(0, 3 * CHUNK_BYTES + 5))
def test_decrypt_range_when_any_range_then_is_the_slice(data: st.DataObject, length: int) -> None:
    plaintext = hashlib.shake_128(b"range").digest(length)
    sealed = encrypt(KEY, plaintext, salt=SALT, context=b"")
    start = data.draw(st.integers(0, length))
    stop = data.draw(st.integers(start, length))
    read = [0]

    def reader(at: int, count: int) -> bytes:
        read[0] += count
        return sealed[at : at + count]

    assert decrypt_range(KEY, len(sealed), reader, start, stop, context=b"") == plaintext[start:stop]
    # Prefix, and no more chunks than the range touches.
    assert read[0] <= 56 + ((stop - start) // CHUNK_BYTES + 2) * (CHUNK_BYTES + 16)


@settings(deadline=None, max_examples=150)
@given(data=st.data(), length=st.sampled_from([0, 5, CHUNK_BYTES, CHUNK_BYTES + 3]))
def test_decrypt_when_a_bit_is_flipped_anywhere_then_refuses(data: st.DataObject, length: int) -> None:
    sealed = bytearray(encrypt(KEY, bytes(length), salt=SALT, context=b""))
    at = data.draw(st.integers(0, len(sealed) - 1))
    sealed[at] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(SealBroken):
        decrypt(KEY, bytes(sealed), context=b"")


@pytest.mark.parametrize("cut", [0, 10, 55, 56, 60, 71, 72, 100, 56 + 16400, 56 + 16400 + 15, 56 + 16400 + 16])
def test_decrypt_when_cut_then_refuses(cut: int) -> None:
    sealed = encrypt(KEY, bytes(CHUNK_BYTES + 100), salt=SALT, context=b"")
    with pytest.raises(SealBroken):
        decrypt(KEY, sealed[:cut], context=b"")


def test_decrypt_when_chunks_are_swapped_then_refuses() -> None:
    sealed = encrypt(KEY, bytes(3 * CHUNK_BYTES), salt=SALT, context=b"")
    one, two = slice(56, 56 + 16400), slice(56 + 16400, 56 + 32800)
    with pytest.raises(SealBroken):
        decrypt(KEY, sealed[:56] + sealed[two] + sealed[one] + sealed[56 + 32800 :], context=b"")


@pytest.mark.parametrize(("key", "context"), [(bytes(32), b"a"), (KEY, b"b")], ids=["key", "context"])
def test_decrypt_when_key_or_context_differ_then_the_commitment_refuses(key: bytes, context: bytes) -> None:
    with pytest.raises(SealBroken, match="commitment"):
        decrypt(key, encrypt(KEY, b"x", salt=SALT, context=b"a"), context=context)


@pytest.mark.parametrize(("start", "stop"), [(-1, 2), (2, 1), (0, 11)])
def test_decrypt_range_when_outside_the_message_then_refuses(start: int, stop: int) -> None:
    sealed = encrypt(KEY, bytes(10), salt=SALT, context=b"")
    with pytest.raises(InvalidArgument):
        decrypt_range(KEY, len(sealed), lambda at, n: sealed[at : at + n], start, stop, context=b"")


def test_encrypt_when_key_or_salt_have_another_length_then_refuses() -> None:
    with pytest.raises(InvalidArgument):
        encrypt(KEY[:31], b"", salt=SALT, context=b"")
    with pytest.raises(InvalidArgument):
        encrypt(KEY, b"", salt=SALT[:23], context=b"")
