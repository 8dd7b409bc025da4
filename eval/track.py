"""HOTA, IDF1 and MOTA of the tracker with given boxes: MOT17-02 at several rates, PETS.

Run `python -m eval.track --data DIR`. Detections are given, so that only tracking is judged. Scores by `trackeval`'s
metric classes; the removal of distractors is MOTChallenge's.
"""

import argparse
import time
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment
from trackeval.metrics import CLEAR, HOTA, Identity

from custodes.geometry.boxes import iou_matrix
from custodes.track.tracker import Tracker
from custodes.types.vision import Detections, ObjectClass
from custodes.units import NS_PER_S, Ns
from eval.report import Report

_DISTRACTORS = (2, 7, 8, 12)


def read_rows(path: Path) -> np.ndarray:
    return np.loadtxt(path, delimiter=",", ndmin=2)


def boxes_of(rows: np.ndarray) -> np.ndarray:
    return np.concatenate([rows[:, 2:4], rows[:, 2:4] + rows[:, 4:6]], axis=1)


def run(detections, frames, fps, size, *, jitter=0.0, dropped=0.0, seed=0, config=None):
    """Tracker output per frame: {frame: (ids, boxes_px)} of confirmed measured tracks, and seconds spent."""
    tracker = Tracker(config=config)
    rng = np.random.default_rng(seed)
    out, spent = {}, 0.0
    for frame in frames:
        if rng.random() < dropped:
            out[frame] = (np.zeros(0, int), np.zeros((0, 4)))
            continue
        rows = detections[detections[:, 0] == frame]
        found = Detections(
            boxes_px=boxes_of(rows).astype(np.float32),
            scores=rows[:, 6].astype(np.float32),
            class_ids=np.full(len(rows), int(ObjectClass.PERSON), np.int16),
        )
        utc = (frame + jitter * rng.uniform(-1, 1)) / fps
        started = time.perf_counter()
        columns = tracker.step(found, Ns(int(utc * NS_PER_S)), size)
        spent += time.perf_counter() - started
        keep = columns.is_confirmed & columns.is_measured
        scale = np.array([*size, *size])
        out[frame] = (columns.track_ids[keep], columns.boxes_norm[keep] * scale)
    return out, spent


def score(output, truth, frames, *, has_classes):
    """HOTA, IDF1, MOTA (percent) and identity switches."""
    data = {k: [] for k in ("gt_ids", "tracker_ids", "similarity_scores")}
    gt_seen, tr_seen = {}, {}
    for frame in frames:
        rows = truth[truth[:, 0] == frame]
        ids, boxes = output[frame]
        similarity = iou_matrix(boxes_of(rows), boxes)
        keep = np.ones(len(ids), bool)
        wanted = np.ones(len(rows), bool)
        if has_classes:
            if similarity.size:
                matching = np.where(similarity < 0.5 - np.finfo(float).eps, 0, similarity)
                a, b = linear_sum_assignment(-matching)
                hit = matching[a, b] > 0
                a, b = a[hit], b[hit]
                keep[b[np.isin(rows[a, 7], _DISTRACTORS)]] = False
            wanted = (rows[:, 7] == 1) & (rows[:, 6] != 0)
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


def evaluate(data_dir: Path, config=None) -> dict:
    results = {}
    mot = data_dir / "tracking" / "mot17_02"
    detections, truth = read_rows(mot / "det_yolox_x_ablation.txt"), read_rows(mot / "gt.txt")
    for fps in (30, 15, 10, 5, 3):
        frames = list(range(302, 601, 30 // fps))
        for name, extra in (("", {}), ("_disturbed", {"jitter": 0.25 * 30 / fps, "dropped": 0.2})):
            if name and fps != 5:
                continue
            output, spent = run(detections, frames, 30, (1920, 1080), config=config, **extra)
            kept = [f for f in frames if len(output[f][0])] if name else frames
            results[f"mot17_02_{fps}fps{name}"] = score(output, truth, kept, has_classes=True) | {
                "frames_per_s": round(len(frames) / spent)
            }
    pets = data_dir / "tracking" / "mot15"
    detections = read_rows(pets / "PETS09-S2L1.det.txt")
    if detections[:, 6].max() > 1:
        detections[:, 6] /= 100
    truth = read_rows(data_dir / "people" / "pets09-s2l1-view001.gt.txt")
    frames = list(range(1, int(truth[:, 0].max()) + 1))
    output, spent = run(detections, frames, 7, (768, 576), config=config)
    results["pets_7fps"] = score(output, truth, frames, has_classes=False) | {
        "frames_per_s": round(len(frames) / spent)
    }
    return results


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--smoke", action="store_true", help="the same: it takes half a minute")
    arguments = parser.parse_args()
    report = Report("eval.track", smoke=arguments.smoke, config={"ground_plane": False})
    for name, values in evaluate(arguments.data).items():
        report.note(f"{name}: {values}")
        where = name.replace("mot17_02_", "").replace("fps", "").replace("pets_7", "pets")
        for key, value in values.items():
            report.results[f"pets_{key}" if where == "pets" else f"{key}_{where}_nocal"] = value
    report.finish()


if __name__ == "__main__":
    main()
