"""Pictures of streets from an MBTiles file (a SQLite database), read only. The file is hostile until checked.

Source: MBTiles specification 1.3 (rows count from the south). Vector tiles are refused: the page draws pictures.
"""

import sqlite3
from pathlib import Path

from custodes.errors import DataLoss, NotFound
from custodes.ports.tiles import Tile, TileRange

MAX_TILE_BYTES = 1 << 20
_MAX_ZOOM = 22
_KINDS = ((b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"), (b"RIFF", "image/webp"))


class TileFile:
    """Implements `ports.tiles.Tiles`; a connection a question, so that any thread may ask."""

    def __init__(self, path: Path) -> None:
        """Raises: DataLoss for a file that is none, or holds no pictures."""
        self._path = path
        low, high = self._one("SELECT min(zoom_level), max(zoom_level) FROM tiles", ()) or (None, None)
        if not (isinstance(low, int) and isinstance(high, int) and 0 <= low <= high <= _MAX_ZOOM):
            raise DataLoss(f"{path} holds no tiles of zoom 0 to {_MAX_ZOOM}")
        self._range = TileRange(min_zoom=low, max_zoom=high)
        sample = self._one("SELECT tile_data FROM tiles LIMIT 1", ())
        if sample is None or _media_type(sample[0]) is None:
            raise DataLoss(f"{path} holds no pictures; expected tiles in PNG, JPEG or WebP")

    @property
    def zooms(self) -> TileRange:
        """Which levels there are."""
        return self._range

    def tile(self, zoom: int, x: int, y: int) -> Tile:
        """One picture; `y` from the north. Raises: NotFound, DataLoss."""
        side = 1 << min(max(zoom, 0), _MAX_ZOOM)
        row = None
        if self._range.min_zoom <= zoom <= self._range.max_zoom and 0 <= x < side and 0 <= y < side:
            row = self._one(
                "SELECT tile_data FROM tiles WHERE zoom_level = ? AND tile_column = ? AND tile_row = ?"
                " AND length(tile_data) <= ?",
                (zoom, x, side - 1 - y, MAX_TILE_BYTES),
            )
        content = row[0] if row is not None else None
        media_type = _media_type(content)
        if not isinstance(content, bytes) or media_type is None:
            raise NotFound("There is no such tile.")
        return Tile(content=content, media_type=media_type)

    def _one(self, sql: str, values: tuple[int, ...]) -> tuple[object, ...] | None:
        try:
            connection = sqlite3.connect(f"{self._path.as_uri()}?mode=ro&immutable=1", uri=True)
            try:
                row: tuple[object, ...] | None = connection.execute(sql, values).fetchone()
                return row
            finally:
                connection.close()
        except sqlite3.Error as error:
            raise DataLoss(f"{self._path} cannot be read as MBTiles: {error}") from error


def _media_type(content: object) -> str | None:
    if not isinstance(content, bytes):
        return None
    return next((kind for magic, kind in _KINDS if content.startswith(magic)), None)
