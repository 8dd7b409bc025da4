"""What `ports.blob.BlobStore` promises, for every adapter. Subclass as `Test…` and give a fixture `store`."""

from pathlib import Path

import pytest

from custodes.errors import NotFound
from custodes.ports.blob import BlobStore

KEY = "segments/gate/20260101/1-a-0.seg"


class BlobStoreSuite:
    """Each test gets an empty store."""

    def test_put_when_done_then_get_gives_the_same_bytes(self, store: BlobStore, tmp_path: Path) -> None:
        """Also bytes that are no text, and nothing at all."""
        for number, content in enumerate((b"", b"\x00\xff" * 70_000)):
            source, target = tmp_path / f"s{number}", tmp_path / f"t{number}"
            source.write_bytes(content)
            store.put(f"{KEY}{number}", source)
            assert store.size(f"{KEY}{number}") == len(content)
            store.get(f"{KEY}{number}", target)
            assert target.read_bytes() == content
            assert source.read_bytes() == content

    def test_put_when_repeated_then_the_last_one_counts(self, store: BlobStore, tmp_path: Path) -> None:
        """A move that was cut off is done again."""
        (tmp_path / "s").write_bytes(b"first, and longer")
        store.put(KEY, tmp_path / "s")
        (tmp_path / "s").write_bytes(b"second")
        store.put(KEY, tmp_path / "s")
        store.get(KEY, tmp_path / "t")
        assert (tmp_path / "t").read_bytes() == b"second"
        assert list(store.keys("")) == [KEY]

    def test_get_when_nothing_is_there_then_not_found_and_no_target(self, store: BlobStore, tmp_path: Path) -> None:
        """Neither does a missing source leave anything."""
        with pytest.raises(NotFound):
            store.get(KEY, tmp_path / "t")
        with pytest.raises(NotFound):
            store.put(KEY, tmp_path / "missing")
        assert not (tmp_path / "t").exists()
        assert store.size(KEY) is None

    def test_delete_when_repeated_then_harmless(self, store: BlobStore, tmp_path: Path) -> None:
        """And only that key goes."""
        (tmp_path / "s").write_bytes(b"x")
        store.put(KEY, tmp_path / "s")
        store.put(KEY + "2", tmp_path / "s")
        store.delete(KEY)
        store.delete(KEY)
        assert store.size(KEY) is None
        assert list(store.keys("segments/")) == [KEY + "2"]

    def test_keys_when_listed_then_by_prefix_and_in_order(self, store: BlobStore, tmp_path: Path) -> None:
        """More than one page of a store that pages by a thousand is the adapter's own test."""
        (tmp_path / "s").write_bytes(b"x")
        for name in ("b/2", "a/1", "b/1"):
            store.put(name, tmp_path / "s")
        assert list(store.keys("b/")) == ["b/1", "b/2"]
        assert list(store.keys("")) == ["a/1", "b/1", "b/2"]
        assert list(store.keys("c")) == []
