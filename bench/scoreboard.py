"""Reads the JSON lines of benches and evaluations on stdin and prints one table: key, value, aim, floor, peers.

    make scoreboard [SMOKE=1]

The aims are those of the project's bench page. A missed aim is a red line, not a failure.
"""

import json
import operator
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

RED, PLAIN = ("\x1b[31m", "\x1b[0m") if sys.stdout.isatty() else ("", "")
MET: dict[str, Callable[[float, float], bool]] = {"≤": operator.le, "≥": operator.ge, "=": operator.eq}

# `key pattern → comparison, aim`, per bench; a key without an aim is shown all the same.
AIMS: dict[str, dict[str, tuple[str, float]]] = {
    "bench.record": {
        "cpu_vs_ffmpeg_copy": ("≤", 1.0),
        "core_share_100_cameras": ("≤", 0.25),
        "crypto_hash_log_share": ("≤", 0.10),
        "overhead_share": ("≤", 0.003),
        "seek_ms_p99": ("≤", 5),
        "signed_video_fps": ("≥", 2000),
    },
    "bench.gate": {
        "decision_ms_p95": ("≤", 0.5),
        "appends_per_s_1": ("≥", 3000),
        "appends_per_s_grouped": ("≥", 50000),
        "first_frame_added_ms_p99": ("≤", 5),
        "verify_entries_per_s": ("≥", 400000),
        "proof_ms": ("≤", 5),
        "export_1h_s": ("≤", 15),
    },
    "bench.cells": {"ray_overhead": ("≤", 1.1)},
    "bench.see": {
        "decoded_share_vs_oracle": ("≤", 1.25),
        "cpu_vs_decode_all_quiet": ("≤", 0.10),
        "events_missed": ("=", 0),
        "motion_region_track_ms_per_frame": ("≤", 0.5),
        "gate_vs_demux": ("≤", 1.3),
        "cameras_90_quiet": ("≥", 24),
    },
    "bench.journeys": {
        "journey_ms_p95": ("≤", 10),
        "flow_matrix_ms_p95": ("≤", 50),
        "bytes_per_row": ("≤", 15),
        "bulk_rows_per_s": ("≥", 1e6),
        "live_rows_per_s": ("≥", 20000),
    },
    "bench.web": {
        "timeline_64x30d_ms_p95": ("≤", 200),
        "scrub_ms_p95": ("≤", 100),
        "core_per_marked_1080p15_viewer": ("≤", 0.30),
    },
    "bench.fleet": {
        "audit_10k_s": ("≤", 60),
        "conntrack_24h_1k_s": ("≤", 60),
        "planted_found": ("≥", 0.99),
        "false_findings_a_day": ("≤", 1),
    },
    "bench.mark": {"embed_ms_1080p": ("≤", 0.3), "bitrate_growth_crf28": ("≤", 0.05)},
    "bench.redact": {"speed_vs_deface": ("≥", 5), "mask_ms_per_1080p": ("≤", 3)},
    "eval.count": {"vehicles_error_share": ("=", 0), "people_error_share": ("≤", 0.02)},
    "eval.faces": {"lfw_packaged": ("≥", 0.990), "lfw_best": ("≥", 0.993)},
    "eval.gate": {"events_missed": ("=", 0)},
    "eval.mtmc": {
        "overlap_idf1": ("≥", 80),
        "grid_idf1": ("≥", 85),
        "lookalike_idf1": ("≥", 60),
        "link_precision": ("≥", 0.97),
        "calibration_error": ("≤", 0.03),
    },
    "eval.traffic": {
        "speed_mae_kmh_0": ("≤", 0.5),
        "speed_mae_kmh_25": ("≤", 1),
        "speed_mae_kmh_50": ("≤", 2),
        "turning_movement_accuracy": ("≥", 0.97),
        "incident_recall": ("≥", 0.98),
        "false_alarms_per_1000_vehicle_h": ("≤", 1),
    },
    "eval.track": {"frames_per_s_40": ("≥", 300)},
    "eval.redact": {"track_leak": ("≤", 0.01), "overmask_ratio": ("≤", 2)},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table."""

    cells: tuple[str, str, str, str, str, str]
    is_missed: bool


def rows_of(report: dict[str, Any]) -> Iterator[Row]:
    """Lines of one report."""
    name = str(report.get("name", "?"))
    aims = next((AIMS[full] for full in (name, f"bench.{name}", f"eval.{name}") if full in AIMS), {})
    floor = report.get("floor") or {}
    peers = report.get("peers") or {}
    for key, value in (report.get("results") or {}).items():
        aim = aims.get(key)
        is_missed = aim is not None and isinstance(value, int | float) and not MET[aim[0]](value, aim[1])
        beside = ", ".join(f"{peer} {shown(found[key])}" for peer, found in peers.items() if key in found)
        aim_text = f"{aim[0]} {aim[1]:g}" if aim else ""
        yield Row(cells=(name, key, shown(value), aim_text, shown(floor.get(key, "")), beside), is_missed=is_missed)


def shown(value: object) -> str:
    """Numbers with four digits that count, anything else as it is."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def reports(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    """The JSON lines among whatever else was printed."""
    for line in lines:
        if re.match(r"\s*\{.*\"results\"", line):
            yield json.loads(line)


def main() -> int:
    """Print the table; exit 1 only when there was nothing to show."""
    heads = Row(cells=("bench", "key", "value", "aim", "floor", "peers"), is_missed=False)
    rows = [heads, *(row for report in reports(iter(sys.stdin)) for row in rows_of(report))]
    widths = [max(len(row.cells[column]) for row in rows) for column in range(6)]
    for row in rows:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row.cells, widths, strict=True)).rstrip()
        print(f"{RED}{line}{PLAIN}" if row.is_missed else line)
    print(f"\n{sum(row.is_missed for row in rows)} aims missed of {sum(bool(r.cells[3]) for r in rows[1:])} measured")
    return 0 if len(rows) > 1 else 1


if __name__ == "__main__":
    sys.exit(main())
