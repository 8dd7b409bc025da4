"""`custodes status`: what runs, what is recorded, how long the log is. Works with parts of the site down."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from custodes.adapters.ipc.control import read_cameras, read_processes
from custodes.cli.table import render_table
from custodes.cli.where import data_option, find_site
from custodes.errors import CustodesError, Unavailable
from custodes.types.message import CameraTable, SiteStatus
from custodes.web.words import clock_words, signature_words

T = TypeVar("T")


def _or_note(read: Callable[[Path], T], socket: Path, who: str, silent: list[str]) -> T | None:
    try:
        return read(socket)
    except CustodesError as error:
        silent.append(f"the {who} does not answer: {error}")
        return None


def as_json(site: SiteStatus | None, table: CameraTable | None) -> dict[str, Any]:
    """The form promised to scripts; a part that does not answer is null."""
    return {
        "processes": None
        if site is None
        else [
            {
                "kind": process.kind,
                "state": process.state,
                "restarts": process.restarts,
                "cpu_s": round(process.cpu_s, 2),
                "rss_mb": round(process.rss_mb, 1),
                "name": process.name,
                "pid": process.pid,
            }
            for process in site.processes
        ],
        "cameras": None
        if table is None
        else [
            {
                "camera_id": row.camera_id,
                "state": row.state,
                "recording": row.is_recording,
                "recorded_s": round(row.recorded_s, 2),
                "gaps_s": round(row.gaps_s, 2),
                "frames_decoded": row.frames_decoded,
                "frames_analysed": row.frames_analysed,
                "frames_skipped_rate": row.frames_skipped_rate,
                "frames_skipped_quiet": row.frames_skipped_quiet,
                "gops_shed": row.gops_shed,
                "frames_undecoded_quiet": row.frames_undecoded_quiet,
                "frames_undecoded_rate": row.frames_undecoded_rate,
                "gate": {
                    "mode": row.gate_mode,
                    "reason": row.gate_reason,
                    "trials": row.gate_trials,
                    "missed": row.gate_missed,
                    "miss_share_95": [round(row.gate_miss_low, 4), round(row.gate_miss_high, 4)],
                },
                "regions_shed": row.regions_shed,
                "tracks": row.tracks,
                "signature": row.signature,
                "clock": row.clock_source,
                "clock_error_s": round(row.clock_error_s, 4),
                "camera_offset_s": None if row.camera_offset_s is None else round(row.camera_offset_s, 4),
            }
            for row in table.cameras
        ],
        "log": None if table is None else {"size": table.log_size, "checkpoint": table.checkpoint},
    }


def _print_for_people(site: SiteStatus | None, table: CameraTable | None) -> None:
    if site is not None:
        click.echo(f"{site.data_dir}  {site.address or '(no address yet)'}\n")
        rows = [
            (p.name, p.state, str(p.restarts), f"{p.cpu_s:.1f}", f"{p.rss_mb:.0f}", duration(p.uptime_s), p.last_exit)
            for p in site.processes
        ]
        click.echo(render_table(("process", "state", "restarts", "cpu s", "MB", "up", "last exit"), rows))
    if table is not None:
        cameras = [
            (
                row.camera_id,
                row.state,
                "yes" if row.is_recording else "no",
                duration(row.recorded_s),
                duration(row.gaps_s),
                str(row.frames_analysed),
                str(row.people),
                str(row.vehicles),
                row.detail or "; ".join(filter(None, (clock_words(row), signature_words(row)))),
            )
            for row in table.cameras
        ]
        heads = ("camera", "state", "records", "recorded", "gaps", "analysed", "people", "vehicles", "")
        click.echo()
        click.echo(render_table(heads, cameras) if cameras else "no cameras; add one: custodes camera add --help")
        click.echo(f"\nlog: {table.log_size} entries")


def duration(seconds: float) -> str:
    """`45 s`, `12 min`, `3.5 h`, `2.1 d`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 6000:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 100 * 3600 else f"{seconds / 86400:.1f} d"


@click.command()
@data_option
@click.option("--json", "is_json", is_flag=True, help="For scripts; what does not answer is null.")
def status(data: Path | None, is_json: bool) -> None:
    """Processes, cameras and the log of a running site."""
    paths = find_site(data)
    silent: list[str] = []
    site = _or_note(read_processes, paths.socket("supervisor"), "supervisor", silent)
    table = _or_note(read_cameras, paths.socket("server-control"), "server", silent)
    if site is None and table is None:
        raise Unavailable(f"no site runs on {paths.data_dir}; start it with: custodes up")
    for sentence in silent:
        click.echo(f"custodes: {sentence}", err=True)
    if is_json:
        click.echo(json.dumps(as_json(site, table)))
    else:
        _print_for_people(site, table)
