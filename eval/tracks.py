"""Following everybody in a set of tracks whose owners are known: journeys as the server makes them; scores."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from custodes.journey.alike import Closet, Looked
from custodes.journey.assignment import marginals
from custodes.journey.clothes import Alike, Compare
from custodes.journey.fusion import Placed, TrackKey
from custodes.journey.together import Met, company, in_seconds, stays
from custodes.journey.trail import Answer, Company, Meet, Step, trail
from custodes.journey.usual import Way
from custodes.journey.ways import Passage, links
from custodes.types.journey import LinkKind
from custodes.units import NS_PER_S, CameraId
from eval.dressed import Vectors
from eval.report import Report

AROUND_NS = 2 * NS_PER_S
NOT_JUDGED = -2
"""Whose a measurement is, where the truth does not say."""

Ways = Mapping[tuple[CameraId, CameraId], Way]
Looks = Callable[[int], Looked]
"""Of a passage, by index."""
Whose = tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]
"""A track's moments, in seconds, and whose it was in each."""


@dataclass
class Seen:
    """One track: what it measured, and whose boxes these were."""

    places: list[tuple[int, Placed]] = field(default_factory=list)
    feet: list[tuple[float, float]] = field(default_factory=list)
    owners: Counter[int] = field(default_factory=Counter)
    whose: list[int] = field(default_factory=list)
    """Of each measurement; −1 for nobody's, `NOT_JUDGED` where the truth does not say."""

    @property
    def owner(self) -> int:
        """Whose most of it is; −1 for nobody's."""
        return self.owners.most_common(1)[0][0]


@dataclass
class Tally:
    """Over all journeys."""

    told: int = 0
    right: int = 0
    moments: int = 0
    moments_right: int = 0
    moments_seen: int = 0
    links: list[tuple[float, bool]] = field(default_factory=list)
    steps: list[tuple[float, bool]] = field(default_factory=list)

    def take(self, steps: Sequence[Step], tracks: Sequence[Whose], who: int) -> None:
        """One person's steps. tracks: all."""
        for step in steps:
            times_s, owners = tracks[step.index]
            inside = np.ones(len(owners), bool)
            if step.spans_s:
                inside = np.any([(times_s >= low) & (times_s <= high) for low, high in step.spans_s], axis=0)
            told = owners[inside & (owners != NOT_JUDGED)]
            if not len(told):
                continue
            is_right = Counter(told.tolist()).most_common(1)[0][0] == who
            if step.kind is not LinkKind.VERIFIED:
                self.told += 1
                self.right += is_right
                self.links.append((step.link_probability, is_right))
                self.steps.append((step.probability, is_right))
            self.moments += len(told)
            self.moments_right += int((told == who).sum())
        self.moments_seen += sum(int((owners == who).sum()) for _, owners in tracks)

    def into(self, report: Report, name: str) -> None:
        """Scores under `name`."""
        report.results[f"{name}_precision"] = round(self.right / max(self.told, 1), 4)
        report.results[f"{name}_moments_precision"] = round(self.moments_right / max(self.moments, 1), 4)
        report.results[f"{name}_recall"] = round(self.moments_right / max(self.moments_seen, 1), 4)
        report.results[f"{name}_told"] = self.told
        if self.links:
            chance = np.array([one for one, _ in self.links])
            truth = np.array([is_right for _, is_right in self.links])
            report.results[f"{name}_calibration_error"] = round(abs(float(chance.mean() - truth.mean())), 4)


class Walk:
    """One stretch with its links, ready for many journeys."""

    def __init__(self, passages: Sequence[Passage], ways: Ways, span_s: float) -> None:
        self._passages = passages
        self._links = links(passages, ways, span_s)
        self._chance = marginals(self._links, len(passages))

    def follow(
        self, anchor: int, at_s: float, ask: Callable[[Meet], Company], looks: Looks | None = None
    ) -> list[Step]:
        """From a track that was verified at a moment; `ask`: its company, where views overlap; `looks`: a track's."""
        closet = Closet()

        def alike(asked: Compare) -> Alike:
            assert looks is not None
            for index in {index for pair in asked.pairs for index in pair if index not in closet}:
                closet.put(index, looks(index))
            return dict(zip(asked.pairs, closet.nats(asked.pairs, asked.chances, asked.one), strict=True))

        chain = trail(
            self._passages,
            self._links,
            self._chance,
            verified={anchor: at_s},
            excluded=[],
            has_looks=looks is not None,
        )
        try:
            wanted = next(chain)
            while True:
                answer: Answer = ask(wanted) if isinstance(wanted, Meet) else alike(wanted)
                wanted = chain.send(answer)
        except StopIteration as ended:
            found: list[Step] = ended.value
            return found


def sampled(seen: Seen) -> list[int]:
    """Four of its measurements all over it that nobody stood in the way of, or any."""
    clear = [at for at, (_, one) in enumerate(seen.places) if not one.is_mixed] or list(range(len(seen.places)))
    return [clear[at] for at in np.linspace(0, len(clear) - 1, min(4, len(clear))).round().astype(int).tolist()]


def _or_none(look: Vectors) -> npt.NDArray[np.float64] | None:
    return look.astype(np.float64) if look.any() else None


def follow_all(tracks: Mapping[TrackKey, Seen], tally: Tally, looks: Mapping[TrackKey, Vectors] | None = None) -> None:
    """Everybody, each from the middle of their longest track. `looks`: (n, d) of each track's measurements."""
    keys = sorted(tracks, key=lambda key: (tracks[key].places[0][0], key))
    origin_ns = tracks[keys[0]].places[0][0]
    passages = [_passage(key, tracks[key], origin_ns) for key in keys]
    everything = sorted(
        (
            (utc_ns, one if looks is None else replace(one, look=_or_none(looks[key][at])))
            for key in keys
            for at, (utc_ns, one) in enumerate(tracks[key].places)
        ),
        key=lambda one: one[0],
    )
    moments = np.array([one[0] for one in everything])
    index_of = {key: index for index, key in enumerate(keys)}

    def within(low_s: float, high_s: float) -> list[tuple[int, Placed]]:
        low, high = (round(at * NS_PER_S) + origin_ns for at in (low_s, high_s))
        begin, stop = np.searchsorted(moments, [low - AROUND_NS, high + AROUND_NS])
        return everything[begin:stop]

    def ask(wanted: Meet) -> Company:
        one = passages[wanted.index]
        shares = company(within(one.start_s, one.end_s), one.key)
        return {index_of[key]: Met(share=share) for key, share in shares.items() if key in index_of}

    def ask_dots(wanted: Meet) -> Company:
        met = stays(
            lambda low_ns, high_ns: within((low_ns - origin_ns) / NS_PER_S, (high_ns - origin_ns) / NS_PER_S),
            passages[wanted.index].key,
            round(wanted.at_s * NS_PER_S) + origin_ns,
        )
        return {index_of[key]: in_seconds(one, origin_ns) for key, one in met.items() if key in index_of}

    cameras = sorted({key[0] for key in keys})

    def looked(index: int) -> Looked:
        assert looks is not None
        seen = tracks[keys[index]]
        vectors = looks[keys[index]][sampled(seen)]
        vectors = vectors[np.any(vectors, axis=1)]
        first, last = (seen.places[at][0] for at in (0, -1))
        return Looked(camera=cameras.index(keys[index][0]), start_ns=first, end_ns=last, vectors=vectors)

    walk = Walk(passages, {}, passages[-1].end_s)
    owners = [tracks[key].owner for key in keys]
    whose = [
        ((np.array([at for at, _ in tracks[key].places]) - origin_ns) / NS_PER_S, np.array(tracks[key].whose))
        for key in keys
    ]
    for who in sorted({owner for owner in owners if owner >= 0}):
        anchor = max((index for index, owner in enumerate(owners) if owner == who), key=lambda at: len(whose[at][1]))
        mine = whose[anchor][0][whose[anchor][1] == who]
        at_s = float(mine[len(mine) // 2])
        steps = walk.follow(anchor, at_s, ask, None) if looks is None else walk.follow(anchor, at_s, ask_dots, looked)
        tally.take(steps, whose, who)


def _passage(key: TrackKey, seen: Seen, origin_ns: int) -> Passage:
    first, last = seen.places[0], seen.places[-1]
    return Passage(
        key=key,
        start_s=(first[0] - origin_ns) / NS_PER_S,
        end_s=(last[0] - origin_ns) / NS_PER_S,
        first=seen.feet[0],
        last=seen.feet[-1],
        floor="campus",
        enter_m=(float(first[1].place_m[0]), float(first[1].place_m[1])),
        leave_m=(float(last[1].place_m[0]), float(last[1].place_m[1])),
    )
