"""The cases of the published transparency-dev/merkle vectors, made anew from RFC 6962 over its reference leaves.

That ours are theirs is shown by the hashes of what is published (`testdata/{consistency,inclusion}/*/happy-path.json`,
read 2026-11-25 at commits bcba819, 65362ac, 73a0db1): sizes, roots and proofs, in the order of their folders.
Every case runs against our proofs' verification and against `custodes-verify`, which were written apart.
"""

import base64
import hashlib
import json
from collections.abc import Callable, Iterator

import pytest
from tests.audit.test_merkle import LEAVES, naive_root

import custodes_verify
from custodes.audit.merkle import consistency_path, inclusion_path, leaf_hash, verify_consistency, verify_inclusion
from custodes.errors import LogCorrupt

HASHES = [leaf_hash(bytes.fromhex(leaf)) for leaf in LEAVES]
GARBAGE = bytes(range(32))
Path = tuple[bytes, ...]


def read(level: int, index: int) -> bytes:
    return naive_root(HASHES[index << level : (index + 1) << level])


def damaged(path: Path, *roots: bytes) -> Iterator[tuple[str, Path]]:
    for at, node in enumerate(path):
        yield f"modified proof {at}", (*path[:at], bytes([node[0] ^ 16]) + node[1:], *path[at + 1 :])
        yield f"removed component {at}", path[:at] + path[at + 1 :]
        yield f"inserted component {at}", (*path[:at], b"", *path[at:])
    for name, extra in (("garbage", GARBAGE), *((f"root {n}", root) for n, root in enumerate(roots))):
        yield f"trailing {name}", (*path, extra)
        yield f"preceding {name}", (extra, *path)
    if path:
        yield "empty proof", ()


def inclusion_cases() -> Iterator[tuple[str, bool, tuple[bytes, int, int, Path, bytes]]]:
    """(name, is right, (leaf, index, size, path, root))"""
    for size in range(1, 9):
        for index in range(size):
            path, root, leaf = inclusion_path(read, index, size), naive_root(HASHES[:size]), HASHES[index]
            yield f"{index}/{size} happy path", True, (leaf, index, size, path, root)
            for other in (index - 1, index + 1, index ^ 2):
                yield f"{index}/{size} index {other}", False, (leaf, other, size, path, root)
            yield f"{index}/{size} wrong leaf", False, (GARBAGE, index, size, path, root)
            for wrong in (b"", GARBAGE):
                yield f"{index}/{size} wrong root", False, (leaf, index, size, path, wrong)
            for name, other_path in damaged(path, root):
                yield f"{index}/{size} {name}", False, (leaf, index, size, other_path, root)
            for other_size in {size * 2, size // 2} - {size}:
                # Some sizes share a path's shape; then only the root, which is right here, could tell.
                if not 0 <= index < other_size or len(inclusion_shape(index, other_size)) != len(path):
                    yield f"{index}/{size} size {other_size}", False, (leaf, index, other_size, path, root)


def inclusion_shape(index: int, size: int) -> Path:
    return inclusion_path(lambda level, at: b"", index, size)


def consistency_cases() -> Iterator[tuple[str, bool, tuple[int, int, bytes, bytes, Path]]]:
    """(name, is right, (old size, new size, old root, new root, path))"""
    for new in range(1, 9):
        for old in range(1, new + 1):
            path = consistency_path(read, old, new)
            first, second = naive_root(HASHES[:old]), naive_root(HASHES[:new])
            yield f"{old}-{new} happy path", True, (old, new, first, second, path)
            yield f"{old}-{new} wrong old root", False, (old, new, GARBAGE, second, path)
            yield f"{old}-{new} wrong new root", False, (old, new, first, GARBAGE, path)
            if old != new:
                yield f"{old}-{new} swapped roots", False, (old, new, second, first, path)
            yield f"{old}-{new} size 0", False, (0, new, first, second, path)
            yield f"{old}-{new} old beyond new", False, (new + 1, new, first, second, path)
            for name, other in damaged(path, first, second):
                yield f"{old}-{new} {name}", False, (old, new, first, second, other)


def ours_inclusion(leaf: bytes, index: int, size: int, path: Path, root: bytes) -> None:
    verify_inclusion(leaf=leaf, index=index, size=size, path=path, root=root)


def ours_consistency(old: int, new: int, first: bytes, second: bytes, path: Path) -> None:
    verify_consistency(old_size=old, new_size=new, old_root=first, new_root=second, path=path)


def theirs_inclusion(leaf: bytes, index: int, size: int, path: Path, root: bytes) -> None:
    custodes_verify.check_inclusion(leaf, index, size, list(path), root)


def theirs_consistency(old: int, new: int, first: bytes, second: bytes, path: Path) -> None:
    custodes_verify.check_consistency(old, new, first, second, list(path))


def wrongs(cases: list[tuple[str, bool, tuple[object, ...]]], check: Callable[..., None]) -> list[str]:
    """Names of the cases that were answered wrongly."""
    missed = []
    for name, is_right, arguments in cases:
        try:
            check(*arguments)
            is_good = True
        except (LogCorrupt, custodes_verify.Wrong):
            is_good = False
        if is_good != is_right:
            missed.append(name)
    return missed


INCLUSION, CONSISTENCY = list(inclusion_cases()), list(consistency_cases())


@pytest.mark.parametrize(
    ("cases", "check"),
    [
        pytest.param(INCLUSION, ours_inclusion, id="inclusion, ours"),
        pytest.param(INCLUSION, theirs_inclusion, id="inclusion, verifier"),
        pytest.param(CONSISTENCY, ours_consistency, id="consistency, ours"),
        pytest.param(CONSISTENCY, theirs_consistency, id="consistency, verifier"),
    ],
)
def test_vectors_when_checked_then_right_ones_pass_and_all_others_fail(
    cases: list[tuple[str, bool, tuple[object, ...]]], check: Callable[..., None]
) -> None:
    assert len(cases) > 400
    assert wrongs(cases, check) == []


def b64(node: bytes) -> str:
    return base64.b64encode(node).decode()


def test_generator_gives_the_published_consistency_proofs() -> None:
    cases = [
        (
            old,
            new,
            b64(naive_root(HASHES[:old])),
            b64(naive_root(HASHES[:new])),
            [*map(b64, consistency_path(read, old, new))],
        )
        for old, new in ((1, 1), (1, 8), (6, 8), (2, 5), (6, 7))
    ]
    published = "ba1d8f448d742b0aa6874791d16da9adfbda41f8dff5bdd4478f5769d77e1db2"
    assert hashlib.sha256(json.dumps(cases).encode()).hexdigest() == published


def test_generator_gives_the_published_inclusion_proofs() -> None:
    cases = [
        (
            index,
            size,
            b64(naive_root(HASHES[:size])),
            b64(HASHES[index]),
            [*map(b64, inclusion_path(read, index, size))],
        )
        for index, size in ((0, 8), (5, 8), (2, 3), (1, 5))
    ]
    published = "a05b8d5bacf77dc32e006335581970204dca2b4f6e2b248ff6faa59ec8a34c18"
    assert hashlib.sha256(json.dumps(cases).encode()).hexdigest() == published
