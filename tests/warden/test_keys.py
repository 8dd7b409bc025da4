"""Key provider and key store: who can open them, and what is left after destroying."""

import os
import sqlite3
import stat
from pathlib import Path

import pytest

from custodes.adapters.keys.file import FileKeyProvider, open_file_provider, read_passphrase
from custodes.adapters.keys.store import KeyStore
from custodes.errors import ConfigError, CustodesError, DataLoss, FailedPrecondition, KeyMissing, Unavailable
from custodes.sealing.unwrap import unwrap_data_key
from custodes.testing.keys import FakeKeys, KeyProviderSuite, sample_segment
from custodes.units import CameraId, KeyId, Ns, SessionId

PASSPHRASE = "correct horse battery"
KEY_ID = KeyId("gate/20260104")


class TestFileKeyProvider(KeyProviderSuite):
    def make_provider(self) -> FileKeyProvider:
        return FileKeyProvider(bytes(range(32)), "test")


class TestFakeKeys(KeyProviderSuite):
    def make_provider(self) -> FakeKeys:
        return FakeKeys()


def open_store(folder: Path, passphrase: str | None = None, *, site: bytes = b"site", is_new: bool = True) -> KeyStore:
    provider = open_file_provider(folder, passphrase)
    return KeyStore.open(folder / "keys.db", provider, context=site, is_new_allowed=is_new)


@pytest.mark.parametrize("passphrase", [None, PASSPHRASE], ids=["key file", "passphrase"])
def test_store_when_opened_again_then_has_the_same_secrets(tmp_path: Path, passphrase: str | None) -> None:
    store = open_store(tmp_path, passphrase)
    (public,) = store.ensure([KEY_ID], Ns(1))
    private, mark = store.private(KEY_ID), store.mark_key(CameraId("gate"), SessionId("s"))
    site_key = store.site_key().private_bytes_raw()
    store.close()
    again = open_store(tmp_path, passphrase, is_new=False)
    assert (again.ensure([KEY_ID], Ns(2)), again.private(KEY_ID)) == ([public], private)
    assert again.mark_key(CameraId("gate"), SessionId("s")) == mark
    assert again.site_key().private_bytes_raw() == site_key


def test_store_when_secrets_are_derived_then_all_differ(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    secrets = {
        store.site_key().private_bytes_raw(),
        store.log_key().private_bytes_raw(),
        store.mark_key(CameraId("gate"), SessionId("s")),
        store.mark_key(CameraId("gate"), SessionId("t")),
        store.mark_key(CameraId("vault"), SessionId("s")),
    }
    assert len(secrets) == 5


@pytest.mark.parametrize("wrong", ["correct horse batterz", None])
def test_store_when_the_passphrase_is_wrong_or_missing_then_does_not_open(tmp_path: Path, wrong: str | None) -> None:
    open_store(tmp_path, PASSPHRASE).close()
    with pytest.raises(KeyMissing):
        open_store(tmp_path, wrong)


def test_store_when_of_another_site_then_does_not_open(tmp_path: Path) -> None:
    open_store(tmp_path).close()
    with pytest.raises(KeyMissing):
        open_store(tmp_path, site=b"other")


def test_store_when_the_root_is_gone_but_a_log_exists_then_makes_no_new_one(tmp_path: Path) -> None:
    with pytest.raises(KeyMissing):
        open_store(tmp_path, is_new=False)


def test_provider_when_the_key_file_is_readable_by_others_then_refuses(tmp_path: Path) -> None:
    open_file_provider(tmp_path, None)
    assert stat.S_IMODE((tmp_path / "kek.key").stat().st_mode) == 0o600
    (tmp_path / "kek.key").chmod(0o640)
    with pytest.raises(FailedPrecondition):
        open_file_provider(tmp_path, None)


@pytest.mark.parametrize("damage", ["no key", "short key", "bad provider", "unknown provider"])
def test_provider_when_its_files_are_damaged_then_says_so(tmp_path: Path, damage: str) -> None:
    open_file_provider(tmp_path, None)
    match damage:
        case "no key":
            (tmp_path / "kek.key").unlink()
        case "short key":
            (tmp_path / "kek.key").write_bytes(b"short")
        case "bad provider":
            (tmp_path / "provider.json").write_text("{")
        case _:
            text = (tmp_path / "provider.json").read_text().replace("key-file", "magic")
            (tmp_path / "provider.json").write_text(text)
    with pytest.raises(KeyMissing):
        open_file_provider(tmp_path, None)


def test_store_when_a_passphrase_guards_it_then_no_key_lies_in_a_file(tmp_path: Path) -> None:
    open_store(tmp_path, PASSPHRASE)
    assert not (tmp_path / "kek.key").exists()


def test_passphrase_when_in_variable_or_file_then_found(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(PASSPHRASE + "\n")
    assert read_passphrase({}) is None
    assert read_passphrase({"CUSTODES_PASSPHRASE": PASSPHRASE}) == PASSPHRASE
    assert read_passphrase({"CUSTODES_PASSPHRASE_FILE": str(secret)}) == PASSPHRASE


@pytest.mark.parametrize("text", ["", "short", None], ids=["empty", "short", "no file"])
def test_passphrase_when_the_file_is_unusable_then_refuses(tmp_path: Path, text: str | None) -> None:
    secret = tmp_path / "secret"
    if text is not None:
        secret.write_text(text)
    with pytest.raises(ConfigError):
        read_passphrase({"CUSTODES_PASSPHRASE_FILE": str(secret)})


def test_store_when_at_rest_then_holds_no_private_key_in_the_clear(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.ensure([KEY_ID], Ns(1))
    private = store.private(KEY_ID)
    store.close()
    assert not any(private[:32] in path.read_bytes() for path in tmp_path.iterdir())


def test_destroy_when_done_then_no_file_holds_the_wrapped_key_any_more(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    wrapped = {}
    for n in range(40):
        key_id = KeyId(f"gate/202601{n:02d}")
        store.ensure([key_id], Ns(1))
        (row,) = store._execute("SELECT wrapped FROM camera_keys WHERE key_id = ?", (key_id,))
        wrapped[key_id] = row[0]
    found = lambda: {k for k, w in wrapped.items() for path in tmp_path.iterdir() if w[20:52] in path.read_bytes()}  # noqa: E731
    assert found() == set(wrapped)
    destroyed = {key_id for key_id in wrapped if key_id.endswith(("1", "5"))}
    for key_id in destroyed:
        store.destroy(key_id, Ns(2))
    assert found() == set(wrapped) - destroyed


def test_destroy_when_somebody_reads_the_store_then_it_says_so_and_again_leaves_nothing(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.ensure([KEY_ID], Ns(1))
    ((wrapped,),) = store._execute("SELECT wrapped FROM camera_keys WHERE key_id = ?", (KEY_ID,))
    store._execute("PRAGMA busy_timeout=10")
    reader = sqlite3.connect(tmp_path / "keys.db", isolation_level=None)
    reader.execute("BEGIN")
    assert reader.execute("SELECT count(*) FROM camera_keys").fetchone() == (1,)
    left = lambda: any(wrapped[20:52] in path.read_bytes() for path in tmp_path.iterdir())  # noqa: E731
    with pytest.raises(Unavailable):
        store.destroy(KEY_ID, Ns(2))
    assert left()
    reader.close()
    store.destroy(KEY_ID, Ns(3))
    assert not left()


def test_destroy_when_done_then_the_key_never_comes_back(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    header, data_key = sample_segment(public_key=store.ensure([KEY_ID], Ns(1))[0])
    assert unwrap_data_key(store.private(KEY_ID), header) == data_key
    store.destroy(KEY_ID, Ns(2))
    store.destroy(KEY_ID, Ns(3))
    for ask in (lambda: store.private(KEY_ID), lambda: store.ensure([KEY_ID], Ns(4))):
        with pytest.raises(KeyMissing, match="destroyed"):
            ask()


def test_destroy_when_never_made_then_says_so(tmp_path: Path) -> None:
    with pytest.raises(KeyMissing):
        open_store(tmp_path).destroy(KEY_ID, Ns(1))


def test_private_when_two_rows_were_swapped_then_refuses(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    other = KeyId("vault/20260104")
    store.ensure([KEY_ID], Ns(1))
    store.ensure([other], Ns(1))
    store._execute(
        "UPDATE camera_keys SET wrapped = (SELECT wrapped FROM camera_keys WHERE key_id = ?) WHERE key_id = ?",
        (other, KEY_ID),
    )
    with pytest.raises(DataLoss):
        store.private(KEY_ID)


def test_open_when_the_file_is_no_database_then_one_of_our_errors(tmp_path: Path) -> None:
    (tmp_path / "keys.db").write_bytes(os.urandom(8192))
    with pytest.raises(CustodesError):
        open_store(tmp_path)
