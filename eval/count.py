"""Who crosses a line, end to end with the packaged detector: vehicles against counts.json, people against PETS' boxes.

Run `python -m eval.count --data DIR [--smoke] [--fps N]`. Packets of the clips go through the analyser's own pipeline.
Errors are misses and overcounts, matched one to one by time and direction (net totals would hide them), as shares of
what really crossed. People: four lines on PETS, where truth is what the same lines count on the true boxes and one
crossing by a walker without a box, and three on Intel's clips, read by eye. `…_sure_…` leave out what PETS' truth
itself does not settle: who touches a line and turns back, or passes by its end, so that the true boxes count them with
one margin and not with another, and walkers in the background whom the truth has no box for. Who is over when the clip
ends has crossed, in truth as in the product. `people_net_share`: found less true, over
all lines and directions. `pets_drawn_…`: four lines may be lucky, so forty drawn at random (seeded), on the clip and
on its mirror image, where tracks break and are confused at other moments.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from custodes.app.analyser import make_looking
from custodes.config import SiteConfig
from custodes.geometry.lines import LineCounter, LineCrossing
from custodes.pipeline.analysis import AnalysisFact, FrameAnalysis, Looking
from custodes.pipeline.camera import CameraPipeline
from custodes.pipeline.counters import Counters
from custodes.testing.media import read_clip
from custodes.types.event import FrameAnalysed, LineCrossed
from custodes.types.media import Frame
from custodes.types.message import StreamClosed, StreamOpened
from custodes.types.scene import CameraScene, CountLine
from custodes.types.vision import VEHICLES, ObjectClass
from custodes.units import NS_PER_S, CameraId, Ns, RunId
from eval.detect import PETS
from eval.mot import boxes_of, read_rows
from eval.regions import frames
from eval.report import Report

T0 = Ns(1_700_000_000 * NS_PER_S)
_PETS_FPS = 7
_PETS_SIZE = (768, 576)
_PEOPLE_LINES = (
    CountLine(name="across", start=(0.05, 0.45), end=(0.95, 0.45)),
    CountLine(name="down", start=(0.5, 0.98), end=(0.5, 0.05)),
    CountLine(name="rising", start=(0.1, 0.95), end=(0.9, 0.2)),
    CountLine(name="falling", start=(0.15, 0.15), end=(0.9, 0.9)),
)
_FAR_S = 1.5
"""A crossing found this much earlier or later than the true one is the same: eyes and detectors place feet apart."""


_MARGINS = (0.25, 0.4, 0.1)
"""What a crossing is on true boxes, which do not tremble (ADR 52); who gets further across has surely crossed; who
does not get as far surely has not. In sizes."""
_ENDS = (0.0, -0.02, 0.02)
"""Of each: by how much lines are longer at both ends, in frame heights. A foot is known to a twentieth of somebody's
size (ADR 142), along a line as across it; people are .15 to .25 high."""
_NEAR_PX = 120.0
"""Where no true foot is nearer than this, the truth has no box for who is there."""
_DRAWN, _DRAWN_SEED, _DRAWN_LEAST = 40, 5, 0.4
"""Lines at random, and how long one is at least, in frame heights."""
_EVERY = 2
"""Frames a look of Intel's clips: five looks a second."""


@dataclass(frozen=True, kw_only=True)
class Crossed:
    """When, in seconds of the clip, which way, over which line."""

    at_s: float
    is_forward: bool
    line: str


_UNBOXED = Crossed(at_s=18.3, is_forward=True, line="falling")
"""PETS: she comes down the path in the background, frames 60 to 170, and has no box in the truth."""


@dataclass(frozen=True, kw_only=True)
class Clip:
    """People whose crossings were read by eye: the middle of their feet passes an upright line at `x`, share of the
    width; `frames` from 0, ± 3."""

    name: str
    path: str
    fps: float
    crossings: tuple[tuple[float, bool, tuple[int, ...]], ...]
    """x, whether to the right, frames."""

    @property
    def lines(self) -> tuple[CountLine, ...]:
        """Forward is to the right."""
        places = sorted({x for x, _, _ in self.crossings})
        return tuple(CountLine(name=f"{self.name} {x}", start=(x, 1.0), end=(x, 0.0)) for x in places)

    @property
    def truth(self) -> list[Crossed]:
        """All of them."""
        return [
            Crossed(at_s=frame / self.fps, is_forward=is_right, line=f"{self.name} {x}")
            for x, is_right, numbers in self.crossings
            for frame in numbers
        ]


_CLIPS = (
    Clip(
        name="table",
        path="people/intel-one-by-one-person-detection.mp4",
        fps=10,
        crossings=((0.75, True, (188, 440, 690, 858, 1187, 1348)),),
    ),
    Clip(
        name="hall",
        path="people/intel-people-detection.264",
        fps=10,
        crossings=((0.75, True, (56, 378, 386)), (0.2, False, (217, 225, 380, 547))),
    ),
)
"""Six people leave a table, most at a run; seven leave a hall in ones, twos and threes. The bare stream of the second
has no times: ten a second, as the first."""


@dataclass
class Outcome:
    """What was found of what was there."""

    truth: int = 0
    missed: list[Crossed] = field(default_factory=list)
    extra: list[Crossed] = field(default_factory=list)

    @property
    def error_share(self) -> float:
        return (len(self.missed) + len(self.extra)) / max(self.truth, 1)


def compare(truth: Sequence[Crossed], found: Sequence[Crossed], far_s: float) -> Outcome:
    """Match one to one: same line and direction, at most `far_s` apart, least total distance."""
    if not truth or not found:
        return Outcome(len(truth), list(truth), list(found))
    apart = np.array([[abs(t.at_s - f.at_s) for f in found] for t in truth])
    is_same = np.array([[(t.line, t.is_forward) == (f.line, f.is_forward) for f in found] for t in truth])
    cost = np.where(is_same & (apart <= far_s), apart, 1e6)
    rows, columns = linear_sum_assignment(cost)
    good = cost[rows, columns] < 1e6
    missed = [one for index, one in enumerate(truth) if index not in set(rows[good].tolist())]
    extra = [one for index, one in enumerate(found) if index not in set(columns[good].tolist())]
    return Outcome(len(truth), missed, extra)


def count_clip(
    path: Path, looking: Looking, lines: tuple[CountLine, ...], fps: float, seconds: float
) -> list[Crossed]:
    """Vehicles over lines of a clip, by the analyser's pipeline, packet by packet."""
    info, packets = read_clip(path, frames=100_000, start_ns=T0)
    packets = [packet for packet in packets if packet.utc_ns < T0 + seconds * NS_PER_S]
    pipeline = CameraPipeline(info.camera_id, looking, fps=fps, scene=CameraScene(lines=lines))
    facts = []
    for item in (StreamOpened(info=info), *packets, StreamClosed(camera_id=info.camera_id, run=info.run)):
        facts += pipeline.process(item)
    return [
        Crossed(at_s=(fact.utc_ns - T0) / NS_PER_S, is_forward=fact.is_forward, line=fact.line)
        for fact in facts
        if isinstance(fact, LineCrossed) and fact.object_class in VEHICLES
    ]


def vehicles(data: Path, looking: Looking, fps: float, report: Report, *, smoke: bool) -> float:
    """Both clips; returns misses and overcounts as a share of what crossed."""
    counts = json.loads((data / "traffic" / "counts.json").read_text())
    highway, car_park = counts["cdnet-highway.mp4"], counts["intel-car-detection.mp4"]
    (x1, x2), y = highway["line"]["x"], highway["line"]["y"]
    seconds = 20.0 if smoke else 1e6
    clips = [
        (
            "highway",
            data / "traffic" / "cdnet-highway.mp4",
            CountLine(name="line", start=(x1 / 320, y / 240), end=(x2 / 320, y / 240)),
            # The clip is encoded at 25 frames/s; numbers are of frames, from 1; ± 6 of them are the readers' doubt.
            [Crossed(at_s=(number - 1) / 25, is_forward=True, line="line") for number, _ in highway["crossings"]],
        ),
        (
            "car_park",
            data / "traffic" / "intel-car-detection.mp4",
            CountLine(name="line", start=(0.0, car_park["line"]["y"] / 432), end=(1.0, car_park["line"]["y"] / 432)),
            [
                Crossed(at_s=number / 12.5, is_forward=way == "towards", line="line")
                for number, way in zip(car_park["crossings_frames"], car_park["directions"], strict=True)
            ],
        ),
    ]
    wrong = total = 0
    for name, path, line, truth in clips:
        truth = [one for one in truth if one.at_s < seconds - 1]
        outcome = compare(truth, count_clip(path, looking, (line,), fps, seconds), _FAR_S)
        note(report, name, outcome)
        wrong += len(outcome.missed) + len(outcome.extra)
        total += outcome.truth
    return wrong / max(total, 1)


def true_feet(rows: npt.NDArray[np.float64], frame: int) -> npt.NDArray[np.float64]:
    """(n, 2): where the people of the truth stand in a frame, in pixels."""
    boxes = boxes_of(rows[rows[:, 0] == frame])
    return np.stack([(boxes[:, 0] + boxes[:, 2]) / 2, boxes[:, 3]], axis=1)


def true_crossings(
    rows: npt.NDArray[np.float64], lines: tuple[CountLine, ...], last: int, margin: float, longer: float = 0.0
) -> list[Crossed]:
    """What the lines, `longer` by so many frame heights at both ends, count on PETS' true boxes."""
    aspect = _PETS_SIZE[0] / _PETS_SIZE[1]
    counter = LineCounter(tuple(_lengthened(line, longer, aspect) for line in lines), margin=margin)
    found: list[LineCrossing] = []
    for frame in range(1, last + 1):
        now = rows[rows[:, 0] == frame]
        boxes = boxes_of(now) / np.array([*_PETS_SIZE, *_PETS_SIZE])
        sizes = np.sqrt(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) * aspect)
        utc_ns = (frame - 1) * NS_PER_S // _PETS_FPS
        feet = true_feet(rows, frame) / np.array(_PETS_SIZE)
        found += counter.step(now[:, 1].astype(np.int64), feet, sizes, utc_ns, aspect)
    found += counter.finish()
    return [Crossed(at_s=one.utc_ns / NS_PER_S, is_forward=one.is_forward, line=one.line) for one in found]


def _lengthened(line: CountLine, longer: float, aspect: float) -> CountLine:
    (x1, y1), (x2, y2) = line.start, line.end
    share = longer / float(np.hypot((x2 - x1) * aspect, y2 - y1))
    x, y = (x2 - x1) * share, (y2 - y1) * share
    return replace(line, start=(x1 - x, y1 - y), end=(x2 + x, y2 + y))


def drawn_lines() -> tuple[CountLine, ...]:
    """Lines at random, not too short, nowhere near the frame's edge."""
    rng, lines = np.random.default_rng(_DRAWN_SEED), []
    while len(lines) < _DRAWN:
        start, end = rng.uniform(0.05, 0.95, (2, 2))
        if np.hypot(*((start - end) * (_PETS_SIZE[0] / _PETS_SIZE[1], 1.0))) >= _DRAWN_LEAST:
            lines.append(CountLine(name=f"drawn {len(lines)}", start=tuple(start), end=tuple(end)))
    return tuple(lines)


def mirrored(picture: Frame) -> Frame:
    """Left is right."""
    flipped = {name: np.ascontiguousarray(getattr(picture, name)[:, ::-1]) for name in ("y", "u", "v")}
    return replace(picture, **flipped)


def watch(
    data: Path,
    name: str,
    lines: tuple[CountLine, ...],
    looking: Looking,
    fps: float,
    every: int,
    last: int,
    *,
    is_mirrored: bool = False,
) -> tuple[list[LineCrossed], list[FrameAnalysed]]:
    """Decoded frames through the analysis, for clips whose codec or container no camera sends."""
    analysis = FrameAnalysis(CameraId("clip"), RunId("0" * 12), looking, Counters(), CameraScene(lines=lines))
    facts: list[AnalysisFact] = []
    for number, picture in enumerate(frames(data / name, fps)):
        if number >= last:
            break
        if number % every == 0:
            facts += analysis.process(mirrored(picture) if is_mirrored else picture)
    facts += analysis.flush()
    crossed = [one for one in facts if isinstance(one, LineCrossed) and one.object_class is ObjectClass.PERSON]
    return crossed, [one for one in facts if isinstance(one, FrameAnalysed)]


def crossed_of(facts: Sequence[LineCrossed], fps: float) -> list[Crossed]:
    """`frames` begins one frame after zero."""
    first_s = 1 / fps
    return [Crossed(at_s=one.utc_ns / NS_PER_S - first_s, is_forward=one.is_forward, line=one.line) for one in facts]


def people(data: Path, looking: Looking, report: Report, *, smoke: bool) -> None:
    """Errors as shares of what crossed on all clips, and of what is settled; of drawn lines, unless it is smoke."""
    outcomes, settled = [], []
    for clip in _CLIPS:
        last = 260 if smoke else 100_000
        facts, _ = watch(data, clip.path, clip.lines, looking, clip.fps, _EVERY, last)
        truth = [one for one in clip.truth if one.at_s < last / clip.fps]
        outcomes.append(compare(truth, crossed_of(facts, clip.fps), _FAR_S))
        note(report, clip.name, outcomes[-1])
    settled += outcomes
    for name, outcome, into in zip(
        ("pets", "pets_sure"), on_pets(data, looking, 150 if smoke else 100_000), (outcomes, settled), strict=True
    ):
        note(report, name, outcome)
        into.append(outcome)
    report.results |= {
        "people_error_share": round(share_of(outcomes), 4),
        "people_sure_error_share": round(share_of(settled), 4),
        "people_net_share": round(net_share(outcomes), 4),
    }
    if smoke:
        return
    drawn = [on_drawn_lines(data, looking, is_mirrored=one) for one in (False, True)]
    for name, (everything, sure) in zip(("drawn", "drawn_mirrored"), drawn, strict=True):
        report.results |= {
            f"pets_{name}_crossings": everything.truth,
            f"pets_{name}_missed": len(everything.missed),
            f"pets_{name}_extra": len(everything.extra),
            f"pets_{name}_sure_missed": len(sure.missed),
            f"pets_{name}_sure_extra": len(sure.extra),
        }
    report.results |= {
        "pets_drawn_error_share": round(share_of([one for one, _ in drawn]), 4),
        "pets_drawn_sure_error_share": round(share_of([one for _, one in drawn]), 4),
    }


def on_pets(data: Path, looking: Looking, last: int) -> tuple[Outcome, Outcome]:
    """With the product's margin in truth; and only what is settled."""
    rows = read_rows(data / "people" / "pets09-s2l1-view001.gt.txt")
    last = min(last, int(rows[:, 0].max()))
    unboxed = [_UNBOXED] * (_UNBOXED.at_s < last / _PETS_FPS)
    truth, sure, doubtful = (
        true_crossings(rows, _PEOPLE_LINES, last, margin, longer) + unboxed
        for margin, longer in zip(_MARGINS, _ENDS, strict=True)
    )
    crossed, judged = found_on_pets(data, rows, looking, _PEOPLE_LINES, last, is_mirrored=False)
    settled = Outcome(len(truth), compare(sure, crossed, _FAR_S).missed, compare(doubtful, judged, _FAR_S).extra)
    return compare(truth, crossed, _FAR_S), settled


def on_drawn_lines(data: Path, looking: Looking, *, is_mirrored: bool) -> tuple[Outcome, Outcome]:
    """The same of many lines at random, of people whom the truth has boxes for."""
    rows = read_rows(data / "people" / "pets09-s2l1-view001.gt.txt")
    if is_mirrored:
        rows[:, 2] = _PETS_SIZE[0] - rows[:, 2] - rows[:, 4]
    lines, last = drawn_lines(), int(rows[:, 0].max())
    truth, sure, doubtful = (
        true_crossings(rows, lines, last, margin, longer) for margin, longer in zip(_MARGINS, _ENDS, strict=True)
    )
    _, judged = found_on_pets(data, rows, looking, lines, last, is_mirrored=is_mirrored)
    settled = Outcome(len(truth), compare(sure, judged, _FAR_S).missed, compare(doubtful, judged, _FAR_S).extra)
    return compare(truth, judged, _FAR_S), settled


def found_on_pets(
    data: Path,
    rows: npt.NDArray[np.float64],
    looking: Looking,
    lines: tuple[CountLine, ...],
    last: int,
    *,
    is_mirrored: bool,
) -> tuple[list[Crossed], list[Crossed]]:
    """All crossings, and those of people whom the truth has a box for."""
    facts, looks = watch(data, f"{PETS}.avi", lines, looking, _PETS_FPS, 1, last, is_mirrored=is_mirrored)
    crossed = crossed_of(facts, _PETS_FPS)
    is_boxed: dict[tuple[int, int], bool] = {}
    for look in looks:
        number = round(look.frame.utc_ns * _PETS_FPS / NS_PER_S)
        feet = true_feet(rows, number)
        for track_id, box in zip(look.frame.track_ids.tolist(), look.frame.boxes_norm, strict=True):
            foot = np.array([(box[0] + box[2]) / 2, box[3]]) * _PETS_SIZE
            is_boxed[track_id, number] = bool((np.hypot(*(feet - foot).T) < _NEAR_PX).any())
    judged = [
        one
        for one, fact in zip(crossed, facts, strict=True)
        if is_boxed.get((fact.track_id, round(one.at_s * _PETS_FPS) + 1), True)
    ]
    return crossed, judged


def net_share(outcomes: Sequence[Outcome]) -> float:
    """What was found too much, as a share of what crossed; overcounts make up for misses."""
    return sum(len(one.extra) - len(one.missed) for one in outcomes) / max(sum(one.truth for one in outcomes), 1)


def share_of(outcomes: Sequence[Outcome]) -> float:
    """Misses and overcounts of all of them as a share of what crossed."""
    wrong = sum(len(one.missed) + len(one.extra) for one in outcomes)
    return wrong / max(sum(one.truth for one in outcomes), 1)


def note(report: Report, name: str, outcome: Outcome) -> None:
    """Figures and, for people who read along, what went wrong."""
    report.results |= {
        f"{name}_crossings": outcome.truth,
        f"{name}_missed": len(outcome.missed),
        f"{name}_extra": len(outcome.extra),
    }
    report.note(f"{name}: {outcome.truth} crossings; missed {_times(outcome.missed)}; extra {_times(outcome.extra)}")


def _times(crossings: Sequence[Crossed]) -> str:
    return ", ".join(f"{one.line} {one.at_s:.1f} s" for one in crossings) or "none"


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--fps", type=float, default=SiteConfig().analyser.fps, help="looks per second at the clips")
    parser.add_argument(
        "--smoke", action="store_true", help="20 s of the traffic clips, 26 s of Intel's, 150 frames of PETS"
    )
    arguments = parser.parse_args()
    looking = make_looking(SiteConfig())
    report = Report("eval.count", smoke=arguments.smoke, config={
        "detector": looking.detector.ref.name, "fps": arguments.fps, "pets_fps": _PETS_FPS})  # fmt: skip
    wrong = vehicles(arguments.data, looking, arguments.fps, report, smoke=arguments.smoke)
    report.results["vehicles_error_share"] = round(wrong, 4)
    people(arguments.data, looking, report, smoke=arguments.smoke)
    report.finish()


if __name__ == "__main__":
    main()
