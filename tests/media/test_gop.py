"""GOP assembly: whole GOPs in order, bounds kept."""

import pytest

from custodes.media import gop
from custodes.media.gop import GopAssembler
from custodes.testing.camera import packet


def test_add_when_keyframes_come_then_gops_are_cut_before_them() -> None:
    assembler, done = GopAssembler(), []
    for seq in range(7):
        complete = assembler.add(packet(seq, is_keyframe=seq in (0, 3, 5)))
        if complete:
            done.append([item.seq for item in complete])
    assert done == [[0, 1, 2], [3, 4]]
    assert [item.seq for item in assembler.take() or ()] == [5, 6]
    assert assembler.take() is None
    assert assembler.cuts == 0


@pytest.mark.parametrize(
    ("bound", "value"), [("MAX_GOP_PACKETS", 4), ("MAX_GOP_BYTES", 40), ("MAX_GOP_NS", 350_000_000)]
)
def test_add_when_no_keyframe_comes_then_bounds_cut_and_count(
    bound: str, value: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gop, bound, value)
    assembler, sizes = GopAssembler(), []
    for seq in range(13):
        complete = assembler.add(packet(seq, is_keyframe=seq == 0, payload=b"0123456789"))
        if complete:
            sizes.append(len(complete))
    assert sizes == [4, 4, 4]
    assert assembler.cuts == 3
