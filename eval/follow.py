"""Journeys of single people from one verified track: how much of what is told is theirs, and how much of it is told.

Run `python -m eval.follow --data DIR [--smoke]`. Each twice: by ground, time and way alone, and with clothes' looks
(`_looks`, ADR 134), as server and job make it. `overlap`: UCLA CAMPUS' two pairs of views with seeded noisy boxes
through the product's trackers (`campus_run`), looks drawn as the terrace's spread (`dressed`), a journey for each
person from the middle of their longest track. `terrace`: EPFL's two views from video, looks of its pixels, truth by
eye every third second. `grid`, `third`, `quiet`: the SUMO grid, ways drawn at their true medians, full and thinned to
three tenths and one (which is how busy a building is), by their lanes, looks drawn. `*_precision`: of told tracks, the
verified one left out, those that are mostly the person's while they are told to be; `*_moments_precision`: the same of
moments, the verified track's too; `*_recall`: of the moments in which a person has a track, what is told;
`*_calibration_error`: of told links.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from custodes.app.analyser import make_looking
from custodes.config import SiteConfig
from custodes.geometry.homography import Homography
from custodes.journey.alike import Looked
from custodes.journey.fusion import TrackKey
from custodes.journey.sighting import placed_of
from custodes.journey.usual import Way
from custodes.journey.ways import Passage
from custodes.track.tracker import Tracker
from custodes.units import NS_PER_S, CameraId, Ns, RunId
from eval import campus, grid, terrace_follow
from eval.campus_run import STEP
from eval.campus_run import looked as measured
from eval.dressed import Dresser
from eval.report import Report
from eval.tracks import Seen, Tally, Walk, follow_all

SAMPLED = 150
"""Vehicles of the grid that are followed."""
_LEAST_FIT = 0.5
_LANES = (0.25, 0.75)
"""Where the grid's lanes lie in a picture."""


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
            tracked, columns = measured(trackers[name], name, rows, frame, utc_ns, rng)
            boxes_of = {int(one): box for one, box in zip(columns.track_ids, columns.boxes_norm, strict=True)}
            for one in placed_of(tracked, grounds[name]):
                seen = found.setdefault(one.key, Seen())
                box = boxes_of[one.key[2]].astype(np.float64)
                seen.places.append((utc_ns, one))
                seen.feet.append((float(box[0] + box[2]) / 2, float(box[3])))
                seen.whose.append(_whose(box, rows))
                seen.owners[seen.whose[-1]] += 1
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
    """Each person of each pair of views, from their longest track; without looks, and with drawn ones."""
    views = campus.load(folder)
    grounds = campus.grounds(views, folder)
    blind, dressed = Tally(), Tally()
    for number, pair in enumerate((("HC3", "HC4"), ("IP2", "IP5"))):
        end = int(max(views[name].rows[-1, 0] for name in pair)) if last is None else last
        tracks = tracks_of({name: views[name] for name in pair}, grounds, range(0, end, STEP))
        follow_all(tracks, blind)
        dresser = Dresser(number)
        follow_all(tracks, dressed, {key: dresser.looks(key[0], seen.whose) for key, seen in tracks.items()})
    blind.into(report, "overlap")
    dressed.into(report, "overlap_looks")


def terrace(report: Report, folder: Path, seconds: float) -> None:
    """Everybody on the terrace, without and with looks of their own clothes."""
    config = SiteConfig()
    looking = make_looking(config)
    report.config["detector"] = looking.detector.ref.name
    tracks, looks = terrace_follow.tracks(folder, looking, fps=config.analyser.fps, seconds=seconds)
    for name, known in (("terrace", None), ("terrace_looks", looks)):
        tally = Tally()
        follow_all(tracks, tally, known)
        tally.into(report, name)


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
            # A street is entered at one end and left at the other, in one of two lanes.
            first=(0.0, _LANES[int(table.way[at])]),
            last=(1.0, _LANES[int(table.way[at])]),
        )
        for at in rows
    ]
    ways = {
        (CameraId(str(one)), CameraId(str(other))): Way(usual_s=median)
        for (one, other), median in flow.medians_s.items()
    }
    walk = Walk(passages, ways, float(table.end_s.max()))
    owners = [int(flow.owner[at]) for at in rows]
    whose = [(table.start_s[at : at + 1], flow.owner[at : at + 1]) for at in rows]
    dresser = Dresser(5)
    drawn = [dresser.looks(str(int(table.camera[at])), [int(flow.owner[at])] * 4) for at in rows]

    def looked(index: int) -> Looked:
        at = rows[index]
        start_ns, end_ns = (round(float(one[at]) * NS_PER_S) for one in (table.start_s, table.end_s))
        return Looked(camera=int(table.camera[at]), start_ns=start_ns, end_ns=end_ns, vectors=drawn[index].copy())

    for ending, looks in (("", None), ("_looks", looked)):
        tally = Tally()
        for who in sorted(kept)[:SAMPLED]:
            mine = [index for index, owner in enumerate(owners) if owner == who]
            if len(mine) > 1:
                anchor = mine[len(mine) // 2]
                tally.take(walk.follow(anchor, passages[anchor].start_s, lambda _: {}, looks), whose, who)
        tally.into(report, name + ending)


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument(
        "--smoke",
        action="store_true",
        help="a minute of CAMPUS, ten minutes of the grid, a quarter of a minute of the terrace",
    )
    arguments = parser.parse_args()
    report = Report("eval.follow", smoke=arguments.smoke, config={"campus_fps": 5, "followed": SAMPLED})
    seconds = 700.0 if arguments.smoke else 1e9
    overlapping(report, arguments.data / "multicam" / "ucla-campus-gt", 1200 if arguments.smoke else None)
    report.progress(1, 4, "overlap")
    terrace(report, arguments.data / "multicam" / "epfl", 15.0 if arguments.smoke else 120.0)
    report.progress(2, 4, "terrace")
    folder = arguments.data / "tracking" / "sumo_grid"
    apart(report, folder, seconds, 1.0, "grid")
    report.progress(3, 4, "grid")
    apart(report, folder, seconds, 0.3, "third")
    apart(report, folder, seconds, 0.1, "quiet")
    report.finish()


if __name__ == "__main__":
    main()
