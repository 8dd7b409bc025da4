"""Streets beneath a floor: from an MBTiles file that is named, and from nowhere else."""

import io
import sqlite3
from dataclasses import replace

import pytest
from PIL import Image

from custodes.adapters.tiles import TileFile
from custodes.app.serving.site_map import open_tiles
from custodes.config.tree import MapConfig
from custodes.errors import DataLoss, NotFound


def picture(colour, kind="PNG"):
    packed = io.BytesIO()
    Image.new("RGB", (8, 8), colour).save(packed, kind)
    return packed.getvalue()


def make_file(path, tiles):
    """`tiles`: (zoom, column, row from the south) → content."""
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE tiles (zoom_level INT, tile_column INT, tile_row INT, tile_data BLOB)")
    connection.executemany(
        "INSERT INTO tiles VALUES (?, ?, ?, ?)", [(*key, content) for key, content in tiles.items()]
    )
    connection.commit()
    connection.close()
    return path


def test_tiles_are_counted_from_the_north(tmp_path):
    north, south = picture("red"), picture("blue", "JPEG")
    tiles = TileFile(make_file(tmp_path / "t.mbtiles", {(1, 0, 1): north, (1, 0, 0): south, (3, 5, 2): north}))
    assert (tiles.zooms.min_zoom, tiles.zooms.max_zoom) == (1, 3)
    assert (tiles.tile(1, 0, 0).content, tiles.tile(1, 0, 0).media_type) == (north, "image/png")
    assert (tiles.tile(1, 0, 1).content, tiles.tile(1, 0, 1).media_type) == (south, "image/jpeg")
    for wrong in ((1, 1, 0), (2, 0, 0), (1, -1, 0), (1, 0, 2), (99, 0, 0), (-1, 0, 0)):
        with pytest.raises(NotFound):
            tiles.tile(*wrong)


@pytest.mark.parametrize(
    "make",
    [
        lambda path: path.write_bytes(b"not a database at all, but long enough to be read as one" * 40),
        lambda path: None,
        lambda path: make_file(path, {}),
        lambda path: make_file(path, {(0, 0, 0): b"\x1f\x8bvector"}),
        lambda path: make_file(path, {(77, 0, 0): picture("red")}),
        lambda path: sqlite3.connect(path).execute("CREATE TABLE other (a)").connection.commit(),
    ],
    ids=["bytes", "nothing", "empty", "vector", "zoom", "tables"],
)
def test_a_file_that_holds_no_pictures_is_refused_and_the_map_works_without(tmp_path, make):
    path = tmp_path / "t.mbtiles"
    make(path)
    with pytest.raises(DataLoss, match=r"t\.mbtiles"):
        TileFile(path)
    assert open_tiles(MapConfig(tiles=path)) is None
    assert open_tiles(MapConfig()) is None


def test_the_page_is_told_where_on_earth_its_floor_is_and_gets_tiles(claimed, tmp_path):
    assert "data-streets" not in claimed.client.get("/map", headers={"accept": "text/html"}).text
    assert claimed.client.get("/map/tiles/1/0/0").status_code == 404
    deps = claimed.app.state.deps
    config = deps.config.model_copy(update={"map": MapConfig(floor="yard", latitude=48.1, longitude=11.5)})
    tiles = TileFile(make_file(tmp_path / "t.mbtiles", {(1, 0, 1): picture("red")}))
    claimed.app.state.deps = replace(deps, config=config, tiles=tiles)
    page = claimed.client.get("/map", headers={"accept": "text/html"}).text
    assert "&#34;latitude&#34;: 48.1" in page
    found = claimed.client.get("/map/tiles/1/0/0")
    assert (found.content, found.headers["content-type"]) == (picture("red"), "image/png")
    assert found.headers["x-content-type-options"] == "nosniff"
    assert claimed.client.get("/map/tiles/1/1/1").status_code == 404
    assert claimed.client.get("/map/tiles/a/1/1").status_code in (400, 404, 422)
