"""Is a detector of faces worth its cost in the live path? Masks of the live pipeline with and without it.

Run `python -m eval.redact_live --data ../shared/data [--smoke]`. Footage, truth: `eval.redact_truth`, the close faces
of the asl-gestures, at most 400 frames of each; and, as a site looks for faces (`face_watch.LOOK_PX`), the whole
Intel clips, where people come in head first: `…_intel`, with `exposed_s_per_person_h`. The analysis looks five times
a second as a site's does; masks are a view's, with its default margin. Per level and longer side of the faces' picture
(0: none), as `eval.redact`: `frame_recall`, `track_leak`, `overmask_ratio`; and `look_ms`, CPU of one look.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from custodes.adapters.model import load_detector
from custodes.app.analyser import PictureMaker, make_looking
from custodes.config import SiteConfig
from custodes.media.film import FILM_CAMERA, FILM_RUN, FilmReader
from custodes.pipeline.analysis import FrameAnalysis, Looking
from custodes.pipeline.counters import Counters
from custodes.pipeline.face_watch import LOOK_PX, FaceLook
from custodes.redact.levels import MaskLevel
from custodes.redact.timeline import MaskPolicy, MaskTimeline
from custodes.types.event import FrameAnalysed
from custodes.types.vision import ModelTask
from custodes.units import NS_PER_MS, NS_PER_S
from eval.redact import Clip, Score, figures, judge
from eval.redact_truth import ASL, ONE_BY_ONE, PEOPLE, read_heads, read_unjudged
from eval.report import Report

FRAMES, SMOKE_FRAMES = 400, 15
SIDES, SMOKE_SIDES = (0, 256, 320, 480), (0, 256)
LEVELS = (MaskLevel.FACE, MaskLevel.HEAD, MaskLevel.PERSON)
_TOLD = ("frame_recall", "track_leak", "overmask_ratio")
_STEP_NS = NS_PER_S // 5 - NS_PER_MS


def watch(path: Path, clip: Clip, looking: Looking, frames_max: int | None) -> tuple[list[FrameAnalysed], float, int]:
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


class Seen:
    """Clips as a site's analysis sees them, judged at each level."""

    def __init__(self, data: Path, clips: list[Clip], looking: Looking, frames_max: int | None) -> None:
        self.scores = {level: Score() for level in LEVELS}
        self.spent_s, self.looks = 0.0, 0
        for clip in clips:
            facts, cpu_s, count = watch(data / clip.name, clip, looking, frames_max)
            self.spent_s, self.looks = self.spent_s + cpu_s, self.looks + count
            for level, score in self.scores.items():
                judge(score, clip, covered(clip, facts, level))

    def told(self, tail: str, keys: Sequence[str]) -> dict[str, float]:
        return {
            f"{key}_{level.value}_{tail}": figures(score)[key] for level, score in self.scores.items() for key in keys
        }


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
    faces_of = {
        side: FaceLook(detector=finder, to_picture=PictureMaker(), look_px=side) if side else None for side in sides
    }
    frames_max = SMOKE_FRAMES if arguments.smoke else FRAMES
    for number, side in enumerate(sides, 1):
        clips = [Clip(name=f"{ASL}/{name}", heads=heads) for name, heads in films]
        seen = Seen(arguments.data, clips, replace(looking, faces=faces_of[side]), frames_max)
        report.results[f"look_ms_{side}px"] = round(seen.spent_s / seen.looks * 1e3, 1)
        report.results |= seen.told(f"{side}px", _TOLD)
        report.progress(number, len(sides), f"{side} px")
    if not arguments.smoke:
        heads, unknown = read_heads("intel"), read_unjudged("intel")
        clips = [Clip(name=name, heads=heads[name], unjudged=unknown[name]) for name in (PEOPLE, ONE_BY_ONE)]
        seen = Seen(arguments.data, clips, replace(looking, faces=faces_of[LOOK_PX]), None)
        report.results |= seen.told("intel", (*_TOLD, "exposed_s_per_person_h", "people"))
    report.finish()


if __name__ == "__main__":
    main()
