"""Flows from links, as the product makes them: `journey.link_book` while it happens, against the same hour made blind.

Run `python -m eval.links --data DIR [--grids DIR …] [--hours N] [--smoke]`. On the shared SUMO grid (76 cameras) with
missed and false passes and clock errors, fed in steps of ten seconds from a cold start, with simulated looks: `plain`
(rank-1 of 64 % once centred by camera), `lookalike` (forty looks that all share), `colours`: looks that spread as
clothes' colours were measured to (ADR 124: the same person in another view .86 ± .07 alike, somebody else .71 ± .15,
the nearest of nine right in 50 %). `--grids`: folders made by `eval.sumo_grids`, with the same looks.

Of each hour's matrix of all pairs of cameras: `…_found` share of the trips that are in their cell, `…_wrong` share of
what is there that is in a cell it does not belong to, `…_total` all that is there over all that were; `…_released_…`
as it is told, without cells of fewer than ten and rounded; `blind_…` made from times alone. Links that hold, so that
two passes are one object: `…_link_precision`, `…_link_recall` (of all next passes that can be linked); those of them
that are sure (nine in ten): `…_sure_precision`, `…_sure_recall`; all chances: `…_calibration_error`. `…_late_…`: of
the second half of the stretch, when the site is learnt. `…_cpu_s_per_hour`, `…_looks_peak`, `…_dropped`: of the book.
"""

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt

from custodes.journey.flows import LEAST_GROUP, released
from custodes.journey.resolve import KEPT, SURE, WINDOW_S, resolve
from custodes.journey.tracklets import Tracklets
from eval import grid
from eval.mtmc import LOOKALIKE, PLAIN, calibration, following
from eval.report import Report
from eval.watched import Watched, fed

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
_COMMON, _OWN, _OWN_IN, _REST_IN = 0.69, 0.17, 3, 8
"""Of colours: shares that all have, and that are one's own, in so many directions; the rest differs each time."""


def colours(flow: grid.Grid, seed: int = 5) -> grid.Grid:
    """The same passes with looks like clothes' colours; a false pass has a look of its own."""
    rng, tracklets = np.random.default_rng(seed), flow.tracklets
    owner = flow.owner.copy()
    owner[owner < 0] = owner.max() + 1 + np.arange(int((owner < 0).sum()))
    own, rest = np.zeros((int(owner.max()) + 1, grid.DIMENSION)), np.zeros((len(owner), grid.DIMENSION))
    own[:, 1 : 1 + _OWN_IN] = rng.normal(size=(len(own), _OWN_IN)) / _OWN_IN**0.5
    rest[:, 1 : 1 + _REST_IN] = rng.normal(size=(len(owner), _REST_IN)) / _REST_IN**0.5
    looks = _OWN**0.5 * own[owner] + (1 - _COMMON - _OWN) ** 0.5 * rest
    looks[:, 0] = _COMMON**0.5
    return grid.Grid(_with(tracklets, looks), flow.owner, flow.medians_s)


def _with(tracklets: Tracklets, looks: Floats) -> Tracklets:
    return Tracklets(
        camera=tracklets.camera, way=tracklets.way, start_s=tracklets.start_s, end_s=tracklets.end_s, looks=looks
    )


def matrix(flow: grid.Grid, first: Rows, second: Rows, weights: Floats, of: npt.NDArray[np.bool_]) -> dict[str, float]:
    """Error of the cells. `of`: (n,) passes whose coming is counted."""
    tracklets, count = flow.tracklets, flow.tracklets.cameras
    after = following(flow.owner)
    left = np.flatnonzero(after >= 0)
    gap_s = tracklets.start_s[after[left]] - tracklets.end_s[left]
    left = left[(gap_s >= WINDOW_S[0]) & (gap_s <= WINDOW_S[1]) & of[after[left]]]
    keep = of[second]
    first, second, weights = first[keep], second[keep], weights[keep]
    hour_of = (tracklets.start_s / 3600).astype(np.int64)
    hours, cells = int(hour_of.max()) + 1, count * count
    left_cells = hour_of[after[left]] * cells + tracklets.camera[left] * count + tracklets.camera[after[left]]
    told_cells = hour_of[second] * cells + tracklets.camera[first] * count + tracklets.camera[second]
    true = np.bincount(left_cells, minlength=hours * cells).astype(np.float64)
    told_of = np.bincount(told_cells, weights, hours * cells)
    shown = np.array([released(one, LEAST_GROUP) for one in told_of.tolist()], np.float64)
    result = {"total": round(float(told_of.sum()) / max(float(true.sum()), 1.0), 4)}
    for name, matrix_of in (("", told_of), ("released_", shown)):
        common = float(np.minimum(true, matrix_of).sum())
        result[f"{name}found"] = round(common / max(float(true.sum()), 1.0), 4)
        result[f"{name}wrong"] = round(1 - common / max(float(matrix_of.sum()), 1e-9), 4)
    return result


def measure(report: Report, prefix: str, flow: grid.Grid) -> None:
    """The book's figures."""
    book, tracklets = Watched(), flow.tracklets
    cpu_s = fed(book, tracklets)
    hours = float(np.ptp(tracklets.start_s)) / 3600
    first, second, chance, held = book.links()
    after = following(flow.owner)
    right = after[first] == second
    gap_s = tracklets.start_s[after] - tracklets.end_s
    follows = (after >= 0) & (gap_s >= WINDOW_S[0]) & (gap_s <= WINDOW_S[1])
    goes_on = np.zeros(len(after), bool)
    goes_on[after[follows]] = True
    late = tracklets.start_s >= np.median(tracklets.start_s)
    results = report.results
    for name, of in (("", np.ones(len(tracklets), bool)), ("late_", late)):
        for key, value in matrix(flow, first, second, chance, of).items():
            results[f"{prefix}_{name}{key}"] = value
        mine = of[second]
        for kept, links in (("link", held & mine), ("sure", held & mine & (chance >= SURE))):
            if links.any():
                results[f"{prefix}_{name}{kept}_precision"] = round(float(right[links].mean()), 4)
                results[f"{prefix}_{name}{kept}_recall"] = round(float(right[links].sum() / goes_on[of].sum()), 4)
        results[f"{prefix}_{name}calibration_error"] = round(calibration(chance[mine], right[mine]), 4)
    results[f"{prefix}_told_share"] = round(len(book.told) / max(len(tracklets), 1), 4)
    results[f"{prefix}_cpu_s_per_hour"] = round(cpu_s / hours, 1)
    results[f"{prefix}_looks_peak"] = book.peak
    results[f"{prefix}_dropped"] = book.dropped
    report.part(prefix)


def blind(report: Report, prefix: str, flow: grid.Grid) -> None:
    """As flows are made without looks: over an hour at once."""
    tracklets = _with(flow.tracklets, np.full((len(flow.tracklets), 1), np.nan))
    found = resolve(tracklets, least=KEPT)
    everything = np.ones(len(tracklets), bool)
    for key, value in matrix(flow, found.pairs.first, found.pairs.second, found.chance, everything).items():
        report.results[f"{prefix}_{key}"] = value
    report.part(prefix)


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--grids", type=Path, nargs="*", default=[])
    parser.add_argument("--looks", nargs="*", default=["plain", "lookalike", "colours"])
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=3, help="of looks, missed and false passes, clocks")
    parser.add_argument("--no-blind", action="store_true", help="its cost grows with the square of the cameras")
    parser.add_argument("--smoke", action="store_true", help="twenty minutes of the shared grid, plain looks")
    arguments = parser.parse_args()
    seconds = 1200.0 if arguments.smoke else 3600 * arguments.hours
    kinds = ["plain"] if arguments.smoke else arguments.looks
    report = Report("eval.links", smoke=arguments.smoke, config={"hours": seconds / 3600, "seed": arguments.seed})
    for folder in [arguments.data / "tracking" / "sumo_grid", *arguments.grids]:
        flow = grid.load(folder, seconds=seconds, seed=arguments.seed, **PLAIN)
        name = f"cameras_{flow.tracklets.cameras}"
        report.note(f"{name}: {len(flow.owner)} passes")
        for kind in kinds:
            looked = {
                "plain": lambda flow=flow: flow,
                "colours": lambda flow=flow: colours(flow),
                "lookalike": lambda folder=folder: grid.load(
                    folder, seconds=seconds, seed=arguments.seed, **LOOKALIKE
                ),
            }[kind]()
            measure(report, f"{name}_{kind}", looked)
        if not (arguments.no_blind or arguments.smoke):
            blind(report, f"{name}_blind", flow)
    report.finish()


if __name__ == "__main__":
    main()
