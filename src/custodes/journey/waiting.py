"""How many people stood in a queue, and how long each waited: from where they stood in the picture, hour by hour.

No number leaves that is about fewer than `min_group` people; rounding as for all flows (`journey.flows`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from custodes.geometry.polygon import is_inside
from custodes.types.flow import QueueFigures
from custodes.types.scene import QueueArea
from custodes.units import NS_PER_S, CameraId

LEAST_S = 5.0
"""Who is gone sooner walked through."""
_WAIT_STEP_S = 5.0
_AWAY_NS = 30 * NS_PER_S
"""Somebody hidden for so long in between has waited all the same; later it is another wait."""


@dataclass(slots=True)
class QueueWatch:
    """One queue through one hour. `take` frame by frame, by time."""

    area: QueueArea
    frames: int = 0
    present: int = 0
    """Summed over frames."""
    peak: int = 0
    open_: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Track → first and last moment there."""
    waits_s: list[float] = field(default_factory=list)

    def take(self, utc_ns: int, track_ids: npt.NDArray[np.int64], feet: npt.NDArray[np.float64]) -> None:
        """People of one analysed frame: (n,) told apart over runs, (n, 2) feet in shares of the frame."""
        here = track_ids[is_inside(feet, self.area.polygon)] if len(track_ids) else track_ids
        self.frames += 1
        self.present += len(here)
        self.peak = max(self.peak, len(here))
        for track in here.tolist():
            first_ns, last_ns = self.open_.get(track, (utc_ns, utc_ns))
            if utc_ns - last_ns > _AWAY_NS:
                self._end(first_ns, last_ns)
                first_ns = utc_ns
            self.open_[track] = first_ns, utc_ns

    def end(self) -> None:
        """The hour is over; who still waits is counted with what they waited so far."""
        for first_ns, last_ns in self.open_.values():
            self._end(first_ns, last_ns)
        self.open_.clear()

    def _end(self, first_ns: int, last_ns: int) -> None:
        wait_s = (last_ns - first_ns) / NS_PER_S
        if wait_s >= LEAST_S:
            self.waits_s.append(wait_s)


@dataclass(slots=True)
class QueueNow:
    """One queue at this moment, for rules. `take` frame by frame, by time; forgets who was away for half a minute."""

    area: QueueArea
    since: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Track → first and last moment there."""

    def take(self, utc_ns: int, track_ids: npt.NDArray[np.int64], feet: npt.NDArray[np.float64]) -> tuple[int, float]:
        """As `QueueWatch.take`. Returns: how many are in it, and how many seconds half of them have waited; a track
        that breaks waits from its new beginning, so that is rather too short."""
        here = track_ids[is_inside(feet, self.area.polygon)] if len(track_ids) else track_ids
        self.since = {track: one for track, one in self.since.items() if utc_ns - one[1] <= _AWAY_NS}
        for track in here.tolist():
            self.since[track] = self.since.get(track, (utc_ns, utc_ns))[0], utc_ns
        waits = [utc_ns - self.since[track][0] for track in here.tolist()]
        return len(waits), float(np.median(waits)) / NS_PER_S if waits else 0.0


def queue_figures(
    camera_id: CameraId, watches: Mapping[str, QueueWatch], min_group: int, coverage: float
) -> tuple[QueueFigures, ...]:
    """What may be told of an hour's queues, by name."""
    return tuple(_figures(camera_id, one, min_group, coverage) for _, one in sorted(watches.items()))


def _figures(camera_id: CameraId, one: QueueWatch, min_group: int, coverage: float) -> QueueFigures:
    is_enough = len(one.waits_s) >= min_group
    waits = np.array(one.waits_s)

    def share(percent: int) -> float | None:
        return _WAIT_STEP_S * round(float(np.percentile(waits, percent)) / _WAIT_STEP_S) if is_enough else None

    return QueueFigures(
        camera_id=camera_id,
        name=one.area.name,
        coverage=round(coverage, 3),
        mean_length=round(one.present / one.frames, 1) if is_enough and one.frames else None,
        peak_length=one.peak if is_enough else None,
        wait_median_s=share(50),
        wait_p90_s=share(90),
    )
