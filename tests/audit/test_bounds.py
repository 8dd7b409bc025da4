"""Edges of what proves: names a cosignature can hold, paths of tiles, damaged tiles, the checkpoint shown."""

import base64
import sqlite3
import struct
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from custodes.audit import tree as tree_module
from custodes.audit.cosignature import Cosigner
from custodes.audit.export import tile_path
from custodes.audit.merkle import root_of_leaves
from custodes.audit.proof import best_checkpoint, prove_entries, prove_entry
from custodes.audit.tree import StoredTree
from custodes.errors import InvalidArgument, LogCorrupt, Unavailable
from custodes.testing.audit import fake_signer, fill, open_test_log
from custodes.types.access import Checkpoint

KEYS = fake_signer().keys
ROOT = bytes(range(32))
KEY = MLDSA44PrivateKey.from_seed_bytes(b"\x05" * 32)


@pytest.mark.parametrize("length", [1, 255])
def test_cosign_mldsa44_signs_the_specifications_layout_of_names_up_to_255_bytes(length: int) -> None:
    name, origin = "n" * length, "o" * length
    line = Cosigner(name, KEY).line(Checkpoint(origin=origin, size=258, root_hash=ROOT, note="any"), 2**40)
    raw = base64.b64decode(line.split(" ")[2])
    message = b"".join(
        (
            b"subtree/v1\n\x00",
            bytes([length]) + name.encode() + struct.pack(">Q", 2**40),
            bytes([length]) + origin.encode(),
            struct.pack(">QQ", 0, 258) + ROOT,
        )
    )
    KEY.public_key().verify(raw[12:], message)
    assert raw[4:12] == struct.pack(">Q", 2**40)


@pytest.mark.parametrize(("name", "origin"), [("n" * 256, "o"), ("n", "o" * 256), ("n", ""), ("ü" * 128, "o")])
def test_cosign_mldsa44_refuses_names_that_do_not_fit_a_byte(name: str, origin: str) -> None:
    head = Checkpoint(origin=origin, size=1, root_hash=ROOT, note="any\n\n")
    with pytest.raises(InvalidArgument, match="255"):
        Cosigner(name, KEY).line(head, 1)
    Cosigner(name, Ed25519PrivateKey.from_private_bytes(b"\x05" * 32)).line(head, 1)


@pytest.mark.parametrize(
    ("number", "width", "path"),
    [
        (0, 256, "0/000"),
        (999, 256, "0/999"),
        (1000, 256, "0/x001/000"),
        (1000, 7, "0/x001/000.p/7"),
        (999_999, 256, "0/x999/999"),
        (1_234_067, 256, "0/x001/x234/067"),
        (1_000_000_000, 256, "0/x001/x000/x000/000"),
    ],
)
def test_path_of_a_tile_is_as_the_specification_writes_it(number: int, width: int, path: str) -> None:
    assert tile_path("0", number, width) == path
    assert tile_path("entries", number, width) == path.replace("0/", "entries/", 1)


def test_stored_tile_when_it_is_damaged_or_unreadable_is_said_and_no_proof_is_made(tmp_path: Path) -> None:
    log = open_test_log(tmp_path / "log.db")
    fill(log, 600)
    log.close()
    with closing(sqlite3.connect(tmp_path / "log.db")) as database:
        tree = StoredTree(database, 600)
        leaves = [leaf for number in range(3) for leaf in tree.tile(0, number)]
        assert [len(tree.tile(0, number)) for number in range(3)] == [256, 256, 88]
        assert tree.root() == root_of_leaves(leaves)
        (whole,) = database.execute("SELECT hashes FROM tiles WHERE level = 0 AND number = 1").fetchone()
        assert [whole[at : at + 32] for at in range(0, 8192, 32)] == leaves[256:512]
        for damaged in (whole[:-1], whole + b"\0", b"", whole[:-32]):
            database.execute("UPDATE tiles SET hashes = ? WHERE level = 0 AND number = 1", (damaged,))
            with pytest.raises(LogCorrupt, match="tile 1 of level 0"):
                StoredTree(database, 600).prove_inclusion(0)
        database.execute("DELETE FROM tiles WHERE level = 0 AND number = 1")
        assert StoredTree(database, 600).tile(0, 1) == leaves[256:512], "made again from the entries"
        database.execute("DROP TABLE tiles")
        with pytest.raises((LogCorrupt, Unavailable)):
            StoredTree(database, 600).tile(0, 0)


def test_tiles_in_memory_are_bounded_and_the_ones_of_before_are_read_again(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(tree_module, "_CACHED_TILES", 2)
    log = open_test_log(tmp_path / "log.db")
    fill(log, 1024)
    log.close()
    with closing(sqlite3.connect(tmp_path / "log.db")) as database:
        tree, asked = StoredTree(database, 1024), []
        database.set_trace_callback(asked.append)
        first = tree.tile(0, 0)
        for number in (1, 2, 2, 1, 0):
            tree.tile(0, number)
        assert len(asked) == 4, "three tiles, and the first one again"
        assert tree.tile(0, 0) == first and tree.tile(0, 1) != first


def test_proof_rests_on_the_checkpoint_that_most_have_signed_then_on_the_newest(tmp_path: Path) -> None:
    log = open_test_log(tmp_path / "log.db")
    witnesses = [Cosigner(f"w{n}", Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32)) for n in (1, 2, 3)]
    verifiers = [one.verifier for one in witnesses]

    def cosigned(*signers: Cosigner) -> int:
        head = log.publish(1)
        log.store_cosigned(head.note + "".join(one.line(head, 1) for one in signers), verifiers)
        return head.size

    def size_for(index: int) -> int:
        return log.ask(lambda connection, keys: best_checkpoint(connection, keys, index)).size

    with pytest.raises(InvalidArgument, match="covers 0"):
        size_for(0)
    fill(log, 5)
    with pytest.raises(InvalidArgument, match="no published checkpoint"):
        size_for(4)
    both = cosigned(*witnesses[:2])
    fill(log, 5)
    one = cosigned(witnesses[2])
    fill(log, 5)
    newest = log.publish(2).size
    assert (both, one, newest) == (5, 10, 15)
    assert [size_for(index) for index in (0, 4, 5, 9, 10, 14)] == [both, both, one, one, newest, newest]
    with pytest.raises(InvalidArgument, match="covers 15"):
        size_for(15)
    log.store_timestamp(log.publish(2).note, b"token")
    fill(log, 1)
    assert log.publish(3).size == 16
    assert size_for(12) == 16, "of two that as many have signed, the newest"
    proofs = prove_entries(log, (0, 15), 4)
    assert [f"\nindex {index}\n" in text for index, text in zip((0, 15), proofs, strict=True)] == [True, True]
    assert proofs[1] == log.ask(lambda connection, keys: prove_entry(connection, keys, 15))
    for indices in ((), tuple(range(65))):
        with pytest.raises(InvalidArgument, match="1 to 64"):
            prove_entries(log, indices, 4)
    log.close()
