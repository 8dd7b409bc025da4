"""The terrace's people over both views from video: tracks of the product's pipeline, looks of real pixels, and whose
each track is at the moments whose truth was made by eye (`eval.terrace`).
"""

from collections import Counter
from pathlib import Path

import numpy as np

from custodes.geometry.boxes import iou_matrix
from custodes.journey.fusion import TrackKey
from custodes.journey.sighting import placed_of
from custodes.pipeline.analysis import Looking
from custodes.track.colours import SIZE
from custodes.types.vision import TrackedFrame
from custodes.units import NS_PER_S
from eval import terrace
from eval.dressed import Vectors
from eval.tracks import NOT_JUDGED, Seen

_LEAST_FIT = 0.4
_LEAST_SEEN = 5


def tracks(folder: Path, looking: Looking, *, fps: float, seconds: float) -> tuple[
    dict[TrackKey, Seen], dict[TrackKey, Vectors]
]:  # fmt: skip
    """All tracks with their measurements, and (n, 512) looks of each, zeros where the analyser made none."""
    seen = terrace.watch(folder, looking, fps=fps, seconds=seconds)
    planes = {name: terrace.plane(points) for name, points in terrace.grounds(folder).items()}
    told, nothing = _told(seen.frames), np.zeros(SIZE, np.float32)
    found: dict[TrackKey, Seen] = {}
    looks: dict[TrackKey, list[Vectors]] = {}
    for frame in seen.frames:
        boxes = {int(one): box for one, box in zip(frame.track_ids, frame.boxes_norm.astype(np.float64), strict=True)}
        for one in placed_of(frame, planes[str(frame.camera_id)]):
            track, box = found.setdefault(one.key, Seen()), boxes[one.key[2]]
            track.places.append((frame.utc_ns, one))
            track.feet.append((float(box[0] + box[2]) / 2, float(box[3])))
            track.whose.append(told.get((*one.key, frame.utc_ns), NOT_JUDGED))
            known = seen.looks.get((frame.camera_id, frame.utc_ns), {})
            looks.setdefault(one.key, []).append(np.asarray(known.get(one.key[2], nothing), np.float32))
    for track in found.values():
        track.owners = Counter(one for one in track.whose if one > 0) or Counter({-1: 1})
    kept = {key: track for key, track in found.items() if len(track.places) >= _LEAST_SEEN}
    return kept, {key: np.stack(looks[key]) for key in kept}


def _told(frames: tuple[TrackedFrame, ...]) -> dict[tuple[object, ...], int]:
    """(camera, run, track, moment) → person; −1 for nobody's box. Where nothing is judged: absent."""
    told: dict[tuple[object, ...], int] = {}
    for (name, number), ((people, boxes), ignored) in terrace.truth().items():
        utc_ns = terrace.T0 + number * NS_PER_S // terrace.FPS
        near = min((one for one in frames if one.camera_id == name), key=lambda one: abs(one.utc_ns - utc_ns))
        rows = np.flatnonzero(near.is_measured & (near.track_ids >= 0))
        real = np.concatenate([boxes.reshape(-1, 4), ignored.reshape(-1, 4)])
        if abs(near.utc_ns - utc_ns) > NS_PER_S // 8 or not len(rows) or not len(real):
            continue
        fit = iou_matrix(near.boxes_norm[rows].astype(np.float64), real)
        for row, shares in zip(rows.tolist(), fit, strict=True):
            best = int(shares.argmax())
            is_found = shares[best] >= _LEAST_FIT
            if not is_found or best < len(people):
                key = (near.camera_id, near.run, int(near.track_ids[row]), near.utc_ns)
                told[key] = int(people[best]) if is_found else -1
    return told
