"""The warden's store of recognition: zones, enrolments, trainings, candidates, and templates under a key per person.

A person's key lies here wrapped by one that comes from the root secret; destroying it is a deletion with
`secure_delete=ON` and a truncating checkpoint. No backup takes this file along (`app.backup`), so that what somebody
took back cannot be restored.
"""

import hashlib
import os
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from custodes.errors import DataLoss, NotFound, ProtocolError, StorageFailed, Unavailable
from custodes.face.rotation import SECRET_BYTES, Turn, turn_of, turned, turned_back
from custodes.face.sealed import KEY_BYTES, open_sealed, seal, template_label
from custodes.types.codec import decode_as, encode
from custodes.types.face import CandidateRecord, FaceEnrolment, Training, ZoneRecord
from custodes.types.face_message import SealedTemplate
from custodes.types.plate import PlateListing
from custodes.types.protection import ProtectionCheck
from custodes.types.trial import Trial, TrialWalk, Volunteer

T = TypeVar("T")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS item (number INTEGER PRIMARY KEY, kind TEXT NOT NULL, id TEXT NOT NULL, body BLOB NOT NULL,
                                 UNIQUE (kind, id)) STRICT;
CREATE TABLE IF NOT EXISTS person_key (person_id TEXT PRIMARY KEY, wrapped BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS template (number INTEGER PRIMARY KEY AUTOINCREMENT, template_id TEXT UNIQUE NOT NULL,
                                     person_id TEXT NOT NULL, contract TEXT NOT NULL, sealed BLOB NOT NULL,
                                     picture BLOB NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS template_person ON template (person_id);
CREATE TABLE IF NOT EXISTS probe (candidate_id TEXT PRIMARY KEY, person_id TEXT NOT NULL, picture BLOB NOT NULL)
    STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS touch (touch_id TEXT PRIMARY KEY, person_id TEXT NOT NULL, sealed BLOB NOT NULL)
    STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS touch_person ON touch (person_id);
CREATE TABLE IF NOT EXISTS rotation (epoch INTEGER PRIMARY KEY, wrapped BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS heeded (one INTEGER PRIMARY KEY CHECK (one = 1), log_size INTEGER NOT NULL) STRICT;
"""
_NONCE_BYTES = 12
_KINDS: dict[type, str] = {
    ZoneRecord: "zone",
    FaceEnrolment: "enrolment",
    Training: "training",
    CandidateRecord: "candidate",
    ProtectionCheck: "protection",
    PlateListing: "plate",
    Trial: "trial",
    Volunteer: "volunteer",
    TrialWalk: "walk",
}
CANDIDATES_KEPT = 10_000
TOUCHES_READ = 100_000
TOUCH_BYTES = 4096
"""As long as a record of a check is at least, found or not: some forty tracks."""
_PADDED = b"\x00touch.v2\n"
_ROTATION = "rotation"
_REKEYED_AT_ONCE = 100
"""3 ms, in which a release of keys waits."""


class FaceStore:
    """Owned by one thread. Items are in memory too; templates are read in pages."""

    def __init__(self, path: Path, kek: bytes) -> None:
        """Open or create. Raises: DataLoss for a damaged file."""
        self._kek = AESGCM(kek)
        self.revision = 0
        """Rises with each change."""
        self._turns: dict[int, Turn] = {}
        try:
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            path.chmod(0o600)
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "secure_delete=ON"):
                self._db.execute(f"PRAGMA {pragma}")  # nosemgrep: sql-from-a-string - constants above
            self._db.executescript(_SCHEMA)
            self._items: dict[str, dict[str, Any]] = {kind: {} for kind in _KINDS.values()}
            for item_type, kind in _KINDS.items():
                rows = self._db.execute("SELECT id, body FROM item WHERE kind = ? ORDER BY number", (kind,)).fetchall()
                self._items[kind] = {str(row[0]): decode_as(item_type, row[1]) for row in rows}
            self.epoch, self.rotation = self._read_rotation()
            if not self.epoch:
                self.rekey()
        except (sqlite3.DatabaseError, ProtocolError) as error:
            raise DataLoss(f"{path} is damaged; people have to be enrolled anew: {error}") from error

    # -- items -----------------------------------------------------------------------------------------------

    def all(self, kind: type[T]) -> list[T]:
        """Oldest first."""
        return list(self._items[_KINDS[kind]].values())

    def get(self, kind: type[T], item_id: str) -> T | None:
        """By id."""
        found: T | None = self._items[_KINDS[kind]].get(item_id)
        return found

    def put(
        self,
        item_id: str,
        item: ZoneRecord
        | FaceEnrolment
        | Training
        | CandidateRecord
        | ProtectionCheck
        | PlateListing
        | Trial
        | Volunteer
        | TrialWalk,
    ) -> None:
        """Create or replace, durably. Raises: StorageFailed."""
        kind = _KINDS[type(item)]
        self._write(
            "INSERT INTO item (kind, id, body) VALUES (?, ?, ?)"
            " ON CONFLICT (kind, id) DO UPDATE SET body = excluded.body",
            (kind, item_id, encode(item)),
        )
        self._items[kind][item_id] = item

    def forget(self, kind: type, item_id: str) -> None:
        """Idempotent."""
        self._write("DELETE FROM item WHERE kind = ? AND id = ?", (_KINDS[kind], item_id))
        self._items[_KINDS[kind]].pop(item_id, None)

    def forget_candidate(self, candidate_id: str) -> None:
        """The record and its picture; the log keeps what happened."""
        self._write("DELETE FROM item WHERE kind = 'candidate' AND id = ?", (candidate_id,))
        self.drop_probe(candidate_id)
        self._items["candidate"].pop(candidate_id, None)

    # -- people's keys ---------------------------------------------------------------------------------------

    def make_key(self, person_id: str) -> None:
        """A new random key for a new person."""
        nonce, key = os.urandom(_NONCE_BYTES), os.urandom(KEY_BYTES)
        wrapped = nonce + self._kek.encrypt(nonce, key, person_id.encode())
        self._write("INSERT INTO person_key VALUES (?, ?)", (person_id, wrapped))

    def key(self, person_id: str) -> bytes:
        """Raises: NotFound when it was destroyed, DataLoss."""
        row = self._db.execute("SELECT wrapped FROM person_key WHERE person_id = ?", (person_id,)).fetchone()
        if row is None:
            raise NotFound("That person's key is gone, and with it everything that it opened.")
        return self._unwrap(person_id, bytes(row[0]))

    @property
    def heeded(self) -> int:
        """Up to which size of the log this file did what the log says; of a file that was put back, an early one."""
        row = self._db.execute("SELECT log_size FROM heeded").fetchone()
        return 0 if row is None else int(row[0])

    def heed(self, log_size: int) -> None:
        """Raises: StorageFailed."""
        self._write(
            "INSERT INTO heeded VALUES (1, ?) ON CONFLICT DO UPDATE SET log_size = excluded.log_size", (log_size,)
        )

    def has_key(self, person_id: str) -> bool:
        """Whether anything of that person can still be read."""
        row = self._db.execute("SELECT 1 FROM person_key WHERE person_id = ?", (person_id,)).fetchone()
        return row is not None

    def _unwrap(self, person_id: str, wrapped: bytes) -> bytes:
        try:
            return self._kek.decrypt(wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], person_id.encode())
        except InvalidTag as error:
            raise DataLoss(f"the key of person {person_id} is damaged") from error

    def destroy(self, person_id: str) -> None:
        """Key, templates and pictures, for good; again is harmless. Raises: Unavailable while the file is read."""
        self._write("BEGIN IMMEDIATE", ())
        for table in ("person_key", "template", "probe", "touch"):
            self._write(f"DELETE FROM {table} WHERE person_id = ?", (person_id,))  # nosec B608  # noqa: S608 - names from above
        self._write("COMMIT", ())
        self.purge()

    def purge(self) -> None:
        """Fold the WAL away, so that no old page of what was deleted stays. Raises: Unavailable."""
        (is_busy, *_) = self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if is_busy:
            raise Unavailable("the store of enrolled people is being read; what was deleted stays until it is purged")

    def seal(self, person_id: str, what: str, plain: bytes) -> bytes:
        """Under the person's key, bound to what it is. Raises: NotFound, DataLoss."""
        return seal(self.key(person_id), person_id, what, plain)

    def open(self, person_id: str, what: str, sealed: bytes) -> bytes:
        """Raises: NotFound, DataLoss."""
        return open_sealed(self.key(person_id), person_id, what, sealed)

    # -- rotation ------------------------------------------------------------------------------------------------

    def _read_rotation(self) -> tuple[int, bytes]:
        """Epoch and secret in force; 0 and none in a file of before there were rotations. Raises: DataLoss."""
        row = self._db.execute("SELECT epoch, wrapped FROM rotation ORDER BY epoch DESC LIMIT 1").fetchone()
        return (0, b"") if row is None else (int(row[0]), self._unwrap(_ROTATION, bytes(row[1])))

    def _turn(self, vector: bytes) -> Turn:
        dimension = len(vector) // 4
        known = self._turns.get(dimension)
        if known is None:
            known = self._turns[dimension] = turn_of(self.rotation, dimension)
        return known

    def rekey(self) -> int:
        """Turn all templates by a new secret and forget the old one; nobody has to come again.

        Returns: how many. All or none. Raises: StorageFailed, DataLoss, Unavailable. About 30 µs each, 2026-11.
        """
        return max(self.rekeying(), default=0)

    def rekeying(self) -> Iterator[int]:
        """`rekey` in pieces of a few milliseconds: whoever drives it answers others between them.

        Nothing changes before the last piece, which is one transaction. Meanwhile nobody may add templates; those that
        go meanwhile stay gone. Yields: how many are turned so far. Raises: as `rekey`.
        """
        secret, nonce = os.urandom(SECRET_BYTES), os.urandom(_NONCE_BYTES)
        wrapped = nonce + self._kek.encrypt(nonce, secret, _ROTATION.encode())
        steps: dict[int, Turn] = {}
        count, last = 0, -1
        self._write("CREATE TEMP TABLE IF NOT EXISTS moved (number INTEGER PRIMARY KEY, sealed BLOB NOT NULL)", ())
        self._write("DELETE FROM moved", ())
        while rows := self._db.execute(
            "SELECT number, template_id, person_id, contract, sealed FROM template WHERE number > ?"
            " ORDER BY number LIMIT ?", (last, _REKEYED_AT_ONCE)
        ).fetchall():  # fmt: skip
            for number, template_id, person_id, contract, sealed in rows:
                label = template_label(contract, template_id)
                plain = self.open(person_id, label, sealed)
                if len(plain) not in steps:
                    steps[len(plain)] = turn_of(secret, len(plain) // 4) @ self._turn(plain).T
                moved = turned(np.frombuffer(plain, "<f4"), steps[len(plain)]).astype("<f4").tobytes()
                self._write("INSERT INTO moved VALUES (?, ?)", (number, self.seal(person_id, label, moved)))
            count, last = count + len(rows), rows[-1][0]
            yield count
        self._write("BEGIN IMMEDIATE", ())
        self._write("UPDATE template SET sealed = moved.sealed FROM moved WHERE moved.number = template.number", ())
        self._write("DELETE FROM rotation", ())
        self._write("INSERT INTO rotation VALUES (?, ?)", (self.epoch + 1, wrapped))
        self._write("COMMIT", ())
        self.epoch, self.rotation = self.epoch + 1, secret
        self._turns.clear()
        self._write("DELETE FROM moved", ())
        self.purge()

    # -- templates and pictures ------------------------------------------------------------------------------

    def put_template(self, template_id: str, person_id: str, contract: str, vector: bytes, picture: bytes) -> None:
        """Turned as the site's are, sealed, durably. Raises: NotFound, StorageFailed."""
        values = (
            template_id,
            person_id,
            contract,
            self.seal(person_id, template_label(contract, template_id), self._turned(vector)),
            self.seal(person_id, "picture", picture),
        )
        self._write(
            "INSERT INTO template (template_id, person_id, contract, sealed, picture) VALUES (?, ?, ?, ?, ?)", values
        )

    def templates_after(self, number: int, limit: int) -> tuple[list[SealedTemplate], int]:
        """Still sealed, with the key beside; and the number to go on from."""
        rows = self._db.execute(
            "SELECT t.number, t.template_id, t.person_id, t.contract, t.sealed, k.wrapped FROM template t"
            " JOIN person_key k USING (person_id) WHERE t.number > ? ORDER BY t.number LIMIT ?",
            (number, limit),
        ).fetchall()
        found = [
            SealedTemplate(template_id=row[1], person_id=row[2], contract=row[3], sealed=row[4],
                           key=self._unwrap(row[2], row[5]))
            for row in rows
        ]  # fmt: skip
        return found, rows[-1][0] if rows else number

    def contract_counts(self) -> dict[str, dict[str, int]]:
        """How many templates each person has under each contract."""
        found: dict[str, dict[str, int]] = {}
        for person_id, contract, count in self._db.execute(
            "SELECT person_id, contract, count(*) FROM template GROUP BY person_id, contract ORDER BY contract"
        ):
            found.setdefault(str(person_id), {})[str(contract)] = int(count)
        return found

    def counts_of(self, person_id: str) -> dict[str, int]:
        """The same of one person."""
        rows = self._db.execute(
            "SELECT contract, count(*) FROM template WHERE person_id = ? GROUP BY contract", (person_id,)
        ).fetchall()
        return {str(contract): int(count) for contract, count in rows}

    def forget_contract(self, contract: str) -> int:
        """Delete all templates and pictures under a contract; returns how many. Raises: StorageFailed, Unavailable."""
        (count,) = self._db.execute("SELECT count(*) FROM template WHERE contract = ?", (contract,)).fetchone()
        self._write("DELETE FROM template WHERE contract = ?", (contract,))
        self.purge()
        return int(count)

    def renumber(self, person_id: str) -> None:
        """Give a person's templates the newest numbers: who reads on from before finds them (again).

        SQLite's own count learns of it: else, once that person went, their numbers would be given again, to templates
        that who has read further never asks for.
        """
        (last,) = self._db.execute(
            "SELECT max((SELECT coalesce(max(number), 0) FROM template),"
            " (SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'template'))"
        ).fetchone()
        rows = self._db.execute("SELECT number FROM template WHERE person_id = ? ORDER BY number", (person_id,))
        numbers = [number for (number,) in rows.fetchall()]
        self._write("BEGIN IMMEDIATE", ())
        for step, number in enumerate(numbers, start=1):
            self._write("UPDATE template SET number = ? WHERE number = ?", (last + step, number))
        self._write("UPDATE sqlite_sequence SET seq = ? WHERE name = 'template'", (last + len(numbers),))
        self._write("COMMIT", ())

    def own_templates(self, person_id: str) -> list[tuple[str, bytes]]:
        """Contract and open vector of each template of one person, turned back."""
        rows = self._db.execute(
            "SELECT template_id, contract, sealed FROM template WHERE person_id = ? ORDER BY number", (person_id,)
        ).fetchall()
        opened = [(row[1], self.open(person_id, template_label(row[1], row[0]), row[2])) for row in rows]
        return [
            (contract, turned_back(np.frombuffer(plain, "<f4"), self._turn(plain)).astype("<f4").tobytes())
            for contract, plain in opened
        ]

    def _turned(self, vector: bytes) -> bytes:
        return turned(np.frombuffer(vector, "<f4"), self._turn(vector)).astype("<f4").tobytes()

    def picture(self, person_id: str) -> bytes:
        """The first picture that the person gave. Raises: NotFound."""
        row = self._db.execute(
            "SELECT picture FROM template WHERE person_id = ? ORDER BY number LIMIT 1", (person_id,)
        ).fetchone()
        if row is None:
            raise NotFound("There is no picture of that person any more.")
        return self.open(person_id, "picture", row[0])

    # -- what touches a protected person ---------------------------------------------------------------------

    def seal_touch(self, person_id: str, piece_id: str, plain: bytes) -> bytes:
        """What a check found of a person, or that it found nothing, under their key; padded, so that its length says
        neither. Raises: NotFound."""
        room = max(TOUCH_BYTES, 1 << (len(plain) + 4 - 1).bit_length())
        padded = (_PADDED + len(plain).to_bytes(4, "big") + plain).ljust(len(_PADDED) + room, b"\0")
        return self.seal(person_id, f"touch\n{self._touch_id(person_id, piece_id)}", padded)

    def put_touches(self, piece_id: str, sealed: Mapping[str, bytes]) -> None:
        """Create or replace those of one check, by person, at once. Raises: NotFound, StorageFailed."""
        rows = [(self._touch_id(person_id, piece_id), person_id, body) for person_id, body in sealed.items()]
        self._write("BEGIN IMMEDIATE", ())
        for row in rows:
            self._write(
                "INSERT INTO touch VALUES (?, ?, ?) ON CONFLICT (touch_id) DO UPDATE SET sealed = excluded.sealed", row
            )
        self._write("COMMIT", ())

    def touch(self, person_id: str, piece_id: str) -> bytes | None:
        """Of one check, opened; None where there was none of that person. Raises: DataLoss."""
        if not self.has_key(person_id):
            return None
        touch_id = self._touch_id(person_id, piece_id)
        row = self._db.execute("SELECT sealed FROM touch WHERE touch_id = ?", (touch_id,)).fetchone()
        return None if row is None else self._unpadded(person_id, touch_id, row[0])

    def touches(self, person_id: str) -> list[bytes]:
        """All, opened, in no order; at most `TOUCHES_READ`."""
        rows = self._db.execute(
            "SELECT touch_id, sealed FROM touch WHERE person_id = ? LIMIT ?", (person_id, TOUCHES_READ)
        ).fetchall()
        return [self._unpadded(person_id, touch_id, sealed) for touch_id, sealed in rows]

    def _unpadded(self, person_id: str, touch_id: str, sealed: bytes) -> bytes:
        plain = self.open(person_id, f"touch\n{touch_id}", sealed)
        if not plain.startswith(_PADDED):
            return plain  # of before there was padding
        body = plain[len(_PADDED) :]
        return body[4 : 4 + int.from_bytes(body[:4], "big")]

    def _touch_id(self, person_id: str, piece_id: str) -> str:
        """Which request it is about is not readable without the person's key."""
        return hashlib.sha256(self.key(person_id) + piece_id.encode()).hexdigest()

    def put_probe(self, candidate_id: str, person_id: str, picture: bytes) -> None:
        """Under the key of the person it was taken for: theirs, if they are it; gone when it is decided."""
        sealed = self.seal(person_id, f"probe\n{candidate_id}", picture)
        self._write("INSERT INTO probe VALUES (?, ?, ?)", (candidate_id, person_id, sealed))

    def probe(self, candidate_id: str) -> bytes:
        """Raises: NotFound once it was dropped."""
        row = self._db.execute(
            "SELECT person_id, picture FROM probe WHERE candidate_id = ?", (candidate_id,)
        ).fetchone()
        if row is None:
            raise NotFound("The pictures of this candidate were deleted when it was decided.")
        return self.open(row[0], f"probe\n{candidate_id}", row[1])

    def drop_probe(self, candidate_id: str) -> None:
        """Idempotent."""
        self._write("DELETE FROM probe WHERE candidate_id = ?", (candidate_id,))

    def _write(self, statement: str, values: tuple[object, ...]) -> None:
        self.revision += 1
        try:
            self._db.execute(statement, values)
        except sqlite3.Error as error:
            if self._db.in_transaction:
                self._db.rollback()
            raise StorageFailed(f"the warden cannot store what it knows of enrolled people: {error}") from error

    def close(self) -> None:
        """Idempotent."""
        self._db.close()
