"""What the matcher decides: one fused probe against one zone's gallery, with the threshold that the zone asks for.

Holds the gallery, cohorts and counters; knows no process. A probe's vector is zeroed here whatever comes of it.
"""

from dataclasses import dataclass

import numpy as np

from custodes.face.calibration import ScoreModel, log10_likelihood, model_of, normalise
from custodes.face.cohort import synthetic_cohort
from custodes.face.gallery import Gallery, Vector
from custodes.face.threshold import NORMAL, Tail, fit_tail, solve
from custodes.types.face_message import FileCandidate, Probe, ZoneLoad, ZoneRule

COHORT_PEOPLE = 2000
"""People from whom a cohort is drawn; more change it by less than a hundredth of a deviation."""

TAIL_PEOPLE = 600


@dataclass(slots=True)
class _Count:
    """Of one zone since the start."""

    probes: int = 0
    candidates: int = 0


class Matching:
    """Not thread-safe."""

    def __init__(self) -> None:
        self.gallery = Gallery()
        self.version = 0
        self.rules: dict[str, ZoneRule] = {}
        self._cohorts: dict[str, tuple[int, Vector]] = {}
        self._tails: dict[str, tuple[int, Tail]] = {}
        self._counts: dict[str, _Count] = {}

    def compare(self, probe: Probe) -> FileCandidate | None:
        """A candidate, or None: the zone is not on, nobody is enrolled in it, or nobody is above the threshold.

        The probe's vector is overwritten. Raises: InvalidArgument for a vector of another length.
        """
        vector = np.array(probe.vector, np.float32)  # what came over the wire cannot be written to
        try:
            return self._compare(probe, vector)
        finally:
            vector[:] = 0

    def _compare(self, probe: Probe, vector: Vector) -> FileCandidate | None:
        rule = self.rules.get(probe.zone_id)
        model = model_of(probe.contract)
        if rule is None or rule.camera_id != probe.camera_id or model is None:
            return None
        count = self._counts.setdefault(probe.zone_id, _Count())
        count.probes += 1
        shelf = shelf_of(probe.zone_id, probe.contract)
        people, templates = self.gallery.size(shelf)
        if not people:
            return None
        best = self.gallery.search(contract=shelf, probe=vector, limit=1)[0]
        cohort = self._cohort(shelf)
        unit = vector / np.float32(np.linalg.norm(vector))
        look_alikes = cohort @ unit if len(cohort) else np.zeros(0, np.float32)
        unit[:] = 0
        samples = max(probe.samples, 1)
        score = float(normalise(np.array([best.score]), model, samples, look_alikes)[0])
        # Templates of one person are different looks: as many chances for a stranger as there are templates, at most.
        threshold = solve(rule.fpir, templates, self._tail(shelf, model))
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
            person_id=best.person_id,
            score=score,
            threshold=threshold,
            likelihood=log10_likelihood(best.score, model, samples, probe.quality),
            quality=probe.quality,
            samples=samples,
            gallery_size=templates,
            gallery_version=self.version,
            contract=probe.contract,
            picture=probe.picture,
        )

    def _cohort(self, shelf: str) -> Vector:
        kept = self._cohorts.get(shelf)
        if kept is None or kept[0] != self.version:
            people = self.gallery.first_of_each(shelf, COHORT_PEOPLE)
            kept = (self.version, synthetic_cohort(people, seed=1))
            people[:] = 0
            self._cohorts[shelf] = kept
        return kept[1]

    def _tail(self, shelf: str, model: ScoreModel) -> Tail:
        """High scores between different enrolled people, who are each other's strangers; normal while they are few."""
        kept = self._tails.get(shelf)
        if kept is None or kept[0] != self.version:
            people = self.gallery.first_of_each(shelf, TAIL_PEOPLE)
            kept = (self.version, measured_tail(people, self._cohort(shelf), model))
            people[:] = 0
            self._tails[shelf] = kept
        return kept[1]

    def forget_cohorts(self) -> None:
        """Somebody went: no cohort is drawn from them any more."""
        for _, vectors in self._cohorts.values():
            vectors[:] = 0
        self._cohorts.clear()
        self._tails.clear()

    def loads(self) -> tuple[ZoneLoad, ...]:
        """Of the zones that are on."""
        rows = []
        for zone_id, rule in sorted(self.rules.items()):
            shelves = [one for one in self.gallery.contracts if one.startswith(f"{zone_id}/")]
            largest = max(shelves, key=lambda one: self.gallery.size(one)[1], default="")
            templates = self.gallery.size(largest)[1]
            model = model_of(largest.partition("/")[2])
            count = self._counts.get(zone_id, _Count())
            rows.append(
                ZoneLoad(
                    zone_id=zone_id,
                    templates=templates,
                    threshold=solve(rule.fpir, templates, self._tail(largest, model)) if templates and model else 0.0,
                    probes=count.probes,
                    candidates=count.candidates,
                )
            )
        return tuple(rows)

    def clear(self) -> None:
        """Zero everything."""
        self.gallery.clear()
        self.forget_cohorts()
        self.version = 0


def measured_tail(people: Vector, cohort: Vector, model: ScoreModel) -> Tail:
    """The tail of normalised scores between people.

    Args: people: (n, d) unit vectors, one a person; cohort: (m, d). O(n² · d), 20 ms for 600 people.
    """
    if len(people) < 2 or not len(cohort):
        return NORMAL
    scores = []
    for row, unit in enumerate(people):
        others = np.delete(people @ unit, row)
        scores.append(normalise(others, model, 1, cohort @ unit))
    return fit_tail(np.concatenate(scores))


def shelf_of(zone_id: str, contract: str) -> str:
    """Where the people of a zone under a contract stand."""
    return f"{zone_id}/{contract}"
