"""From what two people confirmed to where else the person was: one person's chain of links, and no other.

Begins at verified tracks and goes on only over links that are likely enough; everybody else's tracks are alternatives
in one call's memory (`assignment.marginals`) and nothing that is returned. A person is in one place at a time. Where
looks may be asked for, they are asked for of the alternatives at hand alone, and weighed before the next step.
"""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace

from custodes.journey.assignment import Links
from custodes.journey.clothes import Alike, Clothes, Compare, Graph
from custodes.journey.resolve import KEPT, Floats
from custodes.journey.together import Met
from custodes.journey.ways import HANDOVER_S, Passage
from custodes.types.journey import LinkKind

LEAST = 0.5
"""A track that is as likely somebody else's is not told as the person's."""
LEAST_SEEN = 0.85
"""The same where looks were asked for: they find so many more that the doubtful ones need not be told. Chosen on the
grid's quiet tenth (ADR 134)."""
MAX_STEPS = 400
REACH_S = 3.0
"""A track that was the person's until so long before its end is thought to be so at its end."""
Company = Mapping[int, Met]
"""Index of a track → how it was one dot with the one that was asked for; where looks are known, its own as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Meet:
    """Whom somebody was seen with. `at_s`: when `index` is known to be the person."""

    index: int
    at_s: float


Wish = Meet | Compare
"""The company of a passage, or how alike pairs of passages look."""
Answer = Company | Alike
Walk = Generator[Wish, Answer, list["Step"]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One track of the chain. `came_from`: index of the passage it was found from, its own for a verified one.
    `look`: what looks said for the link, in nats; None where none were asked for or neither was seen."""

    index: int
    kind: LinkKind
    probability: float
    link_probability: float
    runner_up: float
    came_from: int
    look: float | None = None
    at_s: float = 0.0
    """When it is likeliest the person's."""
    spans_s: tuple[tuple[float, float], ...] = ()
    """When it was the person's; empty where all of it is meant."""


def trail(
    passages: Sequence[Passage],
    links: Links,
    chance: Floats,
    *,
    verified: Mapping[int, float],
    excluded: Sequence[int],
    has_looks: bool = False,
) -> Walk:
    """Asks for the company of a passage by yielding a `Meet`, and for looks by a `Compare`; returns the steps, by
    start.

    Args: chance: (m,) probability of each link; verified: indices that two people said are the person's, and when, in
    seconds; excluded: those that are not; has_looks: whether pairs may be asked for, none ever of an excluded track.
    """
    graph = Graph(links, chance, frozenset(excluded), len(passages))
    clothes, least = (Clothes(graph), LEAST_SEEN) if has_looks else (None, LEAST)
    known: dict[int, Company] = {}
    found = {index: Step(index=index, kind=LinkKind.VERIFIED, probability=1.0, link_probability=1.0, runner_up=0.0,
                         came_from=index, at_s=at_s) for index, at_s in verified.items()}  # fmt: skip
    waiting, done = set(found), list[int]()
    while waiting and len(done) < MAX_STEPS:
        index = max(waiting, key=lambda one: found[one].probability)
        waiting.discard(index)
        done.append(index)
        yield from _meet(found[index], known, passages)
        met = known[index]
        group = _group(index, met, graph.excluded)
        steps = [
            _together(found[index], other, one) for other, one in met.items() if other != index and one.share >= KEPT
        ]
        for is_after in (True, False):
            there = [one for one in group if _reaches(passages[one], met.get(one), is_after=is_after)]
            if clothes is not None:
                yield from clothes.look_on(there, group, is_after=is_after, one=found)
            best = yield from _onward(graph, is_after, (there, group), found[index], known, passages, clothes)
            steps += best
        for step in steps:
            before = found.get(step.index)
            is_better = before is None or before.probability < step.probability
            if step.index not in done and step.index not in graph.excluded and is_better and step.probability >= least:
                found[step.index] = step
                waiting.add(step.index)
    mine = [_when(found[index], passages[index], known[index].get(index)) for index in done]
    kept = _in_one_place(mine, passages, known)
    return sorted(kept, key=lambda one: (_spans(one, passages)[0], one.index))


def _meet(step: Step, known: dict[int, Company], passages: Sequence[Passage]) -> Generator[Wish, Answer, None]:
    """Learn who was with a track, if that is not known yet. Whoever was one dot with it has the same company."""
    if step.index in known:
        return
    answer = yield Meet(index=step.index, at_s=step.at_s)
    company = {one: met for one, met in answer.items() if isinstance(one, int) and isinstance(met, Met)}
    known[step.index] = company
    if step.index in company:
        for other, met in company.items():
            if met.share >= KEPT:
                known.setdefault(other, company)


def _reaches(passage: Passage, met: Met | None, *, is_after: bool) -> bool:
    """Whether it is the person's at its end (or beginning), as far as is known."""
    if met is None or not met.spans:
        return True
    if is_after:
        return max(end_s for _, end_s in met.spans) >= passage.end_s - REACH_S
    return min(start_s for start_s, _ in met.spans) <= passage.start_s + REACH_S


def _when(step: Step, passage: Passage, met: Met | None) -> Step:
    """With when it was the person's."""
    spans = () if met is None else met.spans
    inside = tuple((max(low, passage.start_s), min(high, passage.end_s)) for low, high in spans)
    return replace(step, spans_s=tuple((low, high) for low, high in inside if low < high))


def _group(index: int, met: Company, excluded: frozenset[int]) -> list[int]:
    """The track and those that were seen with it: whoever goes on from one of them goes on from all."""
    others = (other for other, one in met.items() if one.share >= KEPT and other not in excluded and other != index)
    return [index, *others]


def _together(step: Step, other: int, met: Met) -> Step:
    return Step(
        index=other,
        kind=LinkKind.TOGETHER,
        probability=step.probability * met.share,
        link_probability=met.share,
        runner_up=1 - met.share,
        came_from=step.index,
        look=met.look,
        at_s=_middle(met, step.at_s),
    )


def _middle(met: Met, otherwise_s: float) -> float:
    low, high = max(met.spans, key=lambda one: one[1] - one[0], default=(otherwise_s, otherwise_s))
    return (low + high) / 2


def _onward(
    graph: Graph,
    is_after: bool,
    groups: tuple[Sequence[int], Sequence[int]],
    step: Step,
    known: dict[int, Company],
    passages: Sequence[Passage],
    clothes: Clothes | None,
) -> Generator[Wish, Answer, list[Step]]:
    """The best continuation on one side, if it is likely enough.

    Worlds in which one of the group goes on as the best exclude one another, so their chances add up; so do those of
    one of them going on as any that is one with the best. Args: groups: those who could go on, and everybody who is
    the person already.
    """
    there, group = groups
    sums = graph.onward(there, group, is_after=is_after)
    if not sums:
        return []
    best = max(sums, key=lambda other: (sums[other], -other))
    whole = sums[best]
    if whole < KEPT <= sum(sums.values()):
        at_s = passages[best].start_s if is_after else passages[best].end_s
        yield from _meet(replace(step, index=best, at_s=at_s), known, passages)
        one = {best, *(other for other in sums if _share(known, best, other) >= KEPT)}
        # One track goes on as one, and comes from one. That several do, each in its own picture, is one event: it
        # does not add up.
        each = [sum(share for other, share in graph.side(member, is_after=is_after).items() if other in one)
                for member in there]  # fmt: skip
        whole = max(*(sums[other] for other in one), *each)
    whole = min(whole, 1.0)
    if whole < KEPT:
        return []
    rest = [share for other, share in sums.items() if other != best and _share(known, best, other) < KEPT]
    return [
        Step(
            index=best,
            kind=LinkKind.TRANSIT,
            probability=step.probability * whole,
            link_probability=whole,
            runner_up=min(max(rest, default=0.0), 1 - whole),
            came_from=step.index,
            look=None if clothes is None else clothes.between(there, best),
            at_s=passages[best].start_s if is_after else passages[best].end_s,
        )
    ]


def _share(known: Mapping[int, Company], one: int, other: int) -> float:
    met = known.get(one, {}).get(other)
    return 0.0 if met is None else met.share


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
    """Whether a step and one that is at least as likely say two places. Where the likelier one was is known to its
    end, whoever else's dot it may have been later."""
    shared_s = max(
        min(one[1], two[1]) - max(one[0], two[0]) for one in _spans(step, passages) for two in _spans(other, passages)
    )
    if shared_s <= HANDOVER_S:
        return False
    if passages[step.index].camera_id == passages[other.index].camera_id:
        return True
    share = _share(known, other.index, step.index)
    if not other.spans_s:
        share = max(share, _share(known, step.index, other.index))  # of long tracks not all was asked
    if share >= KEPT:
        return False
    # Pictures of different floors, or whose ground nobody measured: two verified ones are for people to judge.
    return not (step.kind is LinkKind.VERIFIED and other.kind is LinkKind.VERIFIED)


def _spans(step: Step, passages: Sequence[Passage]) -> tuple[tuple[float, float], ...]:
    one = passages[step.index]
    return step.spans_s or ((one.start_s, one.end_s),)
