"""Time as the mark knows it: one pattern a slot."""

from custodes.units import NS_PER_S, Ns

SLOT_NS = 10 * NS_PER_S
"""How long one pattern is shown."""


def slot_of(utc_ns: Ns) -> int:
    """Number of the slot that a moment falls into."""
    return utc_ns // SLOT_NS
