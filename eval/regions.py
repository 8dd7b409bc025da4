"""Looking by regions against the whole frame every time: precision, recall, cover and CPU on the same frames.

Run `python -m eval.regions --data ../shared/data [--smoke]`. `whole` gives every frame, scaled to the input, to
detector and tracker (what the analyser did before regions); `regions` is the analyser's own `FrameAnalysis`. Scores
are of reported rows at 0.5 (IoU 0.5); `cover` is the share of true boxes four fifths of which lie inside one reported
row, whatever its score: what redaction gets. `small` is PETS at half its size inside a 1080p picture, so walkers are
40 pixels tall. CPU is of the process per second of video, decoding excluded.
"""

import argparse
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame

from custodes.adapters.model import load_detector
from custodes.app.analyser import PictureMaker
from custodes.detect.detector import SessionDetector
from custodes.detect.regions import ENLARGE_MAX, fit_region, limits_of
from custodes.pipeline.analysis import FrameAnalysis, Looking
from custodes.pipeline.counters import Counters
from custodes.runtime.clock import SystemClock
from custodes.track.config import TrackerConfig
from custodes.track.tracker import Tracker
from custodes.types.event import FrameAnalysed
from custodes.types.media import Frame
from custodes.types.vision import VEHICLES, Detections, ObjectClass
from custodes.units import NS_PER_S, CameraId, Ns, RunId
from eval.detect import (
    HIGHWAY,
    HIGHWAY_FIRST,
    PETS,
    SURE_SCORE,
    VEHICLE_AREA_MIN_PX,
    Tally,
    grey_png,
    outside_share,
    pets_truth,
    tally,
    vehicle_truth,
)
from eval.report import Report

Boxes = npt.NDArray[np.float32]
Rows = tuple[npt.NDArray[np.int16], Boxes, npt.NDArray[np.float32]]
"""Class ids, boxes in pixels, scores."""
NO_BOXES = np.zeros((0, 4), np.float32)


@dataclass
class Outcome:
    sure: Tally = field(default_factory=Tally)
    covered: int = 0
    truth: int = 0
    cpu_s: float = 0.0
    seconds: float = 0.0
    rows: list[Rows] = field(default_factory=list)


def frames(path: Path, fps: float, convert: Callable[[VideoFrame], VideoFrame] = lambda f: f) -> Iterator[Frame]:
    """Every frame with times of a steady rate."""
    with av.open(str(path)) as container:
        container.streams.video[0].thread_count = 1
        for number, picture in enumerate(container.decode(video=0)):
            yield _frame(convert(picture), number, fps)


def _frame(picture: VideoFrame, number: int, fps: float) -> Frame:
    picture = picture.reformat(format="yuv420p")
    height, width = picture.height & ~1, picture.width & ~1
    planes = picture.to_ndarray().reshape(-1)
    y = planes[: picture.height * picture.width].reshape(picture.height, -1)
    u, v = planes[y.size :].reshape(2, picture.height // 2, -1)
    utc_ns = Ns(round((number + 1) * NS_PER_S / fps))
    return Frame(camera_id=CameraId("cam"), run=RunId("r"), seq=number, utc_ns=utc_ns,
                 y=y[:height, :width], u=u[: height // 2, : width // 2], v=v[: height // 2, : width // 2],
                 is_keyframe=number == 0, is_corrupt=False)  # fmt: skip


def in_1080p(ground: VideoFrame | None = None) -> Callable[[VideoFrame], VideoFrame]:
    """Puts a picture at half its size into a still 1080p picture made of the first one, enlarged."""
    canvas: list[npt.NDArray[np.uint8]] = []

    def convert(picture: VideoFrame) -> VideoFrame:
        if not canvas:
            canvas.append(picture.reformat(width=64, height=36, format="rgb24")
                          .reformat(width=1920, height=1080).to_ndarray())  # fmt: skip
        half = picture.reformat(width=picture.width // 2, height=picture.height // 2, format="rgb24").to_ndarray()
        whole = canvas[0].copy()
        whole[SMALL_Y : SMALL_Y + half.shape[0], SMALL_X : SMALL_X + half.shape[1]] = half
        return VideoFrame.from_ndarray(whole, format="rgb24")

    return convert


SMALL_X, SMALL_Y = 900, 420


class WholeFrames:
    """What the analyser did before regions: the detector on every frame, scaled to its input."""

    def __init__(self, detector: SessionDetector) -> None:
        self._detector, self._maker, self._tracker = detector, PictureMaker(), Tracker(config=TrackerConfig())
        self._limits = limits_of(detector.manifest.input)

    def rows(self, frame: Frame) -> Rows:
        height, width = frame.y.shape
        region = fit_region((0, 0, width, height), ENLARGE_MAX, (width, height), self._limits)
        found = self._detector.detect_parts([self._maker(frame, region)])[0]
        scale = np.array([width / region.width_px, height / region.height_px] * 2, np.float32)
        found = Detections(boxes_px=found.boxes_px * scale, scores=found.scores, class_ids=found.class_ids)
        columns = self._tracker.step(found, frame.utc_ns, (width, height))
        return columns.class_ids, columns.boxes_norm * np.array([width, height] * 2, np.float32), columns.scores


class Regions:
    """The analyser's own."""

    def __init__(self, detector: SessionDetector) -> None:
        self.counters = Counters()
        looking = Looking(detector=detector, to_picture=PictureMaker(), limits=limits_of(detector.manifest.input),
                          clock=SystemClock(), tracker=TrackerConfig())  # fmt: skip
        self._analysis = FrameAnalysis(CameraId("cam"), RunId("r"), looking, self.counters)

    def rows(self, frame: Frame) -> Rows:
        fact = next(f for f in self._analysis.process(frame) if isinstance(f, FrameAnalysed))
        scale = np.array([frame.y.shape[1], frame.y.shape[0]] * 2, np.float32)
        return fact.frame.class_ids, fact.frame.boxes_norm * scale, fact.frame.scores


def judge(outcome: Outcome, rows: Rows, truth: Boxes, classes: frozenset[ObjectClass],
          is_judged: Callable[[Boxes], npt.NDArray[np.bool_]] | None = None) -> None:  # fmt: skip
    class_ids, boxes, scores = rows
    mine = np.isin(class_ids, [int(item) for item in classes])
    boxes, scores = boxes[mine], scores[mine]
    if is_judged is not None:
        kept = is_judged(boxes)
        boxes, scores = boxes[kept], scores[kept]
    tally({SURE_SCORE: outcome.sure}, boxes, scores, truth)
    outcome.truth += len(truth)
    if len(truth) and len(boxes):
        low = np.maximum(truth[:, None, :2], boxes[None, :, :2])
        high = np.minimum(truth[:, None, 2:], boxes[None, :, 2:])
        shared = np.clip(high - low, 0, None).prod(axis=2).max(axis=1)
        outcome.covered += int((shared >= 0.8 * (truth[:, 2:] - truth[:, :2]).prod(axis=1)).sum())


def _area(box: npt.NDArray[np.float32]) -> float:
    return float((box[2] - box[0]) * (box[3] - box[1]))


def run(clip: Iterator[Frame], looker: Any, fps: float, judged: Callable[[Outcome, int, Rows], None], limit: int,
        step: int = 1) -> Outcome:  # fmt: skip
    outcome = Outcome()
    for number, frame in enumerate(clip):
        if number >= limit:
            break
        if number % step:
            continue
        started = time.process_time()
        rows = looker.rows(frame)
        outcome.cpu_s += time.process_time() - started
        outcome.seconds += step / fps
        judged(outcome, number, rows)
    return outcome


def put(report: Report, name: str, way: str, outcome: Outcome, looker: Any) -> None:
    results = report.results
    if outcome.truth:
        outcome.sure.put(report, f"_{name}_{way}")
        results[f"cover_{name}_{way}"] = round(outcome.covered / outcome.truth, 4)
    results[f"cpu_ms_per_s_{name}_{way}"] = round(1e3 * outcome.cpu_s / outcome.seconds, 1)
    counters = getattr(looker, "counters", None)
    if counters is not None:
        for key in ("detector_calls", "whole_looks", "regions_looked", "regions_shed", "frames_skipped_quiet"):
            results[f"{key}_{name}"] = getattr(counters, key)


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--only", default=None)
    parser.add_argument("--way", default=None)
    arguments = parser.parse_args()
    data: Path = arguments.data
    limits = {"pets": 795, "small": 300, "highway": 1700, "table": 1390, "park": 900}
    if arguments.smoke:
        limits = {"pets": 40, "small": 30, "highway": 560, "table": 40, "park": 40}
    truth = pets_truth(data)
    shift = np.array([SMALL_X, SMALL_Y] * 2, np.float32)

    def pets(outcome: Outcome, number: int, rows: Rows) -> None:
        judge(outcome, rows, truth.get(number + 1, NO_BOXES), frozenset({ObjectClass.PERSON}))

    def small(outcome: Outcome, number: int, rows: Rows) -> None:
        judge(outcome, rows, truth.get(number + 1, NO_BOXES) / 2 + shift, frozenset({ObjectClass.PERSON}))

    archive = zipfile.ZipFile(data / f"{HIGHWAY}-groundtruth.zip")
    names = sorted(name for name in archive.namelist() if name.endswith(".png"))

    def highway(outcome: Outcome, number: int, rows: Rows) -> None:
        if number + 1 < HIGHWAY_FIRST:
            return
        mask = grey_png(archive.read(names[number]))
        # The truth leaves out what is smaller, so detections of it are neither right nor wrong.
        judge(outcome, rows, vehicle_truth(mask), VEHICLES,
              lambda boxes: np.array([outside_share(mask, box) <= 0.5 and _area(box) > 2 * VEHICLE_AREA_MIN_PX
                                      for box in boxes], bool))  # fmt: skip

    def unjudged(outcome: Outcome, number: int, rows: Rows) -> None:
        outcome.rows.append(rows)

    clips: dict[str, tuple[Callable[[], Iterator[Frame]], float, Callable[[Outcome, int, Rows], None], int]] = {
        "pets": (lambda: frames(data / f"{PETS}.avi", 7), 7, pets, 1),
        "small": (lambda: frames(data / f"{PETS}.avi", 7, in_1080p()), 7, small, 1),
        "highway": (lambda: frames(data / f"{HIGHWAY}.mp4", 25), 25, highway, 5),
        "table": (lambda: frames(data / "people/intel-one-by-one-person-detection.mp4", 10), 10, unjudged, 2),
        "park": (lambda: frames(data / "traffic/intel-car-detection.mp4", 30), 30, unjudged, 6),
    }  # fmt: skip
    detector = load_detector(models_dir=None, name=None, threads=1)
    report = Report("eval.regions", smoke=arguments.smoke, config={"detector": detector.ref.name, "threads": 1,
                    "frames": limits})  # fmt: skip
    todo = [(name, way) for name in clips for way in ("whole", "regions")
            if arguments.only in (None, name) and arguments.way in (None, way)]  # fmt: skip
    for number, (name, way) in enumerate(todo, 1):
        clip, fps, judged, step = clips[name]
        looker: Any = WholeFrames(detector) if way == "whole" else Regions(detector)
        outcome = run(clip(), looker, fps, judged, limits[name], step)
        put(report, name, way, outcome, looker)
        report.progress(number, len(todo), f"{name} {way}")
    report.finish()


if __name__ == "__main__":
    main()
