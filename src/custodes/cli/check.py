"""`custodes check`: the fsck of recordings."""

import json
import sys
from pathlib import Path

import click

from custodes.cli.where import data_option, find_site
from custodes.errors import DataLoss
from custodes.record.verify import Depth, verify_segments

_SHOWN = 20


@click.command()
@click.option("--presence", "depth", flag_value="presence", help="Is every segment there?")
@click.option("--size", "depth", flag_value="size", default="size", help="… and as long as it was? [default]")
@click.option("--hash", "depth", flag_value="hash", help="… and unchanged? Reads every byte.")
@click.option("--json", "as_json", is_flag=True, help="One line of JSON.")
@data_option
def check(depth: str, as_json: bool, data: Path | None) -> None:
    """Check recorded segments against their seals; the site may run."""
    paths = find_site(data)
    is_person = sys.stderr.isatty()

    def progress(done: int, total: int) -> None:
        if is_person and (done == total or done % 100 == 0):
            click.echo(f"\r{done} of {total} segments", nl=done == total, err=True)

    report = verify_segments(paths.data_dir, Depth[depth.upper()], on_progress=progress)
    if as_json:
        tree = {
            "segments": report.segments,
            "open": report.open_segments,
            "bytes_read": report.bytes_read,
            "problems": [{"path": path, "problem": problem} for path, problem in report.problems],
            "unknown": report.unknown,
        }
        click.echo(json.dumps(tree))
    else:
        for path, problem in report.problems[:_SHOWN]:
            click.echo(f"{path} {problem}")
        if report.unknown:
            click.echo(f"{len(report.unknown)} files are not in the journal; the recorder adopts them when it starts")
    if report.problems:
        raise DataLoss(f"{len(report.problems)} of {report.segments} segments are not as they were recorded")
    if not as_json:
        click.echo(f"good: {report.segments} segments ({report.open_segments} still open)")
