"""Other people's trackers on the same boxes, at their own defaults. `make peers` installs them.

Each is told the frame rate where it can be told (and SORT to wait 30 frames, as the others do by default); SORT-like
ones get boxes of score .5 and more, as published.
"""

import importlib.util
from collections.abc import Callable

import numpy as np

from eval.mot import Output, Sequence2D, boxes_of

WEAK, STRONG = 0.1, 0.5

Update = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
"""Boxes (n, 4), scores (n,) of a frame → ids (k,), boxes (k, 4)."""


def missing() -> list[str]:
    """Packages of peers that are not installed."""
    return [name for name in ("trackers", "pyxtrackers") if importlib.util.find_spec(name) is None]


def peers() -> dict[str, tuple[float, Callable[[float], Update]]]:
    """Name → least score, and what makes it for a frame rate. Only those installed."""
    found: dict[str, tuple[float, Callable[[float], Update]]] = {}
    if "trackers" not in missing():
        found |= {
            "trackers SORT": (STRONG, lambda fps: _roboflow("SORTTracker", fps)),
            "trackers ByteTrack": (WEAK, lambda fps: _roboflow("ByteTrackTracker", fps)),
            "trackers OC-SORT": (STRONG, lambda fps: _roboflow("OCSORTTracker", fps)),
            "trackers BoT-SORT": (WEAK, lambda fps: _roboflow("BoTSORTTracker", fps, enable_cmc=False)),
            "trackers C-BIoU": (WEAK, lambda fps: _roboflow("CBIoUTracker", fps)),
        }
    if "pyxtrackers" not in missing():
        found |= {
            "pyxtrackers SORT": (STRONG, lambda fps: _pyx("Sort", max_age=30)),
            "pyxtrackers ByteTrack": (WEAK, lambda fps: _pyx("BYTETracker", frame_rate=round(fps))),
            "pyxtrackers OC-SORT": (STRONG, lambda fps: _pyx("OCSort", det_thresh=STRONG)),
        }
    return found


def run_peer(sequence: Sequence2D, fps: float, least: float, make: Callable[[float], Update]) -> Output:
    """A peer's output on the sequence."""
    update, output = make(fps), {}
    for frame in sequence.frames:
        rows = sequence.detections[sequence.detections[:, 0] == frame]
        rows = rows[rows[:, 6] >= least]
        output[frame] = update(boxes_of(rows), rows[:, 6])
    return output


def _roboflow(name: str, fps: float, **options: object) -> Update:
    import supervision
    import trackers

    tracker = getattr(trackers, name)(frame_rate=fps, **options)

    def update(boxes: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        found = supervision.Detections(
            xyxy=boxes.astype(np.float32), confidence=scores.astype(np.float32), class_id=np.zeros(len(boxes), int)
        )
        result = tracker.update(found)
        ids = np.zeros(0, int) if result.tracker_id is None else np.asarray(result.tracker_id, int)
        return ids[ids >= 0], np.asarray(result.xyxy, float).reshape(-1, 4)[: len(ids)][ids >= 0]

    return update


def _pyx(name: str, **options: object) -> Update:
    import pyxtrackers

    tracker = getattr(pyxtrackers, name)(**options)

    def update(boxes: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        rows = np.column_stack([boxes, scores]).astype(np.float64).reshape(-1, 5)
        result = np.asarray(tracker.update(rows), float)
        result = result.reshape(-1, result.shape[-1] if result.size else 5)
        return result[:, 4].astype(int), result[:, :4]

    return update
