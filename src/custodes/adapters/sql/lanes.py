"""Many cameras over a long time, as what a screen can show of it: a fixed number of bins, whatever was recorded.

A month of 64 cameras is three million segments. No bin is counted: each is one look into an index, so the cost goes
with bins times cameras and not with the length of the interval.
"""

from collections.abc import Sequence

from sqlalchemy import Connection

from custodes.adapters.sql.recording import read_gaps
from custodes.adapters.sql.statements import run
from custodes.ports.catalog import Lane
from custodes.types.access import CameraScope
from custodes.types.media import Gap
from custodes.units import CameraId, Ns

_LANE = (
    "WITH RECURSIVE bin(n, low, high) AS (SELECT 0, CAST(? AS BIGINT), CAST(? AS BIGINT)"
    " UNION ALL SELECT n + 1, low + CAST(? AS BIGINT), high + CAST(? AS BIGINT) FROM bin WHERE n < ?)"
    " SELECT n, CASE WHEN EXISTS (SELECT 1 FROM segment WHERE camera_id = ?"
    " AND start_ns BETWEEN bin.low AND bin.high) OR EXISTS (SELECT 1 FROM segment WHERE camera_id = ?"
    " AND start_ns BETWEEN bin.low - CAST(? AS BIGINT) AND bin.low AND end_ns >= bin.low) THEN 1 ELSE 0 END"
    " + CASE WHEN ? = 0 THEN 0 WHEN (SELECT start_ns FROM coverage WHERE camera_id = ? AND end_ns >= bin.low"
    " ORDER BY end_ns LIMIT 1) <= bin.high THEN 2 ELSE 0 END"
    " + CASE WHEN EXISTS (SELECT 1 FROM tracklet WHERE camera_id = ?"
    " AND start_ns BETWEEN bin.low AND bin.high) THEN 4 ELSE 0 END"
    " FROM bin"
)
"""One pass over the bins of a camera. A segment that begins in a bin is found in the index alone; the longest one
bounds how far before the bin another can begin that reaches into it, so that one row or two are looked at. An interval
of the coverage is found by its end, for they are disjoint; only where `_COVERAGE` found too many of them."""
_COVERAGE = (
    "SELECT start_ns, end_ns FROM coverage WHERE camera_id = ? AND end_ns >= ? AND start_ns <= ?"
    " LIMIT CAST(? AS BIGINT)"
)
"""What was analysed is mostly few long intervals: laid over the bins here, they cost a thirtieth of a look each."""
_RECORDED, _ANALYSED, _SEEN = 1, 2, 4
_NEWEST = "SELECT end_ns FROM segment WHERE camera_id = ? ORDER BY start_ns DESC LIMIT 1"
_LONGEST = "SELECT camera_id, longest_segment_ns FROM total"


def read_lanes(connection: Connection, scope: CameraScope, start_ns: Ns, end_ns: Ns, bins: int) -> list[Lane]:
    """See `Catalog.lanes`. What it costs is measured by `bench.web`."""
    assert not scope.is_all, "the cameras of lanes are named"
    width_ns = -(-(end_ns - start_ns) // bins)
    # a bin ends where the next begins, so that what touches both is in both
    grid = (start_ns, start_ns + width_ns, width_ns, width_ns, bins - 1)
    gaps: dict[CameraId, list[Gap]] = {camera_id: [] for camera_id in sorted(scope.camera_ids)}
    for gap in read_gaps(connection, scope.camera_ids, start_ns, end_ns):
        gaps[gap.camera_id].append(gap)
    longest: dict[str, int] = {row[0]: row[1] for row in run(connection, _LONGEST)}
    lanes = []
    for camera_id, missed in gaps.items():
        most = 2 * bins
        spans = run(connection, _COVERAGE, (camera_id, start_ns, end_ns, most)).fetchall()
        is_split = int(len(spans) == most)
        values = (*grid, camera_id, camera_id, longest.get(camera_id, 0), is_split, camera_id, camera_id)
        marks = [(n, bits) for n, bits in run(connection, _LANE, values).fetchall() if bits]
        lanes.append(
            Lane(
                camera_id=camera_id,
                width_ns=Ns(width_ns),
                recorded=_with(_RECORDED, marks),
                analysed=_with(_ANALYSED, marks)
                if is_split
                else _touched([(first - start_ns, last - start_ns) for first, last in spans], width_ns, bins),
                seen=_with(_SEEN, marks),
                gaps=tuple(missed),
                newest_ns=Ns(run(connection, _NEWEST, (camera_id,)).scalar() or 0),
            )
        )
    return lanes


def _with(bit: int, marks: Sequence[tuple[int, int]]) -> tuple[int, ...]:
    return tuple(sorted([n for n, bits in marks if bits & bit]))


def _touched(spans: Sequence[tuple[int, int]], width_ns: int, bins: int) -> tuple[int, ...]:
    """The bins that an interval reaches into or touches; a bin ends where the next begins."""
    touched: set[int] = set()
    for first, last in spans:
        touched.update(range(max(-(-first // width_ns) - 1, 0), min(last // width_ns, bins - 1) + 1))
    return tuple(sorted(touched))
