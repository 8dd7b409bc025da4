"""What motion, regions and tracking cost per frame, and whether joining regions into one detector call pays.

    python -m bench.regions [--smoke]

`motion_region_track_ms_per_frame` is the CPU time of one thread for everything `FrameAnalysis` does to a 768×432 frame
except cutting pictures and running the network; the detector's real answers are recorded first and replayed, so that
tracks and regions are those of real use. `call_ms_…`: CPU per region of the packaged detector alone, as a batch, and
packed into one picture.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.footage import TABLE, shared_data
from custodes.adapters.model import find_model, load_detector, open_session
from custodes.app.analyser import PictureMaker
from custodes.detect.picture import fill_input, place
from custodes.detect.regions import Region, limits_of
from custodes.pipeline.analysis import FrameAnalysis, Looking
from custodes.pipeline.counters import Counters
from custodes.ports.model import Detector
from custodes.track.config import TrackerConfig
from custodes.types.media import Frame
from custodes.types.vision import Detections, ModelRef, ModelTask
from custodes.units import CameraId, Ns, RunId
from eval.regions import frames
from eval.report import Report

Picture = npt.NDArray[np.uint8]


class Replayed:
    """A detector's answers: recorded call by call from a real one, then given again for nothing."""

    def __init__(self, detector: Detector | None = None, answers: Sequence[list[Detections]] = ()) -> None:
        self._detector, self._maker = detector, PictureMaker()
        self.answers = list(answers)
        self._call = 0

    @property
    def ref(self) -> ModelRef:
        return ModelRef(name="replayed", sha256="0" * 64)

    def detect(self, pictures_rgb: Sequence[Picture]) -> list[Detections]:
        return self.detect_parts(pictures_rgb)

    def detect_parts(self, pictures_rgb: Sequence[Picture]) -> list[Detections]:
        if self._detector is not None:
            self.answers.append(self._detector.detect_parts(pictures_rgb))
        self._call += 1
        return self.answers[self._call - 1]

    def cut(self, frame: Frame, region: Region) -> Picture:
        return self._maker(frame, region) if self._detector is not None else _NO_PICTURE


_NO_PICTURE = np.zeros((32, 32, 3), np.uint8)


def motion_region_track_ms(clip: Sequence[Frame], *, rounds: int = 5) -> dict[str, float]:
    """CPU ms per frame of motion, regions and tracking over `clip`, and what they did.

    The best of `rounds` replays, because machines are shared. Frames are all analysed, as they come. One reading of
    the clock per replay: it costs half a millisecond here.
    """
    detector = load_detector(models_dir=None, name=None, threads=1)
    limits = limits_of(detector.manifest.input)

    def play(replay: Replayed) -> tuple[float, Counters]:
        counters = Counters()
        looking = Looking(detector=replay, to_picture=replay.cut, limits=limits, clock=_StoppedClock(),
                          tracker=TrackerConfig())  # fmt: skip
        analysis = FrameAnalysis(CameraId("cam"), RunId("r"), looking, counters)
        started = time.thread_time_ns()
        for frame in clip:
            analysis.process(frame)
        return (time.thread_time_ns() - started) / 1e6 / len(clip), counters

    recorded = Replayed(detector)
    play(recorded)
    spent, counters = zip(*(play(Replayed(answers=recorded.answers)) for _ in range(rounds)), strict=True)
    return {
        "motion_region_track_ms_per_frame": round(min(spent), 3),
        "regions_per_frame": round(counters[0].regions_looked / len(clip), 2),
        "detector_calls_share": round(counters[0].detector_calls / len(clip), 3),
    }


class _StoppedClock:
    def monotonic_ns(self) -> Ns:
        return Ns(0)

    def now_ns(self) -> Ns:
        return Ns(0)


def call_costs(rounds: int) -> dict[str, float]:
    """CPU ms per region of 96×96 and 160×160: one call each, eight in one batch (the network alone), eight packed."""
    detector = load_detector(models_dir=None, name=None, threads=1)
    session = open_session(find_model(models_dir=None, name=detector.ref.name, task=ModelTask.DETECT), threads=1,
                           acknowledged=frozenset())  # fmt: skip
    spec = detector.manifest.input
    rng, results = np.random.default_rng(1), {}
    for side in (96, 160):
        exact = replace(spec, width_px=side, height_px=side, is_size_free=False)
        pictures = [rng.integers(0, 256, (side, side, 3), dtype=np.uint8) for _ in range(8)]
        batch = {spec.name: np.concatenate([fill_input(p, place(side, side, exact), exact) for p in pictures])}
        ways: dict[str, Callable[[], object]] = {
            "alone": lambda pictures=pictures: [detector.detect_parts([picture]) for picture in pictures],
            "batch": lambda batch=batch: session.run(batch),
            "packed": lambda pictures=pictures: detector.detect_parts(pictures),
        }
        spent: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(rounds):  # in turn, because the machine is shared
            for way, call in ways.items():
                started = time.process_time_ns()
                call()
                spent[way].append((time.process_time_ns() - started) / 1e6)
        for way in ways:
            results[f"call_ms_{side}_{way}"] = round(float(np.median(spent[way])) / len(pictures), 3)
    return results


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true")
    arguments = parser.parse_args()
    count = 60 if arguments.smoke else 400
    clip_path: Path = shared_data() / TABLE
    clip = [frame for frame, _ in zip(frames(clip_path, 10), range(count), strict=False)]
    report = Report("bench.regions", smoke=arguments.smoke, config={"clip": TABLE, "frames": count})
    report.results |= motion_region_track_ms(clip, rounds=1 if arguments.smoke else 5)
    report.progress(1, 2, "motion, regions, tracking")
    report.results |= call_costs(2 if arguments.smoke else 9)
    report.progress(2, 2, "calls")
    report.finish()


if __name__ == "__main__":
    main()
