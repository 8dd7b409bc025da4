"""A catalog looked at from outside, beside a running server: which segments it names. Migrates and locks nothing.

For `custodes check` and `custodes export-native`; everything else goes through the catalog itself.
"""

import sqlite3
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import inspect, select

from custodes.adapters.sql.store import Store
from custodes.adapters.sql.tables import GARBAGE, SEGMENT
from custodes.errors import DataLoss, Unavailable
from custodes.units import SegmentId

BUSY_TIMEOUT_S = 5.0


@dataclass(slots=True)
class CatalogNames:
    """`paths`: path of a segment → whether it is garbage; `log_indices`: of the segments that the log knows."""

    paths: dict[str, bool] = field(default_factory=dict)
    log_indices: dict[SegmentId, int] = field(default_factory=dict)


def read_names(path: Path) -> CatalogNames | None:
    """What the catalog in `path` names; None without a file. O(segments).

    Raises: Unavailable when it is locked, DataLoss when it is no catalog of ours.
    """
    if not path.exists():
        return None
    names = CatalogNames()
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_TIMEOUT_S)
    except sqlite3.Error as error:
        raise Unavailable(f"{path.name} cannot be opened: {error}") from error
    try:
        for segment_id, segment_path, log_index in connection.execute(
            "SELECT segment_id, path, log_index FROM segment"
        ):
            names.paths[segment_path] = False
            if log_index is not None:
                names.log_indices[segment_id] = log_index
        names.paths |= {garbage: True for (garbage,) in connection.execute("SELECT path FROM garbage")}
    except sqlite3.OperationalError as error:
        if "locked" in str(error) or "busy" in str(error):
            raise Unavailable(f"{path.name} is locked; try again") from error
        raise DataLoss(f"{path.name} is not a catalog that this custodes knows: {error}") from error
    except sqlite3.DatabaseError as error:
        raise DataLoss(f"{path.name} is damaged: {error}") from error
    finally:
        connection.close()
    return names


def read_names_in(store: Store) -> CatalogNames | None:
    """`read_names` of a catalog in a database. Raises: Unavailable, FailedPrecondition."""
    names = CatalogNames()
    try:
        with store.translated(), store.reader.begin() as connection:
            if not inspect(connection).has_table(SEGMENT.name):
                return None
            for row in connection.execute(select(SEGMENT.c.segment_id, SEGMENT.c.path, SEGMENT.c.log_index)):
                names.paths[row.path] = False
                if row.log_index is not None:
                    names.log_indices[SegmentId(row.segment_id)] = row.log_index
            names.paths |= {path: True for path in connection.scalars(select(GARBAGE.c.path))}
    finally:
        store.dispose()
    return names
