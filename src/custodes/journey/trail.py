"""From what two people confirmed to where else the person was: one person's chain of links, and no other.

Begins at verified tracks and goes on only over links that are likely enough; everybody else's tracks are alternatives
in one call's memory (`assignment.marginals`) and nothing that is returned. A person is in one place at a time.
"""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass

from custodes.journey.assignment import Links
from custodes.journey.resolve import KEPT, Floats
from custodes.journey.ways import HANDOVER_S, Passage
from custodes.types.journey import LinkKind

LEAST = 0.5
"""A track that is as likely somebody else's is not told as the person's."""
MAX_STEPS = 400
_NEVER = 0.01
Company = Mapping[int, float]
"""Index of another camera's track → share of the common moments in which both were one dot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One track of the chain. `came_from`: index of the passage it was found from, its own for a verified one."""

    index: int
    kind: LinkKind
    probability: float
    link_probability: float
    runner_up: float
    came_from: int


def trail(
    passages: Sequence[Passage], links: Links, chance: Floats, *, verified: Sequence[int], excluded: Sequence[int]
) -> Generator[int, Company, list[Step]]:
    """Asks for the company of a passage by yielding its index; returns the steps, by start.

    Args: chance: (m,) probability of each link; verified, excluded: indices that two people said are the person's, and
    are not.
    """
    graph = _Graph(links, chance, frozenset(excluded))
    known: dict[int, Company] = {}
    found = {index: Step(index=index, kind=LinkKind.VERIFIED, probability=1.0, link_probability=1.0, runner_up=0.0,
                         came_from=index) for index in verified}  # fmt: skip
    waiting, done = set(found), list[int]()
    while waiting and len(done) < MAX_STEPS:
        index = max(waiting, key=lambda one: found[one].probability)
        waiting.discard(index)
        done.append(index)
        if index not in known:
            known[index] = yield index
        group = _group(index, known[index], graph.excluded)
        steps = [_together(found[index], other, share) for other, share in known[index].items() if share >= KEPT]
        for side in (graph.after, graph.before):
            best = yield from _onward(side, group, found[index], known)
            steps += best
        for step in steps:
            before = found.get(step.index)
            is_better = before is None or before.probability < step.probability
            if step.index not in done and step.index not in graph.excluded and is_better and step.probability >= LEAST:
                found[step.index] = step
                waiting.add(step.index)
    kept = _in_one_place([found[index] for index in done], passages, known)
    return sorted(kept, key=lambda one: (passages[one.index].start_s, one.index))


class _Graph:
    """Links by either end."""

    def __init__(self, links: Links, chance: Floats, excluded: frozenset[int]) -> None:
        self.excluded = excluded
        self.after: dict[int, dict[int, float]] = {}
        self.before: dict[int, dict[int, float]] = {}
        for first, second, share in zip(links.first.tolist(), links.second.tolist(), chance.tolist(), strict=True):
            if share > _NEVER:
                self.after.setdefault(first, {})[second] = share
                self.before.setdefault(second, {})[first] = share
        for side in (self.after, self.before):
            for index, some in side.items():
                side[index] = _given(some, excluded)


def _given(some: Mapping[int, float], excluded: frozenset[int]) -> dict[int, float]:
    """Chances of continuations, given that it is none of the excluded."""
    left = 1.0 - sum(share for other, share in some.items() if other in excluded)
    return {other: min(share / max(left, _NEVER), 1.0) for other, share in some.items() if other not in excluded}


def _group(index: int, met: Company, excluded: frozenset[int]) -> list[int]:
    """The track and those that were seen with it: whoever goes on from one of them goes on from all."""
    return [index, *(other for other, share in met.items() if share >= KEPT and other not in excluded)]


def _together(step: Step, other: int, share: float) -> Step:
    return Step(
        index=other,
        kind=LinkKind.TOGETHER,
        probability=step.probability * share,
        link_probability=share,
        runner_up=1 - share,
        came_from=step.index,
    )


def _onward(
    side: Mapping[int, Mapping[int, float]], group: Sequence[int], step: Step, known: dict[int, Company]
) -> Generator[int, Company, list[Step]]:
    """The best continuation on one side, if it is likely enough. Worlds in which one of the group goes on exclude one
    another, so their chances add up; so do those of the tracks that are one with the best."""
    sums: dict[int, float] = {}
    for member in group:
        for other, share in side.get(member, {}).items():
            if other not in group:
                sums[other] = sums.get(other, 0.0) + share
    if not sums:
        return []
    best = max(sums, key=lambda other: (sums[other], -other))
    whole = sums[best]
    if whole < KEPT <= sum(sums.values()):
        if best not in known:
            known[best] = yield best
        whole += sum(share for other, share in sums.items() if known[best].get(other, 0.0) >= KEPT)
    whole = min(whole, 1.0)
    if whole < KEPT:
        return []
    one_with = known.get(best, {})
    rest = [share for other, share in sums.items() if other != best and one_with.get(other, 0.0) < KEPT]
    return [
        Step(
            index=best,
            kind=LinkKind.TRANSIT,
            probability=step.probability * whole,
            link_probability=whole,
            runner_up=min(max(rest, default=0.0), 1 - whole),
            came_from=step.index,
        )
    ]


def _in_one_place(steps: Sequence[Step], passages: Sequence[Passage], known: Mapping[int, Company]) -> list[Step]:
    """Nobody is in two pictures at once, unless both show the same ground: the likelier one stays, and what hung on
    the other goes with it."""
    kept: list[Step] = []
    # Stable: what was found from another one comes after it.
    for step in sorted(steps, key=lambda one: -one.probability):
        is_rooted = step.came_from == step.index or any(one.index == step.came_from for one in kept)
        if is_rooted and not any(_clash(step, other, passages, known) for other in kept):
            kept.append(step)
    return kept


def _clash(step: Step, other: Step, passages: Sequence[Passage], known: Mapping[int, Company]) -> bool:
    one, two = passages[step.index], passages[other.index]
    shared_s = min(one.end_s, two.end_s) - max(one.start_s, two.start_s)
    if shared_s <= HANDOVER_S:
        return False
    if one.camera_id == two.camera_id:
        return True
    share = max(known.get(step.index, {}).get(other.index, 0.0), known.get(other.index, {}).get(step.index, 0.0))
    if share >= KEPT:
        return False
    # Pictures of different floors, or whose ground nobody measured: two verified ones are for people to judge.
    return not (step.kind is LinkKind.VERIFIED and other.kind is LinkKind.VERIFIED)
