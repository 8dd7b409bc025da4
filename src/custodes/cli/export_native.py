"""`custodes export-native`: sealed segments byte for byte, with what proves them. No key is used or needed."""

import os
import sqlite3
import sys
from datetime import UTC, datetime
from pathlib import Path

import click

import custodes_verify
from custodes.adapters.ipc.framing import Channel
from custodes.app.catalog import catalog_names
from custodes.audit.checkpoint import LogKeys, log_keys
from custodes.audit.export import policy_text
from custodes.audit.proof import prove_entry
from custodes.audit.verify import open_readonly
from custodes.cli.where import data_option, find_site
from custodes.config import SitePaths, read_identity
from custodes.errors import CustodesError, DataLoss, InvalidArgument
from custodes.record.native import Manifest, Wanted, export_native, missing_from, read_manifest, wanted_segments
from custodes.sealing.published import read_pinned
from custodes.types.access import AuditKind, AuditRecord, Checkpoint
from custodes.types.media import Segment
from custodes.types.message import Append, Appended, ReadCheckpoint
from custodes.units import NS_PER_S, CameraId, Ns, SegmentId

_WARDEN_TIMEOUT_S = 5.0
_LAST_NS = Ns(2**63 - 1)


@click.command("export-native")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--camera", "cameras", multiple=True, help="Camera id; again for more [default: all].")
@click.option("--since", type=click.DateTime(), default=None, help="UTC [default: the first recording].")
@click.option("--until", type=click.DateTime(), default=None, help="UTC [default: the last].")
@click.option("--check", "checks", is_flag=True, help="Check FOLDER, an earlier export, and compare it with the site.")
@data_option
def export_native_command(
    *, folder: Path, cameras: tuple[str, ...], since: datetime | None, until: datetime | None, checks: bool,
    data: Path | None,
) -> None:  # fmt: skip
    """Copy sealed segments byte for byte into FOLDER; the site may run.

    What is copied stays encrypted. Whoever gets it checks it with `custodes-verify native FOLDER`.
    """
    paths = find_site(data)
    if checks:
        _check(paths, folder)
        return
    wanted = Wanted(
        cameras=frozenset(CameraId(camera) for camera in cameras),
        start_ns=Ns(0) if since is None else _ns(since),
        end_ns=_LAST_NS if until is None else _ns(until),
    )
    if wanted.start_ns > wanted.end_ns:
        raise InvalidArgument("--since lies behind --until")
    segments = wanted_segments(paths.data_dir, wanted)
    _note(paths, wanted, segments)
    manifest = _export(paths, folder, wanted, segments)
    proven = sum(bool(one.proof) for one in manifest.segments)
    click.echo(
        f"{len(manifest.segments)} segments, {proven} of them proven by the log, "
        f"{sum(int(one['bytes']) for one in manifest.files.values())} bytes in {folder}"
    )
    click.echo(f"check it anywhere: custodes-verify native {folder}")


def _export(paths: SitePaths, folder: Path, wanted: Wanted, segments: list[Segment]) -> Manifest:
    identity = read_identity(paths.identity)
    assert identity is not None  # find_site has seen it
    pinned = read_pinned(paths.warden_key)
    keys = log_keys(pinned.log_origin, pinned.log_key, pinned.log_mldsa_key)
    names = catalog_names(paths, os.environ)
    log = _open_log(paths)

    def prove(segment_id: SegmentId) -> str:
        index = None if names is None else names.log_indices.get(segment_id)
        return "" if log is None or index is None else _proof(log, keys, index)

    is_person = sys.stderr.isatty()

    def progress(done: int, total: int) -> None:
        if is_person:
            click.echo(f"\r{done} of {total} segments", nl=done == total, err=True)

    extra = {"log/policy": policy_text(keys, ()).encode(), "keys/warden-key.json": paths.warden_key.read_bytes()}
    for key_id in sorted({segment.header.key_id for segment in segments}):
        published = paths.public_keys / f"{key_id}.json"
        if published.exists():
            extra[f"keys/public/{key_id}.json"] = published.read_bytes()
    try:
        return export_native(
            paths.data_dir, folder, site_id=identity.site_id, wanted=wanted, segments=segments, prove=prove,
            extra_files=extra, on_progress=progress,
        )  # fmt: skip
    finally:
        if log is not None:
            log.close()


def _open_log(paths: SitePaths) -> sqlite3.Connection | None:
    try:
        return open_readonly(paths.warden_dir / "log.db")
    except CustodesError as error:
        click.echo(f"custodes: without proofs: {error}", err=True)
        return None


def _proof(log: sqlite3.Connection, keys: LogKeys, index: int) -> str:
    try:
        return prove_entry(log, keys, index)
    except InvalidArgument:
        return ""  # under no published checkpoint yet


def _note(paths: SitePaths, wanted: Wanted, segments: list[Segment]) -> None:
    """Into the log of a running site, and its newest head published for the proofs; of a stopped one, said."""
    record = AuditRecord(
        kind=AuditKind.PROCESS_EVENT,
        actor="process:cli",
        subject=",".join(sorted(wanted.cameras))[:200],
        details={"event": "sealed segments were copied", "segments": str(len(segments)),
                 "from": str(wanted.start_ns), "until": str(wanted.end_ns)},
    )  # fmt: skip
    try:
        channel = Channel.connect(paths.socket("warden-server"), timeout_s=_WARDEN_TIMEOUT_S)
    except CustodesError:
        click.echo("custodes: the site does not run, so its log does not know of this copy", err=True)
        return
    try:
        channel.request(Append(record=record), Appended)
        channel.request(ReadCheckpoint(), Checkpoint)
    finally:
        channel.close()


def _check(paths: SitePaths, folder: Path) -> None:
    """Raises: DataLoss with the first thing that does not hold."""
    pinned = read_pinned(paths.warden_key)
    keys = log_keys(pinned.log_origin, pinned.log_key, pinned.log_mldsa_key)
    try:
        policy = custodes_verify.parse_policy(policy_text(keys, ()))
        said = custodes_verify.verify_native(folder, policy)
    except custodes_verify.Wrong as error:
        raise DataLoss(f"{folder}: {error}") from error
    lacks = missing_from(read_manifest(folder), paths.data_dir)
    if lacks:
        raise DataLoss(f"{folder}: {lacks[0]}" + (f", and {len(lacks) - 1} more" if len(lacks) > 1 else ""))
    click.echo("\n".join(said))
    click.echo("good: nothing that the site still has of that time is missing")


def _ns(moment: datetime) -> Ns:
    return Ns(int(moment.replace(tzinfo=UTC).timestamp()) * NS_PER_S)
