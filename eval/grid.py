"""The SUMO grid as tracklets with synthetic looks: missed and false passes, clock errors, look-alikes."""

import csv
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from custodes.journey.tracklets import Tracklets

DIMENSION = 64
CAMERA_BIAS = 0.55
"""Length of what each camera adds to every look, against an object's own of one."""


@dataclass(frozen=True)
class Grid:
    """`owner`: (n,) vehicle of each tracklet, -1 for a false one; `medians_s`: true median per camera pair that
    follow."""

    tracklets: Tracklets
    owner: npt.NDArray[np.int64]
    medians_s: dict[tuple[int, int], float]


def load(
    folder: Path, *, noise: float, seed: int = 3, missed: float = 0.07, false: float = 0.02, clock_s: float = 0.3,
    groups: int = 0, within: float = 0.35, seconds: float = 1e9,
) -> Grid:  # fmt: skip
    """Passes with looks. `noise`: length of what differs from look to look of one object, against its own of one;
    `groups`: so many looks that all vehicles share (look-alikes), from which each differs by `within`."""
    rng = np.random.default_rng(seed)
    edges = sorted(json.loads((folder / "graph.json").read_text())["edges"])
    number = {name: index for index, name in enumerate(edges)}
    with (folder / "passes.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if float(row["t_s"]) < seconds]
    camera = np.array([number[row["edge"]] for row in rows])
    way = np.array([int(row["lane"]) for row in rows])
    at_s = np.array([float(row["t_s"]) for row in rows])
    owner = np.array([int(row["vehicle"]) for row in rows])
    medians = _medians(camera, at_s, owner)
    keep = rng.random(len(rows)) >= missed
    extra = int(false * len(rows))
    camera = np.concatenate([camera[keep], rng.integers(0, len(edges), extra)])
    way = np.concatenate([way[keep], rng.integers(0, 2, extra)])
    at_s = np.concatenate([at_s[keep], rng.uniform(0, at_s.max(), extra)])
    owner = np.concatenate([owner[keep], np.full(extra, -1)])
    at_s = at_s + rng.normal(0, clock_s, len(edges))[camera]
    vehicles = int(owner.max()) + 1
    own = _unit(rng.normal(size=(vehicles, DIMENSION)))
    if groups:
        own = _unit(_unit(rng.normal(size=(groups, DIMENSION)))[rng.integers(0, groups, vehicles)] + within * own)
    looks = np.where(owner[:, None] >= 0, own[owner], _unit(rng.normal(size=(len(owner), DIMENSION))))
    looks = looks + CAMERA_BIAS * _unit(rng.normal(size=(len(edges), DIMENSION)))[camera]
    looks = looks + noise * rng.normal(size=looks.shape) / DIMENSION**0.5
    order = np.argsort(at_s, kind="stable")
    tracklets = Tracklets(
        camera=camera[order], way=way[order], start_s=at_s[order], end_s=at_s[order], looks=_unit(looks)[order]
    )
    return Grid(tracklets, owner[order], medians)


def rank_1(looks: npt.NDArray[np.float64], owner: npt.NDArray[np.int64], camera: npt.NDArray[np.int64]) -> float:
    """Share of tracklets whose likest one of another camera, among all, is the same vehicle's; a sample of 2,000."""
    chosen = np.random.default_rng(0).choice(
        np.flatnonzero(owner >= 0), min(2000, int((owner >= 0).sum())), replace=False
    )
    right = total = 0
    for index in chosen.tolist():
        cosine = looks @ looks[index]
        cosine[camera == camera[index]] = -2
        if ((owner == owner[index]) & (camera != camera[index])).any():
            total += 1
            right += int(owner[int(cosine.argmax())] == owner[index])
    return right / max(total, 1)


def _medians(
    camera: npt.NDArray[np.int64], at_s: npt.NDArray[np.float64], owner: npt.NDArray[np.int64]
) -> dict[tuple[int, int], float]:
    order = np.lexsort((at_s, owner))
    camera, at_s, owner = camera[order], at_s[order], owner[order]
    follows = np.flatnonzero(owner[1:] == owner[:-1])
    gaps: dict[tuple[int, int], list[float]] = {}
    for row in follows.tolist():
        gaps.setdefault((int(camera[row]), int(camera[row + 1])), []).append(float(at_s[row + 1] - at_s[row]))
    return {pair: float(np.median(some)) for pair, some in gaps.items() if len(some) >= 10}


def _unit(rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)
