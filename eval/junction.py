"""A signalled crossroads of the SUMO grid as trajectories: who came from where, stood in which queue, left which way.

The shared grid (`data/tracking/sumo_grid`) gives each vehicle's passes over the middles of streets, with lane, time
and speed. Between the pass before the junction and the one behind it nothing is told, so each vehicle drives on at its
speed, stands in its lane's queue if it has to wait for its own second pass, turns on a curve, and arrives there in
time.
"""

import csv
import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from custodes.types.vision import ObjectClass
from eval.pinhole import Mover

Floats = npt.NDArray[np.float64]
_HALF_M = 12.0
"""From the junction's middle to its stop lines."""
_LANE_M = 3.2
_CAR = (4.4, 1.8, 1.5)
_REACH_M = 60.0
"""How far from the middle vehicles are simulated."""
_AHEAD_M = 7.0
"""From one standing vehicle to the next."""
_SOLIDS = {ObjectClass.CAR: _CAR, ObjectClass.TRUCK: (8.0, 2.5, 3.2), ObjectClass.BUS: (12.0, 2.55, 3.1)}


@dataclass(frozen=True)
class Turn:
    """One vehicle's way over the junction."""

    vehicle: int
    entry: str
    exit: str
    """Street it came from and went to: north, east, south or west of the middle."""
    lane: int
    entered_s: float
    left_s: float
    """Passes over the middles of both streets."""
    speed_mps: float
    out_mps: float
    half_in_m: float
    half_out_m: float


def turns_at(data: Path, node: str) -> list[Turn]:
    """All ways over one junction of the grid, by time."""
    folder = data / "tracking" / "sumo_grid"
    edges = json.loads((folder / "graph.json").read_text())["edges"]
    by_vehicle: dict[str, list[dict[str, str]]] = {}
    with (folder / "passes.csv").open() as file:
        for row in csv.DictReader(file):
            by_vehicle.setdefault(row["vehicle"], []).append(row)
    found = []
    for name, passes in by_vehicle.items():
        passes.sort(key=lambda row: float(row["t_s"]))
        for first, second in itertools.pairwise(passes):
            one, two = edges[first["edge"]], edges[second["edge"]]
            if one["to"] == node == two["frm"] and second["edge"] in one["next"]:
                found.append(
                    Turn(
                        vehicle=int(name),
                        entry=_side(node, one["frm"]),
                        exit=_side(node, two["to"]),
                        lane=int(first["lane"]),
                        entered_s=float(first["t_s"]),
                        left_s=float(second["t_s"]),
                        speed_mps=max(float(first["speed_mps"]), 5.0),
                        out_mps=max(float(second["speed_mps"]), 5.0),
                        half_in_m=one["length_m"] / 2,
                        half_out_m=two["length_m"] / 2,
                    )
                )
    return sorted(found, key=lambda turn: turn.entered_s)


def _side(node: str, other: str) -> str:
    """Where `other` lies, seen from `node`: names are a column's letter and a row's number."""
    across, up = ord(other[0]) - ord(node[0]), int(other[1:]) - int(node[1:])
    return {(0, 1): "north", (0, -1): "south", (1, 0): "east", (-1, 0): "west"}[across, up]


_OUTWARD = {"north": (0.0, 1.0), "south": (0.0, -1.0), "east": (1.0, 0.0), "west": (-1.0, 0.0)}


def way_of(turn: Turn) -> Floats:
    """(n, 2) points from `_REACH_M` before the middle to as far behind it, half a metre apart. Right-hand traffic."""
    inward = -np.array(_OUTWARD[turn.entry])
    outward = np.array(_OUTWARD[turn.exit])
    right_in, right_out = np.array([inward[1], -inward[0]]), np.array([outward[1], -outward[0]])
    lane_in = right_in * _LANE_M * (1.5 - turn.lane)
    lane_out = right_out * _LANE_M * 0.5
    start, stop = -inward * _REACH_M + lane_in, -inward * _HALF_M + lane_in
    go, end = outward * _HALF_M + lane_out, outward * _REACH_M + lane_out
    t = np.linspace(0, 1, 40)[:, None]
    middle = stop + inward * _HALF_M * 0.9, go - outward * _HALF_M * 0.9
    curve = (1 - t) ** 3 * stop + 3 * (1 - t) ** 2 * t * middle[0] + 3 * (1 - t) * t**2 * middle[1] + t**3 * go
    points = np.concatenate([_line(start, stop), curve[1:-1], _line(go, end)])
    lengths = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    even = np.arange(0, lengths[-1], 0.5)
    return np.stack([np.interp(even, lengths, points[:, axis]) for axis in (0, 1)], axis=1)


def _line(first: Floats, second: Floats) -> Floats:
    return np.linspace(first, second, max(int(np.linalg.norm(second - first) / 0.5), 2))


def movers_of(turns: list[Turn], rng: np.random.Generator) -> list[Mover]:
    """Movers in junction metres and grid seconds. A vehicle stands behind those that wait before it in its lane."""
    movers, waiting = [], {}
    for number, turn in enumerate(turns):
        way = way_of(turn)
        stop_m = _REACH_M - _HALF_M
        arrive_s = turn.entered_s + (turn.half_in_m - _REACH_M) / turn.speed_mps
        cross_m = len(way) * 0.5 - stop_m
        go_s = turn.left_s - (turn.half_out_m - _REACH_M) / turn.out_mps - cross_m / min(turn.out_mps, 9.0)
        lane = waiting.setdefault((turn.entry, turn.lane), [])
        at_line_s = arrive_s + stop_m / turn.speed_mps
        lane[:] = [until_s for until_s in lane if until_s > at_line_s]
        stop_at_m = stop_m - _AHEAD_M * len(lane)
        go_s = max(go_s, arrive_s + stop_at_m / turn.speed_mps, (lane[-1] + 1.6) if lane else 0.0)
        lane.append(go_s)
        object_class = ObjectClass(
            rng.choice([ObjectClass.CAR, ObjectClass.TRUCK, ObjectClass.BUS], p=[0.88, 0.09, 0.03])
        )
        solid = tuple(float(side) for side in np.array(_SOLIDS[object_class]) * rng.uniform(0.9, 1.1, 3))
        movers.append(
            Mover(number, object_class, (solid[0], solid[1], solid[2]), _driver(way, turn, arrive_s, stop_at_m, go_s))
        )
    return movers


def _driver(
    way: Floats, turn: Turn, arrive_s: float, stop_at_m: float, go_s: float
) -> Callable[[float], tuple[Floats, float] | None]:
    seconds = np.arange(arrive_s, go_s + 60, 0.1)
    covered = np.minimum((seconds - arrive_s) * turn.speed_mps, stop_at_m)
    speed = np.clip((seconds - go_s) * 2.5, 0, min(turn.out_mps, 9.0))
    covered = covered + np.cumsum(np.where(seconds > go_s, speed, 0.0)) * 0.1
    # Nobody stops at once: places are a mean over a second and a half.
    kernel = np.ones(15) / 15
    covered = np.convolve(np.pad(covered, 7, mode="edge"), kernel, mode="valid")
    last_s = float(seconds[min(int(np.searchsorted(covered, (len(way) - 3) * 0.5)), len(seconds) - 1)])

    def where(second: float) -> tuple[Floats, float] | None:
        if not arrive_s <= second <= last_s:
            return None
        index = min(int(np.interp(second, seconds, covered) * 2), len(way) - 3)
        ahead = way[index + 2] - way[index]
        share = np.interp(second, seconds, covered) * 2 - index
        place = way[index] + min(share, 1.0) * (way[index + 1] - way[index])
        return place, float(np.arctan2(ahead[1], ahead[0]))

    return where
