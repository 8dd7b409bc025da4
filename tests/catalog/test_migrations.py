"""Catalogs of earlier versions open, keep their rows, and can do what is new."""

import sqlite3
from pathlib import Path

import pytest

from custodes.adapters.sql import sqlite_catalog
from custodes.errors import SiteMismatch
from custodes.testing.catalog import ALL, CAMERA, at
from custodes.testing.clock import ManualClock
from custodes.types.media import ClockReading
from custodes.units import NS_PER_S


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "catalog.db"
    connection = sqlite3.connect(path)
    connection.executescript(Path(__file__).with_name("v0001.sql").read_text())
    connection.close()
    return path


def test_first_schema_when_opened_keeps_its_rows_and_can_delete(old: Path) -> None:
    catalog = sqlite_catalog(old, site_id="site", clock=ManualClock())
    (spec,) = catalog.cameras()
    assert (spec.camera_id, spec.password_ref, spec.retention_h) == (CAMERA, "env:PW", 0.0)
    assert catalog.journal_position("recorder.journal") == 4242
    assert catalog.newest_log_index() == 7
    (segment,) = catalog.segments(CAMERA, *ALL, 9)
    assert (segment.clock, segment.media_ns) == (ClockReading(), 0)
    assert catalog.garbage(9) == [] and catalog.holds(at(0)) == []
    assert catalog.recorded_bytes() == 6_000_000
    assert catalog.deletable_segments(None, at(60), at(60), 9) == [segment]
    (garbage,) = catalog.condemn({segment.header.segment_id: "old"}, {CAMERA: at(65)}, at(100))
    assert garbage.path == segment.path
    assert catalog.segments(CAMERA, *ALL, 9) == catalog.gaps(CAMERA, *ALL) == catalog.coverage(CAMERA, *ALL) == []
    assert catalog.totals()[CAMERA].recorded_ns == 60 * NS_PER_S
    catalog.close()


def test_first_schema_when_of_another_site_is_left_as_it_was(old: Path) -> None:
    before = old.read_bytes()
    with pytest.raises(SiteMismatch):
        sqlite_catalog(old, site_id="other", clock=ManualClock())
    connection = sqlite3.connect(old)
    assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [("0001",)]
    connection.close()
    assert len(before) == old.stat().st_size
