"""How soon unusual looking is noticed, and how often innocent people are named, on the published synthetic trace.

    python -m eval.insider [--data ../shared/data] [--smoke]

Traces by `custodes.testing.trace` (Ring's pattern of 2017): 40 people, 90 days; the insider adds 20 looks a day, or 5
in the harder half. Seeds 0 to 39; the limits of `access.insider` were chosen on seeds from 1000 on. `peers` counts raw
looks alone, without linking them to what is on file.
"""

import argparse
import statistics
from pathlib import Path

from custodes.access.insider import NoticeKind, notices
from custodes.testing.trace import START_NS, make_trace
from custodes.units import NS_PER_DAY
from eval.report import Report

PEOPLE, DAYS = 40, 90


def measure(
    report: Report, seeds: range, *, extra: float, kinds: frozenset[NoticeKind], into: dict[str, float]
) -> None:
    delays: list[float] = []
    missed = false_alarms = 0
    for seed in seeds:
        trace = make_trace(seed, people=PEOPLE, days=DAYS, extra_per_day=extra)
        begin_ns = START_NS + trace.begins_day * NS_PER_DAY
        found = [one for one in notices(trace.looks) if one.kind in kinds]
        right = [one.utc_ns for one in found if one.user_id == trace.insider_id and one.utc_ns >= begin_ns]
        false_alarms += len(found) - len(right)
        if right:
            delays.append((min(right) - begin_ns) // NS_PER_DAY)
        else:
            missed += 1
        report.progress(seed + 1, len(seeds), f"{extra:.0f} extra looks a day")
    suffix = f"_{extra:.0f}_a_day"
    into[f"days_to_notice_median{suffix}"] = statistics.median(delays) if delays else float(DAYS)
    into[f"days_to_notice_max{suffix}"] = max(delays, default=float(DAYS))
    into[f"missed_share{suffix}"] = missed / len(seeds)
    into[f"false_notices_per_person_month{suffix}"] = false_alarms / (len(seeds) * PEOPLE * DAYS / 30)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=None, help="not used: the trace is generated")
    parser.add_argument("--smoke", action="store_true")
    arguments = parser.parse_args()
    seeds = range(3 if arguments.smoke else 40)
    report = Report(
        "eval.insider", smoke=arguments.smoke, config={"seeds": len(seeds), "people": PEOPLE, "days": DAYS}
    )
    volume: dict[str, float] = {}
    for extra in (20.0, 5.0):
        measure(report, seeds, extra=extra, kinds=frozenset(NoticeKind), into=report.results)
        measure(report, seeds, extra=extra, kinds=frozenset({NoticeKind.VOLUME}), into=volume)
    report.peers["volume_alone"] = volume
    report.finish()


if __name__ == "__main__":
    main()
