"""The warden's keys on SQLite: the root secret under the provider, camera-day private keys under the root.

`secure_delete=ON`, and destroying ends in a truncating checkpoint, so that no copy of a key stays in file or WAL.
One thread owns a `KeyStore`.
"""

import contextlib
import os
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from custodes.errors import CustodesError, DataLoss, KeyMissing, ResourceExhausted, SealBroken, Unavailable
from custodes.ports.keys import KeyProvider
from custodes.sealing.suite import load_public, suite
from custodes.sealing.unwrap import generate_camera_day_key
from custodes.units import CameraId, KeyId, Ns, SessionId

_SCHEMA = """
CREATE TABLE secrets (name TEXT PRIMARY KEY, wrapped BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE camera_keys (key_id TEXT PRIMARY KEY, public BLOB NOT NULL, wrapped BLOB,
                          created_ns INTEGER NOT NULL, destroyed_ns INTEGER) STRICT;
CREATE TABLE cameras (camera_id TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
"""
_SCHEMA_VERSION = 1
_ROOT_BYTES = 32
_NONCE_BYTES = 12
_ROOT_CONTEXT = b"custodes.root-secret/v1"


def _translated(error: sqlite3.Error) -> CustodesError:
    if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
        return ResourceExhausted(f"the key store cannot be written, the disk is full: {error}")
    if getattr(error, "sqlite_errorcode", None) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return DataLoss(f"the key store is damaged: {error}")
    return Unavailable(f"the key store cannot be written or read: {error}")


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceSecrets:
    """32 bytes each, derived from the root secret."""

    person_kek: bytes
    token_key: bytes
    plate_key: bytes


class KeyStore:
    """Private keys at rest; they are in the clear only for the moment of an unwrap."""

    def __init__(self, connection: sqlite3.Connection, root: bytes) -> None:
        assert len(root) == _ROOT_BYTES
        self._db = connection
        self._root = root
        self._aead = AESGCM(self._derive(b"custodes.camera-day-kek/v1"))

    @classmethod
    def open(cls, path: Path, provider: KeyProvider, *, context: bytes, is_new_allowed: bool) -> "KeyStore":
        """Open, or create with a fresh root secret.

        Args:
            context: bound into the root's wrapping; the site id.
            is_new_allowed: False when a log exists already: its root secret must then be here.

        Raises: KeyMissing when there is no root secret and none may be made, or the provider cannot open it.
        """
        try:
            connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("PRAGMA secure_delete=ON")
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version == 0:
                connection.executescript(f"BEGIN IMMEDIATE;{_SCHEMA}PRAGMA user_version={_SCHEMA_VERSION};COMMIT")
            elif version != _SCHEMA_VERSION:
                raise DataLoss(f"key store of schema {version}; this program knows {_SCHEMA_VERSION}")
            path.chmod(0o600)
            root = cls._open_root(connection, provider, _ROOT_CONTEXT + b"\x00" + context, is_new_allowed)
        except sqlite3.Error as error:
            raise _translated(error) from error
        return cls(connection, root)

    @classmethod
    def adopt(cls, path: Path, provider: KeyProvider, *, context: bytes, root: bytes) -> "KeyStore":
        """Open a copied store whose root secret was left out, and put that back under this provider.

        Raises: DataLoss when `root` is not the one that the keys are under; Unavailable.
        """
        try:
            with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
                wrapped = provider.wrap(root, _ROOT_CONTEXT + b"\x00" + context)
                connection.execute("INSERT OR REPLACE INTO secrets VALUES ('root', ?)", (wrapped,))
        except sqlite3.Error as error:
            raise _translated(error) from error
        store = cls.open(path, provider, context=context, is_new_allowed=False)
        for key_id in store.key_ids()[:1]:
            store.private(key_id)
        return store

    @staticmethod
    def _open_root(
        connection: sqlite3.Connection, provider: KeyProvider, context: bytes, is_new_allowed: bool
    ) -> bytes:
        row = connection.execute("SELECT wrapped FROM secrets WHERE name = 'root'").fetchone()
        if row is None:
            if not is_new_allowed:
                raise KeyMissing("the site has an audit log but its key store holds no root secret")
            root = os.urandom(_ROOT_BYTES)
            connection.execute("INSERT INTO secrets VALUES ('root', ?)", (provider.wrap(root, context),))
            return root
        try:
            return provider.unwrap(bytes(row[0]), context)
        except SealBroken as error:
            raise KeyMissing(
                "the root secret does not open: a wrong passphrase, another site's key file, or a damaged key store"
            ) from error

    def close(self) -> None:
        """Fold the write-ahead log into the file and close."""
        self._db.close()

    def _derive(self, info: bytes) -> bytes:
        return HKDFExpand(algorithm=SHA512(), length=32, info=info).derive(self._root)

    def seal_root(self, public_key: bytes, info: bytes) -> bytes:
        """The root secret, sealed by HPKE to a recovery key. Whoever opens it can open everything."""
        return suite().encrypt(self._root, load_public(public_key), info)

    def key_ids(self) -> tuple[KeyId, ...]:
        """Of all camera-day keys that were not destroyed, in order."""
        rows = self._execute("SELECT key_id FROM camera_keys WHERE wrapped IS NOT NULL ORDER BY key_id")
        return tuple(KeyId(row[0]) for row in rows)

    def site_key(self) -> Ed25519PrivateKey:
        """Signs published camera-day keys."""
        return Ed25519PrivateKey.from_private_bytes(self._derive(b"custodes.site-key/v1"))

    def log_key(self) -> Ed25519PrivateKey:
        """Signs the log's checkpoints."""
        return Ed25519PrivateKey.from_private_bytes(self._derive(b"custodes.log-key/v1"))

    def log_mldsa_key(self) -> MLDSA44PrivateKey:
        """Signs the checkpoints that leave the warden, beside `log_key`."""
        return MLDSA44PrivateKey.from_seed_bytes(self._derive(b"custodes.log-mldsa44-key/v1"))

    def claim_seed(self) -> bytes:
        """32 bytes from which the authority and the key of content credentials are made (`sealing.claims`)."""
        return self._derive(b"custodes.content-credentials/v1")

    def mark_key(self, camera_id: CameraId, session_id: SessionId) -> bytes:
        """32 bytes, the forensic mark's key of one session on one camera."""
        assert "\x00" not in camera_id and "\x00" not in session_id
        return self._derive(b"custodes.mark-key/v1\x00" + camera_id.encode() + b"\x00" + session_id.encode())

    def face_secrets(self) -> FaceSecrets:
        """What guards enrolled people's keys, their templates and the tokens that they carry."""
        return FaceSecrets(
            person_kek=self._derive(b"custodes.person-kek/v1"),
            token_key=self._derive(b"custodes.holder-token/v1"),
            plate_key=self._derive(b"custodes.plate-key/v1"),
        )

    def factor_key(self) -> bytes:
        """32 bytes under which secrets of authenticator apps are sealed."""
        return self._derive(b"custodes.second-factor/v1")

    def add_camera(self, camera_id: CameraId) -> None:
        """Remember a camera whose keys are to be renewed every day."""
        self._execute("INSERT OR IGNORE INTO cameras VALUES (?)", (camera_id,))

    def cameras(self) -> tuple[CameraId, ...]:
        """Cameras to renew keys for, in order."""
        return tuple(CameraId(row[0]) for row in self._execute("SELECT camera_id FROM cameras ORDER BY camera_id"))

    def ensure(self, key_ids: Sequence[KeyId], now_ns: Ns) -> list[bytes]:
        """The public keys under these ids, made where they never were; durable on return, by one commit.

        Raises: KeyMissing when one was destroyed: a destroyed key does not come back under its name.
        """
        self._execute("BEGIN IMMEDIATE")
        try:
            public_keys = [self._ensure_one(key_id, now_ns) for key_id in key_ids]
            self._execute("COMMIT")
        except CustodesError:
            if self._db.in_transaction:
                self._db.rollback()
            raise
        return public_keys

    def _ensure_one(self, key_id: KeyId, now_ns: Ns) -> bytes:
        rows = self._execute("SELECT public, wrapped FROM camera_keys WHERE key_id = ?", (key_id,))
        if rows:
            if rows[0][1] is None:
                raise KeyMissing(f"camera-day key {key_id} was destroyed")
            return bytes(rows[0][0])
        private, public = generate_camera_day_key()
        nonce = os.urandom(_NONCE_BYTES)
        wrapped = nonce + self._aead.encrypt(nonce, private, key_id.encode())
        self._execute("INSERT INTO camera_keys VALUES (?, ?, ?, ?, NULL)", (key_id, public, wrapped, now_ns))
        return public

    def private(self, key_id: KeyId) -> bytes:
        """The private key under that id. Raises: KeyMissing (never made, destroyed), DataLoss (damaged)."""
        rows = self._execute("SELECT wrapped, destroyed_ns FROM camera_keys WHERE key_id = ?", (key_id,))
        if not rows:
            raise KeyMissing(f"no camera-day key {key_id}")
        wrapped = rows[0][0]
        if wrapped is None:
            raise KeyMissing(f"camera-day key {key_id} was destroyed on purpose")
        try:
            return self._aead.decrypt(wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], key_id.encode())
        except InvalidTag as error:
            raise DataLoss(f"camera-day key {key_id} in the key store is damaged") from error

    def destroy(self, key_id: KeyId, now_ns: Ns) -> None:
        """Destroy one key for good (crypto-shredding); again is harmless.

        Raises: KeyMissing when never made; Unavailable while somebody else reads the file: the key is gone then, but
            its old page stays in the WAL until this is called again.
        """
        if not self._execute("SELECT 1 FROM camera_keys WHERE key_id = ?", (key_id,)):
            raise KeyMissing(f"no camera-day key {key_id}")
        self._execute(
            "UPDATE camera_keys SET wrapped = NULL, destroyed_ns = coalesce(destroyed_ns, ?) WHERE key_id = ?",
            (now_ns, key_id),
        )
        # Without this the key's old page stays readable in the WAL. A reader in its way is an answer, not an error.
        ((is_busy, *_),) = self._execute("PRAGMA wal_checkpoint(TRUNCATE)")
        if is_busy:
            raise Unavailable(
                f"the key store is being read; what is left of {key_id} stays until it is destroyed again"
            )

    def _execute(self, sql: str, parameters: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
        try:
            return self._db.execute(sql, parameters).fetchall()
        except sqlite3.Error as error:
            raise _translated(error) from error
