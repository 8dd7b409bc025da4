"""Every key provider passes the one suite: on a software token, an in-memory keyring, a transit engine over HTTP."""

import base64
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import keyring
import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from keyring.backend import KeyringBackend

from custodes.adapters.keys.choose import PIN_VARIABLE, open_provider
from custodes.adapters.keys.file import FileKeyProvider, read_passphrase
from custodes.adapters.keys.keyring import open_keyring_provider
from custodes.adapters.keys.pkcs11 import Pkcs11KeyProvider
from custodes.adapters.keys.store import KeyStore
from custodes.adapters.keys.vault import TOKEN_VARIABLE, VaultKeyProvider
from custodes.config import KeyConfig
from custodes.errors import ConfigError, FailedPrecondition, KeyMissing, Unavailable
from custodes.ports.keys import KeyProvider
from custodes.testing.keys import KeyProviderSuite

SOFTHSM = Path("/usr/lib/softhsm/libsofthsm2.so")
needs_softhsm = pytest.mark.skipif(
    shutil.which("softhsm2-util") is None or not SOFTHSM.exists(), reason="needs Debian's softhsm2"
)
PIN = "1234"


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("hsm")
    (folder / "tokens").mkdir()
    (folder / "conf").write_text(f"directories.tokendir = {folder}/tokens\nobjectstore.backend = file\n")
    os.environ["SOFTHSM2_CONF"] = str(folder / "conf")
    command = ["softhsm2-util", "--init-token", "--free", "--label", "site", "--pin", PIN, "--so-pin", "5678"]
    subprocess.run(command, check=True, capture_output=True, timeout=600)
    yield "site"
    del os.environ["SOFTHSM2_CONF"]


def hsm(pin: str = PIN, token: str = "site") -> Pkcs11KeyProvider:
    return Pkcs11KeyProvider(module=SOFTHSM, token=token, label="custodes", pin=pin)


@needs_softhsm
class TestPkcs11(KeyProviderSuite):
    @pytest.fixture(autouse=True)
    def _token(self, token: str) -> None:
        hsm().make_key()

    def make_provider(self) -> KeyProvider:
        return hsm()


@needs_softhsm
def test_pkcs11_when_pin_or_token_are_wrong_then_says_so(token: str) -> None:
    hsm().make_key()
    wrapped = hsm().wrap(b"secret", b"here")
    with pytest.raises(KeyMissing, match="PIN"):
        hsm(pin="9999").unwrap(wrapped, b"here")
    with pytest.raises(Unavailable, match="no PKCS#11 token"):
        hsm(token="other").make_key()
    with pytest.raises(Unavailable, match="cannot be loaded"):
        Pkcs11KeyProvider(module=Path("/nowhere.so"), token="site", label="custodes", pin=PIN)


class MemoryKeyring(KeyringBackend):
    """What a desktop's keyring does, in memory."""

    priority: ClassVar[float] = 0.1
    stored: ClassVar[dict[tuple[str, str], str]] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.stored.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.stored[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.stored[service, username]


@pytest.fixture
def memory_keyring() -> Iterator[None]:
    before = keyring.get_keyring()
    MemoryKeyring.stored.clear()
    keyring.set_keyring(MemoryKeyring())
    yield
    keyring.set_keyring(before)


@pytest.mark.usefixtures("memory_keyring")
class TestKeyring(KeyProviderSuite):
    def make_provider(self) -> FileKeyProvider:
        return open_keyring_provider("ab" * 8, is_new=True)


@pytest.mark.usefixtures("memory_keyring")
def test_keyring_when_its_key_is_gone_or_damaged_then_says_so() -> None:
    with pytest.raises(KeyMissing):
        open_keyring_provider("site", is_new=False)
    for stored in ("!", base64.b64encode(b"short").decode()):
        MemoryKeyring.stored["custodes", "site"] = stored
        with pytest.raises(KeyMissing):
            open_keyring_provider("site", is_new=False)


class Transit(BaseHTTPRequestHandler):
    """The two routes of Vault's transit engine that we use, as its API documents them, with a real AES-GCM behind."""

    key = AESGCM(bytes(range(32)))
    tokens = frozenset({"hvs.good"})

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        aad = base64.b64decode(asked["associated_data"])
        if self.headers["x-vault-token"] not in self.tokens:
            return self.answer(403, {"errors": ["permission denied"]})
        if self.path == "/v1/transit/encrypt/custodes":
            sealed = self.key.encrypt(bytes(12), base64.b64decode(asked["plaintext"]), aad)
            return self.answer(200, {"data": {"ciphertext": "vault:v1:" + base64.b64encode(sealed).decode()}})
        try:
            sealed = base64.b64decode(asked["ciphertext"].split(":")[2], validate=True)
            plain = self.key.decrypt(bytes(12), sealed, aad)
        except (InvalidTag, ValueError, IndexError):
            return self.answer(400, {"errors": ["cipher: message authentication failed"]})
        return self.answer(200, {"data": {"plaintext": base64.b64encode(plain).decode()}})

    def answer(self, status: int, tree: dict[str, object]) -> None:
        body = json.dumps(tree).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def transit() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Transit)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()


def vault(address: str, token: str = "hvs.good") -> VaultKeyProvider:
    return VaultKeyProvider(address=address, mount="transit", key="custodes", token=token)


def test_vault_when_wrapped_then_opens_only_whole_and_in_its_context(transit: str) -> None:
    """The suite's claims with fewer cuts: each act is a process."""
    provider = vault(transit)
    for secret in (b"", b"x", bytes(range(256)) * 32):
        assert provider.unwrap(provider.wrap(secret, b"here"), b"here") == secret
    wrapped = provider.wrap(b"secret", b"here")
    suite = KeyProviderSuite()
    suite.make_provider = lambda: provider
    suite.test_unwrap_when_the_context_differs_then_refuses()
    suite.test_wrap_when_the_secret_is_too_long_then_refuses()
    for cut in (0, 5, 9, len(wrapped) - 1):
        with pytest.raises(Exception, match="secret"):
            provider.unwrap(wrapped[:cut], b"here")


def test_vault_when_the_token_is_wrong_or_nobody_answers_then_says_which(transit: str) -> None:
    with pytest.raises(KeyMissing, match="403"):
        vault(transit, "hvs.bad").wrap(b"x", b"")
    with pytest.raises(Unavailable):
        vault("http://127.0.0.1:1").wrap(b"x", b"")


def config(provider: str, **more: object) -> KeyConfig:
    return KeyConfig.model_validate({"provider": provider, **more})


def test_open_when_under_vault_then_a_site_keeps_its_root_and_no_other_provider_opens_it(
    transit: str, tmp_path: Path
) -> None:
    chosen = config("vault", vault={"address": transit})
    environment = {TOKEN_VARIABLE: "hvs.good"}

    def site_key(*, is_new: bool) -> bytes:
        provider, words = open_provider(tmp_path, chosen, passphrase=None, site_id="s", environment=environment)
        assert "transit key" in words
        store = KeyStore.open(tmp_path / "keys.db", provider, context=b"s", is_new_allowed=is_new)
        try:
            return store.site_key().private_bytes_raw()
        finally:
            store.close()

    assert site_key(is_new=True) == site_key(is_new=False)
    for other in (config("file"), config("keyring")):
        with pytest.raises(FailedPrecondition, match="vault"):
            open_provider(tmp_path, other, passphrase=None, site_id="s", environment={})


@needs_softhsm
def test_open_when_under_pkcs11_then_the_pin_comes_from_the_environment(token: str, tmp_path: Path) -> None:
    chosen = config("pkcs11", pkcs11={"module": str(SOFTHSM), "token": "site", "label": "opened"})
    with pytest.raises(ConfigError, match=PIN_VARIABLE):
        open_provider(tmp_path, chosen, passphrase=None, site_id="s", environment={})
    (tmp_path / "pin").write_text(f"{PIN}\n")
    environment = {f"{PIN_VARIABLE}_FILE": str(tmp_path / "pin")}
    provider, _ = open_provider(tmp_path / "w", chosen, passphrase=None, site_id="s", environment=environment)
    assert provider.unwrap(provider.wrap(b"x", b"y"), b"y") == b"x"


@pytest.mark.parametrize("provider", ["pkcs11", "vault"])
def test_open_when_a_section_is_missing_then_says_which(provider: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"keys: {provider}:"):
        open_provider(tmp_path, config(provider), passphrase=None, site_id="s", environment={})


def test_passphrase_when_systemd_hands_a_credential_then_is_read(tmp_path: Path) -> None:
    (tmp_path / "custodes-passphrase").write_text("correct horse battery\n")
    environment = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    assert read_passphrase(environment) == "correct horse battery"
    assert read_passphrase({"CREDENTIALS_DIRECTORY": str(tmp_path / "none")}) is None
    assert read_passphrase({**environment, "CUSTODES_PASSPHRASE": "another one, longer"}) == "another one, longer"
