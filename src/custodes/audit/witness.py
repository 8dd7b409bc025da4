"""A witness of other people's logs: checks that a log only grew, remembers, and signs. Knows no HTTP.

What it remembers is one checkpoint per log, made durable before the answer leaves; checking and remembering is one
transaction. Source: https://c2sp.org/tlog-witness@v1.0.0
"""

import base64
import re
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from custodes.audit.checkpoint import LogKeys, open_published
from custodes.audit.cosignature import Cosigner
from custodes.audit.log_tables import translated
from custodes.audit.merkle import HASH_BYTES, verify_consistency
from custodes.audit.note import MAX_NOTE_BYTES, split_note
from custodes.errors import LogCorrupt
from custodes.types.access import Checkpoint

MAX_PROOF_LINES = 63
MAX_REQUEST_BYTES = MAX_NOTE_BYTES + (MAX_PROOF_LINES + 2) * 64

SIZE_TYPE = "text/x.tlog.size"
_TEXT_TYPE = "text/plain; charset=utf-8"
_OLD = re.compile(r"old (0|[1-9][0-9]{0,17})", re.ASCII)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS seen (origin TEXT PRIMARY KEY, size INTEGER NOT NULL, root BLOB NOT NULL,
                                 note TEXT NOT NULL, time_s INTEGER NOT NULL) STRICT, WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the specification has the witness say over HTTP."""

    status: int
    body: str
    content_type: str = _TEXT_TYPE


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenLog:
    """The newest checkpoint of one log that this witness signed."""

    origin: str
    size: int
    time_s: int


class _Malformed(Exception):
    pass


class Witness:
    """One witness with its keys and memory. One thread owns it."""

    def __init__(
        self, connection: sqlite3.Connection, cosigners: Sequence[Cosigner], logs: dict[str, LogKeys]
    ) -> None:
        self._db = connection
        self._cosigners = tuple(cosigners)
        self._logs = logs

    @classmethod
    def open(cls, path: Path, cosigners: Sequence[Cosigner], logs: dict[str, LogKeys]) -> "Witness":
        """Args: `logs`: keys by origin; all keys of a log must have signed. Raises: Unavailable, LogCorrupt."""
        try:
            connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.executescript(_SCHEMA)
        except sqlite3.Error as error:
            raise translated(error) from error
        return cls(connection, cosigners, logs)

    def close(self) -> None:
        """Idempotent."""
        self._db.close()

    def seen(self) -> tuple[SeenLog, ...]:
        """What it remembers, by origin."""
        rows = self._db.execute("SELECT origin, size, time_s FROM seen ORDER BY origin")
        return tuple(SeenLog(origin=origin, size=size, time_s=time_s) for origin, size, time_s in rows)

    def add_checkpoint(self, body: bytes, time_s: int) -> Answer:
        """Answer one `add-checkpoint` request. Raises: Unavailable, ResourceExhausted when it cannot remember."""
        try:
            old_size, path, note = _parse(body)
            text, _ = split_note(note)
        except (_Malformed, LogCorrupt) as error:
            return Answer(status=400, body=f"{error}\n")
        keys = self._logs.get(text.partition("\n")[0])
        if keys is None:
            return Answer(status=404, body="this witness does not know that log\n")
        try:
            checkpoint = open_published(note, keys)
        except LogCorrupt as error:
            return Answer(status=403, body=f"{error}\n")
        if old_size > checkpoint.size:
            return Answer(status=400, body="the old size is larger than the checkpoint's\n")
        try:
            return self._check_and_set(old_size, path, checkpoint, time_s)
        except sqlite3.Error as error:
            raise translated(error) from error

    def _check_and_set(self, old_size: int, path: list[bytes], checkpoint: Checkpoint, time_s: int) -> Answer:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            answer = self._decide(old_size, path, checkpoint)
            if answer is None:
                self._db.execute(
                    "INSERT OR REPLACE INTO seen VALUES (?, ?, ?, ?, ?)",
                    (checkpoint.origin, checkpoint.size, checkpoint.root_hash, checkpoint.note, time_s),
                )
            self._db.execute("COMMIT")
        finally:
            if self._db.in_transaction:
                self._db.rollback()
        if answer is not None:
            return answer
        return Answer(status=200, body="".join(each.line(checkpoint, time_s) for each in self._cosigners))

    def _decide(self, old_size: int, path: list[bytes], checkpoint: Checkpoint) -> Answer | None:
        """None when the checkpoint may be signed."""
        row = self._db.execute("SELECT size, root FROM seen WHERE origin = ?", (checkpoint.origin,)).fetchone()
        known_size, known_root = row or (0, b"")
        if old_size != known_size:
            return Answer(status=409, body=f"{known_size}\n", content_type=SIZE_TYPE)
        if old_size == checkpoint.size and known_size and known_root != checkpoint.root_hash:
            return Answer(status=409, body=f"{known_size}\n", content_type=SIZE_TYPE)
        try:
            if old_size == 0:
                if path:
                    raise LogCorrupt("a proof from size 0 must be empty")
            else:
                verify_consistency(
                    old_size=old_size,
                    new_size=checkpoint.size,
                    old_root=known_root,
                    new_root=checkpoint.root_hash,
                    path=path,
                )
        except LogCorrupt as error:
            return Answer(status=422, body=f"{error}\n")
        return None


def _parse(body: bytes) -> tuple[int, list[bytes], str]:
    if len(body) > MAX_REQUEST_BYTES:
        raise _Malformed(f"request of {len(body)} bytes; at most {MAX_REQUEST_BYTES}")
    try:
        head, separator, note = body.decode().partition("\n\n")
    except UnicodeDecodeError as error:
        raise _Malformed("the request is not UTF-8") from error
    lines = head.split("\n")
    old = _OLD.fullmatch(lines[0])
    if not separator or old is None or len(lines) > 1 + MAX_PROOF_LINES:
        raise _Malformed("expected an old size line, at most 63 proof lines, an empty line and a checkpoint")
    try:
        path = [base64.b64decode(line, validate=True) for line in lines[1:]]
    except ValueError as error:
        raise _Malformed("a proof line is not base64") from error
    if any(len(node) != HASH_BYTES for node in path):
        raise _Malformed("a proof line is not a hash")
    return int(old[1]), path, note


def request_body(old_size: int, path: Sequence[bytes], note: str) -> bytes:
    """The body of an `add-checkpoint` request: the log's side of `Witness.add_checkpoint`."""
    lines = [f"old {old_size}", *(base64.b64encode(node).decode() for node in path)]
    return ("\n".join(lines) + "\n\n" + note).encode()
