"""Looks in a chain of links: which pairs of tracks are worth a look, and what the answer makes of the chances.

Knows no vector: pairs go out (to the job, `app.job_looks`), nats come back. A look is asked for of the alternatives of
one step: who could follow, and who else each of the likeliest could be.
"""

from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from custodes.journey.assignment import Beliefs, Links
from custodes.journey.resolve import Floats, Rows

NEVER = 0.01
FOLLOWERS = 40
"""Tracks that are looked at because they could be the next; of busy places more than so many are."""
RIVALS = 20
"""Tracks that are looked at because the likeliest next one could be theirs."""
CONTESTED = 4
"""So many of the likeliest are asked whose else they could be."""
AGAIN = 2000
"""Pairs that are told again as more is known of what likeness says; half of what a job answers at once."""
_LEAST_SHARE = 0.02
_LEAST_RIVAL = 0.1

Pair = tuple[int, int]
"""Indices of two passages, the smaller first."""
Pairs = tuple[Pair, ...]
Alike = Mapping[Pair, float | None]
"""Nats for one person; None where one of them was not seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compare:
    """Asks how alike pairs are. `chances`: how likely those that are new, which stand first, are one person by all but
    their looks, which teaches what likeness says; the others were asked before, and are told again as it is known now.
    `one`: tracks that are the person, as far as is known, and were asked about before."""

    pairs: Pairs
    chances: Mapping[Pair, float]
    one: tuple[int, ...] = ()


Asks = Generator[Compare, Alike, None]


class Graph:
    """Links by either end, with their chances, which change as more becomes known."""

    def __init__(self, links: Links, chance: Floats, excluded: frozenset[int], count: int) -> None:
        self.excluded = excluded
        self._beliefs = Beliefs(links, count)
        self._chance = chance
        self._by_first, self._by_second = _Rows(links.first, count), _Rows(links.second, count)

    def side(self, index: int, *, is_after: bool) -> dict[int, float]:
        """Who could follow (or come before) a passage, given that nobody excluded does → chance."""
        links = self._beliefs.links
        rows = (self._by_first if is_after else self._by_second).of(index)
        others = (links.second if is_after else links.first)[rows]
        shares = self._chance[rows]
        keep = shares > NEVER
        return _given(dict(zip(others[keep].tolist(), shares[keep].tolist(), strict=True)), self.excluded)

    def onward(self, there: Sequence[int], group: Sequence[int], *, is_after: bool) -> dict[int, float]:
        """The same of several passages that are one person; `group`: all that are."""
        sums: dict[int, float] = {}
        for member in there:
            for other, share in self.side(member, is_after=is_after).items():
                if other not in group:
                    sums[other] = sums.get(other, 0.0) + share
        return sums

    def chance_of(self, pair: Pair) -> float:
        """That they follow one another, whichever is first."""
        one, other = pair
        links = self._beliefs.links
        found = 0.0
        for first, second in ((one, other), (other, one)):
            mine = self._by_first.of(first)
            found += float(self._chance[mine[links.second[mine] == second]].sum())
        return min(found, 1.0)

    def weigh(self, alike: Mapping[Pair, float]) -> None:
        """Take in what looks say of some pairs, beyond what was taken in before."""
        links, rows, nats = self._beliefs.links, list[int](), list[float]()
        for (one, other), said in alike.items():
            for first, second in ((one, other), (other, one)):
                mine = self._by_first.of(first)
                found = mine[links.second[mine] == second].tolist()
                rows += found
                nats += [said] * len(found)
        if rows:
            self._beliefs.weigh(np.array(rows, np.int64), np.array(nats))
            self._chance = self._beliefs.chance()


@dataclass(slots=True)
class _Rows:
    """Rows of links by one end."""

    order: Rows
    begins: Rows

    def __init__(self, ends: Rows, count: int) -> None:
        self.order = np.argsort(ends, kind="stable")
        self.begins = np.searchsorted(ends[self.order], np.arange(count + 1))

    def of(self, index: int) -> Rows:
        result: Rows = self.order[self.begins[index] : self.begins[index + 1]]
        return result


def _given(some: Mapping[int, float], excluded: frozenset[int]) -> dict[int, float]:
    """Chances of continuations, given that it is none of the excluded."""
    left = 1.0 - sum(share for other, share in some.items() if other in excluded)
    return {other: min(share / max(left, NEVER), 1.0) for other, share in some.items() if other not in excluded}


class Clothes:
    """What looks have said so far in one chain."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._said: dict[Pair, float | None] = {}
        self._one: tuple[int, ...] = ()

    def between(self, group: Iterable[int], other: int) -> float | None:
        """What looks said most strongly of a track and one of a group; None where nothing was seen."""
        said = [self._said.get(_pair(one, other)) for one in group]
        return max((one for one in said if one is not None), key=abs, default=None)

    def look_on(self, there: Sequence[int], group: Sequence[int], *, is_after: bool, one: Iterable[int] = ()) -> Asks:
        """Look at who could be next, then at whose else the likeliest could be. Args: as `Graph.onward`; one: all that
        are the person so far."""
        self._one = tuple(sorted(one))
        wanted = [
            (member, other)
            for member in there
            for other in _best(self._graph.side(member, is_after=is_after), FOLLOWERS, _LEAST_SHARE)
            if other not in group
        ]
        yield from self._ask(wanted)
        likely = _best(self._graph.onward(there, group, is_after=is_after), CONTESTED, _LEAST_RIVAL)
        rivals = [
            (rival, other)
            for other in likely
            for rival in _best(self._graph.side(other, is_after=not is_after), RIVALS, _LEAST_SHARE)
            if rival not in group
        ]
        yield from self._ask(rivals)

    def _ask(self, wanted: Iterable[Pair]) -> Asks:
        fresh = {_pair(one, other) for one, other in wanted} - self._said.keys()
        pairs = sorted(pair for pair in fresh if not self._graph.excluded & {*pair})
        if not pairs:
            return
        again = list(self._said)[-AGAIN:]
        seen = {index for pair in (*pairs, *again) for index in pair}
        alike = yield Compare(
            pairs=(*pairs, *again),
            chances={pair: self._graph.chance_of(pair) for pair in pairs},
            one=tuple(index for index in self._one if index in seen),
        )
        answered = {pair: alike.get(pair) for pair in (*pairs, *again)}
        more = {pair: (said or 0.0) - (self._said.get(pair) or 0.0) for pair, said in answered.items()}
        self._said |= answered
        self._graph.weigh({pair: nats for pair, nats in more.items() if nats})


def _pair(one: int, other: int) -> Pair:
    return (one, other) if one < other else (other, one)


def _best(shares: Mapping[int, float], most: int, least: float) -> list[int]:
    """The likeliest, if they are likely at all."""
    likely = [other for other, share in shares.items() if share >= least]
    return sorted(likely, key=lambda other: (-shares[other], other))[:most]
