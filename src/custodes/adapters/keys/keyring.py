"""Key provider on the operating system's keyring (Secret Service, KWallet, macOS Keychain) through `keyring`.

The keyring holds one key-encryption key per site; wrapping itself is the file provider's.
"""

import base64
import os

import keyring
from keyring.errors import KeyringError

from custodes.adapters.keys.file import FileKeyProvider
from custodes.errors import KeyMissing, Unavailable

_SERVICE = "custodes"
_KEY_BYTES = 32


def open_keyring_provider(site_id: str, *, is_new: bool) -> FileKeyProvider:
    """The provider of a site.

    Args: is_new: make the key when there is none; else it must be there.
    Raises: KeyMissing when it is not there or unusable; Unavailable when there is no keyring or it is locked.
    """
    backend = keyring.get_keyring()
    name = f"{type(backend).__module__}.{type(backend).__name__}"
    try:
        stored = keyring.get_password(_SERVICE, site_id)
        if stored is None:
            if not is_new:
                raise KeyMissing(f"the keyring ({name}) holds no key of site {site_id}")
            stored = base64.b64encode(os.urandom(_KEY_BYTES)).decode()
            keyring.set_password(_SERVICE, site_id, stored)
            if keyring.get_password(_SERVICE, site_id) != stored:
                raise Unavailable(f"the keyring ({name}) does not keep what it is given")
    except KeyringError as error:
        raise Unavailable(f"the keyring ({name}) cannot be used: {error}") from error
    try:
        key = base64.b64decode(stored, validate=True)
    except ValueError as error:
        raise KeyMissing(f"the keyring's key of site {site_id} is not base64") from error
    if len(key) != _KEY_BYTES:
        raise KeyMissing(f"the keyring's key of site {site_id} has {len(key)} bytes; expected {_KEY_BYTES}")
    return FileKeyProvider(key, f"operating system's keyring ({name})")
