"""Cosignatures of both kinds: they open as made, with their time, and nothing else opens."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from custodes.audit.checkpoint import LogKeys, open_published, sign_checkpoint
from custodes.audit.cosignature import Cosigner, open_cosignatures, with_line
from custodes.audit.note import KeyType, NoteVerifier, parse_vkey
from custodes.errors import InvalidArgument, LogCorrupt
from custodes.testing.audit import fake_signer
from custodes.types.access import Checkpoint

SIGNER = fake_signer()
HEAD = sign_checkpoint(SIGNER.note, 42, bytes(range(32)))
COSIGNERS = {
    "ed25519": Cosigner("witness.example/w1", Ed25519PrivateKey.from_private_bytes(b"\x05" * 32)),
    "mldsa44": Cosigner("witness.example/w1", MLDSA44PrivateKey.from_seed_bytes(b"\x05" * 32)),
}
kinds = pytest.mark.parametrize("cosigner", COSIGNERS.values(), ids=COSIGNERS.keys())


@kinds
def test_cosign_when_opened_then_gives_key_and_time(cosigner: Cosigner) -> None:
    signed = with_line(HEAD, cosigner.line(HEAD, 1_679_315_147))
    (seen,) = open_cosignatures(signed, [cosigner.verifier])
    assert (seen.verifier, seen.time_s) == (cosigner.verifier, 1_679_315_147)


def test_cosign_ed25519_when_the_key_of_the_specification_then_its_message_is_signed() -> None:
    """tlog-cosignature's own layout: header line, time line, then the whole note body."""
    key = Ed25519PrivateKey.from_private_bytes(b"\x05" * 32)
    line = Cosigner("w", key).line(HEAD, 7)
    raw = base64.b64decode(line.split(" ")[2])
    body = HEAD.note.partition("\n\n")[0] + "\n"
    key.public_key().verify(raw[12:], b"cosignature/v1\ntime 7\n" + body.encode())
    assert raw[4:12] == (7).to_bytes(8, "big")


@kinds
@pytest.mark.parametrize("field", ["origin", "size", "root_hash"])
def test_open_when_another_checkpoint_was_signed_then_refuses(cosigner: Cosigner, field: str) -> None:
    other = sign_checkpoint(SIGNER.note, 43 if field == "size" else 42, bytes(32))
    if field == "origin":
        text = "elsewhere\n" + HEAD.note.partition("\n")[2]
        other = Checkpoint(origin="elsewhere", size=42, root_hash=HEAD.root_hash, note=text)
    with pytest.raises(LogCorrupt):
        open_cosignatures(with_line(other, cosigner.line(HEAD, 1)), [cosigner.verifier])


@kinds
def test_open_when_a_byte_of_the_signature_is_changed_then_refuses(cosigner: Cosigner) -> None:
    dash, name, encoded = cosigner.line(HEAD, 1).split(" ")
    raw = bytearray(base64.b64decode(encoded))
    for at in (4, 11, 12, len(raw) - 1):
        raw[at] ^= 1
        line = f"{dash} {name} {base64.b64encode(raw).decode()}\n"
        with pytest.raises(LogCorrupt):
            open_cosignatures(with_line(HEAD, line), [cosigner.verifier])
        raw[at] ^= 1


@kinds
def test_open_when_the_signature_is_cut_then_refuses(cosigner: Cosigner) -> None:
    dash, name, encoded = cosigner.line(HEAD, 1).split(" ")
    line = f"{dash} {name} {base64.b64encode(base64.b64decode(encoded)[:-1]).decode()}\n"
    with pytest.raises(LogCorrupt):
        open_cosignatures(with_line(HEAD, line), [cosigner.verifier])


@kinds
def test_vkey_when_parsed_then_is_the_same_key(cosigner: Cosigner) -> None:
    assert parse_vkey(cosigner.verifier.vkey) == cosigner.verifier


@pytest.mark.parametrize("text", ["", "a", "a+b", "a+00000000+", "a+00000000+AQ==", "a+00000000+!!", "a b+1+AQ=="])
def test_vkey_when_malformed_then_refuses(text: str) -> None:
    with pytest.raises(InvalidArgument):
        parse_vkey(text)


def test_published_when_opened_then_both_signatures_of_the_log_are_demanded() -> None:
    published = SIGNER.publish(HEAD, 5)
    assert open_published(published.note, SIGNER.keys) == published
    with pytest.raises(LogCorrupt, match="ML-DSA"):
        open_published(HEAD.note, SIGNER.keys)
    other = NoteVerifier(name=HEAD.origin, public_key=bytes(1312), key_type=KeyType.COSIGN_MLDSA44)
    with pytest.raises(LogCorrupt):
        open_published(published.note, LogKeys(ed25519=SIGNER.keys.ed25519, mldsa44=other))
    assert open_published(HEAD.note, LogKeys(ed25519=SIGNER.keys.ed25519, mldsa44=None)) == HEAD
