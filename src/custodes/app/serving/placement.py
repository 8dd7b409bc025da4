"""Which recorder is to record which camera. Pure: what is known goes in, an owner for every camera comes out.

Cameras stay where they are: each move is a reconnect, a second without video. What has no owner goes to the least
loaded recorder that may have it, and a few at a time move from a crowded recorder to an idle one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from custodes.config.recorders import RecorderGroupConfig
from custodes.units import CameraId

CROWDED = 1.5
"""A recorder with so many times the load of the mean gives one camera away: below this a move costs more than it
brings."""

UNMEASURED = 25.0
"""Packets per second that a camera counts as before anybody has measured it, beside others that nobody measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A recorder that answers. `is_draining`: it is to have none."""

    name: str
    is_draining: bool = False


def place(
    cameras: Mapping[CameraId, float | None],
    places: Sequence[Place],
    owners: Mapping[CameraId, str],
    groups: Sequence[RecorderGroupConfig] = (),
    *,
    moves: int = 0,
) -> dict[CameraId, str]:
    """Who is to own what; empty when nobody answers. O(cameras x (log cameras + recorders + groups)).

    Args:
        cameras: measured load, in packets per second; None where nobody measured it.
        owners: who holds a camera now, also of recorders that are no place any more.
        moves: so many cameras may leave crowded recorders.
    """
    willing = [one.name for one in places if not one.is_draining]
    if not willing:
        # Draining the last one gives its cameras to nobody: it keeps them.
        draining = {one.name for one in places}
        return {camera_id: owners[camera_id] for camera_id in cameras if owners.get(camera_id) in draining}
    known = [load for load in cameras.values() if load]
    usual = sum(known) / len(known) if known else UNMEASURED
    weights = {camera_id: load or usual for camera_id, load in cameras.items()}
    loads = dict.fromkeys(willing, 0.0)
    placed: dict[CameraId, str] = {}
    free: list[CameraId] = []
    for camera_id in sorted(cameras):
        owner = owners.get(camera_id)
        if owner in loads and owner in _allowed(camera_id, willing, groups):
            placed[camera_id] = owner
            loads[owner] += weights[camera_id]
        else:
            free.append(camera_id)
    for camera_id in sorted(free, key=lambda one: (-weights[one], one)):
        placed[camera_id] = min(_allowed(camera_id, willing, groups), key=lambda name: (loads[name], name))
        loads[placed[camera_id]] += weights[camera_id]
    if not free:
        for _ in range(moves):
            if not _move_one(placed, weights, loads, groups):
                break
    return placed


def _allowed(camera_id: CameraId, willing: Sequence[str], groups: Sequence[RecorderGroupConfig]) -> Sequence[str]:
    for group in groups:
        if any(fnmatchcase(camera_id, pattern) for pattern in group.cameras):
            return [name for name in willing if name in group.recorders] or willing
    return willing


def _move_one(
    placed: dict[CameraId, str],
    weights: Mapping[CameraId, float],
    loads: dict[str, float],
    groups: Sequence[RecorderGroupConfig],
) -> bool:
    crowded = max(loads, key=lambda name: (loads[name], name))
    if loads[crowded] <= CROWDED * sum(loads.values()) / len(loads):
        return False
    best: tuple[float, CameraId, str] | None = None
    for camera_id, owner in placed.items():
        if owner != crowded:
            continue
        others = [name for name in _allowed(camera_id, list(loads), groups) if name != crowded]
        if not others:
            continue
        idlest = min(others, key=lambda name: (loads[name], name))
        after = max(loads[crowded] - weights[camera_id], loads[idlest] + weights[camera_id])
        if after < loads[crowded] and (best is None or (after, camera_id) < best[:2]):
            best = (after, camera_id, idlest)
    if best is None:
        return False
    _, camera_id, idlest = best
    placed[camera_id] = idlest
    loads[crowded] -= weights[camera_id]
    loads[idlest] += weights[camera_id]
    return True
