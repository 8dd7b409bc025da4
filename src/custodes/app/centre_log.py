"""The centre's own log: what was asked of which site, by whom, why, and what came of it.

The same Merkle log as a site's (`audit.log`), under keys of the centre's own. The running centre alone writes it; a
question is in it before it is sent.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from custodes.adapters.sql.centre_people import CentrePerson
from custodes.app.witness import derive_seed
from custodes.audit.checkpoint import LogSigner
from custodes.audit.log import AuditLog
from custodes.audit.log_tables import read_entries
from custodes.audit.verify import LogReport, open_readonly, verify_log
from custodes.errors import NotFound
from custodes.types.access import AuditKind, AuditRecord, LogEntry
from custodes.types.federation import CaseAnswered
from custodes.types.question import CaseQuestion
from custodes.units import NS_PER_S, Ns

LOG_FILE = "log.db"
_SHOWN = 1000


def log_signer(folder: Path) -> LogSigner:
    """Raises: KeyMissing, FailedPrecondition for the centre's seed."""
    name, ed25519 = derive_seed(folder, b"custodes.centre-log-ed25519/v1")
    _, mldsa44 = derive_seed(folder, b"custodes.centre-log-mldsa44/v1")
    return LogSigner(
        f"{name}/log", Ed25519PrivateKey.from_private_bytes(ed25519), MLDSA44PrivateKey.from_seed_bytes(mldsa44)
    )


@contextlib.contextmanager
def centre_log(folder: Path) -> Iterator[AuditLog]:
    """For the centre's process. Raises: LogCorrupt, KeyMissing, Unavailable."""
    log = AuditLog.open(folder / LOG_FILE, log_signer(folder))
    try:
        yield log
    finally:
        log.close()


def read_log(folder: Path) -> tuple[LogReport, tuple[LogEntry, ...]]:
    """Verified whole, and its newest entries. Raises: LogCorrupt, NotFound when nothing was ever asked."""
    path = folder / LOG_FILE
    if not path.exists():
        raise NotFound("nothing was asked of any site yet")
    report = verify_log(path, log_signer(folder).keys)
    connection = open_readonly(path)
    try:
        return report, read_entries(connection, max(report.size - _SHOWN, 0), _SHOWN)
    finally:
        connection.close()


def asked(log: AuditLog, question: CaseQuestion, now_ns: Ns) -> int:
    """Note it; returns the entry's number."""
    details = {
        "question": question.question_id,
        "reference": question.case_id,
        "reason": question.reason,
        "start_ns": str(question.start_ns),
        "end_ns": str(question.end_ns),
        "classes": ",".join(question.classes),
        "cameras": ",".join(question.cameras)[:200] or "all",
    }
    return _append(log, AuditKind.REQUEST_FILED, question, details, now_ns)


def unsigned(log: AuditLog, question: CaseQuestion, now_ns: Ns) -> int:
    """Note that somebody put a question into the database that nobody of the centre signed; it is not sent."""
    details = {"question": question.question_id, "reason": "nobody of the centre signed it"}
    return _append(log, AuditKind.REQUEST_WITHDRAWN, question, details, now_ns)


def person_changed(log: AuditLog, person: CentrePerson, now_ns: Ns) -> int:
    """Note who may ask from now on, by which key, or no more."""
    details = {"public_key": person.public_key.hex(), "is_disabled": str(person.is_disabled).lower()}
    kind = AuditKind.USER_CHANGED if person.is_disabled else AuditKind.USER_CREATED
    record = AuditRecord(kind=kind, actor="process:centre", subject=f"person:{person.name}", details=details)
    (entry,) = log.append([(record, now_ns)])
    log.publish(now_ns // NS_PER_S)
    return entry.index


def answered(log: AuditLog, question: CaseQuestion, answers: list[CaseAnswered], now_ns: Ns) -> int:
    """Note what a site answered, with the entry of its own log; `answers` empty: it did not, in time."""
    if not answers:
        return _append(log, AuditKind.REQUEST_WITHDRAWN, question, {"question": question.question_id}, now_ns)
    details = {
        "question": question.question_id,
        "site_entry": str(answers[0].log_index),
        "reasons": answers[0].reason,
        "found": str(sum(len(one.found) for one in answers)),
    }
    kind = AuditKind.REQUEST_APPROVED if answers[0].is_allowed else AuditKind.REQUEST_REFUSED
    return _append(log, kind, question, details, now_ns)


def _append(log: AuditLog, kind: AuditKind, question: CaseQuestion, details: dict[str, str], now_ns: Ns) -> int:
    record = AuditRecord(kind=kind, actor=question.asker, subject=f"site:{question.site_id}", details=details)
    (entry,) = log.append([(record, now_ns)])
    log.publish(now_ns // NS_PER_S)
    return entry.index
