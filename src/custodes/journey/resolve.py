"""Everything again, at leisure: which tracklets of a stretch were one object, with the probability of each link.

First from single looks; then from the mean looks of what is surely one, which lets the rest be told better.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from custodes.journey.assignment import Links, decide, doubted, marginals
from custodes.journey.tracklets import Candidates, Tracklets, candidates, centred, chains
from custodes.journey.transit import TransitModel, evident, learn, strangers

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

WINDOW_S = (2.0, 240.0)
MOST = 40
SURE = 0.9
"""From this probability on a link's looks may speak for each other."""
TOLD = 0.82
"""From this probability on a link is told."""
KEPT = 0.7
"""Below, a link is told as unknown: a wrong one joins two objects, a missing one only parts one."""
_PASSES = 2
_COUNTS = 3
"""Looks over so many and more spread alike."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """`first`, `second` (k,): links that hold; `probability` (k,). `pairs`, `chance`: all that were considered.
    `model`: what was learnt on the way."""

    first: Rows
    second: Rows
    probability: Floats
    pairs: Candidates
    chance: Floats
    model: TransitModel


def resolve(
    tracklets: Tracklets, *, window_s: tuple[float, float] = WINDOW_S, most: int = MOST, least: float = TOLD
) -> Resolved:
    """All links of a stretch. Deterministic. About 10 s for an hour of 76 cameras with 10,000 tracklets on one
    core.

    Args: least: probability of a link that is told. A wrong one joins two objects and all that hangs on them, a
    missing one only parts one; where links are only summed up, `KEPT` is right.
    """
    looks = centred(tracklets)
    pairs = candidates(tracklets, looks, window_s=window_s, most=most)
    is_blind = not np.isfinite(looks).any()
    if is_blind:
        keep = evident(tracklets, window_s)[tracklets.camera[pairs.first], tracklets.camera[pairs.second]]
        pairs = Candidates(*(getattr(pairs, name)[keep] for name in ("first", "second", "gap_s", "cosine")))
    model, chance = learn(tracklets, pairs, strangers(tracklets, looks, looks), window_s=window_s)
    kind = np.zeros(len(pairs.first), np.int64)
    for _ in range(0 if is_blind else _PASSES):
        links = Links(pairs.first, pairs.second, model.log_odds(tracklets, pairs, chance, kind))
        is_sure = decide(links, len(tracklets)) & (chance >= SURE)
        whole = chains(looks, pairs.first[is_sure], pairs.second[is_sure])
        fresh = candidates(tracklets, whole.before, window_s=window_s, most=most, later=whole.after)
        start = _carried(pairs, chance, fresh, len(tracklets))
        over = np.stack(
            [_COUNTS * (np.minimum(whole.count_before, _COUNTS) - 1), np.minimum(whole.count_after, _COUNTS) - 1]
        )
        kind = over[0][fresh.first] + over[1][fresh.second]
        drawn = strangers(tracklets, whole.before, whole.after, over)
        model, chance = learn(tracklets, fresh, drawn, window_s=window_s, rounds=5, kind=kind, chance=start)
        pairs = fresh
    links = Links(pairs.first, pairs.second, model.log_odds(tracklets, pairs, chance, kind))
    chance = marginals(links, len(tracklets))
    chance = chance if is_blind else doubted(chance)
    kept = decide(links, len(tracklets)) & (chance >= least)
    return Resolved(
        first=pairs.first[kept],
        second=pairs.second[kept],
        probability=chance[kept],
        pairs=pairs,
        chance=chance,
        model=model,
    )


def _carried(before: Candidates, chance: Floats, fresh: Candidates, count: int) -> Floats:
    """(m,) what is known of pairs that are considered again; 0 for new ones."""
    keys = before.first * count + before.second
    order = np.argsort(keys)
    wanted = fresh.first * count + fresh.second
    at = np.minimum(np.searchsorted(keys[order], wanted), len(keys) - 1)
    result: Floats = np.where(keys[order][at] == wanted, chance[order][at], 0.0)
    return result


def numbers(count: int, first: Rows, second: Rows) -> Rows:
    """(n,) the same number for all tracklets that links join: that of the earliest."""
    found = np.arange(count)
    for one, other in sorted(zip(first.tolist(), second.tolist(), strict=True), key=lambda pair: pair[1]):
        found[other] = found[one]
    return found
