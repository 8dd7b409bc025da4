"""Association over cameras: overlapping views by ground position, others by appearance, time and direction.

Run `python -m eval.mtmc --data DIR [--smoke]`. Overlapping: UCLA CAMPUS' two pairs of views with seeded noisy boxes,
online, through the product's trackers and `journey.fusion`; `overlap_idf1` is the worse pair's, `…_looks_…` with
simulated looks. EPFL's terrace end to end from video (`eval.terrace`): `…_video_…` with the product's looks (ADR
132), `…_video_without_looks_…` without, `…_thinned_…` with a tenth of its boxes dropped; pose2sim's hall
(`eval.hall`); simulated cars (`eval.cars`). Others: the SUMO grid with synthetic looks, missed and false passes and
clock errors; `grid_idf1` is what `journey.resolve` finds, `grid_online_idf1` what the running product tells
(`journey.link_book`): from a cold start, each link final ten minutes after the vehicle came, scored after the first
half hour.
"""

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_matrix, diags, hstack
from scipy.sparse.csgraph import min_weight_full_bipartite_matching

from custodes.app.analyser import make_looking
from custodes.config import SiteConfig
from custodes.journey.resolve import Resolved, numbers, resolve
from custodes.journey.tracklets import centred
from eval import cars, grid, hall, terrace
from eval.campus_run import LARGE_PICTURES, SMALL_PICTURES, campus_pairs
from eval.report import Report
from eval.watched import Watched, fed

Rows = npt.NDArray[np.int64]
LEARN_S = 1800.0
PLAIN = {"noise": 1.25}
"""Rank-1 of 46 % raw, 64 % camera-centred."""
LOOKALIKE = {"noise": 1.1, "groups": 40}
"""Forty looks that all vehicles share."""


def idf1(owner: Rows, found: Rows) -> float:
    """Identity F1 over tracklets: one box each; owner −1 is a false one."""
    real = owner >= 0
    _, truth = np.unique(owner[real], return_inverse=True)
    _, chain = np.unique(found, return_inverse=True)
    shared = coo_matrix((-np.ones(int(real.sum())), (truth, chain[real]))).tocsr()
    count = shared.shape[0]
    cost = hstack([shared, diags(np.full(count, -1e-6))]).tocsr()
    row, column = min_weight_full_bipartite_matching(cost)
    return float(2 * -np.asarray(cost[row, column]).sum() / (int(real.sum()) + len(found)))


def following(owner: Rows) -> Rows:
    """(n,) the next tracklet of the same vehicle; −1 for none."""
    result, last = np.full(len(owner), -1), {}
    for index, one in enumerate(owner.tolist()):
        if one >= 0:
            if one in last:
                result[last[one]] = index
            last[one] = index
    return result


def calibration(chance: npt.NDArray[np.float64], is_true: npt.NDArray[np.bool_]) -> float:
    """Expected calibration error in ten bins, of pairs that are considered at all (5 % and more)."""
    keep = chance >= 0.05
    chance, is_true = chance[keep], is_true[keep]
    bins = np.minimum((chance * 10).astype(int), 9)
    return float(
        sum(
            abs(chance[bins == one].mean() - is_true[bins == one].mean()) * (bins == one).mean()
            for one in set(bins.tolist())
        )
    )


def resolved(report: Report, prefix: str, flow: grid.Grid) -> Resolved:
    """Offline over everything."""
    found = resolve(flow.tracklets)
    after = following(flow.owner)
    right = after[found.first] == found.second
    results = report.results
    results[f"{prefix}_idf1"] = round(100 * idf1(flow.owner, numbers(len(flow.owner), found.first, found.second)), 2)
    results[f"{prefix}_link_precision"] = round(float(right.mean()), 4)
    results[f"{prefix}_link_recall"] = round(float(right.sum() / (after >= 0).sum()), 4)
    results[f"{prefix}_calibration_error"] = round(
        calibration(found.chance, after[found.pairs.first] == found.pairs.second), 4
    )
    looks = centred(flow.tracklets)
    results[f"{prefix}_rank_1"] = round(grid.rank_1(looks, flow.owner, flow.tracklets.camera), 3)
    off = [abs(found.model.median_s(*pair) - true_s) / true_s for pair, true_s in flow.medians_s.items()]
    results[f"{prefix}_transit_median_error"] = round(float(np.median(off)), 4)
    return found


def online(report: Report, prefix: str, flow: grid.Grid) -> None:
    """As the running product tells it, from a cold start: `journey.link_book`."""
    after_s = flow.tracklets.start_s >= LEARN_S
    if after_s.all() or not after_s.any():
        return
    book = Watched()
    fed(book, flow.tracklets)
    first, second, _, held = book.links()
    held &= after_s[first]
    found = numbers(len(flow.owner), first[held], second[held])
    report.results[f"{prefix}_online_idf1"] = round(100 * idf1(flow.owner[after_s], found[after_s]), 2)


THINNED, SHORT_S = 14, 60.0
"""Runs with boxes dropped: one wrong moment more or less is ten points of a single one (ADR 139)."""


def from_video(report: Report, folder: Path, seconds: float) -> None:
    """The terrace, decoded, detected, tracked, fused; `unfused` are the local trackers' numbers."""
    config = SiteConfig()
    looking = make_looking(config)
    report.config["detector"] = looking.detector.ref.name
    seen = terrace.watch(folder, looking, fps=config.analyser.fps, seconds=seconds)
    without = terrace.Seen(seen.frames, {})
    for name, told in (
        ("unfused", None),
        ("video", terrace.fused(seen, folder)),
        ("video_without_looks", terrace.fused(without, folder)),
    ):
        found = terrace.scores(seen, told, seconds=seconds)
        report.results |= {f"overlap_terrace_{name}_{key}": value for key, value in found.items()}
    thinned = [terrace.thinned(seen, seed) for seed in range(THINNED if seconds > SHORT_S else 1)]
    for name, some in (("", thinned), ("_without_looks", [terrace.Seen(one.frames, {}) for one in thinned])):
        scores = [terrace.scores(one, terrace.fused(one, folder), seconds=seconds)["idf1"] for one in some]
        report.results[f"overlap_terrace_thinned{name}_idf1"] = round(float(np.mean(scores)), 2)
        report.results[f"overlap_terrace_thinned{name}_sd"] = round(float(np.std(scores)), 2)


def from_hall(report: Report, folder: Path) -> None:
    """pose2sim's four views: how alike looks are there, and whether four tracks become one dot."""
    looking = make_looking(SiteConfig())
    seen = hall.watch(folder, looking)
    owner = hall.owners(seen)
    report.results |= {f"hall_looks_{key}": value for key, value in hall.spreads(seen, owner).items()}
    points = hall.grounds(folder)
    for name, one in (("hall", seen), ("hall_without_looks", terrace.Seen(seen.frames, {}))):
        people, found = hall.numbers(seen, owner, terrace.fused_on(one, points))
        report.results[f"overlap_{name}_idf1"] = round(100 * idf1(people, found), 2)


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument(
        "--smoke",
        action="store_true",
        help="a minute of CAMPUS, a quarter of a minute of the terrace, ten minutes of the grid, no online run",
    )
    arguments = parser.parse_args()
    smoke = arguments.smoke
    report = Report("eval.mtmc", smoke=smoke, config={"grid": "sumo_grid, 76 cameras", "campus_fps": 5})
    folder = arguments.data / "multicam" / "ucla-campus-gt"
    pairs = campus_pairs(folder, last=1200 if smoke else None)
    for name, outcome in pairs.items():
        report.results |= {f"overlap_{name}_{key}": value for key, value in outcome.scores.items()}
        report.results[f"overlap_{name}_unfused_idf1"] = outcome.per_camera["idf1"]
    last = 1200 if smoke else None
    for looks, mix in (("looks", SMALL_PICTURES), ("large_looks", LARGE_PICTURES)):
        for name, outcome in campus_pairs(folder, last=last, mix=mix).items():
            report.results[f"overlap_{name}_{looks}_idf1"] = outcome.scores["idf1"]
    report.results["overlap_idf1"] = min(outcome.scores["idf1"] for outcome in pairs.values())
    from_video(report, arguments.data / "multicam" / "epfl", 15.0 if smoke else 120.0)
    from_hall(report, arguments.data / "multicam" / "pose2sim")
    for road in ("corner",) if smoke else cars.ROADS:
        found = cars.scores(road, cars.SEEDS[:1] if smoke else cars.SEEDS)
        report.results |= {f"overlap_cars_{road}_{key}": value for key, value in found.items()}
    folder = arguments.data / "tracking" / "sumo_grid"
    seconds = 700.0 if smoke else 1e9
    for step, (prefix, settings) in enumerate((("grid", PLAIN), ("lookalike", LOOKALIKE)), 1):
        flow = grid.load(folder, seconds=seconds, **settings)
        resolved(report, prefix, flow)
        if not smoke:
            online(report, prefix, flow)
        report.progress(step, 2, prefix)
    report.results["link_precision"] = report.results["grid_link_precision"]
    report.results["calibration_error"] = report.results["grid_calibration_error"]
    report.finish()


if __name__ == "__main__":
    main()
