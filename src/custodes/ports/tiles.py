"""Pictures of streets beneath a floor, from a file of this machine."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class TileRange:
    """Levels that are there; one more halves a tile's side."""

    min_zoom: int
    max_zoom: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One picture, as it lies in the file."""

    content: bytes
    media_type: str


class Tiles(Protocol):
    """Tiles in Web Mercator."""

    @property
    def zooms(self) -> TileRange:
        """Which levels there are."""
        ...

    def tile(self, zoom: int, x: int, y: int) -> Tile:
        """Column `x` from the west, row `y` from the north. Raises: NotFound, DataLoss."""
        ...
