"""Sequences with given boxes and truth, and the scores of a tracker's output: HOTA, IDF1, MOTA.

Scores by `trackeval`'s metric classes; the removal of distractors is MOTChallenge's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment
from trackeval.metrics import CLEAR, HOTA, Identity

from custodes.geometry.boxes import iou_matrix
from custodes.geometry.homography import Homography, homography_from_camera, homography_from_points

_DISTRACTORS = (2, 7, 8, 12)
_PETS_FPS = 7

Output = dict[int, tuple[np.ndarray, np.ndarray]]
"""Per frame: ids (n,), boxes (n, 4) in pixels."""


@dataclass(frozen=True, kw_only=True)
class Sequence2D:
    """Boxes of a detector and what was really there."""

    name: str
    detections: np.ndarray
    truth: np.ndarray
    """Rows of MOTChallenge files."""
    frames: Sequence[int]
    native_fps: float
    frame_size: tuple[int, int]
    homography: Homography
    has_classes: bool


def read_rows(path: Path) -> np.ndarray:
    return np.loadtxt(path, delimiter=",", ndmin=2)


def boxes_of(rows: np.ndarray) -> np.ndarray:
    return np.concatenate([rows[:, 2:4], rows[:, 2:4] + rows[:, 4:6]], axis=1)


def read_camera(path: Path, frame_size: tuple[int, int]) -> Homography:
    """A UCMCTrack camera file: rotation (3 × 3), translation (mm), intrinsics (3 × 3), each under its heading."""
    numbers = []
    for line in path.read_text().splitlines():
        try:
            numbers.append([float(word) for word in line.split()])
        except ValueError:
            continue
    rows = [row for row in numbers if row]
    rotation, translation, intrinsics = np.array(rows[:3]), np.array(rows[3]), np.array(rows[4:7])
    return homography_from_camera(rotation, translation / 1000, intrinsics, frame_size)


def mot17_02(data: Path, fps: int) -> Sequence2D:
    """The second half, which the detector has not seen, every (30 / fps)th frame."""
    folder = data / "tracking" / "mot17_02"
    return Sequence2D(
        name=f"{fps}",
        detections=read_rows(folder / "det_yolox_x_ablation.txt"),
        truth=read_rows(folder / "gt.txt"),
        frames=range(302, 601, 30 // fps),
        native_fps=30,
        frame_size=(1920, 1080),
        homography=read_camera(folder / "cam_para.txt", (1920, 1080)),
        has_classes=True,
    )


def pets(data: Path, detections: np.ndarray, name: str) -> Sequence2D:
    """The whole clip at its true rate. The homography is fitted to places of the truth."""
    truth = read_rows(data / "people" / "pets09-s2l1-view001.gt.txt")
    chosen = truth[:: len(truth) // 40]
    feet = np.stack([chosen[:, 2] + chosen[:, 4] / 2, chosen[:, 3] + chosen[:, 5]], axis=1) / (768, 576)
    return Sequence2D(
        name=name,
        detections=detections,
        truth=truth,
        frames=range(1, int(truth[:, 0].max()) + 1),
        native_fps=_PETS_FPS,
        frame_size=(768, 576),
        homography=homography_from_points([*map(tuple, feet)], [*map(tuple, chosen[:, 7:9])], point_sd=0.0),
        has_classes=False,
    )


def score(output: Output, sequence: Sequence2D, frames: Sequence[int]) -> dict[str, float]:
    """HOTA, IDF1, MOTA (percent), identity switches, false positives and negatives."""
    data: dict[str, Any] = {k: [] for k in ("gt_ids", "tracker_ids", "similarity_scores")}
    gt_seen: dict[int, int] = {}
    tr_seen: dict[int, int] = {}
    for frame in frames:
        rows = sequence.truth[sequence.truth[:, 0] == frame]
        ids, boxes = output[frame]
        similarity = iou_matrix(boxes_of(rows), boxes)
        wanted, keep = _counted(rows, similarity) if sequence.has_classes else (slice(None), slice(None))
        data["gt_ids"].append(np.array([gt_seen.setdefault(int(i), len(gt_seen)) for i in rows[wanted, 1]], int))
        data["tracker_ids"].append(np.array([tr_seen.setdefault(int(i), len(tr_seen)) for i in ids[keep]], int))
        data["similarity_scores"].append(similarity[wanted][:, keep])
    data |= {
        "num_timesteps": len(frames),
        "num_gt_ids": len(gt_seen),
        "num_tracker_ids": len(tr_seen),
        "num_gt_dets": sum(map(len, data["gt_ids"])),
        "num_tracker_dets": sum(map(len, data["tracker_ids"])),
    }
    hota = HOTA().eval_sequence(data)
    clear = CLEAR({"PRINT_CONFIG": False}).eval_sequence(data)
    identity = Identity({"PRINT_CONFIG": False}).eval_sequence(data)
    return {
        "hota": round(100 * float(np.mean(hota["HOTA"])), 1),
        "idf1": round(100 * float(identity["IDF1"]), 1),
        "mota": round(100 * float(clear["MOTA"]), 1),
        "idsw": int(clear["IDSW"]),
        "fp": int(clear["CLR_FP"]),
        "fn": int(clear["CLR_FN"]),
    }


def _counted(rows: np.ndarray, similarity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which truth counts, and which output is not a distractor (a statue, a reflection, somebody sitting in a car)."""
    keep = np.ones(similarity.shape[1], bool)
    if similarity.size:
        matching = np.where(similarity < 0.5 - np.finfo(float).eps, 0, similarity)
        a, b = linear_sum_assignment(-matching)
        hit = matching[a, b] > 0
        a, b = a[hit], b[hit]
        keep[b[np.isin(rows[a, 7], _DISTRACTORS)]] = False
    return (rows[:, 7] == 1) & (rows[:, 6] != 0), keep
