"""What traffic engineers count in a quarter of an hour: volumes by class, turning movements, speeds, headways,
occupancy, density, level of service, queues. Every set of figures carries its coverage.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from custodes.geometry.homography import Homography
from custodes.geometry.pose import Pose
from custodes.traffic.paths import Path
from custodes.traffic.placing import GroundPath, place
from custodes.traffic.queues import longest_queue
from custodes.traffic.speed import Speed, speed_at
from custodes.traffic.stitching import Key, reversal_ns, stitched
from custodes.types.event import LineCrossed
from custodes.types.scene import CameraScene, CountLine
from custodes.types.traffic import (
    BIN_KMH,
    LENGTH_BOUNDS_M,
    ClassCount,
    LineFigures,
    Movement,
    Quarter,
    SpeedFigures,
)
from custodes.types.vision import VEHICLES, ObjectClass
from custodes.units import NS_PER_S, CameraId, Ns, RunId

QUARTER_NS = 15 * 60 * NS_PER_S
MIN_SPEEDS = 5
"""Percentiles of fewer speeds are not given: they would be single cars."""
_LONG_HEADWAY_S = 600.0
"""A longer pause is an empty road, not a headway."""
_LEVELS = ((7.0, "A"), (11.0, "B"), (16.0, "C"), (22.0, "D"), (28.0, "E"))
"""Passenger cars per kilometre and lane. Source: Highway Capacity Manual, 7th edition, exhibit 12-15."""
CAR_UNITS = {ObjectClass.TRUCK: 2.0, ObjectClass.BUS: 2.0, ObjectClass.BICYCLE: 0.2, ObjectClass.MOTORCYCLE: 0.4}
"""Passenger cars that one of another class counts for. Source: lorries and buses on level ground, Highway Capacity
Manual, 7th edition, exhibit 12-25; two wheels as British junction models have them."""
_NEAR_NS = NS_PER_S
"""A crossing this far outside of what was seen of a path has no speed."""


def measure(
    *,
    camera_id: CameraId,
    start_ns: Ns,
    end_ns: Ns,
    coverage: float,
    scene: CameraScene,
    ground: Homography | None,
    pose: Pose | None,
    paths: Sequence[Path],
    crossings: Sequence[LineCrossed],
) -> Quarter:
    """All figures of one stretch.

    Args: paths: those that touch the stretch, and before it those of `stands.PARKED_NS`, to tell a queue from who was
    parked already; crossings: by time, from minutes before it on, so that a vehicle that
    came before and left in it is counted where it left.
    """
    grounded = {} if ground is None else _placed(paths, ground, pose)
    cuts = {(run, track_id): int(path.utc_ns[0]) for (run, track_id, part), path in grounded.items() if part}
    inside = [one for one in crossings if start_ns <= one.utc_ns < end_ns]
    covered_s = max(coverage, 0.0) * (end_ns - start_ns) / NS_PER_S
    drawn = {line.name: line for line in scene.lines}
    ways = sorted(
        {(one.line, one.is_forward) for one in inside} | {(name, way) for name in drawn for way in (True, False)}
    )
    return Quarter(
        camera_id=camera_id,
        start_ns=start_ns,
        end_ns=end_ns,
        coverage=round(coverage, 4),
        is_calibrated=ground is not None,
        lines=tuple(
            _figures(
                line,
                is_forward,
                [one for one in inside if (one.line, one.is_forward) == (line, is_forward)],
                grounded,
                cuts,
                ground,
                covered_s=covered_s,
                drawn=drawn.get(line),
                has_lengths=pose is not None,
            )
            for line, is_forward in ways
        ),
        movements=tuple(_movements(crossings, start_ns, end_ns, cuts, stitched(grounded))),
        queue=longest_queue(grounded.values(), start_ns, end_ns, scene.roads) if ground is not None else None,
    )


def _placed(paths: Iterable[Path], ground: Homography, pose: Pose | None) -> dict[Key, GroundPath]:
    found: dict[Key, GroundPath] = {}
    for path in paths:
        if path.object_class not in VEHICLES:
            continue
        on_ground = place(path, ground, pose)
        cut_ns = reversal_ns(on_ground)
        parts = [path] if cut_ns is None else [path.before(cut_ns), path.since(cut_ns)]
        for part, one in enumerate(parts):
            on_ground = on_ground if len(parts) == 1 else place(one, ground, pose)
            if len(on_ground.utc_ns):
                found[path.run, path.track_id, part] = on_ground
    return found


def _key_of(crossing: LineCrossed, cuts: Mapping[tuple[RunId, int], int]) -> Key:
    cut_ns = cuts.get((crossing.run, crossing.track_id))
    return crossing.run, crossing.track_id, int(cut_ns is not None and crossing.utc_ns >= cut_ns)


def _figures(
    line: str,
    is_forward: bool,
    crossings: Sequence[LineCrossed],
    grounded: Mapping[Key, GroundPath],
    cuts: Mapping[tuple[RunId, int], int],
    ground: Homography | None,
    *,
    covered_s: float,
    drawn: CountLine | None,
    has_lengths: bool,
) -> LineFigures:
    counted = Counter(one.object_class for one in crossings)
    vehicles = [one for one in crossings if one.object_class in VEHICLES]
    speeds, lengths_m, on_line_s = [], list[float](), 0.0
    for one in vehicles:
        path = grounded.get(_key_of(one, cuts))
        speed = _speed_over(path, one, ground)
        if path is not None and speed is not None and speed.mps > 0:
            speeds.append(speed)
            lengths_m.append(path.length_m)
            on_line_s += path.length_m / max(speed.mps, 0.5)
    figures = _speed_figures(speeds, drawn.limit_kmh if drawn is not None else None)
    flow = len(vehicles) / covered_s * 3600 if covered_s else 0.0
    density = _density(vehicles, speeds, covered_s, drawn.lanes if drawn is not None else 1)
    is_timed = bool(speeds) and covered_s > 0
    # Those whose speed is not known are taken to be on the line as long as the others.
    occupancy = on_line_s * len(vehicles) / len(speeds) / covered_s if is_timed else None
    return LineFigures(
        line=line,
        is_forward=is_forward,
        counts=tuple(ClassCount(object_class=one, count=counted[one]) for one in sorted(counted)),
        vehicles_per_h=round(flow, 1),
        speeds=figures,
        headway_s=_headway_s(vehicles),
        occupancy=None if occupancy is None else round(min(occupancy, 1.0), 4),
        density_per_km=None if density is None else round(density, 2),
        level_of_service="" if density is None else level_of_service(density),
        lengths=_lengths(lengths_m) if has_lengths else (),
    )


def _lengths(lengths_m: Sequence[float]) -> tuple[int, ...]:
    counted: npt.NDArray[np.int64] = np.bincount(
        np.searchsorted(LENGTH_BOUNDS_M, lengths_m), minlength=len(LENGTH_BOUNDS_M) + 1
    )
    return tuple(counted.tolist())


def _speed_over(path: GroundPath | None, crossing: LineCrossed, ground: Homography | None) -> Speed | None:
    if path is None or not path.utc_ns[0] - _NEAR_NS <= crossing.utc_ns <= path.utc_ns[-1] + _NEAR_NS:
        return None
    return speed_at(path, crossing.utc_ns, ground=ground)


def _speed_figures(speeds: Sequence[Speed], limit_kmh: float | None) -> SpeedFigures | None:
    if len(speeds) < MIN_SPEEDS:
        return None
    kmh = np.sort([3.6 * one.mps for one in speeds])
    errors = np.array([3.6 * one.error_mps for one in speeds])
    rank = 0.85 * (len(kmh) - 1)
    reach = max(1.0, (len(kmh) * 0.85 * 0.15) ** 0.5)
    low, high = np.interp([rank - reach, rank + reach], np.arange(len(kmh)), kmh)
    single = float(np.sqrt(np.mean(errors**2)))
    return SpeedFigures(
        measured=len(kmh),
        mean_kmh=round(float(kmh.mean()), 2),
        v50_kmh=round(float(np.percentile(kmh, 50)), 2),
        v85_kmh=round(float(np.percentile(kmh, 85)), 2),
        v85_error_kmh=round(float(np.hypot((high - low) / 2, single / len(kmh) ** 0.5)), 2),
        single_error_kmh=round(single, 2),
        histogram=tuple(np.bincount((kmh // BIN_KMH).astype(np.int64)).tolist()),
        limit_kmh=limit_kmh,
        over_limit=None if limit_kmh is None else int((kmh > limit_kmh).sum()),
    )


def _headway_s(vehicles: Sequence[LineCrossed]) -> float | None:
    by_run: dict[RunId, list[int]] = {}
    for one in vehicles:
        by_run.setdefault(one.run, []).append(one.utc_ns)
    gaps = np.concatenate([np.diff(np.sort(times)) / NS_PER_S for times in by_run.values()]) if by_run else np.zeros(0)
    gaps = gaps[gaps < _LONG_HEADWAY_S]
    return round(float(np.median(gaps)), 2) if len(gaps) else None


def _density(vehicles: Sequence[LineCrossed], speeds: Sequence[Speed], covered_s: float, lanes: int) -> float | None:
    """Flow over the space mean speed (harmonic mean of spot speeds). Source: Wardrop 1952."""
    if not covered_s or (vehicles and not speeds):
        return None
    if not vehicles:
        return 0.0
    units = sum(CAR_UNITS.get(one.object_class, 1.0) for one in vehicles)
    harmonic = len(speeds) / sum(1 / max(one.mps, 0.3) for one in speeds)
    return units / covered_s / harmonic * 1000 / max(lanes, 1)


def level_of_service(density_per_km: float) -> str:
    """A to F."""
    return next((letter for limit, letter in _LEVELS if density_per_km <= limit), "F")


def _movements(
    crossings: Sequence[LineCrossed],
    start_ns: Ns,
    end_ns: Ns,
    cuts: Mapping[tuple[RunId, int], int],
    whole: Mapping[Key, Key],
) -> Iterable[Movement]:
    by_track: dict[Key, list[LineCrossed]] = {}
    for one in sorted(crossings, key=lambda one: one.utc_ns):
        key = _key_of(one, cuts)
        by_track.setdefault(whole.get(key, key), []).append(one)
    found: Counter[tuple[str, str, ObjectClass]] = Counter()
    for several in by_track.values():
        first, last = several[0], several[-1]
        is_way = (first.line, first.is_forward) != (last.line, last.is_forward)
        if is_way and start_ns <= last.utc_ns < end_ns:
            found[first.line, last.line, last.object_class] += 1
    for (entry, exit_, object_class), count in sorted(found.items()):
        yield Movement(entry=entry, exit=exit_, object_class=object_class, count=count)
