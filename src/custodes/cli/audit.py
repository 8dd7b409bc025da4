"""`custodes audit`: verify and read the log from its file, with the site running or stopped; no secret is needed."""

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import click

from custodes.audit.log import MAX_PAGE, read_entries
from custodes.audit.note import NoteVerifier
from custodes.audit.verify import open_readonly, verify_log
from custodes.audit.words import sentence
from custodes.cli.where import data_option, find_site
from custodes.config import SitePaths
from custodes.sealing.published import read_pinned
from custodes.types.access import LogEntry
from custodes.units import NS_PER_S


@click.group()
def audit() -> None:
    """The append-only log of who saw what."""


def _log_path(paths: SitePaths) -> Path:
    return paths.warden_dir / "log.db"


@audit.command()
@click.option("--json", "as_json", is_flag=True, help="One line of JSON.")
@data_option
def verify(as_json: bool, data: Path | None) -> None:
    """Recompute the whole tree from its entries and check it against the signed checkpoint."""
    paths = find_site(data)
    pinned = read_pinned(paths.warden_key)
    verifier = NoteVerifier(name=pinned.log_origin, public_key=pinned.log_key)
    report = verify_log(_log_path(paths), verifier, lambda count: click.echo(f"{count} entries …", err=True))
    root = base64.b64encode(report.root_hash).decode()
    if as_json:
        tree = {"size": report.size, "root": root, "erased": report.erased, "checkpoint": report.checkpoint.note}
        click.echo(json.dumps(tree))
        return
    click.echo(f"good: {report.size} entries, root {root}")
    if report.erased:
        click.echo(f"{report.erased} entries had their personal part erased")
    click.echo(f"signed by {verifier.vkey}")


@audit.command("list")
@click.option("--start", type=click.IntRange(min=0), default=None, help="First entry [default: the last --limit].")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One line of JSON per entry.")
@data_option
def list_entries(start: int | None, limit: int, as_json: bool, data: Path | None) -> None:
    """Print entries in words."""
    for entry in _entries(_log_path(find_site(data)), start, limit):
        click.echo(_as_json(entry) if as_json else f"{entry.index:>8}  {_at(entry)}  {sentence(entry)}")


def _entries(path: Path, start: int | None, limit: int) -> Iterator[LogEntry]:
    connection = open_readonly(path)
    try:
        if start is None:
            (size,) = connection.execute("SELECT coalesce(max(idx) + 1, 0) FROM entries").fetchone()
            start = max(0, size - limit)
        while limit > 0:
            page = read_entries(connection, start, min(limit, MAX_PAGE))
            yield from page
            if not page:
                return
            start, limit = start + len(page), limit - len(page)
    finally:
        connection.close()


def _at(entry: LogEntry) -> str:
    return datetime.fromtimestamp(entry.utc_ns // NS_PER_S, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _as_json(entry: LogEntry) -> str:
    record = entry.record
    return json.dumps(
        {
            "index": entry.index,
            "utc_ns": entry.utc_ns,
            "kind": record.kind.value,
            "actor": record.actor,
            "subject": record.subject,
            "details": record.details,
            "leaf_hash": entry.leaf_hash.hex(),
        }
    )
