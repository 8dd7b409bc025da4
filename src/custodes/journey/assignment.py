"""Who went on as whom: probabilities and decisions over many possible links, one to one. Knows no camera and no time.

Every tracklet may go on as at most one other, and come from at most one. A link's weight is its odds: how much
likelier what was seen is if both are one object than if the first went away and the second came new.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

_ROUNDS = 60
_SAME = 1e-4
_MAX_LOG = 60.0
_LEAST = 1e-12
DOUBT = 0.7
"""Nats. Where many look alike, a model that learns from its own links is five points too sure, because each link's
neighbours, which taught it ways and times, were chosen by the same looks. Chosen on one seed of the grid's looks,
checked on another (ADR 125)."""
_SHARP = 2
"""Power of how sure links are, on the whole, with which doubt in what they teach falls (ADR 141)."""


@dataclass(frozen=True, slots=True)
class Links:
    """m possible links: `first` (m,) and `second` (m,) are indices of tracklets; `log_odds` (m,)."""

    first: Rows
    second: Rows
    log_odds: Floats


def marginals(links: Links, count: int) -> Floats:
    """(m,) probability of each link, all others considered.

    Belief propagation on the graph of alternatives; converges always, and is within a point or two of exact here.
    Source: Williams & Lau, *Approximate evaluation of marginal association probabilities with belief propagation*,
    2014.
    Args: count: of tracklets. Cost: O(m) a round, about 0.2 s for 400,000 links.
    """
    return Beliefs(links, count).chance()


class Beliefs:
    """`marginals` of links about which more becomes known: begins each time where it ended, which is near."""

    def __init__(self, links: Links, count: int) -> None:
        self.links = links
        self._count = count
        self._back = np.ones(len(links.log_odds))

    def weigh(self, rows: Rows, nats: Floats) -> None:
        """Add to the log odds of some links, each row once."""
        log_odds = self.links.log_odds.copy()
        log_odds[rows] += nats
        self.links = Links(self.links.first, self.links.second, log_odds)

    def chance(self) -> Floats:
        """See `marginals`."""
        links, count, back = self.links, self._count, self._back
        odds = np.exp(np.clip(links.log_odds, -_MAX_LOG, _MAX_LOG))
        for _ in range(_ROUNDS):
            weighted = odds * back
            total = np.bincount(links.first, weighted, count)[links.first]
            forth = odds / (1 + np.maximum(total - weighted, 0.0))
            arriving = np.bincount(links.second, forth, count)[links.second]
            fresh = 1 / (1 + np.maximum(arriving - forth, 0.0))
            change = float(np.abs(fresh - back).max(initial=0.0))
            back = fresh
            if change < _SAME:
                break
        self._back = back
        weighted = odds * back
        result: Floats = weighted / (1 + np.bincount(links.first, weighted, count)[links.first])
        return result


def doubted(chance: Floats, doubt: float = DOUBT) -> Floats:
    """(m,) probabilities so many nats less sure: as a model tells them that learnt from its own links."""
    inner = np.clip(chance, _LEAST, 1 - _LEAST)
    result: Floats = 1 / (1 + np.exp(doubt) * (1 - inner) / inner)
    return result


def taught(first: Rows, second: Rows, chance: Floats) -> Floats:
    """(m,) what chances teach a model that learns from its own links again and again: less than they say (ADR 141).

    That a tracklet went on at all, or came from anywhere, is `DOUBT` less sure where links are sure; which of several
    it was is no less so. Where links are unsure on the whole there is nothing that could have been overdone.
    """
    whole = max(float(chance.sum()), _LEAST)
    doubt = DOUBT * (float((chance**2).sum()) / whole) ** _SHARP
    shares = np.ones(len(chance))
    for of in (first, second):
        together = np.minimum(np.bincount(of, chance), 1.0)
        shares = np.minimum(shares, (doubted(together, doubt) / np.maximum(together, _LEAST))[of])
    return chance * shares


def decide(links: Links, count: int) -> npt.NDArray[np.bool_]:
    """(m,) the set of links that is likeliest as a whole, each tracklet at most once on each side.

    Links of odds below one are never in it. Sparse Jonker-Volgenant; about 0.3 s for 10,000 tracklets.
    """
    chosen = np.zeros(len(links.first), bool)
    worth = np.flatnonzero(links.log_odds > 0)
    if not len(worth):
        return chosen
    first, second, gain = links.first[worth], links.second[worth], links.log_odds[worth]
    # Each first may also stay alone: a column of its own, which costs what no link would gain.
    top = float(gain.max()) + 1.0
    rows = np.concatenate([first, np.arange(count)])
    columns = np.concatenate([second, count + np.arange(count)])
    cost = np.concatenate([top - gain, np.full(count, top)])
    # Importing it takes a third of a second, which each start of the server would pay before the first page.
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import min_weight_full_bipartite_matching

    matrix = csr_matrix((cost, (rows, columns)), shape=(count, 2 * count))
    row, column = min_weight_full_bipartite_matching(matrix)
    partner = np.full(count, -1, np.int64)
    partner[row] = column
    chosen[worth] = partner[first] == second
    return chosen
