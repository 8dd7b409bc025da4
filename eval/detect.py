"""Precision and recall of every detector: people on PETS 2009 at IoU 0.5, vehicles on CDnet's highway.

Run `python -m eval.detect --data ../shared/data [--smoke] [--models FOLDER] [--only NAME]`. Without `--models`,
`CUSTODES_MODELS` counts, else `../models` beside the data. Two operating points are given: at the floor (what the
tracker gets to see) and at a reported score of 0.5 (what a person would call a detection). `precision` and `recall`
without a suffix are those of the default detector at 0.5. The clip fixed the score calibration of the packaged
detectors' manifests (two knots each), so precision at 0.5 is not quite an unseen figure; recall at the floor is.
"""

import argparse
import csv
import os
import statistics
import time
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from custodes.adapters.model import acknowledged_from_environment, load_detector, scan
from custodes.adapters.model.loading import default_name
from custodes.geometry.boxes import iou_matrix
from custodes.ports.model import Detector
from custodes.types.vision import VEHICLES, ModelTask, ObjectClass
from eval.report import Report, bootstrap

IOU_MIN = 0.5
SURE_SCORE = 0.5
PETS = "people/pets09-s2l1-view001"
HIGHWAY = "traffic/cdnet-highway"
_MOVING, _UNKNOWN, _OUTSIDE = 255, 170, 85
VEHICLE_AREA_MIN_PX = 200
"""Smaller blobs of the pixel truth are vehicles at the horizon, or parts cut off at the edge."""
HIGHWAY_FIRST = 470
"""CDnet's truth begins here."""


@dataclass
class Tally:
    """Per frame: hits, detections, truth; at one score."""

    rows: list[tuple[float, float, float]] = field(default_factory=list)

    def put(self, report: Report, suffix: str) -> None:
        """Precision and recall with intervals, bootstrapped by frame."""
        hits, found, truth = np.sum(self.rows, axis=0)
        for name, statistic in (("precision", lambda s: s[0] / s[1] if s[1] else np.nan),
                                ("recall", lambda s: s[0] / s[2] if s[2] else np.nan)):  # fmt: skip
            low, high = bootstrap(self.rows, statistic)
            value = statistic((hits, found, truth))
            report.results[f"{name}{suffix}"] = round(float(value), 4)
            report.results[f"{name}{suffix}_low"], report.results[f"{name}{suffix}_high"] = (
                round(low, 4),
                round(high, 4),
            )


def frames(path: Path) -> Iterator[npt.NDArray[np.uint8]]:
    with av.open(str(path)) as container:
        # One thread, so that decoding ahead is not counted as the detector's time.
        container.streams.video[0].thread_count = 1
        for frame in container.decode(video=0):
            yield np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)


def greedy_hits(boxes: npt.NDArray[np.float32], scores: npt.NDArray[np.float32], truth: npt.NDArray[np.float32]
                ) -> npt.NDArray[np.bool_]:  # fmt: skip
    """Which detections are right: by falling score, each takes the best truth box left, if it overlaps enough."""
    overlap = iou_matrix(boxes, truth)
    is_free, is_hit = np.ones(len(truth), bool), np.zeros(len(boxes), bool)
    for row in np.argsort(-scores, kind="stable"):
        candidates = np.where(is_free, overlap[row], -1) if len(truth) else np.zeros(0)
        if len(candidates) and candidates.max() >= IOU_MIN:
            is_free[candidates.argmax()] = False
            is_hit[row] = True
    return is_hit


def tally(tallies: dict[float, Tally], boxes: npt.NDArray[np.float32], scores: npt.NDArray[np.float32],
          truth: npt.NDArray[np.float32]) -> None:  # fmt: skip
    is_hit = greedy_hits(boxes, scores, truth)
    for score, rows in tallies.items():
        is_found = scores >= score
        rows.rows.append((float((is_hit & is_found).sum()), float(is_found.sum()), float(len(truth))))


def pets_truth(data: Path) -> dict[int, npt.NDArray[np.float32]]:
    boxes: dict[int, list[list[float]]] = defaultdict(list)
    with (data / f"{PETS}.gt.txt").open() as stream:
        for row in csv.reader(stream):
            x, y, width, height = (float(value) for value in row[2:6])
            boxes[int(float(row[0]))].append([x, y, x + width, y + height])
    return {frame: np.array(rows, np.float32) for frame, rows in boxes.items()}


def people(detector: Detector, data: Path, step: int, floor: float) -> tuple[dict[float, Tally], list[float]]:
    truth, spent = pets_truth(data), []
    tallies = {floor: Tally(), SURE_SCORE: Tally()}
    for number, picture in enumerate(frames(data / f"{PETS}.avi"), 1):
        if number % step:
            continue
        started = time.process_time()
        found = detector.detect([picture])[0]
        spent.append((time.process_time() - started) * 1e3)
        rows = found.class_ids == ObjectClass.PERSON
        tally(tallies, found.boxes_px[rows], found.scores[rows], truth.get(number, np.zeros((0, 4), np.float32)))
    return tallies, spent


def vehicle_truth(mask: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Boxes of the moving blobs. Vehicles that touch in the picture count as one, which costs recall."""
    labels, _ = ndimage.label(ndimage.binary_opening(mask == _MOVING))
    boxes = [(part[1].start, part[0].start, part[1].stop, part[0].stop)
             for number, part in enumerate(ndimage.find_objects(labels), 1)
             if (labels[part] == number).sum() > VEHICLE_AREA_MIN_PX]  # fmt: skip
    return np.array(boxes, np.float32).reshape(-1, 4)


def vehicles(detector: Detector, data: Path, step: int, floor: float) -> dict[float, Tally]:
    tallies = {floor: Tally(), SURE_SCORE: Tally()}
    with zipfile.ZipFile(data / f"{HIGHWAY}-groundtruth.zip") as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".png"))
        for number, picture in enumerate(frames(data / f"{HIGHWAY}.mp4"), 1):
            if number < HIGHWAY_FIRST or number % step:
                continue
            mask = grey_png(archive.read(names[number - 1]))
            found = detector.detect([picture])[0]
            rows = np.isin(found.class_ids, [int(item) for item in VEHICLES])
            boxes, scores = found.boxes_px[rows], found.scores[rows]
            judged = np.array([outside_share(mask, box) <= 0.5 for box in boxes], dtype=bool)
            tally(tallies, boxes[judged], scores[judged], vehicle_truth(mask))
    return tallies


def outside_share(mask: npt.NDArray[np.uint8], box: npt.NDArray[np.float32]) -> float:
    x1, y1, x2, y2 = box.astype(int)
    region = mask[y1 : y2 + 1, x1 : x2 + 1]
    return float((region == _OUTSIDE).mean()) if region.size else 1.0


def grey_png(content: bytes) -> npt.NDArray[np.uint8]:
    decoder = av.CodecContext.create("png", "r")
    frame = (decoder.decode(av.Packet(content)) + decoder.decode(None))[0]
    return np.asarray(frame.to_ndarray(format="gray"), np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--models", type=Path, default=None)
    parser.add_argument("--only", default=None)
    parser.add_argument("--smoke", action="store_true")
    arguments = parser.parse_args()
    data: Path = arguments.data
    folder = arguments.models or Path(os.environ.get("CUSTODES_MODELS") or data.parent / "models")
    models_dir = folder if folder.is_dir() else None
    step_people, step_vehicles = (100, 300) if arguments.smoke else (5, 20)
    names = [entry.manifest.name for entry in scan(models_dir)[0]
             if entry.manifest.task is ModelTask.DETECT and arguments.only in (None, entry.manifest.name)]  # fmt: skip
    default = default_name(ModelTask.DETECT)
    report = Report("eval.detect", smoke=arguments.smoke, config={
        "people": f"{PETS}, every {step_people}. frame", "vehicles": f"{HIGHWAY}, every {step_vehicles}. frame",
        "iou_min": IOU_MIN, "threads": 1, "default": default})  # fmt: skip
    for number, name in enumerate(names, 1):
        detector = load_detector(models_dir=models_dir, name=name, threads=1,
                                 acknowledged=acknowledged_from_environment())  # fmt: skip
        floor = detector.manifest.floor
        tallies, spent = people(detector, data, step_people, floor)
        tallies[SURE_SCORE].put(report, f"_{name}")
        tallies[floor].put(report, f"_floor_{name}")
        report.results[f"cpu_ms_{name}"] = round(statistics.median(spent), 1)
        if any(item.object_class in VEHICLES for item in detector.manifest.classes):
            tallies = vehicles(detector, data, step_vehicles, floor)
            tallies[SURE_SCORE].put(report, f"_vehicles_{name}")
            tallies[floor].put(report, f"_vehicles_floor_{name}")
        report.progress(number, len(names), f"{name}: P {report.results[f'precision_{name}']} "
                        f"R {report.results[f'recall_{name}']} {report.results[f'cpu_ms_{name}']} ms")  # fmt: skip
    if default in names:
        for key in ("precision", "recall"):
            report.results[key] = report.results[f"{key}_{default}"]
    report.finish()


if __name__ == "__main__":
    main()
