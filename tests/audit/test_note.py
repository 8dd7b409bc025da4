"""Signed notes and checkpoints: the specification's own example, and notes that must be refused."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from custodes.audit.checkpoint import open_checkpoint, sign_checkpoint
from custodes.audit.note import NoteSigner, NoteVerifier, key_number, open_note, parse_vkey
from custodes.errors import InvalidArgument, LogCorrupt
from custodes.testing.audit import ORIGIN, fake_signer

SIGNER = fake_signer().note
OTHER = NoteSigner("other", Ed25519PrivateKey.from_private_bytes(b"\x01" * 32))
NOTE = SIGNER.sign("hello\n\nworld\n")


def test_sign_when_run_today_then_gives_the_golden_note() -> None:
    """Ed25519 is deterministic: name, key ID and form are pinned by these bytes."""
    assert (
        SIGNER.sign("golden\n") == "golden\n\n— custodes-site/abababababababab "
        "67jyLMl6TuMYLFL3GafC0jTUoOaFvQ42cxGAE0mKQk6UC3ol9aIHJBZA3g0/FZRu/Yb6TF4/WhoypyclmwaxGO4NuQI=\n"
    )


def test_key_number_when_the_published_vkey_of_the_go_checksum_database_then_its_id() -> None:
    """sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8, as shipped with every Go toolchain."""
    raw = base64.b64decode("Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8")
    assert raw[0] == 1
    assert key_number("sum.golang.org", raw[1:]) == 0x033DE0AE
    verifier = NoteVerifier(name="sum.golang.org", public_key=raw[1:])
    assert verifier.vkey == "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"


def test_open_when_signed_by_a_trusted_key_then_gives_the_text() -> None:
    assert open_note(NOTE, [SIGNER.verifier]) == "hello\n\nworld\n"


def test_open_when_unknown_signatures_stand_beside_then_ignores_them() -> None:
    other_line = OTHER.sign("hello\n\nworld\n").rpartition("\n\n")[2]
    assert open_note(NOTE + other_line, [SIGNER.verifier]) == "hello\n\nworld\n"


def test_open_when_only_unknown_keys_signed_then_refuses() -> None:
    with pytest.raises(LogCorrupt):
        open_note(NOTE, [OTHER.verifier])
    with pytest.raises(LogCorrupt):
        open_note(NOTE, [])


def test_open_when_the_name_is_right_and_the_key_another_then_refuses() -> None:
    impostor = NoteSigner(ORIGIN, Ed25519PrivateKey.from_private_bytes(b"\x02" * 32))
    with pytest.raises(LogCorrupt):
        open_note(impostor.sign("hello\n"), [SIGNER.verifier])


@given(at=st.integers(0, len(NOTE) - 1), ch=st.sampled_from("aA0 +/=\n—\x00"))
def test_open_when_any_character_is_changed_then_refuses_or_reads_the_same(at: int, ch: str) -> None:
    changed = NOTE[:at] + ch + NOTE[at + 1 :]
    try:
        text = open_note(changed, [SIGNER.verifier])
    except LogCorrupt:
        return
    assert changed == NOTE or text == "hello\n\nworld\n"


@pytest.mark.parametrize(
    "note",
    [
        *("", "x", "x\n", "x\n\n", "x\n\n— \n", "x\n\n— a\n", "x\n\n— a !!!\n"),
        *("x\n\n- a AAAAAAA=\n", "x\n\n— a AAAA\n", "x\n\n" + "— a AAAAAAA=\n" * 17, "x" * 200_000),
    ],
)
def test_open_when_malformed_then_refuses(note: str) -> None:
    with pytest.raises(LogCorrupt):
        open_note(note, [SIGNER.verifier])


@pytest.mark.parametrize("text", ["", "no newline", "tab\t\n"])
def test_sign_when_no_note_can_hold_the_text_then_refuses(text: str) -> None:
    with pytest.raises(InvalidArgument):
        SIGNER.sign(text)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\n", "a\u2003b"])
def test_signer_when_the_name_is_not_one_then_refuses(name: str) -> None:
    with pytest.raises(InvalidArgument):
        NoteSigner(name, Ed25519PrivateKey.from_private_bytes(bytes(32)))


def test_checkpoint_when_signed_then_opens_equal() -> None:
    checkpoint = sign_checkpoint(SIGNER, 42, bytes(range(32)))
    assert open_checkpoint(checkpoint.note, SIGNER.verifier) == checkpoint
    assert checkpoint.note.split("\n")[:2] == [ORIGIN, "42"]


ROOT = base64.b64encode(bytes(32)).decode()


@pytest.mark.parametrize(
    "text",
    [
        f"{ORIGIN}\n42\n",
        f"{ORIGIN}\n042\n{ROOT}\n",
        f"{ORIGIN}\n-1\n{ROOT}\n",
        f"{ORIGIN}\n4２\n{ROOT}\n",
        f"{ORIGIN}\n1\nAAAA\n",
        f"{ORIGIN}\n1\n!\n",
        f"other\n1\n{ROOT}\n",
        f"{ORIGIN}\n1\n{ROOT}\nextension\n",
        f"{ORIGIN}\n{10**30}\n{ROOT}\n",
    ],
)
def test_checkpoint_when_validly_signed_but_malformed_then_refuses(text: str) -> None:
    with pytest.raises(LogCorrupt):
        open_checkpoint(SIGNER.sign(text), SIGNER.verifier)


def test_key_when_anything_of_its_text_is_not_as_it_was_written_then_refused() -> None:
    verifier = NoteSigner("example.org/log", Ed25519PrivateKey.from_private_bytes(bytes(32))).verifier
    text = verifier.vkey
    name, number, encoded = text.split("+", 2)
    assert parse_vkey(f" {text}\n") == verifier
    raw = base64.b64decode(encoded)
    wrong = [
        f"{name}+{number}+{encoded[:9]}!{encoded[9:]}",  # what lax base64 would skip
        f"{name}+{number}+{encoded[:-1]}",
        f"{name}+{number}+",
        f"{name}+{number}",
        f"{name}+{number.upper()}+{encoded}" if number.upper() != number else f"{name}+0{number}+{encoded}",
        f"{name}+00000000+{encoded}",
        f"other.org/log+{number}+{encoded}",
        f"{name}+{number}+{base64.b64encode(b'c' + raw[1:]).decode()}",
        f"{name}+{number}+{base64.b64encode(raw[:-1]).decode()}",
        f"{name}+{number}+{base64.b64encode(raw + b'x').decode()}",
    ]
    for one in wrong:
        with pytest.raises(InvalidArgument):
            parse_vkey(one)
