"""Journeys of single people from one verified track: how much of what is told is theirs, and how much of it is told.

Run `python -m eval.follow --data DIR [--smoke]`. Overlapping: UCLA CAMPUS' two pairs of views with seeded noisy boxes
through the product's trackers (`campus_run`), a journey for each person from their longest track, as the server makes
it. Others: the SUMO grid without any look, ways drawn at their true medians, full and thinned to a tenth (which is how
busy a building is). `*_precision`: of told tracks, the verified one left out, those that are mostly the person's;
`*_recall`: of the person's seen time, what told tracks cover; `*_calibration_error`: of told links.
"""

import argparse
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from custodes.geometry.homography import Homography
from custodes.journey.assignment import marginals
from custodes.journey.fusion import Placed, TrackKey
from custodes.journey.sighting import placed_of
from custodes.journey.together import company
from custodes.journey.trail import Company, Step, trail
from custodes.journey.ways import Passage, links
from custodes.track.tracker import Tracker
from custodes.types.journey import LinkKind
from custodes.units import NS_PER_S, CameraId, Ns, RunId
from eval import campus, grid
from eval.campus_run import STEP, looked
from eval.report import Report

AROUND_NS = 2 * NS_PER_S
SAMPLED = 150
"""Vehicles of the grid that are followed."""
_LEAST_FIT = 0.5

Ways = Mapping[tuple[CameraId, CameraId], float]


@dataclass
class Seen:
    """One track: what it measured, and whose boxes these were."""

    places: list[tuple[int, Placed]] = field(default_factory=list)
    feet: list[tuple[float, float]] = field(default_factory=list)
    owners: Counter[int] = field(default_factory=Counter)

    @property
    def owner(self) -> int:
        """Whose most of it is; −1 for nobody's."""
        return self.owners.most_common(1)[0][0]


@dataclass
class Tally:
    """Over all journeys."""

    told: int = 0
    right: int = 0
    covered_s: float = 0.0
    seen_s: float = 0.0
    links: list[tuple[float, bool]] = field(default_factory=list)

    def take(self, steps: Sequence[Step], owners: Sequence[int], spans: Sequence[float], who: int) -> None:
        """One person's steps. owners, spans: of all tracks."""
        for step in steps:
            is_right = owners[step.index] == who
            if step.kind is not LinkKind.VERIFIED:
                self.told += 1
                self.right += is_right
                self.links.append((step.link_probability, is_right))
            self.covered_s += spans[step.index] if is_right else 0.0
        self.seen_s += sum(span for span, owner in zip(spans, owners, strict=True) if owner == who)

    def into(self, report: Report, name: str) -> None:
        """Scores under `name`."""
        report.results[f"{name}_precision"] = round(self.right / max(self.told, 1), 4)
        report.results[f"{name}_recall"] = round(self.covered_s / max(self.seen_s, 1e-9), 4)
        report.results[f"{name}_told"] = self.told
        if self.links:
            chance = np.array([one for one, _ in self.links])
            truth = np.array([is_right for _, is_right in self.links])
            report.results[f"{name}_calibration_error"] = round(abs(float(chance.mean() - truth.mean())), 4)


class Walk:
    """One stretch with its links, ready for many journeys."""

    def __init__(self, passages: Sequence[Passage], ways: Ways, span_s: float) -> None:
        self._passages = passages
        self._links = links(passages, ways, span_s)
        self._chance = marginals(self._links, len(passages))

    def follow(self, anchor: int, ask: Callable[[int], Company]) -> list[Step]:
        """From one verified track; `ask`: the company of a track, where views overlap."""
        chain = trail(self._passages, self._links, self._chance, verified=[anchor], excluded=[])
        try:
            wanted = next(chain)
            while True:
                wanted = chain.send(ask(wanted))
        except StopIteration as ended:
            found: list[Step] = ended.value
            return found


def tracks_of(
    views: Mapping[str, campus.View], grounds: Mapping[str, Homography], frames: range
) -> dict[TrackKey, Seen]:
    """The product's trackers over noisy boxes; a track is the person's whose true box fits best."""
    rng = np.random.default_rng(7)
    trackers = {name: Tracker(homography=grounds[name]) for name in views}
    found: dict[TrackKey, Seen] = {}
    rows_of = {name: {int(one): view.rows[view.rows[:, 0] == one] for one in np.unique(view.rows[:, 0])}
               for name, view in views.items()}  # fmt: skip
    for frame in frames:
        utc_ns = Ns(1_700_000_000 * NS_PER_S + frame * NS_PER_S // campus.FPS)
        for name in sorted(views):
            rows = rows_of[name].get(frame, np.zeros((0, 7)))
            tracked, columns = looked(trackers[name], name, rows, frame, utc_ns, rng)
            boxes_of = {int(one): box for one, box in zip(columns.track_ids, columns.boxes_norm, strict=True)}
            for one in placed_of(tracked, grounds[name]):
                seen = found.setdefault(one.key, Seen())
                box = boxes_of[one.key[2]].astype(np.float64)
                seen.places.append((utc_ns, one))
                seen.feet.append((float(box[0] + box[2]) / 2, float(box[3])))
                seen.owners[_whose(box, rows)] += 1
    return {key: seen for key, seen in found.items() if len(seen.places) >= 5}


def _whose(box: npt.NDArray[np.float64], rows: npt.NDArray[np.float64]) -> int:
    if not len(rows):
        return -1
    true = rows[:, 2:6]
    low, high = np.maximum(true[:, :2], box[:2]), np.minimum(true[:, 2:], box[2:])
    shared = np.prod(np.maximum(high - low, 0), axis=1)
    area = np.prod(true[:, 2:] - true[:, :2], axis=1) + np.prod(box[2:] - box[:2]) - shared
    best = int(np.argmax(shared / area))
    return int(rows[best, 1]) if shared[best] / area[best] >= _LEAST_FIT else -1


def overlapping(report: Report, folder: Path, last: int | None) -> None:
    """Each person of each pair of views, from their longest track."""
    views = campus.load(folder)
    grounds = campus.grounds(views, folder)
    tally = Tally()
    for pair in (("HC3", "HC4"), ("IP2", "IP5")):
        end = int(max(views[name].rows[-1, 0] for name in pair)) if last is None else last
        _follow_all(tracks_of({name: views[name] for name in pair}, grounds, range(0, end, STEP)), tally)
    tally.into(report, "overlap")


def _follow_all(tracks: Mapping[TrackKey, Seen], tally: Tally) -> None:
    keys = sorted(tracks, key=lambda key: (tracks[key].places[0][0], key))
    origin_ns = tracks[keys[0]].places[0][0]
    passages = [_passage(key, tracks[key], origin_ns) for key in keys]
    everything = sorted((one for seen in tracks.values() for one in seen.places), key=lambda one: one[0])
    moments = np.array([one[0] for one in everything])
    index_of = {key: index for index, key in enumerate(keys)}

    def ask(index: int) -> Company:
        one = passages[index]
        low, high = (round(at * NS_PER_S) + origin_ns for at in (one.start_s, one.end_s))
        begin, stop = np.searchsorted(moments, [low - AROUND_NS, high + AROUND_NS])
        met = company(everything[begin:stop], one.key)
        return {index_of[key]: share for key, share in met.items() if key in index_of}

    walk = Walk(passages, {}, passages[-1].end_s)
    owners = [tracks[key].owner for key in keys]
    spans = [one.end_s - one.start_s for one in passages]
    for who in sorted({owner for owner in owners if owner >= 0}):
        anchor = max((index for index, owner in enumerate(owners) if owner == who), key=lambda at: spans[at])
        tally.take(walk.follow(anchor, ask), owners, spans, who)


def _passage(key: TrackKey, seen: Seen, origin_ns: int) -> Passage:
    first, last = seen.places[0], seen.places[-1]
    return Passage(
        key=key,
        start_s=(first[0] - origin_ns) / NS_PER_S,
        end_s=(last[0] - origin_ns) / NS_PER_S,
        first=seen.feet[0],
        last=seen.feet[-1],
        floor="campus",
        enter_m=(float(first[1].place_m[0]), float(first[1].place_m[1])),
        leave_m=(float(last[1].place_m[0]), float(last[1].place_m[1])),
    )


def apart(report: Report, folder: Path, seconds: float, share: float, name: str) -> None:
    """Vehicles of the grid, a share of them, without looks."""
    flow = grid.load(folder, seconds=seconds, noise=1.25)
    rng = np.random.default_rng(11)
    kept = {one for one in np.unique(flow.owner).tolist() if one >= 0 and rng.random() < share}
    rows = [at for at, one in enumerate(flow.owner.tolist()) if one in kept or (one < 0 and rng.random() < share)]
    table, run = flow.tracklets, RunId("00000000cafe")
    passages = [
        Passage(
            key=(CameraId(str(int(table.camera[at]))), run, at),
            start_s=float(table.start_s[at]),
            end_s=float(table.end_s[at]),
            first=(0.0, 0.0),  # a street is entered at one end and left at the other
            last=(1.0, 1.0),
        )
        for at in rows
    ]
    ways = {(CameraId(str(one)), CameraId(str(other))): median for (one, other), median in flow.medians_s.items()}
    walk = Walk(passages, ways, float(table.end_s.max()))
    owners = [int(flow.owner[at]) for at in rows]
    spans = [1.0] * len(rows)  # a pass is a pass, however short
    tally = Tally()
    for who in sorted(kept)[:SAMPLED]:
        mine = [index for index, owner in enumerate(owners) if owner == who]
        if len(mine) > 1:
            tally.take(walk.follow(mine[len(mine) // 2], lambda _: {}), owners, spans, who)
    tally.into(report, name)


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--smoke", action="store_true", help="a minute of CAMPUS, ten minutes of the grid")
    arguments = parser.parse_args()
    report = Report("eval.follow", smoke=arguments.smoke, config={"campus_fps": 5, "followed": SAMPLED})
    seconds = 700.0 if arguments.smoke else 1e9
    overlapping(report, arguments.data / "multicam" / "ucla-campus-gt", 1200 if arguments.smoke else None)
    report.progress(1, 3, "overlap")
    folder = arguments.data / "tracking" / "sumo_grid"
    apart(report, folder, seconds, 1.0, "grid")
    report.progress(2, 3, "grid")
    apart(report, folder, seconds, 0.1, "quiet")
    report.finish()


if __name__ == "__main__":
    main()
