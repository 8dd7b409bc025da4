"""A log that follows another one: what fits is kept under the writer's signature, what does not is refused whole."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from custodes.audit.checkpoint import LogSigner
from custodes.audit.log import AuditLog
from custodes.audit.replica import ReplicaLog
from custodes.audit.verify import verify_log
from custodes.errors import LogCorrupt
from custodes.testing.audit import ORIGIN, fake_signer, fill, open_test_log, sample_record
from custodes.units import Ns

KEY = fake_signer().keys


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[AuditLog]:
    log = open_test_log(tmp_path / "writer.db")
    fill(log, 600)
    yield log
    log.close()


@pytest.fixture
def replica(tmp_path: Path) -> Iterator[ReplicaLog]:
    log = ReplicaLog.open(tmp_path / "replica.db", KEY.ed25519)
    yield log
    log.close()


def follow(writer: AuditLog, replica: ReplicaLog, *, step: int = 100) -> None:
    while replica.size < writer.size:
        leaves, head = writer.sealed(replica.size, step)
        replica.take(replica.size, leaves, head.note)


def test_replica_is_the_same_log_and_goes_on_after_it_was_closed(
    writer: AuditLog, replica: ReplicaLog, tmp_path: Path
) -> None:
    follow(writer, replica)
    replica.close()
    again = ReplicaLog.open(tmp_path / "replica.db", KEY.ed25519)
    fill(writer, 7)
    follow(writer, again)
    assert (again.size, again.root) == (607, writer.root_at(607))
    again.close()
    assert verify_log(tmp_path / "replica.db", KEY).size == 607


def test_personal_parts_that_were_erased_go_from_the_replica_too(
    writer: AuditLog, replica: ReplicaLog, tmp_path: Path
) -> None:
    follow(writer, replica)
    writer.erase([0, 3])
    replica.keep_personal(writer.personal_kept())
    replica.close()
    report = verify_log(tmp_path / "replica.db", KEY)
    assert (report.size, report.erased) == (600, 2)


@pytest.mark.parametrize("what", ["leaf", "personal", "order", "less", "gap", "foreign note"])
def test_entries_that_are_not_what_the_writer_signed_are_refused_and_nothing_is_stored(
    writer: AuditLog, replica: ReplicaLog, what: str
) -> None:
    leaves, head = writer.sealed(0, 50)
    first = 0
    match what:
        case "leaf":
            leaves[7] = replace(leaves[7], leaf=leaves[7].leaf.replace(b"segment-7", b"segment-8"))
        case "personal":
            leaves[3] = replace(leaves[3], personal=leaves[3].personal.replace(b"person-3", b"person-4"))
        case "order":
            leaves[1], leaves[2] = leaves[2], leaves[1]
        case "less":
            leaves.pop()
        case "gap":
            first, (leaves, head) = 50, writer.sealed(50, 50)
        case "foreign note":
            other = AuditLog.open(Path(":memory:"), _other_signer())
            fill(other, 50)
            head = other.checkpoint()
    with pytest.raises(LogCorrupt):
        replica.take(first, leaves, head.note)
    assert replica.size == 0
    follow(writer, replica)


def _other_signer() -> LogSigner:
    return LogSigner(
        ORIGIN,
        Ed25519PrivateKey.from_private_bytes(b"\1" * 32),
        MLDSA44PrivateKey.from_seed_bytes(b"\1" * 32),
    )


def test_another_history_under_the_same_key_is_refused(writer: AuditLog, replica: ReplicaLog, tmp_path: Path) -> None:
    """As after a restored backup that went on: same key, same beginning, another end."""
    fork = open_test_log(tmp_path / "fork.db")
    fill(fork, 500)
    follow(fork, replica)
    fork.append([(sample_record(1), Ns(1))] * 5)
    follow(fork, replica)
    leaves, head = writer.sealed(505, 50)
    with pytest.raises(LogCorrupt, match="diverged"):
        replica.take(505, leaves, head.note)
    fork.close()
