"""What the warden's release permits a view to show. A task can ask for less, never for more."""

from dataclasses import dataclass

from custodes.redact.timeline import NOBODY, TrackKey
from custodes.types.access import Fidelity


@dataclass(frozen=True, slots=True, kw_only=True)
class Permitted:
    """Nobody, everybody (`UNMASKED` and `shown` empty), or some people alone."""

    fidelity: Fidelity = Fidelity.MASKED
    shown: frozenset[TrackKey] = NOBODY

    def of(self, asked: Fidelity, wanted: frozenset[TrackKey]) -> "Permitted":
        """What both the release and the task say.

        Args: wanted: the only people whom the task shows; empty: everybody whom the release shows.
        """
        if asked is not Fidelity.UNMASKED or self.fidelity is not Fidelity.UNMASKED:
            return Permitted()
        shown = wanted & self.shown if wanted and self.shown else wanted or self.shown
        if (wanted or self.shown) and not shown:
            return Permitted()
        return Permitted(fidelity=Fidelity.UNMASKED, shown=shown)

    @property
    def is_everybody(self) -> bool:
        """No masks but the privacy zones."""
        return self.fidelity is Fidelity.UNMASKED and not self.shown
