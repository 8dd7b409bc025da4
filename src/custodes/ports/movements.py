"""Tracks, crossings, sightings and flows as columns: what a site of a thousand cameras asks of a month (10⁸ rows)."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from custodes.types.access import CameraScope
from custodes.types.movement import CrossingCount, Crossings, Flows, Passages, Sighting
from custodes.units import CameraId, Ns

Stretch = tuple[int, int]
"""[start, end] in ns UTC."""


class Movements(Protocol):
    """Blocking, like `ports.catalog.Catalog`. Every method is one transaction; what a write has returned from survives
    a power cut. Rows are immutable and have keys (`types.movement`): putting one again changes nothing, whatever its
    other columns. Intervals are closed: touching counts as overlapping. A scope is part of the query. Times are kept
    to the millisecond, scores and places to a 255th.

    Raises: InvalidArgument for columns of unequal length or out of range, DataLoss (the file is damaged),
    ResourceExhausted (disk full), Unavailable (locked by somebody else)."""

    def put_passages(self, passages: Passages) -> int:
        """Store finished tracks, in lots of any size; returns how many were new."""
        ...

    def put_crossings(self, crossings: Crossings) -> int:
        """Store crossings; returns how many were new."""
        ...

    def passages(self, scope: CameraScope, start_ns: Ns, end_ns: Ns, *, limit: int) -> Passages:
        """Those that overlap [start, end], by start; the newest `limit` of them."""
        ...

    def crossings(self, scope: CameraScope, start_ns: Ns, end_ns: Ns, *, limit: int) -> Crossings:
        """Those in [start, end], by time; the newest `limit` of them."""
        ...

    def crossing_counts(self, scope: CameraScope, start_ns: Ns, end_ns: Ns, *, bin_ns: int) -> list[CrossingCount]:
        """Crossings in [start, end) by camera, line, class, direction and bin, bins counted from `start_ns`; bins
        without any are left out. Raises: InvalidArgument unless `bin_ns` is at least a second."""
        ...

    def replace(self, camera_id: CameraId, start_ns: Ns, end_ns: Ns, passages: Passages, crossings: Crossings) -> None:
        """Another analysis of [start, end) of one camera: what began or crossed in it goes, these come, at once."""
        ...

    def forget(self, camera_id: CameraId, before_ns: Ns, kept: Sequence[Stretch] = ()) -> None:
        """Drop passages, crossings and sightings that ended by `before_ns`, except where they touch a kept stretch."""
        ...

    # of the enrolled alone
    def put_sightings(self, sightings: Sequence[Sighting]) -> None:
        """Store; the same key again replaces (a link became more or less probable)."""
        ...

    def journey(self, subject: str, start_ns: Ns, end_ns: Ns) -> list[Sighting]:
        """One enrolled person's sightings that overlap [start, end], by start."""
        ...

    def forget_subject(self, subject: str) -> None:
        """A withdrawal: all sightings of a person go. Idempotent."""
        ...

    # of nobody in particular
    def put_flows(self, start_ns: Ns, flows: Flows) -> None:
        """The flows of the hour that begins then; what was stored of that hour is replaced.
        Raises: InvalidArgument unless it is the start of an hour, UTC."""
        ...

    def flow_matrix(self, scope: CameraScope, start_ns: Ns, end_ns: Ns) -> Flows:
        """Sums of the hours that begin in [start, end), both cameras in the scope; by origin, destination, class."""
        ...

    def rows(self) -> Mapping[str, int]:
        """How many of each: passages, crossings, sightings, flow_hours."""
        ...
