"""Ways between cameras by number: those that are known, and those that two known ones make up where the camera between
missed somebody.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from custodes.journey.usual import Pair, Way
from custodes.units import CameraId

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """w ways. `usual_s`; `start`, `to`: numbers of cameras; `before`, `after`: numbers of the two ways that one over
    another camera is made of, else −1."""

    usual_s: Floats
    start: Rows
    to: Rows
    before: Rows
    after: Rows

    @property
    def is_over(self) -> npt.NDArray[np.bool_]:
        """(w,) whether a camera lies between."""
        return self.before >= 0

    def onward(self, cameras: int) -> Rows:
        """(cameras,) how many known ways begin at each."""
        result: Rows = np.bincount(self.start[~self.is_over], minlength=cameras)
        return result

    def onward_of(self, over: Rows) -> Rows:
        """Cameras between, of ways over one."""
        result: Rows = self.to[self.before[over]]
        return result


@dataclass(frozen=True, slots=True, kw_only=True)
class Net:
    """`way`, `number`: of each pair of cameras that has one; `cameras`: how many there are, those of the ways, too."""

    way: Mapping[Pair, Way]
    number: Mapping[Pair, int]
    cameras: int
    columns: Ways


def net(ways: Mapping[Pair, Way], cameras: Sequence[CameraId], stayed_s: Mapping[CameraId, float]) -> Net:
    """Known ways, and for pairs without one the quickest over one camera between.

    Args: cameras: by number, those that saw anybody; stayed_s: how long somebody usually is in each one's picture.
    Cost: ways times ways that go on from each.
    """
    pairs = [pair for pair in ways if pair[0] != pair[1]]
    onward: dict[CameraId, list[CameraId]] = {}
    for one, other in pairs:
        onward.setdefault(one, []).append(other)
    seeing, over = frozenset(cameras), dict[Pair, tuple[Way, CameraId]]()
    for one, between in pairs:
        for other in onward.get(between, ()) if one in seeing else ():
            pair = one, other
            if one == other or pair in ways or other not in seeing:
                continue
            way = _after_another(ways[one, between], ways[between, other], stayed_s.get(between, 0.0))
            if pair not in over or way.usual_s < over[pair][0].usual_s:
                over[pair] = way, between
    number = {pair: at for at, pair in enumerate((*pairs, *over))}
    legs = [(-1, -1)] * len(pairs)
    legs += [(number[pair[0], between], number[between, pair[1]]) for pair, (_, between) in over.items()]
    way_of = dict(ways) | {pair: way for pair, (way, _) in over.items()}
    at = {one: row for row, one in enumerate(dict.fromkeys([*cameras, *(end for pair in pairs for end in pair)]))}
    columns = Ways(
        usual_s=np.array([way_of[pair].usual_s for pair in number]),
        start=np.array([at[one] for one, _ in number], np.int64),
        to=np.array([at[other] for _, other in number], np.int64),
        before=np.array([before for before, _ in legs], np.int64),
        after=np.array([after for _, after in legs], np.int64),
    )
    return Net(way=way_of, number=number, cameras=len(at), columns=columns)


def _after_another(first: Way, second: Way, stayed_s: float) -> Way:
    walked_s = first.usual_s + second.usual_s
    spread = float(np.hypot(first.usual_s * first.spread, second.usual_s * second.spread)) / max(walked_s, 1e-9)
    return Way(usual_s=walked_s + stayed_s, spread=spread)
