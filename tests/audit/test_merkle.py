"""RFC 6962 tree and proofs: known answers, a naive recursive oracle, and proofs that must fail."""

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from custodes.audit.merkle import (
    EMPTY_ROOT,
    consistency_path,
    fold_complete,
    inclusion_path,
    leaf_hash,
    leaf_hashes,
    peaks_of_partials,
    root_of_leaves,
    root_of_peaks,
    verify_consistency,
    verify_inclusion,
)
from custodes.errors import InvalidArgument, LogCorrupt

LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
"""The leaves of the Certificate Transparency reference tests; the roots of their eight trees follow."""

ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def naive_root(hashes: list[bytes]) -> bytes:
    """MTH of RFC 6962 2.1, word by word."""
    if not hashes:
        return hashlib.sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    k = 1
    while k * 2 < len(hashes):
        k *= 2
    return hashlib.sha256(b"\x01" + naive_root(hashes[:k]) + naive_root(hashes[k:])).digest()


HASHES = [leaf_hash(bytes([n % 256, n // 256])) for n in range(600)]


def read_node(level: int, index: int) -> bytes:
    return naive_root(HASHES[index << level : (index + 1) << level])


@pytest.mark.parametrize("size", range(1, 9))
def test_root_when_the_reference_leaves_then_the_known_root(size: int) -> None:
    hashes = [leaf_hash(bytes.fromhex(leaf)) for leaf in LEAVES[:size]]
    assert root_of_leaves(hashes).hex() == ROOTS[size - 1]


def test_root_when_empty_then_the_hash_of_nothing() -> None:
    assert root_of_leaves([]) == EMPTY_ROOT == hashlib.sha256(b"").digest()


@given(st.integers(0, 600))
def test_root_when_any_size_then_equals_the_definition(size: int) -> None:
    assert root_of_leaves(HASHES[:size]) == naive_root(HASHES[:size])


def test_inclusion_when_every_leaf_of_every_small_tree_then_verifies_there_only() -> None:
    for size in range(1, 40):
        root = naive_root(HASHES[:size])
        for index in range(size):
            path = inclusion_path(read_node, index, size)
            verify_inclusion(leaf=HASHES[index], index=index, size=size, path=path, root=root)
            for wrong in {index - 1, index + 1, size}:
                with pytest.raises(LogCorrupt):
                    verify_inclusion(leaf=HASHES[index], index=wrong, size=size, path=path, root=root)


def test_consistency_when_every_pair_of_small_trees_then_verifies() -> None:
    for new in range(1, 40):
        for old in range(1, new + 1):
            path = consistency_path(read_node, old, new)
            roots = naive_root(HASHES[:old]), naive_root(HASHES[:new])
            verify_consistency(old_size=old, new_size=new, old_root=roots[0], new_root=roots[1], path=path)


@settings(max_examples=300)
@given(st.data())
def test_inclusion_when_the_proof_is_mutated_then_refuses(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, 600))
    index = data.draw(st.integers(0, size - 1))
    root = naive_root(HASHES[:size])
    path = mutated(data, inclusion_path(read_node, index, size))
    with pytest.raises(LogCorrupt):
        verify_inclusion(leaf=HASHES[index], index=index, size=size, path=path, root=root)


@settings(max_examples=300)
@given(st.data())
def test_consistency_when_the_proof_is_mutated_then_refuses(data: st.DataObject) -> None:
    new = data.draw(st.integers(2, 600))
    old = data.draw(st.integers(1, new - 1))
    path = mutated(data, consistency_path(read_node, old, new))
    with pytest.raises(LogCorrupt):
        verify_consistency(
            old_size=old,
            new_size=new,
            old_root=naive_root(HASHES[:old]),
            new_root=naive_root(HASHES[:new]),
            path=path,
        )


def mutated(data: st.DataObject, path: tuple[bytes, ...]) -> tuple[bytes, ...]:
    kinds = ["add-end", "add-front"] + (["flip", "drop-end", "drop-front"] if path else [])
    kind = data.draw(st.sampled_from(kinds))
    match kind:
        case "flip":
            at = data.draw(st.integers(0, len(path) - 1))
            flipped = bytearray(path[at])
            flipped[data.draw(st.integers(0, 31))] ^= 1 << data.draw(st.integers(0, 7))
            return (*path[:at], bytes(flipped), *path[at + 1 :])
        case "drop-end":
            return path[:-1]
        case "drop-front":
            return path[1:]
        case "add-end":
            return (*path, bytes(32))
        case _:
            return (bytes(32), *path)


@pytest.mark.parametrize(("old", "new"), [(0, 5), (6, 5), (0, 0)])
def test_consistency_when_sizes_prove_nothing_then_refuses(old: int, new: int) -> None:
    with pytest.raises(LogCorrupt):
        verify_consistency(old_size=old, new_size=new, old_root=EMPTY_ROOT, new_root=EMPTY_ROOT, path=())
    with pytest.raises(InvalidArgument):
        consistency_path(read_node, old, new)


def test_consistency_when_sizes_are_equal_then_roots_must_be() -> None:
    with pytest.raises(LogCorrupt):
        verify_consistency(old_size=3, new_size=3, old_root=bytes(32), new_root=EMPTY_ROOT, path=())
    with pytest.raises(LogCorrupt):
        verify_consistency(old_size=3, new_size=3, old_root=EMPTY_ROOT, new_root=EMPTY_ROOT, path=(bytes(32),))


@pytest.mark.parametrize(("index", "size"), [(-1, 5), (5, 5), (0, 0)])
def test_inclusion_when_there_is_no_such_leaf_then_refuses(index: int, size: int) -> None:
    with pytest.raises(InvalidArgument):
        inclusion_path(read_node, index, size)


@pytest.mark.parametrize("count", [1, 2, 4, 8])
def test_fold_complete_gives_the_root_of_a_whole_subtree(count: int) -> None:
    hashes = leaf_hashes([bytes([n]) for n in range(count)])
    assert hashes == [leaf_hash(bytes([n])) for n in range(count)]
    assert fold_complete(hashes) == naive_root(hashes)


@pytest.mark.parametrize("size", [1, 2, 3, 255, 256, 257, 300, 511, 513])
def test_peaks_of_partials_are_those_of_the_whole_tree(size: int) -> None:
    hashes = leaf_hashes([n.to_bytes(2, "big") for n in range(size)])
    full = size // 256
    tiles = [hashes[256 * full :], [fold_complete(hashes[256 * n : 256 * n + 256]) for n in range(full)]]
    assert root_of_peaks(peaks_of_partials(tiles)) == naive_root(hashes)
