"""Is a detector of faces worth its cost in the live path? Masks of the live pipeline with and without it.

Run `python -m eval.redact_live --data ../shared/data [--smoke]`. Footage, truth: `eval.redact_truth`, the close faces
of the asl-gestures, at most 400 frames of each. The analysis looks five times a second as a site's does; masks are a
view's, with its default margin. Per level and longer side of the faces' picture (0: no detector of faces), as
`eval.redact`: `frame_recall`, `track_leak`, `overmask_ratio`; and `look_ms`, CPU of one look.
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from custodes.adapters.model import load_detector
from custodes.app.analyser import PictureMaker, make_looking
from custodes.config import SiteConfig
from custodes.media.film import FILM_CAMERA, FILM_RUN, FilmReader
from custodes.pipeline.analysis import FrameAnalysis, Looking
from custodes.pipeline.counters import Counters
from custodes.pipeline.face_watch import FaceLook
from custodes.redact.levels import MaskLevel
from custodes.redact.timeline import MaskPolicy, MaskTimeline
from custodes.types.event import FrameAnalysed
from custodes.types.vision import ModelTask
from custodes.units import NS_PER_MS, NS_PER_S
from eval.redact import Clip, Score, figures, judge
from eval.redact_truth import ASL, read_heads
from eval.report import Report

FRAMES, SMOKE_FRAMES = 400, 15
SIDES, SMOKE_SIDES = (0, 256, 320, 480), (0, 256)
LEVELS = (MaskLevel.FACE, MaskLevel.HEAD, MaskLevel.PERSON)
_STEP_NS = NS_PER_S // 5 - NS_PER_MS


def watch(path: Path, clip: Clip, looking: Looking, frames_max: int) -> tuple[list[FrameAnalysed], float, int]:
    """Facts of one film, CPU seconds, and looks."""
    analysis = FrameAnalysis(FILM_CAMERA, FILM_RUN, looking, Counters())
    facts: list[FrameAnalysed] = []
    spent_s, looks, last_ns = 0.0, 0, None
    with FilmReader(path) as reader:
        for number, frame in enumerate(reader.frames()):
            if number == frames_max:
                break
            clip.times_ns.append(frame.utc_ns)
            clip.size_px = (frame.y.shape[1], frame.y.shape[0])
            if last_ns is None or frame.utc_ns - last_ns >= _STEP_NS:
                last_ns = frame.utc_ns
                began_s = time.process_time()
                facts += [one for one in analysis.process(frame) if isinstance(one, FrameAnalysed)]
                spent_s, looks = spent_s + time.process_time() - began_s, looks + 1
    return facts, spent_s, looks


def covered(clip: Clip, facts: list[FrameAnalysed], level: MaskLevel) -> list[np.ndarray]:
    """Per frame (n, 4) boxes in pixels, as a view covers them."""
    timeline = MaskTimeline(MaskPolicy(level=level))
    timeline.add(facts)
    width, height = clip.size_px
    scale = np.array([width, height, width, height], np.float64)
    found = (timeline.masks_at(at_ns, FILM_RUN, width / height) for at_ns in clip.times_ns)  # type: ignore[arg-type]
    return [np.array([[0.0, 0, width, height]]) if boxes is None else boxes * scale for boxes in found]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--smoke", action="store_true")
    arguments = parser.parse_args()
    sides = SMOKE_SIDES if arguments.smoke else SIDES
    report = Report("eval.redact_live", smoke=arguments.smoke, config={"sides": list(sides), "looks_per_s": 5})
    looking = make_looking(SiteConfig.model_validate({"data_dir": "/nowhere"}))
    finder = load_detector(models_dir=None, name=None, threads=1, task=ModelTask.FACE_DETECT)
    films = sorted(read_heads("asl-gestures").items())[: 1 if arguments.smoke else None]
    for number, side in enumerate(sides, 1):
        faces = FaceLook(detector=finder, to_picture=PictureMaker(), look_px=side) if side else None
        scores = {level: Score() for level in LEVELS}
        spent_s, looks = 0.0, 0
        for name, heads in films:
            clip = Clip(name=name, heads=heads)
            frames_max = SMOKE_FRAMES if arguments.smoke else FRAMES
            facts, cpu_s, count = watch(arguments.data / ASL / name, clip, replace(looking, faces=faces), frames_max)
            spent_s, looks = spent_s + cpu_s, looks + count
            for level, score in scores.items():
                judge(score, clip, covered(clip, facts, level))
        report.results[f"look_ms_{side}px"] = round(spent_s / looks * 1e3, 1)
        for level, score in scores.items():
            for key, value in figures(score).items():
                if key in ("frame_recall", "track_leak", "overmask_ratio"):
                    report.results[f"{key}_{level.value}_{side}px"] = value
        report.progress(number, len(sides), f"{side} px")
    report.finish()


if __name__ == "__main__":
    main()
