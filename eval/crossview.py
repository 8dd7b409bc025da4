"""Scores over several cameras at once: a box is right when it is the right person's, whichever camera shows it."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from trackeval.metrics import CLEAR, HOTA, Identity

from custodes.geometry.boxes import iou_matrix

Boxes = tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]
"""Ids (n,), boxes (n, 4)."""


def score(truth: Mapping[tuple[str, int], Boxes], found: Mapping[tuple[str, int], Boxes]) -> dict[str, float]:
    """HOTA, IDF1, MOTA in percent over all (camera, frame) of `truth`; ids are one space for all cameras.

    MOTA's switches are counted per camera: they need an order of frames.
    """
    keys = sorted(truth)
    gt_seen: dict[int, int] = {}
    tr_seen: dict[int, int] = {}
    data: dict[str, Any] = {"gt_ids": [], "tracker_ids": [], "similarity_scores": []}
    none: Boxes = (np.zeros(0, np.int64), np.zeros((0, 4)))
    for key in keys:
        ids, boxes = found.get(key, none)
        data["gt_ids"].append(np.array([gt_seen.setdefault(int(one), len(gt_seen)) for one in truth[key][0]], int))
        data["tracker_ids"].append(np.array([tr_seen.setdefault(int(one), len(tr_seen)) for one in ids], int))
        data["similarity_scores"].append(iou_matrix(truth[key][1], boxes))
    data |= {
        "num_timesteps": len(keys),
        "num_gt_ids": len(gt_seen),
        "num_tracker_ids": len(tr_seen),
        "num_gt_dets": sum(map(len, data["gt_ids"])),
        "num_tracker_dets": sum(map(len, data["tracker_ids"])),
    }
    return {
        "hota": round(100 * float(np.mean(HOTA().eval_sequence(data)["HOTA"])), 2),
        "idf1": round(100 * float(Identity({"PRINT_CONFIG": False}).eval_sequence(data)["IDF1"]), 2),
        "mota": round(100 * float(CLEAR({"PRINT_CONFIG": False}).eval_sequence(data)["MOTA"]), 2),
    }
