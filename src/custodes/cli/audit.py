"""`custodes audit`: verify and read the log from its file, with the site running or stopped; no secret is needed."""

import base64
import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import click

from custodes.adapters.ipc.framing import Channel
from custodes.audit.checkpoint import LogKeys, log_keys
from custodes.audit.export import export_log, policy_text
from custodes.audit.log import MAX_PAGE
from custodes.audit.log_tables import read_entries
from custodes.audit.note import NoteVerifier, parse_vkey
from custodes.audit.proof import prove_entry
from custodes.audit.report import LogQuery, LogSummary, summarise
from custodes.audit.report import search as find_entries
from custodes.audit.verify import open_readonly, verify_log
from custodes.audit.words import plain, sentence
from custodes.cli.where import data_option, find_site
from custodes.config import SitePaths, load_effective
from custodes.errors import ConfigError, CustodesError
from custodes.sealing.published import read_pinned
from custodes.types.access import AuditKind, Checkpoint, LogEntry
from custodes.types.message import ReadCheckpoint
from custodes.units import NS_PER_S, Ns
from custodes_verify import fingerprint

_PUBLISH_TIMEOUT_S = 5.0


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
    trusted = _trusted(paths)
    report = verify_log(_log_path(paths), trusted, lambda count: click.echo(f"{count} entries …", err=True))
    root = base64.b64encode(report.root_hash).decode()
    if as_json:
        tree = {"size": report.size, "root": root, "erased": report.erased, "checkpoint": report.checkpoint.note}
        click.echo(json.dumps(tree))
        return
    click.echo(f"good: {report.size} entries, root {root}")
    if report.erased:
        click.echo(f"{report.erased} entries had their personal part erased")
    click.echo(f"signed by {trusted.ed25519.vkey}")


@audit.command()
@data_option
def keys(data: Path | None) -> None:
    """Print the site's policy: the keys that an outsider needs for `custodes-verify`."""
    paths = find_site(data)
    text = policy_text(_trusted(paths), _witnesses(paths))
    click.echo(text, nl=False)
    click.echo(f"# fingerprint {fingerprint(text)}")


@audit.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--with-personal", is_flag=True, help="Add the names and reasons that the entries commit to.")
@data_option
def export(folder: Path, with_personal: bool, data: Path | None) -> None:
    """Write the log as plain files (C2SP tlog-tiles) into FOLDER, for `custodes-verify log`."""
    paths = find_site(data)
    _publish(paths)
    connection = open_readonly(_log_path(paths))
    try:
        done = export_log(
            connection, _trusted(paths), folder, witnesses=_witnesses(paths), with_personal=with_personal
        )
    finally:
        connection.close()
    click.echo(f"{done.checkpoint.size} entries in {done.files} files; check them: custodes-verify log {folder}")
    if done.uncovered:
        click.echo(f"{done.uncovered} newer entries are under no published checkpoint yet", err=True)


@audit.command()
@click.argument("index", type=click.IntRange(min=0))
@click.option("--output", "-o", type=click.Path(path_type=Path), default=None, help="A file [default: the terminal].")
@data_option
def prove(index: int, output: Path | None, data: Path | None) -> None:
    """Prove that entry INDEX stands in the log: a file for `custodes-verify proof`."""
    paths = find_site(data)
    _publish(paths)
    connection = open_readonly(_log_path(paths))
    try:
        text = prove_entry(connection, _trusted(paths), index)
    finally:
        connection.close()
    if output is None:
        click.echo(text, nl=False)
    else:
        output.write_text(text, encoding="utf-8")


@audit.command()
@click.option("--person", default="", help="Part of a name.")
@click.option("--camera", default="")
@click.option("--kind", type=click.Choice([kind.value for kind in AuditKind]), default=None)
@click.option("--reference", default="", help="Case, alarm or ticket.")
@click.option("--since", type=click.DateTime(), default=None, help="UTC.")
@click.option("--until", type=click.DateTime(), default=None, help="UTC.")
@click.option("--limit", type=click.IntRange(min=1), default=1000, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One line of JSON per entry.")
@data_option
def search(
    *,
    person: str,
    camera: str,
    kind: str | None,
    reference: str,
    since: datetime | None,
    until: datetime | None,
    limit: int,
    as_json: bool,
    data: Path | None,
) -> None:
    """Print the entries that fit, oldest first."""
    query = LogQuery(
        kind=AuditKind(kind) if kind else None,
        camera=camera,
        person=person,
        reference=reference,
        start_ns=_ns(since),
        end_ns=_ns(until),
    )
    for entry in islice(find_entries(_all_entries(find_site(data)), query), limit):
        click.echo(_as_json(entry) if as_json else f"{entry.index:>8}  {_at(entry)}  {sentence(entry)}")


@audit.command()
@click.option("--since", type=click.DateTime(), default=None, help="UTC.")
@click.option("--until", type=click.DateTime(), default=None, help="UTC.")
@click.option("--json", "as_json", is_flag=True, help="One line of JSON.")
@data_option
def report(since: datetime | None, until: datetime | None, as_json: bool, data: Path | None) -> None:
    """Who looked at how much, for what, in a stretch of time."""
    query = LogQuery(start_ns=_ns(since), end_ns=_ns(until))
    summary = summarise(find_entries(_all_entries(find_site(data)), query))
    if as_json:
        click.echo(json.dumps(_summary_tree(summary)))
        return
    click.echo(f"{summary.entries} entries")
    for kind, count in summary.kinds.most_common():
        click.echo(f"{count:>8}  {kind.value.replace('_', ' ')}")
    for name, looking in sorted(summary.people.items()):
        click.echo(
            f"{plain(name)}: {looking.granted} times allowed, {looking.refused} refused, {looking.frames} pictures, "
            f"{looking.exports} exports, {len(looking.cameras)} cameras"
        )
        for purpose, count in looking.purposes.most_common(20):
            click.echo(f"{count:>8}  for {plain(purpose).replace('_', ' ')}")


def _summary_tree(summary: LogSummary) -> dict[str, object]:
    return {
        "entries": summary.entries,
        "first_ns": summary.first_ns,
        "last_ns": summary.last_ns,
        "kinds": {kind.value: count for kind, count in summary.kinds.items()},
        "people": {
            name: {
                "granted": looking.granted,
                "refused": looking.refused,
                "releases": looking.releases,
                "frames": looking.frames,
                "exports": looking.exports,
                "cameras": sorted(looking.cameras),
                "purposes": dict(looking.purposes),
            }
            for name, looking in summary.people.items()
        },
    }


def _ns(moment: datetime | None) -> Ns | None:
    return None if moment is None else Ns(int(moment.replace(tzinfo=UTC).timestamp()) * NS_PER_S)


def _trusted(paths: SitePaths) -> LogKeys:
    pinned = read_pinned(paths.warden_key)
    return log_keys(pinned.log_origin, pinned.log_key, pinned.log_mldsa_key)


def _witnesses(paths: SitePaths) -> list[NoteVerifier]:
    """Keys of the witnesses that the site's last start was configured with."""
    try:
        config = load_effective(paths.data_dir)
    except ConfigError:
        return []
    return [parse_vkey(key) for witness in config.audit.witnesses for key in witness.keys]


def _publish(paths: SitePaths) -> None:
    """Have a running warden sign the newest head; of a stopped one there is the checkpoint published last."""
    try:
        channel = Channel.connect(paths.socket("warden-server"), timeout_s=_PUBLISH_TIMEOUT_S)
    except CustodesError:
        return
    try:
        channel.request(ReadCheckpoint(), Checkpoint)
    finally:
        channel.close()


def _all_entries(paths: SitePaths) -> Iterator[LogEntry]:
    return _entries(_log_path(paths), 0, sys.maxsize)


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
