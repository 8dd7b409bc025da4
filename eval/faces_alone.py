"""Whether one person enrolled alone is recognised, and strangers are not: what a zone's tracks teach (ADR 143).

Part of `python -m eval.faces`: random people of LFW, each enrolled alone by one picture, through the matcher's own
`Matching.compare`. Strangers pass and teach, then others pass and are counted, and so is the enrolled person's other
picture. `fpir_alone_1e2`, `fnir_alone_1e2`: where .01 is asked; `…_own`: where a twentieth of the tracks that taught
were the enrolled person's own.
"""

import numpy as np
import numpy.typing as npt

from custodes.face.matching import Matching, shelf_of
from custodes.types.face_message import Probe, ZoneRule
from custodes.units import CameraId, Ns, RunId
from eval.report import Report, bootstrap

Looks = dict[str, list[npt.NDArray[np.float32]]]
TEACH, OWN, TRIED, PEOPLE = 60, 3, 100, 150
_ZONE, _CAMERA = "zone", CameraId("camera")


class _Desk:
    """A zone in which one person is enrolled."""

    def __init__(self, contract: str, look: npt.NDArray[np.float32]) -> None:
        self._contract = contract
        self.matching = Matching()
        self.matching.rules = {_ZONE: ZoneRule(zone_id=_ZONE, camera_id=_CAMERA, fpir=0.01, samples=1)}
        self.matching.gallery.add(
            contract=shelf_of(_ZONE, contract), person_id="one", template_id="one", vector=look.astype(np.float32)
        )

    def passes(self, look: npt.NDArray[np.float32]) -> bool:
        """Whether who passes becomes a candidate."""
        probe = Probe(
            zone_id=_ZONE, camera_id=_CAMERA, run=RunId("run"), track_id=1, start_ns=Ns(0), end_ns=Ns(1),
            contract=self._contract, vector=look.astype(np.float32), quality=0.5, samples=1, picture=b"x",
        )  # fmt: skip
        return self.matching.compare(probe) is not None


def alone(report: Report, contract: str, people: Looks, kind: str) -> None:
    """See the module; people with two pictures or more are enrolled."""
    several = [name for name in sorted(people) if len(people[name]) > 1]
    if len(several) < 20 or len(people) < TEACH + TRIED + 20:
        return
    random = np.random.default_rng(7)
    for own, said in ((0, ""), (OWN, "_own")):
        counts: list[tuple[float, float]] = []
        missed = tried = before = 0
        for name in [several[n] for n in random.permutation(len(several))[:PEOPLE]]:
            desk = _Desk(contract, people[name][0])
            before += desk.passes(people[name][1])
            strangers = [one for one in random.permutation(sorted(people)) if one != name][: TEACH + TRIED]
            for number, stranger in enumerate(strangers[:TEACH]):
                desk.passes(people[name][1] if number < own else people[stranger][0])
            counts.append((float(sum(desk.passes(people[one][0]) for one in strangers[TEACH:])), float(TRIED)))
            missed += not desk.passes(people[name][1])
            tried += 1
        rate = sum(row[0] for row in counts) / sum(row[1] for row in counts)
        low, high = bootstrap(counts, lambda sums: sums[0] / sums[1])
        report.results[f"fpir_alone_1e2{said}{kind}"] = round(rate, 4)
        report.results[f"fnir_alone_1e2{said}{kind}"] = round(missed / tried, 4)
        report.note(
            f"LFW{kind}, one enrolled{', who passed thrice meanwhile' if own else ''}: asked .01, got {rate:.4f} "
            f"[{low:.4f}, {high:.4f}] after {TEACH} tracks, missed {missed} of {tried}; before any track "
            f"{before} of {tried} were recognised"
        )
