"""Looks that spread as clothes' colours do on the terrace (ADR 134): means of four looks of one person's track are
.93 ± .05 alike within a view and .84 ± .07 in two, two people's .71 ± .14 and .70 ± .13. Drawn, not seen.
"""

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]
SAME, VIEW, LOOK = 0.84, 0.09, 0.07
"""Shares of a look's squared length: the person's, of the person in a view, of this track."""
_DIMENSIONS = 3
"""Clothes are few: people's own looks are points near one another on a ball of so many dimensions."""
_NEAR = 2.9
_LOOKS = 4


class Dresser:
    """One drawn look for each person, view and track; the same for the same seed and order of asking."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._drawn: dict[tuple[str, int], Floats] = {}

    def looks(self, camera: str, owners: list[int]) -> Vectors:
        """(k, d) of one track. Args: owners: whose each of its k looks is; -1 for nobody's, who look like anybody."""
        rows = []
        own_look = self._unit()
        for who in owners:
            own = self._of("person", who) if who >= 0 else self._person()
            view = self._of(camera, who) if who >= 0 else self._unit()
            rows.append(np.concatenate([SAME**0.5 * own, VIEW**0.5 * view, LOOK**0.5 * own_look]))
        return np.stack(rows).astype(np.float32)

    def _of(self, kind: str, who: int) -> Floats:
        if (kind, who) not in self._drawn:
            self._drawn[kind, who] = self._person() if kind == "person" else self._unit()
        return self._drawn[kind, who]

    def _person(self) -> Floats:
        vector = self._rng.normal(size=_DIMENSIONS)
        vector[0] += _NEAR
        result: Floats = vector / np.linalg.norm(vector)
        return result

    def _unit(self) -> Floats:
        vector = self._rng.normal(size=_DIMENSIONS)
        result: Floats = vector / np.linalg.norm(vector)
        return result
