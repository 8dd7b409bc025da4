"""What the matcher decides: one fused probe against one zone's gallery, with the threshold that the zone asks for.

Holds the gallery, what was learnt of scores, and counters; knows no process. A probe's vector is zeroed
here whatever comes of it.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from custodes.face.calibration import (
    ANYWHERE,
    LEAST_PEOPLE,
    LEAST_PROBES,
    Expected,
    Others,
    Place,
    ScoreModel,
    expected,
    log10_likelihood,
    model_of,
    place_of_gallery,
    place_of_probes,
    read_score,
)
from custodes.face.gallery import Gallery, Scan, Vector
from custodes.face.rotation import Turn, turn_of, turned
from custodes.face.tally import ZoneTally
from custodes.face.threshold import Tail, expected_fpir, fit_tail, shrunk, solve
from custodes.types.face_message import FileCandidate, Probe, ScoreSource, ZoneLoad, ZoneRule
from custodes.types.trial import NoteWalk

LEARN_PEOPLE = 600
"""Enrolled people whose scores among each other are looked at: 20 ms; more move no threshold by a hundredth."""


_TRIED_AT = 0.3
"""The share of strangers with a candidate at which independence is learnt: a hundred people are thirty cases. At
shares from .3 down to .01 it is the same (LFW, ADR 88), so what is learnt here holds there."""

_INDEPENDENT_PEOPLE = 28.0
"""As many people say that all comparisons are independent: a share of which nothing is known but that it is between 0
and 1 varies by a twelfth, and one that is read from n people by (1 - .3) / .3 / n. It is drawn to 1, the stricter end,
and not to the middle."""

TAIL_PEOPLE = 800
"""A tail of fewer enrolled people says less than the network's own: of 400 alone, it let a third more through."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Learnt:
    """Of one shelf at one version of the gallery."""

    version: int
    place: Place
    tail: Tail
    independence: float = 1.0
    """How many chances each enrolled person is to a stranger: see `independence_of`."""

    def chances(self, compared: int) -> float:
        """As how many independent comparisons so many count; at least one."""
        return max(compared * self.independence, 1.0)


@dataclass(slots=True)
class _Count:
    """Of one zone since the start."""

    probes: int = 0
    candidates: int = 0
    foreign: int = 0


class Matching:
    """Not thread-safe."""

    def __init__(self) -> None:
        self.gallery = Gallery()
        self.version = 0
        self.rotation = b""
        self._turns: dict[int, Turn] = {}
        self.rules: dict[str, ZoneRule] = {}
        self._learnt: dict[str, Learnt] = {}
        self._tallies: dict[str, ZoneTally] = {}
        self._counts: dict[str, _Count] = {}
        self._noted: NoteWalk | None = None

    def compare(self, probe: Probe) -> FileCandidate | None:
        """A candidate, or None: the zone is not on, nobody is enrolled in it, or nobody is above the threshold.

        The probe's vector is overwritten. Raises: InvalidArgument for a vector of another length.
        """
        vector = self._turned(np.asarray(probe.vector, np.float32))  # a copy: what came cannot be written to
        try:
            return self._compare(probe, vector)
        finally:
            vector[:] = 0

    def take_note(self) -> NoteWalk | None:
        """What the probe just compared scored, if it was in a volunteer's walk; once."""
        noted, self._noted = self._noted, None
        return noted

    def turn_by(self, rotation: bytes) -> None:
        """The site's secret by which its templates are turned."""
        self.rotation = rotation
        self._turns.clear()

    def _turned(self, vector: Vector) -> Vector:
        if not self.rotation or vector.ndim != 1 or not len(vector):
            return vector.copy()
        turn = self._turns.get(len(vector))
        if turn is None:
            turn = self._turns[len(vector)] = turn_of(self.rotation, len(vector))
        return turned(vector, turn)

    def _compare(self, probe: Probe, vector: Vector) -> FileCandidate | None:
        rule = self.rules.get(probe.zone_id)
        model = model_of(probe.contract)
        if rule is None or rule.camera_id != probe.camera_id or model is None:
            return None
        count = self._counts.setdefault(probe.zone_id, _Count())
        count.probes += 1
        shelf = shelf_of(probe.zone_id, probe.contract)
        scan = self.gallery.scan(contract=shelf, probe=vector)
        if scan is None:
            # Nobody is enrolled, or all gave their pictures to another network.
            count.foreign += any(one.startswith(f"{probe.zone_id}/") for one in self.gallery.contracts)
            return None
        samples = max(probe.samples, 1)
        one = expected(model, samples, probe.quality)
        score, threshold, one = self.read(shelf, scan, model, one, rule.fpir)
        usual = expected(model, samples)
        best = (scan.best.score - usual.other_mean) / usual.other_sd
        self._tallies.setdefault(shelf, ZoneTally()).add(scan.others.over(usual), best)
        walk = rule.walk
        if walk is not None and walk.from_ns <= probe.start_ns < walk.until_ns:
            self._noted = NoteWalk(
                walk_id=walk.walk_id, zone_id=probe.zone_id, camera_id=probe.camera_id, start_ns=probe.start_ns,
                person_id=scan.best.person_id, score=score, threshold=threshold,
            )  # fmt: skip
        if score < threshold:
            return None
        count.candidates += 1
        return FileCandidate(
            zone_id=probe.zone_id,
            camera_id=probe.camera_id,
            run=probe.run,
            track_id=probe.track_id,
            start_ns=probe.start_ns,
            end_ns=probe.end_ns,
            person_id=scan.best.person_id,
            score=score,
            threshold=threshold,
            likelihood=log10_likelihood(scan.best.score, one),
            quality=probe.quality,
            samples=samples,
            gallery_size=self.gallery.size(shelf)[1],
            gallery_version=self.version,
            contract=probe.contract,
            picture=probe.picture,
        )

    def read(
        self, shelf: str, scan: Scan, model: ScoreModel, one: Expected, fpir: float
    ) -> tuple[float, float, Expected]:
        """Score, threshold, and what is expected of this probe here."""
        learnt = self._learn(shelf, model)
        reading = read_score(scan.best.score, scan.others, one, self._place(shelf, learnt))
        threshold = solve(fpir, learnt.chances(scan.compared), learnt.tail, reading.freedom)
        return reading.score, threshold, replace(one, other_mean=reading.other_mean, other_sd=reading.other_sd)

    def _place(self, shelf: str, learnt: Learnt) -> Place:
        tally = self._tallies.get(shelf)
        seen = tally.others() if tally else None
        return place_of_probes(seen, tally.probes) if tally and seen and seen.count else learnt.place

    def _learn(self, shelf: str, model: ScoreModel) -> Learnt:
        """From the scores between enrolled people, who are each other's strangers."""
        kept = self._learnt.get(shelf)
        if kept is None or kept.version != self.version:
            between = self.gallery.scores_between(shelf, LEARN_PEOPLE)
            kept = self._learnt[shelf] = learn_from(between, model, self.version)
        return kept

    def forget_learnt(self) -> None:
        """Somebody went: nothing is kept that was learnt from their templates."""
        self._learnt.clear()

    def loads(self) -> tuple[ZoneLoad, ...]:
        """Of the zones that are on."""
        rows = []
        for zone_id, rule in sorted(self.rules.items()):
            shelves = [one for one in self.gallery.contracts if one.startswith(f"{zone_id}/")]
            largest = max(shelves, key=lambda one: self.gallery.size(one)[1], default="")
            people, templates = self.gallery.size(largest)
            tally, count = self._tallies.get(largest, ZoneTally()), self._counts.get(zone_id, _Count())
            rows.append(
                ZoneLoad(
                    zone_id=zone_id,
                    people=people,
                    templates=templates,
                    threshold=self._typical(largest, rule),
                    source=_source(tally, people),
                    is_drifting=tally.is_drifting,
                    camera_id=rule.camera_id,
                    probes=count.probes,
                    candidates=count.candidates,
                    foreign=count.foreign,
                )
            )
        return tuple(rows)

    def _typical(self, shelf: str, rule: ZoneRule) -> float:
        """The cosine that gives a candidate for a probe of which the others' scores are as this place has them."""
        people = self.gallery.size(shelf)[0]
        model = model_of(shelf.partition("/")[2])
        if model is None or not people:
            return 0.0
        learnt, one = self._learn(shelf, model), expected(model, rule.samples)
        place = self._place(shelf, learnt)
        others = Others(
            count=people - 1,
            mean=one.other_mean + one.other_sd * place.mean,
            square_sum=(people - 1) * place.variance * one.other_sd**2,
        )
        reading = read_score(1.0, others, one, place)
        return reading.other_mean + reading.other_sd * solve(
            rule.fpir, learnt.chances(people), learnt.tail, reading.freedom
        )

    def clear(self) -> None:
        """Zero everything."""
        self.gallery.clear()
        self.forget_learnt()
        self._tallies.clear()
        self.version = 0


def learn_from(between: npt.NDArray[np.float64], model: ScoreModel, version: int = 0) -> Learnt:
    """Place and tail from (n, n) cosines between people, NaN on the diagonal. The network's own while they are few."""
    people = len(between)
    if people < LEAST_PEOPLE:
        return Learnt(version=version, place=ANYWHERE, tail=model.tail)
    own = between - np.nanmean(between, axis=1, keepdims=True)
    # Each row's mean took one of its n - 1 scores.
    within = float(np.nansum(own**2)) * (people - 1) / max(people - 2, 1)
    others = Others(count=people * (people - 1), mean=float(np.nanmean(between)), square_sum=within)
    own /= np.maximum(np.nanstd(between, axis=1, keepdims=True), 1e-6)
    place = place_of_gallery(others.over(expected(model, 1)), people)
    tail = shrunk(fit_tail(own[~np.isnan(own)], model.tail), model.tail, people / (people + TAIL_PEOPLE))
    return Learnt(
        version=version, place=place, tail=tail, independence=independence_of(between, expected(model, 1), place, tail)
    )


def independence_of(between: npt.NDArray[np.float64], one: Expected, place: Place, tail: Tail) -> float:
    """As how many independent comparisons one with each enrolled person counts, learnt from the enrolled themselves.

    People are alike in groups: a stranger who is near one is near several, so as many high scores fall on fewer
    strangers than if they were independent (an extremal index, ADR 88). The enrolled are each other's strangers, so
    each is tried against all others: of independent ones a share `_TRIED_AT` would have a chance below `_TRIED_AT`,
    and what share has says how many of them there are. Args: between: as `learn_from`; the rest as `read_score`.
    Returns: 0 < share ≤ 1. 25 ms for 600 people.
    """
    people = len(between)
    found = 0
    for row in between:
        scores = row[~np.isnan(row)]
        best = int(scores.argmax())
        rest = np.delete(scores, best)
        mean = float(rest.mean())
        others = Others(count=len(rest), mean=mean, square_sum=float(((rest - mean) ** 2).sum()))
        reading = read_score(float(scores[best]), others, one, place)
        found += expected_fpir(reading.score, len(scores), tail, reading.freedom) <= _TRIED_AT
    share = (found + _INDEPENDENT_PEOPLE * _TRIED_AT) / (people + _INDEPENDENT_PEOPLE)
    return min(math.log1p(-min(share, 0.99)) / math.log1p(-_TRIED_AT), 1.0)


def _source(tally: ZoneTally, people: int) -> ScoreSource:
    if tally.probes >= LEAST_PROBES:
        return ScoreSource.PROBES
    return ScoreSource.GALLERY if people >= LEAST_PEOPLE else ScoreSource.NETWORK


def shelf_of(zone_id: str, contract: str) -> str:
    """Where the people of a zone under a contract stand."""
    return f"{zone_id}/{contract}"
