"""What moved where, as columns: finished tracks, line crossings, sightings of the enrolled, flows between cameras.

Struct-of-arrays, because there are 10⁸ of them: times to the millisecond, places and scores to a 255th.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from custodes.types.event import LineCrossed
from custodes.types.vision import Tracklet
from custodes.units import CameraId, Ns, RunId

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Streams:
    """The runs that rows of one answer are of: row → `codes` → camera and run.

    `codes`: (n,) int64, index into `camera_ids` and `runs`, which are of equal length.
    """

    codes: Ints
    camera_ids: tuple[CameraId, ...]
    runs: tuple[RunId, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Passages:
    """Finished tracks: one row is one object's stay in one camera's picture. Key: stream, track id, start.

    `track_ids`, `classes` (values of `ObjectClass`), `start_ns`, `end_ns` (end ≥ start), `frames` (measured): (n,)
    int64. `mean_scores`, `qualities`: (n,) float32, 0 to 1. `first_feet`, `last_feet`: (n, 2) float32, where its
    lower edge stood when it came and when it went, in shares of the frame.
    """

    streams: Streams
    track_ids: Ints
    classes: Ints
    start_ns: Ints
    end_ns: Ints
    frames: Ints
    mean_scores: Floats
    qualities: Floats
    first_feet: Floats
    last_feet: Floats

    def __len__(self) -> int:
        return len(self.track_ids)


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossings:
    """Confirmed tracks over lines. Key: stream, line, track id, moment.

    `lines`: (n,) int64, index into `line_names`. `track_ids`, `classes`, `utc_ns`: (n,) int64. `is_forward`: bool.
    """

    streams: Streams
    lines: Ints
    line_names: tuple[str, ...]
    track_ids: Ints
    classes: Ints
    utc_ns: Ints
    is_forward: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.track_ids)


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossingCount:
    """How many crossed a line in one bin of time."""

    camera_id: CameraId
    line: str
    object_class: int
    is_forward: bool
    bin_start_ns: Ns
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """A track that is an enrolled person's, by a verified identification or a link to one. Key: subject, camera, run,
    track id, start. There is no sighting of anybody else."""

    subject: str
    """Id of the enrolled person; the name is elsewhere."""
    camera_id: CameraId
    run: RunId
    track_id: int
    start_ns: Ns
    end_ns: Ns
    probability: float
    """That it is this person, 0 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flows:
    """Who went from one camera to another in one stretch of time, without who: counts per pair and class.

    `origins`, `destinations`: (n,) int64, index into `camera_ids`. `classes`, `counts`, `transit_ms_sums`: (n,) int64.
    """

    camera_ids: tuple[CameraId, ...]
    origins: Ints
    destinations: Ints
    classes: Ints
    counts: Ints
    transit_ms_sums: Ints

    def __len__(self) -> int:
        return len(self.counts)


NO_INTS: Final = np.zeros(0, np.int64)


def streams_from(pairs: Sequence[tuple[CameraId, RunId]]) -> Streams:
    """Of each row's camera and run."""
    known = {pair: at for at, pair in enumerate(dict.fromkeys(pairs))}
    return Streams(
        codes=np.array([known[pair] for pair in pairs], np.int64),
        camera_ids=tuple(camera for camera, _ in known),
        runs=tuple(run for _, run in known),
    )


def passages_from(tracklets: Sequence[Tracklet]) -> Passages:
    """The same, as columns."""
    first = np.array([one.first_box_norm for one in tracklets], np.float32).reshape(-1, 4)
    last = np.array([one.last_box_norm for one in tracklets], np.float32).reshape(-1, 4)
    return Passages(
        streams=streams_from([(one.camera_id, one.run) for one in tracklets]),
        track_ids=np.array([one.track_id for one in tracklets], np.int64),
        classes=np.array([int(one.object_class) for one in tracklets], np.int64),
        start_ns=np.array([one.start_ns for one in tracklets], np.int64),
        end_ns=np.array([one.end_ns for one in tracklets], np.int64),
        frames=np.array([one.frames for one in tracklets], np.int64),
        mean_scores=np.array([one.mean_score for one in tracklets], np.float32),
        qualities=np.array([one.quality for one in tracklets], np.float32),
        first_feet=_feet(first),
        last_feet=_feet(last),
    )


def crossings_from(crossed: Sequence[LineCrossed]) -> Crossings:
    """The same, as columns."""
    names = tuple(dict.fromkeys(one.line for one in crossed))
    return Crossings(
        streams=streams_from([(one.camera_id, one.run) for one in crossed]),
        lines=np.array([names.index(one.line) for one in crossed], np.int64),
        line_names=names,
        track_ids=np.array([one.track_id for one in crossed], np.int64),
        classes=np.array([int(one.object_class) for one in crossed], np.int64),
        utc_ns=np.array([one.utc_ns for one in crossed], np.int64),
        is_forward=np.array([one.is_forward for one in crossed], bool),
    )


def _feet(boxes_norm: Floats) -> Floats:
    """(n, 4) → (n, 2): the middle of the lower edge."""
    return np.stack([(boxes_norm[:, 0] + boxes_norm[:, 2]) / 2, boxes_norm[:, 3]], axis=1)
