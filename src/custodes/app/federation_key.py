"""The key that signs what a site tells its centre: made at first use, 32 bytes in a 0600 file. It opens nothing."""

import os
import stat

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from custodes.audit.note import NoteVerifier
from custodes.config import SitePaths
from custodes.config.durable import replace_file
from custodes.errors import FailedPrecondition, KeyMissing

_SEED_BYTES = 32


def open_federation_key(paths: SitePaths) -> Ed25519PrivateKey:
    """Made when it is not there. Raises: KeyMissing, FailedPrecondition when others may read it, OSError."""
    path = paths.federation_key
    if not path.exists():
        replace_file(path, os.urandom(_SEED_BYTES))
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise FailedPrecondition(f"{path} may be read by others; make it 0600")
    seed = path.read_bytes()
    if len(seed) != _SEED_BYTES:
        raise KeyMissing(f"{path} holds {len(seed)} bytes; expected {_SEED_BYTES}")
    return Ed25519PrivateKey.from_private_bytes(seed)


def public_half(site_id: str, key: Ed25519PrivateKey) -> NoteVerifier:
    """What the centre's configuration names the site by."""
    return NoteVerifier(name=site_id, public_key=key.public_key().public_bytes_raw())
