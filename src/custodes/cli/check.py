"""`custodes check`: the fsck of recordings."""

import json
import os
import sys
from collections import Counter
from pathlib import Path

import click

from custodes.adapters.blob.disk import Disk
from custodes.app.catalog import catalog_names
from custodes.cli.where import data_option, find_site
from custodes.config import SitePaths, read_identity
from custodes.errors import CustodesError, DataLoss
from custodes.record.compaction import current
from custodes.record.journal import JournalWriter
from custodes.record.repair import repair_segments
from custodes.record.verify import Depth, Found, SegmentReport, verify_segments
from custodes.runtime.data_dir import stopped_site

_SHOWN = 20


@click.command()
@click.option("--presence", "depth", flag_value="presence", help="Is every segment there?")
@click.option("--size", "depth", flag_value="size", default="size", help="… and as long as it was? [default]")
@click.option("--hash", "depth", flag_value="hash", help="… and unchanged? Reads every byte.")
@click.option("--repair", "mends", is_flag=True, help="Adopt orphans, cut torn tails; the site must be stopped.")
@click.option("--json", "as_json", is_flag=True, help="One line of JSON.")
@data_option
def check(depth: str, mends: bool, as_json: bool, data: Path | None) -> None:
    """Check recorded segments against journal, catalog and seals; the site may run.

    Exit code 0: all footage is as it was recorded. 11: something is missing or was changed.
    """
    paths = find_site(data)
    if mends:
        with stopped_site(paths):
            report = _repaired(paths, depth)
    else:
        report = _checked(paths, depth)
    if as_json:
        click.echo(json.dumps(_tree(report)))
    else:
        _print_for_people(report)
    if report.problems:
        raise DataLoss(f"{len(report.problems)} of {report.segments} segments are not as they were recorded")
    if not as_json:
        click.echo(f"good: {report.segments} segments ({report.open_segments} still open)")


def _checked(paths: SitePaths, depth: str) -> SegmentReport:
    identity = read_identity(paths.identity)
    is_person = sys.stderr.isatty()

    def progress(done: int, total: int) -> None:
        if is_person and (done == total or done % 100 == 0):
            click.echo(f"\r{done} of {total} segments", nl=done == total, err=True)

    return verify_segments(
        paths.data_dir,
        Depth[depth.upper()],
        site_id=None if identity is None else identity.site_id,
        rows=_rows(paths),
        on_progress=progress,
    )


def _rows(paths: SitePaths) -> dict[str, bool] | None:
    """What the catalog names. One that cannot be read is no reason not to look at the footage."""
    try:
        names = catalog_names(paths, os.environ)
    except CustodesError as error:
        click.echo(f"custodes: the catalog is not compared: {error}", err=True)
        return None
    return None if names is None else names.paths


def _repaired(paths: SitePaths, depth: str) -> SegmentReport:
    identity = read_identity(paths.identity)
    assert identity is not None  # find_site has seen it
    report = _checked(paths, depth)
    storage = Disk()
    journal = JournalWriter(storage, current(paths.journal_dir, "recorder"))
    try:
        return repair_segments(paths.data_dir, storage, journal, report, site_id=identity.site_id)
    finally:
        journal.close()


def _tree(report: SegmentReport) -> dict[str, object]:
    return {
        "segments": report.segments,
        "open": report.open_segments,
        "bytes_read": report.bytes_read,
        "problems": [{"path": one.path, "problem": one.detail} for one in report.problems],
        "unknown": report.unknown,
        "found": [
            {"finding": one.finding.value, "path": one.path, "detail": one.detail, "is_repaired": one.is_repaired}
            for one in report.found
        ],
    }


def _print_for_people(report: SegmentReport) -> None:
    for one in report.found[:_SHOWN]:
        click.echo(_line(one))
    if len(report.found) > _SHOWN:
        rest = Counter(one.finding.value for one in report.found[_SHOWN:])
        click.echo(f"… and {', '.join(f'{count} {name}' for name, count in sorted(rest.items()))}")


def _line(one: Found) -> str:
    return f"{'mended' if one.is_repaired else one.finding.value:8} {one.path} {one.detail}"
