"""The columns of the catalog's file, with blocks small enough that a test has many of them."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from custodes.adapters.sql import SqlCatalog, blocks, columns, sqlite_catalog
from custodes.errors import DataLoss
from custodes.ports.movements import Movements
from custodes.testing.catalog import CAMERA, at, make_crossing, make_segment, make_track
from custodes.testing.clock import ManualClock
from custodes.testing.movements import EVER, MovementsSuite, keys, make_passages, take_passages
from custodes.types.access import ALL_CAMERAS


class TestSqlMovements(MovementsSuite):
    @pytest.fixture
    def catalogs(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], SqlCatalog]]:
        monkeypatch.setattr(blocks, "TAIL_ROWS", 100)
        monkeypatch.setattr(columns, "MAX_ROWS", 128)
        opened: list[SqlCatalog] = []

        def open_one() -> SqlCatalog:
            opened.append(sqlite_catalog(tmp_path / "catalog.db", site_id="site", clock=ManualClock()))
            return opened[-1]

        yield open_one
        for catalog in opened:
            catalog.close()

    @pytest.fixture
    def movements(self, catalogs: Callable[[], SqlCatalog]) -> Movements:
        return catalogs().movements

    @pytest.fixture
    def reopened(self, movements: Movements, catalogs: Callable[[], SqlCatalog]) -> Callable[[], Movements]:
        return lambda: catalogs().movements

    def test_a_few_are_kept_as_well_as_many(self, movements: Movements) -> None:
        self.test_passages_put_again_change_nothing(movements, 40)
        self.test_forgetting_spares_what_a_kept_stretch_touches(movements, 40)

    def test_a_write_that_failed_leaves_nothing_behind(
        self, movements: Movements, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        put = make_passages(90)

        def fail(*_: object) -> int:
            raise DataLoss("no")

        with monkeypatch.context() as patched, pytest.raises(DataLoss):
            patched.setattr(blocks.BlockTable, "_tail_count", fail)
            movements.put_passages(put)
        assert movements.rows()["passages"] == 0
        # Names of the failed transaction are not there: a cache of them would refer to nothing.
        movements.put_passages(take_passages(put, slice(0, 50)))
        assert len(keys(movements.passages(ALL_CAMERAS, *EVER, limit=100))) == 50


@pytest.mark.parametrize("name", ["steps", "large", "constant", "one", "negative"])
def test_columns_come_back_as_they_were(name: str) -> None:
    rng = np.random.default_rng(1)
    column = {
        "steps": np.cumsum(rng.integers(0, 9, 1000)) + 10**15,
        "large": rng.integers(-(2**53), 2**53, 1000),
        "constant": np.full(1000, 7),
        "one": np.array([-3]),
        "negative": rng.integers(-300, 3, 1000),
    }[name].astype(np.int64)
    blob = columns.pack({"a": column, "b": column[::-1].copy()})
    back = columns.unpack(blob, len(column), ["b", "a"])
    assert np.array_equal(back["a"], column)
    assert np.array_equal(back["b"], column[::-1])


@pytest.mark.parametrize("at", [0, 1, 30, 200, -1])
def test_a_damaged_block_is_data_loss(at: int) -> None:
    column = np.random.default_rng(1).integers(0, 2**40, 500)
    blob = bytearray(columns.pack({"a": column}))
    blob[at] ^= 0xFF
    with pytest.raises(DataLoss):
        columns.unpack(bytes(blob), 500, ["a"])


def test_tracks_and_crossings_of_the_catalog_are_movements_until_their_footage_goes(tmp_path: Path) -> None:
    with closing(sqlite_catalog(tmp_path / "catalog.db", site_id="site", clock=ManualClock())) as catalog:
        catalog.take_journal("j", 1, [make_segment(0, 60), make_segment(7200, 7260)], [])
        ended = [make_track(1, 10, 20), make_track(2, 7210, 7220)]
        for _ in range(2):
            catalog.put_analysis([], ended)
            catalog.put_crossings([make_crossing(1, 15), make_crossing(2, 7215)])
        movements = catalog.movements
        assert movements.rows()["passages"] == movements.rows()["crossings"] == 2
        got = movements.passages(ALL_CAMERAS, *EVER, limit=9)
        assert got.start_ns.tolist() == [one.tracklet.start_ns for one in ended]
        condemned = [make_segment(0, 60).header.segment_id]
        catalog.condemn(dict.fromkeys(condemned, "age"), {CAMERA: at(7230)}, at(9000))
        assert movements.passages(ALL_CAMERAS, *EVER, limit=9).track_ids.tolist() == [2]
        assert movements.crossings(ALL_CAMERAS, *EVER, limit=9).utc_ns.tolist() == [at(7215)]
