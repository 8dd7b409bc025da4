"""Which key provider guards a site. The first start's choice stands in `provider.json` and stays.

Providers beside the file one are optional extras and imported only when they are chosen.
"""

import base64
import json
from collections.abc import Mapping
from pathlib import Path

from custodes.adapters.keys.file import FileKeyProvider, open_file_provider, read_secret
from custodes.adapters.keys.vault import TOKEN_VARIABLE, VaultKeyProvider
from custodes.config import KeyConfig
from custodes.config.durable import replace_file
from custodes.errors import ConfigError, FailedPrecondition
from custodes.ports.keys import KeyProvider

PIN_VARIABLE = "CUSTODES_PKCS11_PIN"
_PROVIDER_FILE = "provider.json"


def open_provider(
    folder: Path, config: KeyConfig, *, passphrase: str | None, site_id: str, environment: Mapping[str, str]
) -> tuple[KeyProvider, str]:
    """The provider and how it guards the key, in words.

    Raises: FailedPrecondition when the site was set up with another one; ConfigError when its extra is not installed
        or its secret not given; KeyMissing, Unavailable from the provider.
    """
    known = _known_kind(folder)
    if config.provider == "file":
        if known not in ("", "passphrase", "key-file"):
            raise FailedPrecondition(f"this site's keys are under the provider {known!r}; set keys: provider: to it")
        provider = open_file_provider(folder, passphrase)
        return provider, provider.description
    if known not in ("", config.provider):
        raise FailedPrecondition(
            f"this site's keys are under the provider {known!r}, not {config.provider!r}; it stays what it was"
        )
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    opened = _open(config, site_id=site_id, is_new=not known, environment=environment)
    if not known:
        tree = {"version": 1, "kind": config.provider, "salt": base64.b64encode(b"").decode()}
        replace_file(folder / _PROVIDER_FILE, json.dumps(tree).encode())
    return opened


def _known_kind(folder: Path) -> str:
    try:
        kind = json.loads((folder / _PROVIDER_FILE).read_text(encoding="utf-8"))["kind"]
    except FileNotFoundError:
        return ""
    except (OSError, ValueError, KeyError, TypeError):
        return "unreadable"
    return str(kind)


def _open(config: KeyConfig, *, site_id: str, is_new: bool, environment: Mapping[str, str]) -> tuple[KeyProvider, str]:
    match config.provider:
        case "keyring":
            try:
                from custodes.adapters.keys.keyring import open_keyring_provider
            except ImportError as error:
                raise _not_installed("keyring") from error
            from_keyring: FileKeyProvider = open_keyring_provider(site_id, is_new=is_new)
            return from_keyring, from_keyring.description
        case "pkcs11":
            try:
                from custodes.adapters.keys.pkcs11 import Pkcs11KeyProvider
            except ImportError as error:
                raise _not_installed("pkcs11") from error
            if config.pkcs11 is None:
                raise ConfigError("keys: provider: pkcs11 needs keys: pkcs11: with module, token and label")
            token = Pkcs11KeyProvider(
                module=config.pkcs11.module,
                token=config.pkcs11.token,
                label=config.pkcs11.label,
                pin=_required(environment, PIN_VARIABLE),
            )
            if is_new:
                token.make_key()
            return token, token.description
    if config.vault is None:
        raise ConfigError("keys: provider: vault needs keys: vault: with address and key")
    vault = VaultKeyProvider(
        address=config.vault.address,
        mount=config.vault.mount,
        key=config.vault.key,
        token=_required(environment, TOKEN_VARIABLE),
        ca_file="" if config.vault.ca_file is None else str(config.vault.ca_file),
    )
    return vault, vault.description


def _not_installed(extra: str) -> ConfigError:
    return ConfigError(f"keys: provider: {extra} needs its extra: pip install 'custodes[{extra}]'")


def _required(environment: Mapping[str, str], variable: str) -> str:
    secret = read_secret(environment, variable)
    if not secret:
        raise ConfigError(f"the key provider needs {variable} or {variable}_FILE")
    return secret
