"""Key provider on files: the key-encryption key comes from a passphrase (argon2id), else from a 0600 key file.

Which of the two was chosen at the first start stands in `provider.json` and stays. Camera-day keys belong to `store`.
"""

import base64
import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from argon2.low_level import Type, hash_secret_raw
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from custodes.config.durable import make_folder, replace_file
from custodes.errors import ConfigError, FailedPrecondition, InvalidArgument, KeyMissing, SealBroken

PASSPHRASE_VARIABLE = "CUSTODES_PASSPHRASE"  # noqa: S105 - the name, not the value
PASSPHRASE_FILE_VARIABLE = "CUSTODES_PASSPHRASE_FILE"  # noqa: S105 - the name, not the value
MIN_PASSPHRASE_CHARS = 12
_MAX_PASSPHRASE_BYTES = 4096

_KEY_BYTES = 32
_NONCE_BYTES = 12
_SALT_BYTES = 16
MAX_SECRET_BYTES = 8 * 1024

_PROVIDER_FILE = "provider.json"
_KEY_FILE = "kek.key"

_TIME_COST = 3
_MEMORY_KIB = 64 * 1024
_PARALLELISM = 4
"""RFC 9106 section 4, second recommended option: argon2id, t=3, 64 MiB, 4 lanes. About 0.1 s, once per start."""


class FileKeyProvider:
    """`ports.keys.KeyProvider` under one AES-256-GCM key in memory."""

    def __init__(self, key: bytes, description: str) -> None:
        assert len(key) == _KEY_BYTES
        self._aead = AESGCM(key)
        self.description = description
        """How the key is guarded, in words, for log and doctor."""

    def wrap(self, secret: bytes, context: bytes) -> bytes:
        """Nonce (12), ciphertext, tag (16). Raises: InvalidArgument above 8 KiB."""
        if len(secret) > MAX_SECRET_BYTES:
            raise InvalidArgument(f"secret of {len(secret)} bytes; at most {MAX_SECRET_BYTES} are wrapped")
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._aead.encrypt(nonce, secret, context)

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """Raises: SealBroken when a byte or the context changed, or the key is another one."""
        try:
            return self._aead.decrypt(wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], context)
        except (InvalidTag, ValueError) as error:
            raise SealBroken("a wrapped secret does not open: changed, or wrapped under another key") from error


def read_secret(environment: Mapping[str, str], variable: str) -> str | None:
    """A secret from `variable`, else from the file that `variable`_FILE names, else a systemd credential
    (`LoadCredentialEncrypted=`) of the variable's name in small letters with hyphens, e.g. `custodes-passphrase`.

    Raises: ConfigError when a file that is named cannot be read or is empty.
    """
    if secret := environment.get(variable):
        return secret
    where, name = f"{variable}_FILE", environment.get(f"{variable}_FILE")
    if not name and (folder := environment.get("CREDENTIALS_DIRECTORY")):
        credential = Path(folder) / variable.lower().replace("_", "-")
        where, name = "CREDENTIALS_DIRECTORY", str(credential) if credential.exists() else None
    if not name:
        return None
    try:
        with Path(name).open(encoding="utf-8") as stream:
            secret = stream.read(_MAX_PASSPHRASE_BYTES).rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{where}={name} cannot be read: {error}") from error
    if not secret:
        raise ConfigError(f"{where}={name} is empty")
    return secret


def read_passphrase(environment: Mapping[str, str]) -> str | None:
    """The passphrase, from where `read_secret` finds it. Raises: ConfigError, also when it is too short."""
    passphrase = read_secret(environment, PASSPHRASE_VARIABLE)
    if passphrase and len(passphrase) < MIN_PASSPHRASE_CHARS:
        raise ConfigError(
            f"{PASSPHRASE_VARIABLE} has {len(passphrase)} characters; at least {MIN_PASSPHRASE_CHARS} are asked"
        )
    return passphrase


@dataclass(frozen=True, slots=True, kw_only=True)
class _Choice:
    kind: str
    salt: bytes


def open_file_provider(folder: Path, passphrase: str | None) -> FileKeyProvider:
    """Open the provider of this folder, or set one up.

    Args:
        folder: the warden's own directory, 0700; created when missing.
        passphrase: from `read_passphrase`; at the first start its presence decides the kind.

    Raises: KeyMissing when the key file or the passphrase is not there; FailedPrecondition when the file's mode lets
        others read it. A wrong passphrase shows at the first `unwrap`.
    """
    make_folder(folder, mode=0o700)
    choice = _read_choice(folder / _PROVIDER_FILE)
    if choice is None:
        choice = _Choice(kind="passphrase" if passphrase else "key-file", salt=os.urandom(_SALT_BYTES))
        if choice.kind == "key-file":
            replace_file(folder / _KEY_FILE, os.urandom(_KEY_BYTES))
        tree = {"version": 1, "kind": choice.kind, "salt": base64.b64encode(choice.salt).decode()}
        replace_file(folder / _PROVIDER_FILE, json.dumps(tree).encode())
    if choice.kind == "passphrase":
        if not passphrase:
            raise KeyMissing(
                f"this site's keys are under a passphrase; set {PASSPHRASE_VARIABLE} or {PASSPHRASE_FILE_VARIABLE}"
            )
        return FileKeyProvider(_stretch(passphrase, choice.salt), "passphrase (argon2id)")
    return FileKeyProvider(_read_key(folder / _KEY_FILE), f"key file {_KEY_FILE}, mode 0600, no passphrase")


def _stretch(passphrase: str, salt: bytes) -> bytes:
    return hash_secret_raw(
        passphrase.encode(),
        salt,
        time_cost=_TIME_COST,
        memory_cost=_MEMORY_KIB,
        parallelism=_PARALLELISM,
        hash_len=_KEY_BYTES,
        type=Type.ID,
    )


def _read_choice(path: Path) -> _Choice | None:
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
        choice = _Choice(kind=tree["kind"], salt=base64.b64decode(tree["salt"], validate=True))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise KeyMissing(f"{path} cannot be used: {error}") from error
    if choice.kind not in ("passphrase", "key-file") or len(choice.salt) != _SALT_BYTES:
        raise KeyMissing(f"{path} names a key provider {choice.kind!r} that this program does not know")
    return choice


def _read_key(path: Path) -> bytes:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        key = path.read_bytes()
    except OSError as error:
        raise KeyMissing(f"the root key file {path} is not there: {error.strerror}") from error
    if mode & 0o077:
        raise FailedPrecondition(f"{path} has mode {mode:04o}, others may read it; make it 0600")
    if len(key) != _KEY_BYTES:
        raise KeyMissing(f"{path} holds {len(key)} bytes; expected {_KEY_BYTES}")
    return key
