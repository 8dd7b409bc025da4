"""RFC 6962 hashing, compact tree state, proofs and their verification. Pure; storage lies in `log`.

Source: RFC 6962 section 2.1, RFC 9162 sections 2.1.3 and 2.1.4 (verification algorithms).
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence

from custodes.errors import InvalidArgument, LogCorrupt

HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()

NodeReader = Callable[[int, int], bytes]
"""`read(level, index)`: hash of the complete subtree over leaves [index·2^level, (index+1)·2^level)."""


_LEAF_PREFIXED = hashlib.sha256(b"\x00")
_NODE_PREFIXED = hashlib.sha256(b"\x01")
"""Copied for each hash: a third cheaper than a new object, whose algorithm OpenSSL 3 looks up by name each time."""


def leaf_hash(leaf: bytes) -> bytes:
    """SHA-256(0x00 || leaf)."""
    hasher = _LEAF_PREFIXED.copy()
    hasher.update(leaf)
    return hasher.digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 || left || right)."""
    hasher = _NODE_PREFIXED.copy()
    hasher.update(left + right)
    return hasher.digest()


def fold_complete(hashes: Sequence[bytes]) -> bytes:
    """Root of a complete subtree from its 2^k ≥ 1 hashes of one level."""
    level = list(hashes)
    assert level and len(level) & (len(level) - 1) == 0
    # `node_hash`, written out: this loop is half of verifying a log.
    new_hash = hashlib.sha256
    while len(level) > 1:
        pairs = iter(level)
        level = [new_hash(b"\x01" + left + right).digest() for left, right in zip(pairs, pairs, strict=True)]
    return level[0]


def leaf_hashes(leaves: Iterable[bytes]) -> list[bytes]:
    """`leaf_hash` of many."""
    new_hash = hashlib.sha256
    return [new_hash(b"\x00" + leaf).digest() for leaf in leaves]


TILE_LEVEL_BITS = 8
"""C2SP tlog-tiles cuts the tree into rows of 2^8 hashes."""


def push_peak(peaks: list[bytes], size: int, leaf: bytes) -> list[bytes]:
    """Add the hash of leaf number `size` to the peaks (roots of complete subtrees, left to right) in place.

    Returns: roots of the subtrees over 256, 65536, … leaves that this leaf completed; mostly none.
    """
    if not size & 1:
        peaks.append(leaf)
        return []
    carry, level = leaf, 0
    completed: list[bytes] = []
    while size & 1:
        carry = node_hash(peaks.pop(), carry)
        size >>= 1
        level += 1
        if level % TILE_LEVEL_BITS == 0:
            completed.append(carry)
    peaks.append(carry)
    return completed


def root_of_peaks(peaks: Sequence[bytes]) -> bytes:
    """Tree root; the root of the empty tree is SHA-256 of nothing."""
    if not peaks:
        return EMPTY_ROOT
    root = peaks[-1]
    for peak in reversed(peaks[:-1]):
        root = node_hash(peak, root)
    return root


def peaks_of_partials(partial: Sequence[Sequence[bytes]]) -> list[bytes]:
    """Peaks from the partial tiles, lowest level first: each holds fewer than 256 hashes of subtrees of 256^level."""
    peaks: list[bytes] = []
    for tile in reversed(partial):
        offset = 0
        for bit in reversed(range(len(tile).bit_length())):
            if len(tile) & (1 << bit):
                peaks.append(fold_complete(tile[offset : offset + (1 << bit)]))
                offset += 1 << bit
    return peaks


def root_of_leaves(hashes: Sequence[bytes]) -> bytes:
    """Root over leaf hashes, O(n)."""
    peaks: list[bytes] = []
    for size, leaf in enumerate(hashes):
        push_peak(peaks, size, leaf)
    return root_of_peaks(peaks)


def _split(count: int) -> int:
    """Largest power of two below `count` > 1."""
    return 1 << ((count - 1).bit_length() - 1)


def range_root(read: NodeReader, start: int, end: int) -> bytes:
    """Hash of the subtree over leaves [start, end); `start` must be a multiple of the tree's split (RFC 6962 MTH)."""
    count = end - start
    if count & (count - 1) == 0:
        level = count.bit_length() - 1
        assert start % count == 0
        return read(level, start >> level)
    middle = start + _split(count)
    return node_hash(range_root(read, start, middle), range_root(read, middle, end))


def inclusion_path(read: NodeReader, index: int, size: int) -> tuple[bytes, ...]:
    """RFC 6962 2.1.1: audit path of leaf `index` in the tree of `size`, leaf to root. O(log² n) hashes.

    Raises: InvalidArgument unless 0 ≤ index < size.
    """
    if not 0 <= index < size:
        raise InvalidArgument(f"no leaf {index} in a tree of {size}")
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(range_root(read, middle, end))
            end = middle
        else:
            path.append(range_root(read, start, middle))
            start = middle
    return tuple(reversed(path))


def consistency_path(read: NodeReader, old_size: int, new_size: int) -> tuple[bytes, ...]:
    """RFC 6962 2.1.2: proof that the tree of `old_size` is a prefix of that of `new_size`.

    Raises: InvalidArgument unless 1 ≤ old_size ≤ new_size.
    """
    if not 1 <= old_size <= new_size:
        raise InvalidArgument(f"no consistency proof from {old_size} to {new_size}")
    path: list[bytes] = []
    start, end, is_old_root_known = 0, new_size, True
    while old_size != end:
        middle = start + _split(end - start)
        if old_size <= middle:
            path.append(range_root(read, middle, end))
            end = middle
        else:
            path.append(range_root(read, start, middle))
            start, is_old_root_known = middle, False
    if not is_old_root_known:
        path.append(range_root(read, start, end))
    return tuple(reversed(path))


def verify_inclusion(*, leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> None:
    """Check that the leaf with hash `leaf` is number `index` of the tree with `root` (RFC 9162 2.1.3.2).

    Raises: LogCorrupt when it is not.
    """
    if not 0 <= index < size:
        raise LogCorrupt(f"proof is for leaf {index} of {size}")
    number, last, current = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            raise LogCorrupt("inclusion proof is too long")
        if number & 1 or number == last:
            current = node_hash(sibling, current)
            while not number & 1 and number:
                number, last = number >> 1, last >> 1
        else:
            current = node_hash(current, sibling)
        number, last = number >> 1, last >> 1
    if last != 0:
        raise LogCorrupt("inclusion proof is too short")
    if current != root:
        raise LogCorrupt(f"leaf {index} is not in the tree of {size} with that root")


def verify_consistency(
    *, old_size: int, new_size: int, old_root: bytes, new_root: bytes, path: Sequence[bytes]
) -> None:
    """Check that the old tree is a prefix of the new one (RFC 9162 2.1.4.2).

    Raises: LogCorrupt when it is not, or when `old_size` is 0: an empty tree proves nothing.
    """
    if not 1 <= old_size <= new_size:
        raise LogCorrupt(f"no consistency from {old_size} to {new_size}")
    if old_size == new_size:
        if path or old_root != new_root:
            raise LogCorrupt("two trees of one size differ")
        return
    if not path:
        raise LogCorrupt("consistency proof is empty")
    proof = list(path) if old_size & (old_size - 1) else [old_root, *path]
    number, last = old_size - 1, new_size - 1
    while number & 1:
        number, last = number >> 1, last >> 1
    old_current = new_current = proof[0]
    for sibling in proof[1:]:
        if last == 0:
            raise LogCorrupt("consistency proof is too long")
        if number & 1 or number == last:
            old_current = node_hash(sibling, old_current)
            new_current = node_hash(sibling, new_current)
            while not number & 1 and number:
                number, last = number >> 1, last >> 1
        else:
            new_current = node_hash(new_current, sibling)
        number, last = number >> 1, last >> 1
    if last != 0:
        raise LogCorrupt("consistency proof is too short")
    if old_current != old_root or new_current != new_root:
        raise LogCorrupt(f"the tree of {old_size} is not a prefix of the tree of {new_size}")
