"""Makes the table that `custodes plan` fits, out of the line that `bench.path` prints.

    python -m bench.path | python -m bench.capacity [--write]

Without `--write` the table goes to stdout.
"""

import argparse
import json
import sys
from datetime import UTC, datetime

import msgspec

from custodes.app.capacity import TABLE, Run, Table

SPARE_JOBS = 2
"""`views.spare_jobs`: nobody watches while `bench.path` reads how much memory is held."""


def table_of(line: str, date: str) -> Table:
    """Raises: KeyError for a line of another bench, or a smoke run with one number of cameras."""
    report = json.loads(line)
    results = report["results"]
    runs = []
    for count in report["config"]["cameras"]:
        rss = [value for key, value in results.items() if key.startswith("rss_mb_") and key.endswith(f"_{count}")]
        runs.append(
            Run(
                cameras=count,
                cores=results[f"cpu_s_per_camera_s_{count}"] * count,
                rss_mb=sum(rss),
                analysed_per_camera_s=results[f"frames_analysed_per_camera_s_{count}"],
                gops_shed_per_camera_s=results[f"gops_shed_per_camera_s_{count}"],
                view_cores=results[f"job_cpu_s_per_view_s_{count}"],
                job_mb=results[f"rss_mb_job_{count}"] / SPARE_JOBS,
            )
        )
    seconds = f"{report['config']['seconds']:g}"
    return Table(
        commit=report["commit"],
        machine=str(report["machine"]) if isinstance(report["machine"], str) else words_of(report["machine"]),
        date=date,
        command=f"python -m bench.path --seconds {seconds}",
        footage="people walking, 768×576 at 7 and 768×432 at 10 frames a second",
        runs=tuple(runs),
    )


def words_of(machine: dict[str, object]) -> str:
    return ", ".join(f"{name} {value}" for name, value in machine.items())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--date", default=f"{datetime.now(UTC):%Y-%m-%d}", help="When it was measured.")
    arguments = parser.parse_args()
    table = table_of(sys.stdin.read().strip().splitlines()[-1], arguments.date)
    encoded = msgspec.json.format(msgspec.json.encode(table), indent=1) + b"\n"
    if arguments.write:
        TABLE.write_bytes(encoded)
    else:
        sys.stdout.write(encoded.decode())


if __name__ == "__main__":
    main()
