"""Several cameras that see the same ground: one object is one dot, whichever of them see it. Online.

Each camera gives places on a common ground, with covariances. A dot is a Kalman filter in metres; at each look, each
camera's measurements are assigned to the dots, one to one, by likelihood. That a camera's own tracker takes two of
them for one object is evidence, too, as long as nothing stood in the way: where boxes overlap, trackers of one picture
mix people up, and other views and the ground know better (ADR 117). Dots that turn out to be one are merged.

Where looks are given, a dot keeps a mean for each camera until it is over; then these are overwritten (ADR 132).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from custodes.journey.crowd import Crowd
from custodes.journey.dots import DRIVING, WALKING, DotState, Floats, Look, Motion
from custodes.journey.dots import Dot as Dot
from custodes.journey.dots import Placed as Placed
from custodes.journey.dots import TrackKey as TrackKey
from custodes.journey.likeness import MOST_NATS, OTHER_VIEW, SAME_VIEW, Likeness
from custodes.units import NS_PER_S, CameraId


@dataclass(frozen=True, slots=True, kw_only=True)
class FusionConfig:
    """One default for foot-paths, halls and streets."""

    motions: tuple[Motion, Motion] = (WALKING, DRIVING)
    """Of people and of vehicles (`Placed.group`)."""
    speed_decay_s: float = 4.0
    """Who is not seen slows down, as in `track.plane`: else a dot that was lost runs away."""
    gate: float = 18.4
    """Squared Mahalanobis distance beyond which nothing is thought of: one in ten thousand of the right ones."""
    new: float = 4.0
    """Logarithm of how much likelier a measurement is somebody who is known than somebody new, per square metre."""
    keep: float = 3.0
    """Nats for the dot that the same track was last: a tracker of one picture is right 19 times in 20."""
    keep_mixed: float = 1.4
    """The same where boxes overlap: 4 times in 5."""
    keep_known: float = 2.0
    keep_known_mixed: float = 0.7
    """Both, where looks are known on either side: they tell better who it is."""
    settle_s: float = 1.0
    """It counts in full again when its box has been clear of others for so long."""
    off_s: float = 1.0
    """Over so long it is learnt how far from its dot a track is always seen: calibrations differ, most far away."""
    memory_s: float = 1.0
    """Who was seen by the same camera within it is told apart by it."""
    wait_s: float = 0.5
    """A new track that fits no dot waits so long for one before it begins its own."""
    wait_known_s: float = 1.0
    """The same where its look is known, which one picture alone tells badly."""
    lost_s: float = 8.0
    """A dot that nobody saw for longer is over."""
    merge_s: float = 1.0
    """Two dots that fit one another for so long are one."""
    merge_gate: float = 6.0


@dataclass(slots=True)
class _Track:
    number: int
    """Of its dot; 0 while it waits."""
    born_ns: int
    """Since when it fits no dot."""
    seen_ns: int
    off_m: Floats = field(default_factory=lambda: np.zeros(2))
    """How far from its dot this track is usually seen."""
    mixed_ns: int | None = None
    """When its box last overlapped another one's."""
    ground_m2: float = 0.0


@dataclass(frozen=True, slots=True)
class _Bound:
    """A measurement and its dot. `is_sure`: by the same track as before, clear of others. `is_lone`: nobody else is
    near."""

    seen: Placed
    dot: DotState
    is_sure: bool
    is_lone: bool


class Fusion:
    """All cameras of one ground. Deterministic; not thread-safe."""

    def __init__(self, config: FusionConfig | None = None, likeness: dict[int, Likeness] | None = None) -> None:
        """`likeness`: what was learnt of each group on this ground before; learnt on in place."""
        self._config = config or FusionConfig()
        self._dots: dict[int, DotState] = {}
        self._tracks: dict[TrackKey, _Track] = {}
        self._close_since: dict[tuple[int, int], int] = {}
        self._likeness: dict[int, Likeness] = {} if likeness is None else likeness
        """Of each group: how alike people are says nothing of vehicles."""
        self._crowd = Crowd()
        self._off_gain = 0.0
        self._next = 1
        self._utc_ns: int | None = None

    def step(self, utc_ns: int, seen: Sequence[Placed]) -> list[Dot]:
        """Take what all cameras measured at about one moment; returns the dots that somebody sees now.

        Args: utc_ns: not before the last call's. Cost: 7 ms for 4 cameras with 15 objects each, with looks 10.
        """
        self._predict(utc_ns)
        self._crowd.take(seen)
        by_camera: dict[CameraId, list[Placed]] = {}
        for one in seen:
            track = self._tracks.setdefault(one.key, _Track(0, utc_ns, utc_ns))
            track.seen_ns, track.ground_m2 = utc_ns, one.ground_m2
            track.mixed_ns = utc_ns if one.is_mixed else track.mixed_ns
            by_camera.setdefault(one.key[0], []).append(one)
        for camera_id in sorted(by_camera):
            # One camera after the other: what the first says makes the second surer.
            for one, dot in self._bind(camera_id, by_camera[camera_id], utc_ns):
                self._update(dot, one, utc_ns)
        self._begin([one for one in seen if not self._tracks[one.key].number], utc_ns)
        self._merge(utc_ns)
        self.forget_lost(utc_ns)
        return [self._shown(dot, utc_ns) for dot in self._dots.values() if dot.seen_ns == utc_ns]

    def number_of(self, key: TrackKey) -> int:
        """The dot that a track is bound to; 0 for none."""
        track = self._tracks.get(key)
        return track.number if track else 0

    @property
    def looks(self) -> int:
        """Dots whose look is known."""
        return sum(bool(dot.looks) for dot in self._dots.values())

    def forget_looks(self) -> None:
        """Overwrite all of them; the dots go on by ground and time."""
        for dot in self._dots.values():
            dot.forget_looks()
        self._crowd.forget()

    def forget_lost(self, utc_ns: int) -> None:
        """Dots and tracks that nobody saw for long are over; `step` does it, too, but only where something is seen."""
        limit_ns = utc_ns - round(self._config.lost_s * NS_PER_S)
        for number in [number for number, dot in self._dots.items() if dot.seen_ns < limit_ns]:
            self._dots.pop(number).forget_looks()
        if not self.looks:
            self._crowd.forget()
        for key in [key for key, track in self._tracks.items() if track.seen_ns < limit_ns]:
            del self._tracks[key]

    # -- one step -------------------------------------------------------------------------------------

    def _predict(self, utc_ns: int) -> None:
        before, self._utc_ns = self._utc_ns, max(utc_ns, self._utc_ns or utc_ns)
        seconds = 0.0 if before is None else (self._utc_ns - before) / NS_PER_S
        if seconds <= 0:
            return
        self._off_gain = float(1 - np.exp(-seconds / self._config.off_s))
        moved = [motion.moved(seconds, self._config.speed_decay_s) for motion in self._config.motions]
        for dot in self._dots.values():
            move, noise = moved[dot.group]
            dot.mean = move @ dot.mean
            dot.spread = move @ dot.spread @ move.T + noise

    def _bind(self, camera_id: CameraId, mine: list[Placed], utc_ns: int) -> list[tuple[Placed, DotState]]:
        """Which dot each measurement of one camera belongs to: the likeliest assignment of all of them together."""
        dots = list(self._dots.values())
        cost = self._costs(mine, dots, utc_ns)
        rows, columns = np.zeros(0, np.int64), np.zeros(0, np.int64)
        if cost.size:
            # Importing it takes a third of a second, which each start of the server would pay before the first page.
            from scipy.optimize import linear_sum_assignment

            rows, columns = linear_sum_assignment(np.minimum(cost, 0.0))
        pairs = zip(rows.tolist(), columns.tolist(), strict=True)
        chosen = {row: dots[column] for row, column in pairs if cost[row, column] < 0}
        is_lone = np.isfinite(cost).sum(axis=1) == 1
        self._learn(
            [
                _Bound(mine[row], dot, self._is_sure(mine[row], dot, utc_ns), bool(is_lone[row]))
                for row, dot in chosen.items()
            ]
        )
        for row, one in enumerate(mine):
            track, dot = self._tracks[one.key], chosen.get(row)
            before = self._dots.get(track.number)
            if before is not None and before is not dot:
                track.born_ns = utc_ns
                if before.bound.get(camera_id) == one.key:
                    del before.bound[camera_id]
            is_same = dot is not None and track.number == dot.number
            track.number = 0 if dot is None else dot.number
            if dot is not None:
                off_m = track.off_m if is_same else np.zeros(2)
                track.off_m = off_m + self._off_gain * (one.place_m - dot.mean[:2] - off_m)
                dot.bound[camera_id], dot.bound_ns[camera_id] = one.key, utc_ns
        return [(one, chosen[row]) for row, one in enumerate(mine) if row in chosen]

    def _costs(self, mine: Sequence[Placed], dots: Sequence[DotState], utc_ns: int) -> Floats:
        """(n, m) negative where a measurement is likelier this dot's than somebody new's; +inf where impossible."""
        config = self._config
        if not dots or not mine:
            return np.zeros((len(mine), len(dots)))
        gap = np.array([one.place_m for one in mine])[:, None] - np.array([dot.mean[:2] for dot in dots])
        spread = np.array([self._noise(one) for one in mine])[:, None] + np.array([dot.spread[:2, :2] for dot in dots])
        squared, volume = _squared(gap, spread)
        result: Floats = 0.5 * (squared + np.log(volume)) - config.new
        theirs = [self._looks_apart(dot) for dot in dots] if any(one.look is not None for one in mine) else []
        for row, one in enumerate(mine):
            track = self._tracks[one.key]
            look = None if one.look is None else self._crowd.apart(one.group, one.key[0], one.look)
            for column, dot in enumerate(dots):
                is_kept = dot.number == track.number
                is_known = bool(dot.looks) and one.look is not None
                if dot.group != one.group or (squared[row, column] > config.gate and not is_kept):
                    result[row, column] = np.inf
                    continue
                if is_kept:
                    kept, share = self._kept(track, utc_ns, is_known=is_known)
                    rest = gap[row, column] - share * track.off_m
                    usual = float(_squared(rest, spread[row, column])[0])
                    result[row, column] -= kept + 0.5 * max(squared[row, column] - usual, 0.0)
                if look is not None:
                    result[row, column] -= self._said(one.key[0], look, dot, theirs[column])
        return result

    def _is_sure(self, one: Placed, dot: DotState, utc_ns: int) -> bool:
        """Whether a measurement is surely of its dot: the same track as before, and clear of others."""
        track = self._tracks[one.key]
        is_clear = track.mixed_ns is None or utc_ns - track.mixed_ns >= self._config.settle_s * NS_PER_S
        return track.number == dot.number and is_clear

    def _looks_apart(self, dot: DotState) -> dict[CameraId, Look]:
        return {camera_id: self._crowd.apart(dot.group, camera_id, look) for camera_id, look in dot.looks.items()}

    def _said(self, camera_id: CameraId, look: Look, dot: DotState, own: Mapping[CameraId, Look]) -> float:
        """Nats for one object, by a camera's look and those of a dot, `own`: of the same camera, and of all others."""
        said: tuple[list[float], list[float]] = ([], [])
        likeness = self._likeness.setdefault(dot.group, Likeness())
        for known, mean in own.items():
            kind = SAME_VIEW if known == camera_id else OTHER_VIEW
            said[kind].append(dot.weight(known) * likeness.nats(kind, float(mean @ look)))
        return sum(_mean(some) for some in said)

    def _said_of_both(self, first: DotState, second: DotState) -> float:
        """The same of two dots. A mean of few looks says less: somebody else may have been taken for the dot for a
        moment, and what has been two for a while is two for ever if that counts in full."""
        said: tuple[list[float], list[float]] = ([], [])
        likeness = self._likeness.setdefault(first.group, Likeness())
        theirs = self._looks_apart(second)
        for one, mean in self._looks_apart(first).items():
            for other, own in theirs.items():
                kind = SAME_VIEW if one == other else OTHER_VIEW
                weight = first.weight(one) * second.weight(other)
                said[kind].append(weight * likeness.nats(kind, float(mean @ own)))
        return sum(_mean(some) for some in said)

    def _learn(self, bound: Sequence[_Bound]) -> None:
        """What is sure at this look of one camera: a track nothing stood near is itself, two tracks are two."""
        theirs = {id(one): self._looks_apart(one.dot) for one in bound}
        for one in bound:
            if one.seen.look is None:
                continue
            mine = self._crowd.apart(one.seen.group, one.seen.key[0], one.seen.look)
            likeness = self._likeness.setdefault(one.dot.group, Likeness())
            for other in bound:
                if other.dot.group != one.dot.group:
                    continue
                is_same = other is one
                for camera_id, look in theirs[id(other)].items():
                    kind = SAME_VIEW if camera_id == one.seen.key[0] else OTHER_VIEW
                    if not is_same or (one.is_sure and (kind == SAME_VIEW or one.is_lone)):
                        likeness.learn(kind, float(look @ mine), is_same=is_same)

    def _kept(self, track: _Track, utc_ns: int, *, is_known: bool) -> tuple[float, float]:
        """Nats for the dot that a track was last, and their share of the most."""
        config = self._config
        most, least = (config.keep_known, config.keep_known_mixed) if is_known else (config.keep, config.keep_mixed)
        clear_s = np.inf if track.mixed_ns is None else (utc_ns - track.mixed_ns) / NS_PER_S
        nats = least + (most - least) * min(1.0, clear_s / config.settle_s)
        return nats, nats / most

    def _noise(self, one: Placed) -> Floats:
        return one.spread_m2 + self._config.motions[one.group].floor_m ** 2 * np.eye(2)

    def _update(self, dot: DotState, one: Placed, utc_ns: int) -> None:
        gain = dot.spread[:, :2] @ np.linalg.inv(dot.spread[:2, :2] + self._noise(one))
        dot.mean = dot.mean + gain @ (one.place_m - dot.mean[:2])
        dot.spread = dot.spread - gain @ dot.spread[:2, :]
        dot.spread = (dot.spread + dot.spread.T) / 2
        dot.seen_ns = utc_ns
        if one.look is not None and (not one.is_mixed or not dot.is_settled(one.key[0])):
            dot.see(one.key[0], one.look)

    def _begin(self, lone: Iterable[Placed], utc_ns: int) -> None:
        born: list[DotState] = []
        for one in lone:
            track = self._tracks[one.key]
            wait_s = self._config.wait_s if one.look is None else self._config.wait_known_s
            if utc_ns - track.born_ns < wait_s * NS_PER_S and self._dots:
                continue
            if self._belongs(one, born, utc_ns):
                continue
            spread = np.zeros((4, 4))
            spread[:2, :2] = self._noise(one)
            spread[2:, 2:] = np.eye(2) * self._config.motions[one.group].first_mps ** 2
            dot = DotState(self._next, one.group, np.concatenate([one.place_m, np.zeros(2)]), spread, utc_ns)
            if one.look is not None:
                dot.see(one.key[0], one.look)
            dot.bound[one.key[0]], dot.bound_ns[one.key[0]] = one.key, utc_ns
            self._dots[dot.number] = dot
            born.append(dot)
            track.number = dot.number
            self._next += 1

    def _belongs(self, one: Placed, born: Sequence[DotState], utc_ns: int) -> bool:
        """Whether another camera's track, which waited as long, began its dot just now; then it is bound to that."""
        others = [dot for dot in born if one.key[0] not in dot.bound]
        costs = self._costs([one], others, utc_ns)
        if not costs.size or costs.min() >= 0:
            return False
        dot = others[int(costs.argmin())]
        dot.bound[one.key[0]], dot.bound_ns[one.key[0]] = one.key, utc_ns
        self._tracks[one.key].number = dot.number
        self._update(dot, one, utc_ns)
        return True

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

    def _may_be_one(self, first: DotState, second: DotState, utc_ns: int) -> bool:
        if first.group != second.group:
            return False
        for camera_id in first.bound.keys() & second.bound.keys():
            both = (first.bound_ns[camera_id], second.bound_ns[camera_id])
            if min(both) >= utc_ns - self._config.memory_s * NS_PER_S:
                return False  # one camera tells them apart
        gap = first.mean - second.mean
        usual = np.diag([self._config.motions[first.group].apart_m2] * 2 + [0.05] * 2)
        squared = float(gap @ np.linalg.solve(first.spread + second.spread + usual, gap))
        if squared > self._config.merge_gate + 4 * MOST_NATS:
            return False  # whatever looks of the same and of other cameras say
        squared -= 2 * self._said_of_both(first, second)
        return squared <= self._config.merge_gate

    def _join(self, kept: DotState, gone: DotState) -> None:
        for camera_id, key in gone.bound.items():
            if camera_id not in kept.bound or gone.bound_ns[camera_id] >= kept.bound_ns[camera_id]:
                kept.bound[camera_id], kept.bound_ns[camera_id] = key, gone.bound_ns[camera_id]
        for track in self._tracks.values():
            if track.number == gone.number:
                track.number = kept.number
        if np.trace(gone.spread) < np.trace(kept.spread):
            kept.mean, kept.spread = gone.mean, gone.spread
        kept.seen_ns = max(kept.seen_ns, gone.seen_ns)
        kept.take_looks(gone)
        del self._dots[gone.number]

    def _shown(self, dot: DotState, utc_ns: int) -> Dot:
        tracks = tuple(sorted(key for camera_id, key in dot.bound.items() if dot.bound_ns[camera_id] == utc_ns))
        ground_m2 = min((self._tracks[key].ground_m2 for key in tracks), default=0.0)
        return Dot(
            number=dot.number,
            group=dot.group,
            place_m=dot.mean[:2].copy(),
            velocity_mps=dot.mean[2:].copy(),
            spread_m2=dot.spread[:2, :2].copy(),
            tracks=tracks,
            error_m=float(dot.spread[:2, :2].trace() + ground_m2) ** 0.5,
        )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def _squared(gap: Floats, spread: Floats) -> tuple[Floats, Floats]:
    """(…,) squared Mahalanobis distances of gaps (…, 2) with covariances (…, 2, 2), and their determinants."""
    xx, xy, yy = spread[..., 0, 0], spread[..., 0, 1], spread[..., 1, 1]
    volume: Floats = xx * yy - xy * xy
    x, y = gap[..., 0], gap[..., 1]
    squared: Floats = (yy * x**2 - 2 * xy * x * y + xx * y**2) / volume
    return squared, volume


def numbers_of(dots: Iterable[Dot]) -> Mapping[TrackKey, int]:
    """Each track that is seen now → its dot's number."""
    return {key: dot.number for dot in dots for key in dot.tracks}
