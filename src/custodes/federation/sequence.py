"""Where a parcel fits into what a centre has of a site: new, known, too early, or of another past. Pure."""

from dataclasses import dataclass
from enum import StrEnum

from custodes.federation.parcel import NO_TIP, Parcel


class Fit(StrEnum):
    """What to do with a parcel."""

    NEW = "new"
    """Take the facts from `Placed.skip` on."""
    KNOWN = "known"
    EARLY = "early"
    """Facts before it are missing; they come, or the site sends all again."""
    FORK = "fork"
    """Its chain is not the one that goes on from here: the site's catalog is not what it was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """The answer."""

    fit: Fit
    skip: int = 0
    """Facts at the beginning that are known."""
    lost: int = 0
    """Facts that neither side has: the centre forgot them after it had confirmed them."""


def place(parcel: Parcel, *, seq: int, tip: bytes) -> Placed:
    """Args: `seq`, `tip`: the newest fact that the centre has (0 and `NO_TIP` for none)."""
    if parcel.last < seq:
        return Placed(fit=Fit.KNOWN)
    if parcel.first <= seq:
        if parcel.tips[seq - parcel.first] != tip:
            return Placed(fit=Fit.FORK)
        skip = seq - parcel.first + 1
        return Placed(fit=Fit.NEW if parcel.last > seq else Fit.KNOWN, skip=skip)
    if parcel.first == seq + 1:
        is_next = parcel.before == tip or (seq == 0 and tip == NO_TIP)
        return Placed(fit=Fit.NEW if is_next else Fit.FORK)
    if parcel.floor >= parcel.first - 1:
        return Placed(fit=Fit.NEW, lost=parcel.first - 1 - seq)
    return Placed(fit=Fit.EARLY)
