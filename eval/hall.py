"""A second film of overlapping views: pose2sim's demo, four calibrated cameras, three people, 1.7 s at 60 fps.

Too short to follow anybody, so it is shown forwards and backwards for a quarter of a minute: the analyser's facts of
one pass, mirrored, as if people walked back. Who is who was given by eye, a point each in every camera's first
picture; boxes are the analyser's own, so only numbers are judged (ADR 139).
"""

import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from custodes.journey.fusion import Look
from custodes.pipeline.analysis import Looking
from custodes.types.scene import GroundPoint
from custodes.types.vision import TrackedFrame
from custodes.units import Ns
from eval import terrace

Floats = npt.NDArray[np.float64]

FPS, PASSES = 10.0, 8
PEOPLE: Mapping[str, tuple[tuple[float, float], ...]] = {
    "cam01": ((0.375, 0.39), (0.656, 0.66), (0.063, 0.27)),
    "cam02": ((0.535, 0.40), (0.19, 0.55), (0.75, 0.355)),
    "cam03": ((0.56, 0.46), (0.245, 0.40)),
    "cam04": ((0.386, 0.47), (0.727, 0.35)),
}
_FIXED = 64.0
"""The file's intrinsics are in 64ths of a pixel, places in millimetres."""
_POINTS = ((0.1, 0.55), (0.9, 0.55), (0.1, 0.98), (0.9, 0.98), (0.5, 0.7))


def grounds(folder: Path) -> dict[str, tuple[GroundPoint, ...]]:
    """Five points of each view with their places in metres. Lens distortion (1 % at the corners) is left out."""
    found = {}
    for camera in ET.parse(folder / "Demo_MultiPerson.Calib.qca.txt").getroot().iter("camera"):
        pose, lens = camera.find("transform"), camera.find("intrinsic")
        assert pose is not None
        assert lens is not None
        turn = np.array([[float(pose.attrib[f"r{row}{column}"]) for column in "123"] for row in "123"])
        place = np.array([float(pose.attrib[axis]) for axis in "xyz"]) / 1000
        focal = np.array([float(lens.attrib[f"focalLength{axis}"]) for axis in "UV"]) / _FIXED
        middle = np.array([float(lens.attrib[f"centerPoint{axis}"]) for axis in "UV"]) / _FIXED
        view = camera.find("fov_video")
        assert view is not None
        size = np.array([float(view.attrib["right"]) + 1, float(view.attrib["bottom"]) + 1])
        points = []
        for at in _POINTS:
            # Rows of the rotation are the world's axes in the camera, whose y and z point up and backwards.
            right, down = (np.array(at) * size - middle) / focal
            ray = turn.T @ np.array([right, -down, -1.0])
            x_m, y_m = (place - ray * place[2] / ray[2])[:2].tolist()
            points.append(GroundPoint(at=at, place_m=(x_m, y_m)))
        found[str(camera.attrib["serial"])] = tuple(points)
    return found


def watch(folder: Path, looking: Looking) -> terrace.Seen:
    """All four films through the analyser, once, then mirrored."""
    films = {name: folder / f"Demo_MultiPerson_{name}.mp4" for name in PEOPLE}
    once = terrace.seen_of(films, grounds(folder), looking, fps=FPS, frames=1000)
    first, last = once.frames[0].utc_ns, once.frames[-1].utc_ns
    span = last - first + round(1e9 / FPS)
    frames: list[TrackedFrame] = []
    looks = {}
    for number in range(PASSES):
        for frame in once.frames if number % 2 == 0 else once.frames[::-1]:
            within = frame.utc_ns - first if number % 2 == 0 else last - frame.utc_ns
            at_ns = Ns(first + number * span + within)
            frames.append(replace(frame, utc_ns=at_ns))
            looks[str(frame.camera_id), int(at_ns)] = once.looks.get((frame.camera_id, frame.utc_ns), {})
    return terrace.Seen(tuple(frames), looks)


def owners(seen: terrace.Seen) -> dict[tuple[str, int], int]:
    """(camera, track) → who it is, from 1; tracks of nobody (a skeleton, a shadow) are left out."""
    found: dict[tuple[str, int], int] = {}
    for name, points in PEOPLE.items():
        for frame in (one for one in seen.frames if one.camera_id == name):
            for number, (x, y) in enumerate(points, 1):
                held = (frame.boxes_norm[:, :2] < (x, y)).all(axis=1) & (frame.boxes_norm[:, 2:] > (x, y)).all(axis=1)
                for track in frame.track_ids[held & frame.is_measured & (frame.track_ids >= 0)].tolist():
                    found.setdefault((name, track), number)
            break
    return found


def spreads(seen: terrace.Seen, owner: Mapping[tuple[str, int], int]) -> dict[str, float]:
    """Cosines of looks to mean looks, mean and deviation: one person's and another's, in one view and in two."""
    mine: dict[tuple[str, int], list[Look]] = {}
    for (name, _), tracks in seen.looks.items():
        for track, look in tracks.items():
            if (name, track) in owner:
                mine.setdefault((name, owner[name, track]), []).append(look)
    means = {key: np.mean(some, axis=0) for key, some in mine.items()}
    means = {key: mean / np.linalg.norm(mean) for key, mean in means.items()}
    cosines: dict[str, list[float]] = {}
    for (name, person), some in mine.items():
        for (other_name, other), mean in means.items():
            kind = f"{'same' if person == other else 'other'}_{'view' if name == other_name else 'views'}"
            cosines.setdefault(kind, []).extend((np.array(some) @ mean).tolist())
    told = {f"{kind}": round(float(np.mean(some)), 3) for kind, some in cosines.items()}
    return told | {f"{kind}_sd": round(float(np.std(some)), 3) for kind, some in cosines.items()}


def numbers(
    seen: terrace.Seen, owner: Mapping[tuple[str, int], int], told: Mapping[tuple[str, int, int], int]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """(n,) who each measured box is, and (n,) its dot's number, 0 for none; for `eval.mtmc.idf1`."""
    people: list[int] = []
    found: list[int] = []
    for frame in seen.frames:
        for track in frame.track_ids[frame.is_measured].tolist():
            name = str(frame.camera_id)
            if (name, track) in owner:
                people.append(owner[name, track])
                # What has no dot is with nobody.
                found.append(told[name, int(frame.utc_ns), track] or -len(found) - 1)
    return np.array(people, np.int64), np.array(found, np.int64)
