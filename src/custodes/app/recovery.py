"""The site's recovery key: what opens a backup when the machine is gone. Split among people, kept nowhere.

`warden/recovery.json` holds its public half, the site's root secret sealed to it, and its private half under a secret
that only the shares give. Making one needs what opens the warden's keys; using the public half needs nothing.
"""

import base64
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import MLKEM768X25519PrivateKey

from custodes.adapters.keys.choose import open_provider
from custodes.adapters.keys.store import KeyStore
from custodes.config import SitePaths, load_effective, read_identity
from custodes.config.durable import replace_file
from custodes.errors import DataLoss, KeyMissing, SealBroken, SiteMismatch
from custodes.sealing.shares import Share, combine, split
from custodes.sealing.suite import load_public, suite
from custodes.sealing.unwrap import generate_camera_day_key, load_private

SHARES, NEEDED = 3, 2
_NONCE = bytes(12)
"""The secret is made for this one encryption."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """The public side, as it lies in the site and in each backup."""

    site_id: str
    recovery_id: str
    public_key: bytes
    sealed_private: bytes
    sealed_root: bytes


def make_recovery(paths: SitePaths, passphrase: str | None) -> tuple[Recovery, tuple[Share, ...]]:
    """A new recovery key of an established site; it replaces an earlier one, which its backups keep.

    Raises: SiteMismatch, KeyMissing (no warden yet, or what opens its keys is not given).
    """
    identity = read_identity(paths.identity)
    if identity is None:
        raise SiteMismatch(f"{paths.data_dir} is not the data directory of a site")
    if not (paths.warden_dir / "keys.db").is_file():
        raise KeyMissing(f"{paths.warden_dir} holds no keys yet; start the site once")
    provider, _ = open_provider(
        paths.warden_dir,
        load_effective(paths.data_dir).keys,
        passphrase=passphrase,
        site_id=identity.site_id,
        environment=os.environ,
    )
    store = KeyStore.open(
        paths.warden_dir / "keys.db", provider, context=identity.site_id.encode(), is_new_allowed=False
    )
    private, public = generate_camera_day_key()
    secret, recovery_id = os.urandom(32), os.urandom(4).hex()
    try:
        sealed_root = store.seal_root(public, _info(identity.site_id, recovery_id, "root"))
    finally:
        store.close()
    recovery = Recovery(
        site_id=identity.site_id,
        recovery_id=recovery_id,
        public_key=public,
        sealed_private=AESGCM(secret).encrypt(_NONCE, private, _info(identity.site_id, recovery_id, "private")),
        sealed_root=sealed_root,
    )
    replace_file(recovery_path(paths), encode_recovery(recovery))
    return recovery, split(secret, recovery_id=recovery_id, shares=SHARES, needed=NEEDED)


def recovery_path(paths: SitePaths) -> Path:
    """Where it lies."""
    return paths.warden_dir / "recovery.json"


def read_recovery(paths: SitePaths) -> Recovery:
    """Raises: KeyMissing when none was made, DataLoss when it cannot be read."""
    try:
        return decode_recovery(recovery_path(paths).read_bytes())
    except FileNotFoundError as error:
        raise KeyMissing("the site has no recovery key; make one first: custodes recovery make") from error


def encode_recovery(recovery: Recovery) -> bytes:
    """JSON."""
    tree = {
        "version": 1,
        "site_id": recovery.site_id,
        "recovery_id": recovery.recovery_id,
        "public_key": base64.b64encode(recovery.public_key).decode(),
        "sealed_private": base64.b64encode(recovery.sealed_private).decode(),
        "sealed_root": base64.b64encode(recovery.sealed_root).decode(),
    }
    return json.dumps(tree, indent=1).encode()


def decode_recovery(raw: bytes) -> Recovery:
    """Raises: DataLoss."""
    try:
        tree = json.loads(raw)
        return Recovery(
            site_id=str(tree["site_id"]),
            recovery_id=str(tree["recovery_id"]),
            public_key=base64.b64decode(tree["public_key"], validate=True),
            sealed_private=base64.b64decode(tree["sealed_private"], validate=True),
            sealed_root=base64.b64decode(tree["sealed_root"], validate=True),
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataLoss(f"the description of the recovery key cannot be read: {error}") from error


def seal_to(recovery: Recovery, payload: bytes, what: str) -> bytes:
    """Only who has the shares opens it. `what` is bound into it."""
    return suite().encrypt(
        payload, load_public(recovery.public_key), _info(recovery.site_id, recovery.recovery_id, what)
    )


class RecoveryKey:
    """The private half, for the time of a restore."""

    def __init__(self, recovery: Recovery, shares: Sequence[Share]) -> None:
        """Raises: InvalidArgument (too few shares), SealBroken (shares of another key, or made up)."""
        self._recovery = recovery
        if any(share.recovery_id != recovery.recovery_id for share in shares):
            raise SealBroken(f"the shares are of another recovery key; this one is {recovery.recovery_id}")
        info = _info(recovery.site_id, recovery.recovery_id, "private")
        try:
            raw = AESGCM(combine(shares)).decrypt(_NONCE, recovery.sealed_private, info)
        except (InvalidTag, ValueError) as error:
            raise SealBroken("the shares do not open the recovery key: one of them is not genuine") from error
        self._private: MLKEM768X25519PrivateKey = load_private(raw)

    def open(self, sealed: bytes, what: str) -> bytes:
        """Raises: SealBroken."""
        info = _info(self._recovery.site_id, self._recovery.recovery_id, what)
        try:
            return suite().decrypt(sealed, self._private, info)
        except (InvalidTag, ValueError) as error:
            raise SealBroken(f"the {what} does not open with this recovery key: it was changed") from error

    def root(self) -> bytes:
        """The site's root secret. Raises: SealBroken."""
        return self.open(self._recovery.sealed_root, "root")


def _info(site_id: str, recovery_id: str, what: str) -> bytes:
    return f"custodes.recovery/v1\x00{site_id}\x00{recovery_id}\x00{what}".encode()
