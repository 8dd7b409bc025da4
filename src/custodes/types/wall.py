"""Layouts of the wall that a person kept."""

from dataclasses import dataclass

from custodes.units import CameraId, Ns


@dataclass(frozen=True, slots=True, kw_only=True)
class WallLayout:
    """Which cameras, in which order, how many at once."""

    layout_id: str
    user_id: str
    """Whose it is; nobody else changes it."""
    name: str
    cameras: tuple[CameraId, ...]
    tiles: int
    """At once; 0: all."""
    is_shared: bool
    """Offered to everybody who watches, with those of its cameras that they may see."""
    changed_ns: Ns
