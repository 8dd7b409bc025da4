"""Sample audit records and a log whose key everybody knows."""

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from custodes.audit.checkpoint import LogSigner
from custodes.audit.log import AuditLog
from custodes.types.access import AuditKind, AuditRecord
from custodes.units import Ns

ORIGIN = "custodes-site/abababababababab"


def fake_signer() -> LogSigner:
    """Ed25519 and ML-DSA-44 under the keys of 32 zero bytes."""
    return LogSigner(
        ORIGIN, Ed25519PrivateKey.from_private_bytes(bytes(32)), MLDSA44PrivateKey.from_seed_bytes(bytes(32))
    )


def open_test_log(path: Path) -> AuditLog:
    """A real log on disk, signed with `fake_signer`."""
    return AuditLog.open(path, fake_signer())


def sample_record(number: int) -> AuditRecord:
    """Every third record names a person, the others are a process's word."""
    if number % 3 == 0:
        return AuditRecord(kind=AuditKind.LOGIN, actor=f"person-{number}", subject=f"person-{number}", details={})
    return AuditRecord(
        kind=AuditKind.SEGMENT_SEALED,
        actor="process:server",
        subject=f"segment-{number}",
        details={"root": f"{number:064x}"},
    )


def fill(log: AuditLog, count: int, *, group: int = 256) -> None:
    """Append `count` sample records."""
    first = log.size
    for start in range(first, first + count, group):
        stop = min(start + group, first + count)
        log.append([(sample_record(n), Ns(1_700_000_000_000_000_000 + n)) for n in range(start, stop)])
