"""Several cameras that see the same ground: one object is one dot, whichever of them see it. Online.

Each camera's tracker gives its tracks places on a common ground, with covariances. A dot is a Kalman filter in metres
that the tracks of different cameras are bound to; two tracks of one camera at one moment are never the same dot.
Bindings are made when a track fits, broken when it fits no more, and dots that turn out to be one are merged.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from custodes.units import NS_PER_S, CameraId, RunId

Floats = npt.NDArray[np.float64]
TrackKey = tuple[CameraId, RunId, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """Where one camera's track was measured at one moment. `place_m`: (2,), `spread_m2`: (2, 2) of this one
    measurement; `look`: (d,) unit vector, or None where appearance is not known."""

    key: TrackKey
    group: int
    """Only equal groups are ever one: people, vehicles."""
    place_m: Floats
    spread_m2: Floats
    look: Floats | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dot:
    """One object on the ground, now."""

    number: int
    group: int
    place_m: Floats
    velocity_mps: Floats
    spread_m2: Floats
    tracks: tuple[TrackKey, ...]
    """That see it now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FusionConfig:
    """One default for people and vehicles on foot-paths, halls and streets."""

    push_mps2: float = 1.2
    """How hard objects change their velocity."""
    floor_m: float = 0.3
    """Added to each measurement: calibrations and detectors err the same way for a while."""
    gate: float = 9.2
    """Squared Mahalanobis distance: 1 % of the right ones are farther (chi², two degrees of freedom)."""
    loose: float = 14.0
    """A bound track whose squared distance stays above it, on average over `memory_s`, is another object."""
    memory_s: float = 1.0
    wait_s: float = 0.5
    """A new track that fits no dot waits so long for one before it begins its own."""
    lost_s: float = 8.0
    """A dot that nobody saw for longer is over."""
    merge_s: float = 1.0
    """Two dots that fit one another for so long are one."""
    merge_gate: float = 6.0
    look_weight: float = 12.0
    """Squared-distance units that a cosine of one less costs."""
    look_usual: float = 0.5


@dataclass(slots=True)
class _State:
    number: int
    group: int
    mean: Floats
    """(4,): x, y, their speeds."""
    spread: Floats
    seen_ns: int
    bound: dict[CameraId, TrackKey] = field(default_factory=dict)
    bound_ns: dict[CameraId, int] = field(default_factory=dict)
    look: Floats | None = None


@dataclass(slots=True)
class _Track:
    number: int
    """Of its dot; 0 while it waits."""
    born_ns: int
    seen_ns: int
    misfit: float = 0.0


class Fusion:
    """All cameras of one ground. Deterministic; not thread-safe."""

    def __init__(self, config: FusionConfig | None = None) -> None:
        self._config = config or FusionConfig()
        self._dots: dict[int, _State] = {}
        self._tracks: dict[TrackKey, _Track] = {}
        self._close_since: dict[tuple[int, int], int] = {}
        self._next = 1
        self._utc_ns: int | None = None

    def step(self, utc_ns: int, seen: Sequence[Placed]) -> list[Dot]:
        """Take what all cameras measured at about one moment; returns the dots that somebody sees now.

        Args: utc_ns: not before the last call's. Cost: about 1 ms for 4 cameras with 15 objects each.
        """
        self._predict(utc_ns)
        by_camera: dict[CameraId, list[Placed]] = {}
        for one in seen:
            self._tracks.setdefault(one.key, _Track(0, utc_ns, utc_ns)).seen_ns = utc_ns
            by_camera.setdefault(one.key[0], []).append(one)
        assigned: list[tuple[Placed, _State]] = []
        for camera_id in sorted(by_camera):
            assigned += self._bind(camera_id, by_camera[camera_id], utc_ns)
        for one, dot in assigned:
            self._update(dot, one, utc_ns)
        self._begin([one for one in seen if not self._tracks[one.key].number], utc_ns)
        self._merge(utc_ns)
        self._forget(utc_ns)
        return [self._shown(dot, utc_ns) for dot in self._dots.values() if dot.seen_ns == utc_ns]

    def number_of(self, key: TrackKey) -> int:
        """The dot that a track is bound to; 0 for none."""
        track = self._tracks.get(key)
        return track.number if track else 0

    # -- one step -------------------------------------------------------------------------------------

    def _predict(self, utc_ns: int) -> None:
        before, self._utc_ns = self._utc_ns, max(utc_ns, self._utc_ns or utc_ns)
        seconds = 0.0 if before is None else (self._utc_ns - before) / NS_PER_S
        if seconds <= 0:
            return
        move = np.eye(4)
        move[0, 2] = move[1, 3] = seconds
        push = np.array([[seconds**3 / 3, seconds**2 / 2], [seconds**2 / 2, seconds]]) * self._config.push_mps2**2
        noise = np.kron(push, np.eye(2))
        for dot in self._dots.values():
            dot.mean = move @ dot.mean
            dot.spread = move @ dot.spread @ move.T + noise

    def _bind(self, camera_id: CameraId, mine: list[Placed], utc_ns: int) -> list[tuple[Placed, _State]]:
        """Which dot each measurement of one camera belongs to: first as before, then the best of what is left."""
        assigned: list[tuple[Placed, _State]] = []
        free: list[Placed] = []
        taken: set[int] = set()
        # The one that a dot was last seen by comes first: a track that was lost and comes back may find its dot taken.
        for one in sorted(mine, key=lambda one: not self._is_last_bound(one)):
            track = self._tracks[one.key]
            dot = self._dots.get(track.number)
            if dot is not None and dot.number not in taken and not self._is_astray(track, dot, one):
                taken.add(dot.number)
                dot.bound[camera_id], dot.bound_ns[camera_id] = one.key, utc_ns
                assigned.append((one, dot))
            else:
                if dot is not None and dot.bound.get(camera_id) == one.key:
                    del dot.bound[camera_id]
                track.number, track.misfit = 0, 0.0
                free.append(one)
        dots = [dot for dot in self._dots.values() if dot.number not in taken]
        if free and dots:
            cost = np.array([[self._distance(dot, one) for dot in dots] for one in free])
            # Importing it takes a third of a second, which each start of the server would pay before the first page.
            from scipy.optimize import linear_sum_assignment

            rows, columns = linear_sum_assignment(np.where(cost <= self._config.gate, cost, 1e6))
            for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
                if cost[row, column] <= self._config.gate:
                    one, dot = free[row], dots[column]
                    self._tracks[one.key].number = dot.number
                    dot.bound[camera_id], dot.bound_ns[camera_id] = one.key, utc_ns
                    assigned.append((one, dot))
        return assigned

    def _is_last_bound(self, one: Placed) -> bool:
        dot = self._dots.get(self._tracks[one.key].number)
        return dot is not None and dot.bound.get(one.key[0]) == one.key

    def _is_astray(self, track: _Track, dot: _State, one: Placed) -> bool:
        if len([key for key in dot.bound.values() if key != one.key]) == 0:
            return False  # nobody else says where it is
        squared = self._distance(dot, one)
        track.misfit += (squared - track.misfit) * min(1.0, 0.2 / self._config.memory_s)
        return track.misfit > self._config.loose

    def _distance(self, dot: _State, one: Placed) -> float:
        if dot.group != one.group:
            return 1e6
        gap = one.place_m - dot.mean[:2]
        spread = dot.spread[:2, :2] + self._noise(one)
        squared = float(gap @ np.linalg.solve(spread, gap))
        if dot.look is not None and one.look is not None:
            squared += self._config.look_weight * (self._config.look_usual - float(dot.look @ one.look))
        return squared

    def _noise(self, one: Placed) -> Floats:
        return one.spread_m2 + self._config.floor_m**2 * np.eye(2)

    def _update(self, dot: _State, one: Placed, utc_ns: int) -> None:
        gain = dot.spread[:, :2] @ np.linalg.inv(dot.spread[:2, :2] + self._noise(one))
        dot.mean = dot.mean + gain @ (one.place_m - dot.mean[:2])
        dot.spread = dot.spread - gain @ dot.spread[:2, :]
        dot.spread = (dot.spread + dot.spread.T) / 2
        dot.seen_ns = utc_ns
        if one.look is not None:
            mixed = one.look if dot.look is None else 0.9 * dot.look + 0.1 * one.look
            dot.look = mixed / max(float(np.linalg.norm(mixed)), 1e-9)

    def _begin(self, lone: Iterable[Placed], utc_ns: int) -> None:
        for one in lone:
            track = self._tracks[one.key]
            if utc_ns - track.born_ns < self._config.wait_s * NS_PER_S and self._dots:
                continue
            spread = np.zeros((4, 4))
            spread[:2, :2], spread[2:, 2:] = self._noise(one), np.eye(2) * 1.5**2
            dot = _State(
                self._next, one.group, np.concatenate([one.place_m, np.zeros(2)]), spread, utc_ns, look=one.look
            )
            dot.bound[one.key[0]], dot.bound_ns[one.key[0]] = one.key, utc_ns
            self._dots[dot.number] = dot
            track.number = dot.number
            self._next += 1

    def _merge(self, utc_ns: int) -> None:
        live = [dot for dot in self._dots.values() if utc_ns - dot.seen_ns <= self._config.memory_s * NS_PER_S]
        near: dict[tuple[int, int], int] = {}
        for index, first in enumerate(live):
            for second in live[index + 1 :]:
                if self._may_be_one(first, second, utc_ns):
                    pair = (first.number, second.number)
                    near[pair] = self._close_since.get(pair, utc_ns)
        self._close_since = near
        for (first_number, second_number), since_ns in sorted(near.items()):
            is_due = utc_ns - since_ns >= self._config.merge_s * NS_PER_S
            if is_due and first_number in self._dots and second_number in self._dots:
                self._join(self._dots[first_number], self._dots[second_number])

    def _may_be_one(self, first: _State, second: _State, utc_ns: int) -> bool:
        if first.group != second.group:
            return False
        for camera_id in first.bound.keys() & second.bound.keys():
            both = (first.bound_ns[camera_id], second.bound_ns[camera_id])
            if min(both) >= utc_ns - self._config.memory_s * NS_PER_S:
                return False  # one camera tells them apart
        gap = first.mean - second.mean
        squared = float(gap @ np.linalg.solve(first.spread + second.spread + np.eye(4) * 0.05, gap))
        if first.look is not None and second.look is not None:
            squared += self._config.look_weight * (self._config.look_usual - float(first.look @ second.look))
        return squared <= self._config.merge_gate

    def _join(self, kept: _State, gone: _State) -> None:
        for camera_id, key in gone.bound.items():
            if camera_id not in kept.bound or gone.bound_ns[camera_id] >= kept.bound_ns[camera_id]:
                kept.bound[camera_id], kept.bound_ns[camera_id] = key, gone.bound_ns[camera_id]
        for track in self._tracks.values():
            if track.number == gone.number:
                track.number, track.misfit = kept.number, 0.0
        if np.trace(gone.spread) < np.trace(kept.spread):
            kept.mean, kept.spread = gone.mean, gone.spread
        kept.seen_ns = max(kept.seen_ns, gone.seen_ns)
        del self._dots[gone.number]

    def _forget(self, utc_ns: int) -> None:
        limit_ns = utc_ns - round(self._config.lost_s * NS_PER_S)
        for number in [number for number, dot in self._dots.items() if dot.seen_ns < limit_ns]:
            del self._dots[number]
        for key in [key for key, track in self._tracks.items() if track.seen_ns < limit_ns]:
            del self._tracks[key]

    def _shown(self, dot: _State, utc_ns: int) -> Dot:
        return Dot(
            number=dot.number,
            group=dot.group,
            place_m=dot.mean[:2].copy(),
            velocity_mps=dot.mean[2:].copy(),
            spread_m2=dot.spread[:2, :2].copy(),
            tracks=tuple(sorted(key for camera_id, key in dot.bound.items() if dot.bound_ns[camera_id] == utc_ns)),
        )


def numbers_of(dots: Iterable[Dot]) -> Mapping[TrackKey, int]:
    """Each track that is seen now → its dot's number."""
    return {key: dot.number for dot in dots for key in dot.tracks}
