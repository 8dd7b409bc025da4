"""Files that analysers kept (`analyser_looks`), as far as their names tell; nothing is opened here."""

import re
from dataclasses import dataclass
from pathlib import Path

from custodes.units import Ns

MAX_BACKGROUNDS = 8
"""Views that a picture is laid on, those of times nearest to the asked first; each costs half a second."""

_SPAN = re.compile(r"(\d{1,19})-(\d{1,19})(?:-([cg]\d))?\.(skx|bkg)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A file, as its name tells."""

    path: Path
    start_ns: int
    end_ns: int
    regime: str = ""
    """Of a background: its light."""

    def distance_ns(self, start_ns: int, end_ns: int) -> int:
        """How far it lies from an interval; 0 where they overlap."""
        return max(self.start_ns - end_ns, start_ns - self.end_ns, 0)


def kept_in(folder: Path, suffix: str) -> list[Kept]:
    """What lies there, by time. Args: suffix: skx for sketches, bkg for backgrounds."""
    found = []
    for path in folder.glob(f"*.{suffix}"):
        named = _SPAN.fullmatch(path.name)
        if named:
            span = int(named[1]), int(named[2])
            found.append(Kept(path=path, start_ns=span[0], end_ns=span[1], regime=named[3] or ""))
    return sorted(found, key=lambda one: (one.start_ns, one.end_ns))


def backgrounds_near(folder: Path, start_ns: Ns, end_ns: Ns) -> list[Kept]:
    """At most `MAX_BACKGROUNDS`: of each light the nearest first, then the second nearest of each, and so on."""
    by_regime: dict[str, list[Kept]] = {}
    for one in sorted(kept_in(folder, "bkg"), key=lambda kept: kept.distance_ns(start_ns, end_ns)):
        by_regime.setdefault(one.regime, []).append(one)
    ranked = [(rank, one) for kept in by_regime.values() for rank, one in enumerate(kept)]
    ranked.sort(key=lambda pair: (pair[0], pair[1].distance_ns(start_ns, end_ns)))
    return [one for _, one in ranked[:MAX_BACKGROUNDS]]
