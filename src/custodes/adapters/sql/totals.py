"""Sums per camera, changed by differences in the transaction that changes their summands."""

from dataclasses import dataclass, field

from sqlalchemy import Connection, case, select

from custodes.adapters.sql.statements import insert_into
from custodes.adapters.sql.tables import TOTAL
from custodes.ports.catalog import CameraTotals
from custodes.units import CameraId, Ns


@dataclass(slots=True, kw_only=True)
class Difference:
    """What one transaction adds to a camera's sums; the longest durations are maxima."""

    recorded_ns: int = 0
    gaps_ns: int = 0
    tracks: int = 0
    people: int = 0
    vehicles: int = 0
    longest_segment_ns: int = 0
    longest_track_ns: int = 0


_SUMS = ("recorded_ns", "gaps_ns", "tracks", "people", "vehicles")
_MAXIMA = ("longest_segment_ns", "longest_track_ns")


@dataclass(slots=True)
class Differences:
    """Collects differences by camera and writes them with one statement."""

    by_camera: dict[str, Difference] = field(default_factory=dict)

    def of(self, camera_id: str) -> Difference:
        """The camera's difference, to be added to."""
        return self.by_camera.setdefault(camera_id, Difference())

    def apply(self, connection: Connection) -> None:
        """Add everything to the stored sums."""
        if not self.by_camera:
            return
        statement = insert_into(connection, TOTAL)
        new = statement.excluded
        statement = statement.on_conflict_do_update(
            index_elements=[TOTAL.c.camera_id],
            set_={name: TOTAL.c[name] + new[name] for name in _SUMS}
            | {name: case((new[name] > TOTAL.c[name], new[name]), else_=TOTAL.c[name]) for name in _MAXIMA},
        )
        rows = [
            {"camera_id": camera_id} | {name: getattr(change, name) for name in _SUMS + _MAXIMA}
            for camera_id, change in self.by_camera.items()
        ]
        connection.execute(statement, rows)


def longest_ns(connection: Connection, camera_id: CameraId, name: str) -> int:
    """One of the maxima; 0 for a camera without rows."""
    return connection.scalar(select(TOTAL.c[name]).where(TOTAL.c.camera_id == camera_id)) or 0


def read_totals(connection: Connection) -> dict[CameraId, CameraTotals]:
    """All cameras' sums."""
    return {
        CameraId(row.camera_id): CameraTotals(
            recorded_ns=Ns(row.recorded_ns),
            gaps_ns=Ns(row.gaps_ns),
            tracks=row.tracks,
            people=row.people,
            vehicles=row.vehicles,
        )
        for row in connection.execute(select(TOTAL))
    }
