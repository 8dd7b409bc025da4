"""What one stretch tells of its own ways, without a label and for that one answer: how many of those who left went by
which way, how long they took, and how many came by none. Numbers of cameras and moments; nothing is kept.

On a busy site a way's usual seconds tell nobody from the next one: as many come anyway. But nearly all of those who
came had come by some way, who leaves on the right goes on elsewhere than who leaves on the left, and lights and doors
let people through in pulses; all of that is in the stretch itself. Learnt as `transit` learns (EM), begun from what
was known before, and drawn back to it where little was seen.

Somebody whom a camera missed went on over it: as likely as that they go towards it, are missed there, and go on as
those who were seen there did.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from custodes.journey.assignment import Links, marginals
from custodes.journey.legs import Ways
from custodes.journey.transit import BIN_S, KERNEL

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

_ROUNDS = 10
_PRIOR = 10.0
"""People's worth of what was known before, of a way's times, of how many go by it, and of how many come by none: a
group, as flows have it."""
MISSED = 0.05
"""Share of people that a camera misses, as far as is known before."""
_PRIOR_MISSED = 100.0
"""People's worth of it: who was missed looks much like one who stayed and another who came, so it takes many to learn
from. With the site's share learnt beside it, it drifted to nobody."""
MOVED = 0.08
"""Who moved less, in shares of the frame, left in no direction."""
_BINS_A_WAY = 10
"""Bins in a way's usual time, if that makes them wider than `BIN_S`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Possible:
    """m possible links of n passages in c pictures.

    `first`, `second` (m,): passages; `gap_s` (m,) between them; `log_density` (m,) of time and place, a second, as
    known before; `way` (m,): number of the way of `ways`, −1 where ground or picture say more; `camera` (n,): numbers
    from 0; `lane` (n,): `lanes_of`; `born_per_s` (c,): how many come, however.
    """

    first: Rows
    second: Rows
    gap_s: Floats
    log_density: Floats
    way: Rows
    ways: Ways
    camera: Rows
    lane: Rows
    born_per_s: Floats

    def of(self, rows: Rows) -> "Possible":
        """Some of the links."""
        names = ("first", "second", "gap_s", "log_density", "way")
        return replace(self, **{name: getattr(self, name)[rows] for name in names})

    def log_odds(self) -> Floats:
        """(m,) as known before: against arrivals of which none is explained."""
        result: Floats = self.log_density - np.log(self.born_per_s[self.camera[self.second]])
        over = np.flatnonzero(self.is_over)
        out = self.ways.onward(len(self.born_per_s))
        result[over] += np.log(MISSED / out[self.ways.onward_of(self.way[over])])
        return result

    @property
    def is_over(self) -> npt.NDArray[np.bool_]:
        """(m,) whether a camera between would have missed somebody."""
        result = self.way >= 0
        result[result] = self.ways.is_over[self.way[result]]
        return result


def learn(possible: Possible, *, span_s: float, least_born_per_s: float) -> Floats:
    """(m,) log odds: as known before, but for links by a way as the stretch tells.

    Each link's own share is taken off what it is judged by, so that none vouches for itself. Cost: ten marginals, 0.2
    s for 100,000 links.
    """
    odds = possible.log_odds()
    by_way = possible.way >= 0
    if not by_way.any():
        return odds
    odds = odds.copy()
    for _ in range(_ROUNDS):
        chance = marginals(Links(possible.first, possible.second, odds), len(possible.camera))
        odds[by_way] = _judged(possible, by_way, chance, max(span_s, 1.0), least_born_per_s)
    return odds


def _judged(
    possible: Possible, by_way: npt.NDArray[np.bool_], chance: Floats, span_s: float, least_born_per_s: float
) -> Floats:
    """(k,) log odds of links by a way, from the chances of all."""
    ways, camera, cameras = possible.ways, possible.camera, len(possible.born_per_s)
    own, way = chance[by_way], possible.way[by_way]
    first, there = possible.first[by_way], camera[possible.second[by_way]]
    went: Floats = np.bincount(way, own, len(ways.usual_s)).astype(np.float64)
    others = np.maximum(went[way] - own, 0.0)
    taken = (_taken(possible, by_way, own) + _PRIOR * np.exp(possible.log_density[by_way])) / (others + _PRIOR)
    # What is known of a lane leans on what is known of its camera.
    lanes = int(possible.lane.max()) + 1
    seen, left = _sums(camera, possible.first, chance, cameras)
    stayed = np.maximum(seen - left, 0.0)[camera[first]] + own
    whole = seen[camera[first]] + _PRIOR
    lane_seen, lane_left = _sums(camera * lanes + possible.lane, possible.first, chance, cameras * lanes)
    lane = (camera * lanes + possible.lane)[first]
    lane_stayed = np.maximum(lane_seen - lane_left, 0.0)[lane] + own
    # Who was missed had gone towards the camera that missed them: the first leg's are the ones to lean on.
    is_over = ways.is_over[way]
    leg, mine = np.where(is_over, ways.before[way], way), np.where(is_over, 0.0, own)
    by_lane = np.bincount(way * lanes + possible.lane[first], own, len(ways.usual_s) * lanes)
    lane_others = np.maximum(by_lane[leg * lanes + possible.lane[first]] - mine, 0.0)
    goes = lane_others + _PRIOR * (np.maximum(went[leg] - mine, 0.0) + _PRIOR) / whole
    stays = lane_stayed + _PRIOR * (stayed + _PRIOR) / whole
    _, came = _sums(camera, possible.second, chance, cameras)
    goes[is_over] *= _missed(ways, way[is_over], own[is_over], went, came)
    by_none = (np.maximum(seen - came, 0.0)[there] + own + _PRIOR) / (seen[there] + _PRIOR)
    born = np.maximum(by_none * seen[there] / span_s, least_born_per_s)
    result: Floats = np.log(goes) - np.log(stays) + np.log(taken) - np.log(born)
    return result


def _missed(ways: Ways, way: Rows, own: Floats, went: Floats, came: Floats) -> Floats:
    """(k,) of who goes towards the camera between: how many it misses for each it sees, times the share of those it
    sees that go on by the second leg.

    Args: way, own: (k,) links over a camera, and their chances; went: (ways,) how many went by each; came: (cameras,).
    """
    over, known = np.flatnonzero(ways.is_over), np.flatnonzero(~ways.is_over)
    missed = np.bincount(ways.onward_of(over), went[over], len(came))
    at = ways.onward_of(way)
    share = np.maximum(missed[at] - own, 0.0) + _PRIOR_MISSED * MISSED
    share /= missed[at] + came[at] + _PRIOR_MISSED
    onward = np.bincount(ways.start[known], went[known], len(came))[at] + _PRIOR * ways.onward(len(came))[at]
    result: Floats = share / (1 - share) * (went[ways.after[way]] + _PRIOR) / onward
    return result


def _sums(place: Rows, ends: Rows, chance: Floats, count: int) -> tuple[Floats, Floats]:
    """(count,) how many passages there are in each place, and of how many a link of these ends tells."""
    seen = np.bincount(place, minlength=count).astype(np.float64)
    return seen, np.asarray(np.bincount(place[ends], chance, count), np.float64)


def _taken(possible: Possible, by_way: npt.NDArray[np.bool_], own: Floats) -> Floats:
    """(k,) of each link by a way, how many others a second took about as long by it."""
    way, ways = possible.way[by_way], len(possible.ways.usual_s)
    bin_s = np.maximum(BIN_S, possible.ways.usual_s / _BINS_A_WAY)[way]
    at = (np.maximum(possible.gap_s[by_way], 0.0) / bin_s).astype(np.int64)
    bins, half = int(at.max()) + 1, len(KERNEL) // 2
    counts = np.bincount(way * bins + at, own, ways * bins).reshape(ways, bins)
    padded = np.pad(counts, ((0, 0), (half, half)))
    smooth = np.sum([weight * padded[:, step : step + bins] for step, weight in enumerate(KERNEL)], axis=0)
    result: Floats = np.maximum(smooth[way, at] - own * KERNEL[half], 0.0) / bin_s
    return result


def lanes_of(first: Floats, last: Floats) -> Rows:
    """(n,) the way and the third of the picture by which each left: 0 for none, else 1 to 12, as `flows.lane_of`.

    Args: first, last: (n, 2) feet, shares of the frame.
    """
    across, down = (last - first).T
    moved = np.maximum(np.abs(across), np.abs(down)) >= MOVED
    is_across = np.abs(across) >= np.abs(down)
    way = np.where(is_across, np.where(across < 0, 0, 1), np.where(down < 0, 2, 3))
    third = np.clip((np.where(is_across, last[:, 1], last[:, 0]) * 3).astype(np.int64), 0, 2)
    result: Rows = np.where(moved, 1 + 3 * way + third, 0)
    return result
