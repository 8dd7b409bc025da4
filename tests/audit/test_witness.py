"""A witness signs what only grew, refuses the rest, and forgets nothing; the answers are the specification's."""

import sqlite3
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from custodes.audit.cosignature import Cosigner, open_cosignatures
from custodes.audit.log import AuditLog
from custodes.audit.witness import MAX_REQUEST_BYTES, SIZE_TYPE, Answer, Witness, request_body
from custodes.errors import InvalidArgument, LogCorrupt, Unavailable
from custodes.testing.audit import ORIGIN, fake_signer, fill, open_test_log
from custodes.types.access import Checkpoint

KEYS = fake_signer().keys
COSIGNERS = (
    Cosigner("witness.example/w1", Ed25519PrivateKey.from_private_bytes(b"\x05" * 32)),
    Cosigner("witness.example/w1", MLDSA44PrivateKey.from_seed_bytes(b"\x05" * 32)),
)
VERIFIERS = [each.verifier for each in COSIGNERS]


@pytest.fixture
def log(tmp_path: Path) -> AuditLog:
    log = open_test_log(tmp_path / "log.db")
    fill(log, 5)
    return log


@pytest.fixture
def witness(tmp_path: Path) -> Witness:
    return open_witness(tmp_path)


def open_witness(folder: Path) -> Witness:
    return Witness.open(folder / "witness.db", COSIGNERS, {ORIGIN: KEYS})


def ask(witness: Witness, log: AuditLog, old: int, checkpoint: Checkpoint | None = None) -> Answer:
    checkpoint = checkpoint or log.publish(1)
    path = log.prove_consistency(old, checkpoint.size) if 0 < old < checkpoint.size else ()
    return witness.add_checkpoint(request_body(old, path, checkpoint.note), 99)


def test_add_when_new_and_when_grown_then_signs_with_both_keys(witness: Witness, log: AuditLog) -> None:
    for old in (0, 5):
        checkpoint = log.publish(1)
        answer = ask(witness, log, old)
        assert answer.status == 200
        signed = Checkpoint(
            origin=ORIGIN, size=checkpoint.size, root_hash=checkpoint.root_hash, note=checkpoint.note + answer.body
        )
        assert [(each.verifier, each.time_s) for each in open_cosignatures(signed, VERIFIERS)] == [
            (verifier, 99) for verifier in VERIFIERS
        ]
        fill(log, 3)
    assert [(seen.origin, seen.size) for seen in witness.seen()] == [(ORIGIN, 8)]


def test_add_when_the_same_again_then_signs_again(witness: Witness, log: AuditLog) -> None:
    assert ask(witness, log, 0).status == 200
    assert ask(witness, log, 5).status == 200


def test_add_when_the_old_size_is_not_what_it_remembers_then_409_with_its_size(
    witness: Witness, log: AuditLog
) -> None:
    assert ask(witness, log, 3) == Answer(status=409, body="0\n", content_type=SIZE_TYPE)
    ask(witness, log, 0)
    fill(log, 1)
    for old in (0, 3, 6):
        assert ask(witness, log, old) == Answer(status=409, body="5\n", content_type=SIZE_TYPE)


def test_add_when_the_witness_was_restarted_then_remembers(witness: Witness, log: AuditLog, tmp_path: Path) -> None:
    ask(witness, log, 0)
    witness.close()
    assert ask(open_witness(tmp_path), log, 0).body == "5\n"


def test_add_when_the_log_was_rewritten_then_refuses(witness: Witness, log: AuditLog, tmp_path: Path) -> None:
    """The very keys of the log sign another history: of the same size, and of a larger one with its own proof."""
    ask(witness, log, 0)
    forged = open_test_log(tmp_path / "forged.db")
    fill(forged, 5)
    assert forged.checkpoint().root_hash != log.checkpoint().root_hash
    assert ask(witness, forged, 5).status == 409
    fill(forged, 4)
    assert ask(witness, forged, 5).status == 422
    assert witness.seen()[0].size == 5


def test_add_when_the_log_was_cut_back_then_refuses(witness: Witness, log: AuditLog) -> None:
    older = log.publish(1)
    fill(log, 2)
    ask(witness, log, 0)
    assert ask(witness, log, 5, older).status == 409
    assert ask(witness, log, 7, older).status == 400


def test_add_when_the_proof_is_wrong_then_422(witness: Witness, log: AuditLog) -> None:
    first = log.publish(1)
    assert witness.add_checkpoint(request_body(0, [bytes(32)], first.note), 1).status == 422
    ask(witness, log, 0)
    fill(log, 4)
    path = log.prove_consistency(5, 9)
    for wrong in (path[:-1], (*path, bytes(32)), (), (bytes(32), *path[1:])):
        assert witness.add_checkpoint(request_body(5, wrong, log.publish(1).note), 1).status == 422


def test_add_when_signed_by_another_key_or_by_one_of_two_then_403(
    witness: Witness, log: AuditLog, tmp_path: Path
) -> None:
    assert ask(witness, log, 0, log.checkpoint()).status == 403  # Ed25519 alone
    changed = log.publish(1).note.replace("\n5\n", "\n6\n", 1)
    assert witness.add_checkpoint(request_body(0, (), changed), 1).status == 403


def test_add_when_the_log_is_unknown_then_404(tmp_path: Path, log: AuditLog) -> None:
    stranger = Witness.open(tmp_path / "w.db", COSIGNERS, {"elsewhere": KEYS})
    assert ask(stranger, log, 0).status == 404


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"\n\n", b"old 0", b"old 0\n", b"old -1\n\nx", b"old 00\n\nx", b"new 0\n\nx", b"old 1\n!!\n\nx"),
        *(
            b"old 1\nAAAA\n\nx",
            b"old 1\n" + b"A" * 43 + b"=\n" * 64 + b"\nx",
            b"\xff\n\n",
            b"x" * (MAX_REQUEST_BYTES + 1),
        ),
    ],
)
def test_add_when_malformed_then_400(witness: Witness, body: bytes) -> None:
    assert witness.add_checkpoint(body, 1).status == 400


def test_add_when_it_cannot_remember_then_does_not_sign(witness: Witness, log: AuditLog) -> None:
    ask(witness, log, 0)
    fill(log, 2)
    witness._db.execute("CREATE TEMP TRIGGER full BEFORE INSERT ON main.seen BEGIN SELECT RAISE(FAIL, 'x'); END")
    with pytest.raises(Unavailable):
        ask(witness, log, 5)
    witness._db.execute("DROP TRIGGER full")
    assert witness.seen()[0].size == 5


def test_store_cosigned_when_signed_then_the_log_keeps_the_newest_per_witness(witness: Witness, log: AuditLog) -> None:
    notes = []
    for old in (0, 5):
        notes.append(log.publish(1).note + ask(witness, log, old).body)
        log.store_cosigned(notes[-1], VERIFIERS)
        fill(log, 2)
    log.store_cosigned(notes[0], VERIFIERS)  # an older one, late
    assert [(name, checkpoint.size) for name, checkpoint in log.cosigned()] == [("witness.example/w1", 7)]


def test_store_cosigned_when_not_signed_or_not_of_this_log_then_refuses(
    witness: Witness, log: AuditLog, tmp_path: Path
) -> None:
    with pytest.raises(InvalidArgument):
        log.store_cosigned(log.publish(1).note, VERIFIERS)
    other = open_test_log(tmp_path / "other.db")
    fill(other, 5)
    note = other.publish(1).note + ask(witness, other, 0).body
    with pytest.raises(LogCorrupt, match="not of this log"):
        log.store_cosigned(note, VERIFIERS)


def test_open_when_the_log_is_of_before_witnesses_then_gains_the_tables(tmp_path: Path) -> None:
    log = open_test_log(tmp_path / "old.db")
    fill(log, 4)
    log.close()
    database = sqlite3.connect(tmp_path / "old.db")
    database.executescript("DROP TABLE cosigned; DROP TABLE timestamps; PRAGMA user_version=1")
    database.close()
    log = open_test_log(tmp_path / "old.db")
    assert (log.size, log.cosigned()) == (4, [])
    log.close()
