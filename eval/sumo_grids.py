"""Street grids of other sizes than the shared one, made with Eclipse SUMO: each street's middle is a camera.

Run `SUMO_HOME=… python -m eval.sumo_grids --out DIR --size 16x16 --period 0.25`. `SUMO_HOME` is the folder `sumo` of
PyPI's `eclipse-sumo` (unpacked; nothing else of the project needs it). Writes what `eval.grid` reads: `graph.json`,
`passes.csv`. Seeds are those of the shared grid unless `--seed` says otherwise; a step is half a second in place of a
fifth. `--net rand`: streets as they happen to meet, of 120 to 500 m, in place of a grid; `--size` is then one number,
steps of growth (30 give about 60 to 100 cameras).
"""

import argparse
import csv
import json
import os
import subprocess
import sys
import xml.etree.ElementTree as Xml
from pathlib import Path


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--size", default="16x16", help="crossings, e.g. 3x3 (24 cameras), 16x16 (960)")
    parser.add_argument("--period", type=float, default=0.25, help="seconds from one vehicle to the next")
    parser.add_argument("--seconds", type=int, default=3600)
    parser.add_argument("--net", choices=("grid", "rand"), default="grid")
    parser.add_argument("--seed", type=int, default=None, help="of streets, trips and driving; else the shared grid's")
    arguments = parser.parse_args()
    net_seed, trip_seed, drive_seed = (7, 11, 3) if arguments.seed is None else (arguments.seed,) * 3
    home = Path(os.environ["SUMO_HOME"]).resolve()
    out: Path = arguments.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    _run(out, home / "bin/netgenerate", *_shape(arguments.net, arguments.size), "--default.lanenumber", "2",
         "--default.speed", "13.9", "--tls.guess", "--seed", net_seed, "-o", out / "net.xml")  # fmt: skip
    _run(out, sys.executable, home / "tools/randomTrips.py", "-n", out / "net.xml", "-o", out / "trips.xml",
         "-p", arguments.period, "-e", arguments.seconds, "--fringe-factor", "5", "--min-distance", "700",
         "--seed", trip_seed)  # fmt: skip
    edges = _loops(out)
    _run(out, home / "bin/sumo", "-n", out / "net.xml", "-r", out / "trips.xml", "-a", out / "loops.xml",
         "--step-length", "0.5", "--seed", drive_seed, "--no-step-log", "--no-warnings",
         "--end", arguments.seconds)  # fmt: skip
    (out / "graph.json").write_text(json.dumps({"made_with": " ".join(sys.argv), "edges": edges}))
    print(_passes(out), "passes of", len(edges), "cameras")


def _shape(net: str, size: str) -> tuple[str, ...]:
    if net == "rand":
        return ("--rand", "--rand.iterations", size, "--rand.min-distance", "120", "--rand.max-distance", "500")
    columns, rows = size.split("x")
    return ("--grid", "--grid.x-number", columns, "--grid.y-number", rows, "--grid.length", "350")


def _run(folder: Path, *words: object) -> None:
    subprocess.run([str(word) for word in words], check=True, stdout=subprocess.DEVNULL, cwd=folder)


def _loops(out: Path) -> dict[str, dict[str, object]]:
    """A detector in the middle of each lane."""
    edges: dict[str, dict[str, object]] = {}
    loops = Xml.Element("additional")
    for edge in Xml.parse(out / "net.xml").getroot().iter("edge"):
        if edge.get("function") == "internal":
            continue
        lanes = list(edge.iter("lane"))
        length_m = float(lanes[0].get("length", "0"))
        edges[str(edge.get("id"))] = {"frm": edge.get("from"), "to": edge.get("to"), "length_m": length_m}
        for number, lane in enumerate(lanes):
            Xml.SubElement(
                loops, "instantInductionLoop", id=f"{edge.get('id')}/{number}", lane=str(lane.get("id")),
                pos=str(length_m / 2), file="seen.xml",
            )  # fmt: skip
    Xml.ElementTree(loops).write(out / "loops.xml")
    return edges


def _passes(out: Path) -> int:
    number: dict[str, int] = {}
    rows: list[tuple[float, str, int, int]] = []
    for _, seen in Xml.iterparse(out / "seen.xml"):
        if seen.tag == "instantOut" and seen.get("state") == "enter":
            edge, lane = str(seen.get("id")).split("/")
            vehicle = number.setdefault(str(seen.get("vehID")), len(number))
            rows.append((float(seen.get("time", "0")), edge, int(lane), vehicle))
        seen.clear()
    with (out / "passes.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("t_s", "edge", "lane", "vehicle"))
        writer.writerows(sorted(rows))
    return len(rows)


if __name__ == "__main__":
    main()
