"""What the warden's release permits a view to show. A task can ask for less, never for more."""

from dataclasses import dataclass

from custodes.redact.timeline import NOBODY, AllBut, Exempt, TrackKey
from custodes.types.access import Fidelity


@dataclass(frozen=True, slots=True, kw_only=True)
class Permitted:
    """Nobody, everybody (`UNMASKED` and `shown` empty), or some people alone."""

    fidelity: Fidelity = Fidelity.MASKED
    shown: frozenset[TrackKey] = NOBODY
    hidden: frozenset[TrackKey] | None = None
    """Where the site protects somebody: who stays masked whatever else is shown. None where nobody has to be."""

    def of(self, asked: Fidelity, wanted: frozenset[TrackKey]) -> "Permitted":
        """What both the release and the task say.

        Args: wanted: the only people whom the task shows; empty: everybody whom the release shows.
        """
        masked = Permitted(hidden=self.hidden)
        if asked is not Fidelity.UNMASKED or self.fidelity is not Fidelity.UNMASKED:
            return masked
        shown = wanted & self.shown if wanted and self.shown else wanted or self.shown
        if (wanted or self.shown) and not shown:
            return masked
        return Permitted(fidelity=Fidelity.UNMASKED, shown=shown, hidden=self.hidden)

    @property
    def is_everybody(self) -> bool:
        """No masks but the privacy zones."""
        return self.fidelity is Fidelity.UNMASKED and not self.shown and self.hidden is None

    @property
    def exempt(self) -> Exempt:
        """Whose masks are left out."""
        if self.fidelity is not Fidelity.UNMASKED:
            return NOBODY
        if self.shown:
            return self.shown - (self.hidden or NOBODY)
        return NOBODY if self.hidden is None else AllBut(covered=self.hidden)
