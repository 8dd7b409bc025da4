"""Sketches of a segment: small, the same again, sealed with the segment's key, and refused when bent."""

import lzma
import zlib

import numpy as np
import pytest
from tests.leaks.scenes import NOW_NS, scene

from custodes.errors import DataLoss, SealBroken
from custodes.leaks.sketch import sketch
from custodes.leaks.sketchbook import _LZMA, Dated, pack, unpack
from custodes.sealing.beside import open_beside, seal_beside
from custodes.testing.keys import SITE_ID
from custodes.types.media import SegmentHeader
from custodes.units import NS_PER_S, CameraId, KeyId, Ns, RunId, SegmentId


def book() -> list[Dated]:
    pictures = [scene(4).copy() for _ in range(30)]
    for n, y in enumerate(pictures):
        y[200:400, 20 * n : 20 * n + 60] = 30
    return [Dated(utc_ns=Ns(NOW_NS + 2 * n * NS_PER_S), sketch=sketch(y)) for n, y in enumerate(pictures)]


def header(name: str) -> SegmentHeader:
    return SegmentHeader(
        version=1, site_id=SITE_ID, camera_id=CameraId("cam"), run=RunId("0" * 12), segment_id=SegmentId(name),
        start_ns=Ns(NOW_NS), key_id=KeyId("cam/20260101"), wrapped_key=b"x" * 1200,
    )  # fmt: skip


def test_unpack_when_packed_then_near_and_small():
    made = book()
    packed = pack(made)
    again = unpack(packed)
    assert [one.utc_ns for one in again] == [one.utc_ns for one in made]
    assert max(np.abs(a.sketch.luma - b.sketch.luma).max() for a, b in zip(again, made, strict=True)) <= 2
    assert len(packed) < 300 * len(made)


def test_unpack_when_packed_before_lzma_then_still_read_and_it_was_larger():
    made = book()
    packed = pack(made)
    old = b"SKB1" + packed[4:12] + zlib.compress(lzma.decompress(packed[12:], lzma.FORMAT_RAW, filters=_LZMA), 9)
    assert len(old) > len(packed)
    for one, other in zip(unpack(old), unpack(packed), strict=True):
        assert one.utc_ns == other.utc_ns
        assert np.array_equal(one.sketch.luma, other.sketch.luma)


def test_unpack_when_it_would_unfold_to_more_than_it_says_then_refused():
    packed = pack(book())
    bomb = lzma.compress(bytes(10**8), lzma.FORMAT_RAW, filters=_LZMA)
    with pytest.raises(DataLoss):
        unpack(packed[:12] + bomb)


@pytest.mark.parametrize("bent", [b"", b"SKB2", b"x" * 200, None], ids=["empty", "head", "other", "cut"])
def test_unpack_when_damaged_then_says_so(bent):
    with pytest.raises(DataLoss):
        unpack(pack(book())[:-9] if bent is None else bent)


def test_beside_when_another_segment_key_or_label_then_it_stays_shut():
    sealed = seal_beside(header("a"), b"k" * 32, "sketches/1", b"content")
    assert open_beside(header("a"), b"k" * 32, "sketches/1", sealed) == b"content"
    assert b"content" not in sealed
    for other, key, label, changed in (
        (header("b"), b"k" * 32, "sketches/1", sealed),
        (header("a"), b"j" * 32, "sketches/1", sealed),
        (header("a"), b"k" * 32, "sketches/2", sealed),
        (header("a"), b"k" * 32, "sketches/1", sealed[:-1] + bytes([sealed[-1] ^ 1])),
        (header("a"), b"k" * 32, "sketches/1", b""),
    ):
        with pytest.raises(SealBroken):
            open_beside(other, key, label, changed)
