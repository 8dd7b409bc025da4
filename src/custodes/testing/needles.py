"""What must not be found in files or memory, looked for at every offset."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from custodes.track.colours import unpacked

_FIRST = 1 << 24
_TELLING = 5
"""Of eight numbers of a look so many are not zero, where a look is to be told from anything else by them."""


class Needles:
    """Eight bytes of everything that must not be found, looked for at every offset."""

    def __init__(self, pieces: Sequence[bytes]) -> None:
        self.values = np.unique(np.frombuffer(b"".join(pieces), "<u8"))
        self._begins = np.zeros(_FIRST, np.bool_)
        self._begins[self.values & np.uint64(_FIRST - 1)] = True

    def found_in(self, content: bytes) -> int:
        """How many places in it begin with one."""
        count = 0
        for offset in range(min(8, max(len(content) - 7, 0))):
            words = np.frombuffer(content, "<u8", count=(len(content) - offset) // 8, offset=offset)
            likely = words[self._begins[words & np.uint64(_FIRST - 1)]]
            count += int(np.isin(likely, self.values).sum())
        return count


def pieces_of_looks(wire: npt.NDArray[np.uint8]) -> list[bytes]:
    """Eight bytes each of looks as they travel (n, 512), and of the unit vectors they become."""
    pieces = []
    windows = np.lib.stride_tricks.sliding_window_view(wire, 8, axis=1)
    units = unpacked(wire)
    for row, at in np.argwhere((windows > 0).sum(axis=2) >= _TELLING).tolist():
        pieces.append(windows[row, at].tobytes())
        pieces += [
            units[row, first : first + 2].tobytes()
            for first in range(at, at + 7)
            if units[row, first : first + 2].all()
        ]
    return pieces


def files_under(folder: Path) -> list[Path]:
    """All of them, hidden ones too."""
    return [path for path in folder.rglob("*") if path.is_file()]
