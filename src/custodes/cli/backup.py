"""`custodes backup` and `custodes recovery`: a site that outlives its machine."""

import os
import time
from datetime import UTC, datetime
from pathlib import Path

import click

from custodes.adapters.blob.disk import Disk
from custodes.adapters.ipc.control import note_in_log
from custodes.adapters.keys.file import read_passphrase
from custodes.app.backup import make_backup, verify_backup
from custodes.app.recall import Recall
from custodes.app.recall_all import fetch_all
from custodes.app.recovery import NEEDED, SHARES, make_recovery
from custodes.app.rehearse import rehearse as rehearse_restore
from custodes.app.restore import restore_site
from custodes.app.serving.tiers import open_offsite
from custodes.cli.where import data_option, find_site
from custodes.config import load_effective, read_identity
from custodes.config.durable import replace_file
from custodes.errors import AlreadyExists, DataLoss, FailedPrecondition, InvalidArgument
from custodes.sealing.shares import Share, parse_share, share_text
from custodes.types.access import AuditKind, AuditRecord

_MAX_SHARE_BYTES = 1024
_SHOWN = 20


@click.group()
def recovery() -> None:
    """The key that opens backups, split among three people of whom two are needed."""


@recovery.command("make")
@click.option(
    "--out", type=click.Path(path_type=Path), help="Write share-1.txt … into this new folder, not the terminal."
)
@data_option
def make_key(out: Path | None, data: Path | None) -> None:
    """Make the recovery key and its three shares. Give each to another person; the site keeps none.

    The site has to run (it is logged), and what opens the warden's keys must be given: CUSTODES_PASSPHRASE, or nothing
    for a key file. A new key replaces the old one for backups to come; earlier backups keep theirs.
    """
    paths = find_site(data)
    if out is not None and out.exists():
        raise InvalidArgument(f"{out} is there already; name a new folder")
    passphrase = read_passphrase(os.environ)
    record = AuditRecord(
        kind=AuditKind.RECOVERY_KEY_MADE,
        actor="process:cli",
        subject="",
        details={"shares": str(SHARES), "needed": str(NEEDED)},
    )
    note_in_log(paths.socket("warden-server"), record)
    made, shares = make_recovery(paths, passphrase)
    if out is not None:
        out.mkdir(mode=0o700, parents=True)
    for share in shares:
        text = share_text(share)
        if out is None:
            click.echo(text)
        else:
            replace_file(out / f"share-{share.x}.txt", text.encode() + b"\n")
    click.echo(f"recovery key {made.recovery_id}: any {NEEDED} of these {SHARES} shares open its backups", err=True)


@click.group()
def backup() -> None:
    """Back up a running site, check a backup, restore a site from one."""


@backup.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--with-footage", is_flag=True, help="Sealed recordings, too; without them only what explains them.")
@data_option
def make(folder: Path, with_footage: bool, data: Path | None) -> None:
    """Back up the running site into FOLDER, a new directory. Everything in it is sealed to the recovery key."""
    paths = find_site(data)
    if folder.exists():
        raise AlreadyExists(f"{folder} is there already; name a new folder")
    details = {"to": str(folder.resolve()), "footage": "yes" if with_footage else "no"}
    record = AuditRecord(kind=AuditKind.BACKUP_MADE, actor="process:cli", subject="", details=details)
    note_in_log(paths.socket("warden-server"), record)
    made = make_backup(paths, folder.resolve(), time.time_ns(), with_footage=with_footage)
    size = made.bytes_stored / 1e6
    click.echo(
        f"{folder}: {made.files} files, {made.segments} segments, {size:.1f} MB, log of {made.log_size} entries"
    )


@backup.command()
@click.argument("folder", type=click.Path(path_type=Path))
def verify(folder: Path) -> None:
    """Check that every byte of a backup is what was stored; needs no share."""
    manifest, wrong = verify_backup(folder)
    for line in wrong[:_SHOWN]:
        click.echo(line)
    if wrong:
        raise DataLoss(f"{len(wrong)} files of the backup are not as they were stored")
    made = datetime.fromtimestamp(manifest.made_ns // 10**9, UTC).strftime("%Y-%m-%d %H:%M UTC")
    click.echo(
        f"good: site {manifest.site_id}, {made}, {len(manifest.files)} files, {len(manifest.segments)} segments, "
        f"log of {manifest.log_size} entries"
    )


@backup.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("target", type=click.Path(path_type=Path))
@click.option("--share", "shares", multiple=True, required=True, help="A share, or the file that holds one; twice.")
@click.option(
    "--log", "newer_log", type=click.Path(path_type=Path), help="A later copy of warden/log.db, if there is one."
)
def restore(folder: Path, target: Path, shares: tuple[str, ...], newer_log: Path | None) -> None:
    """Restore a site from the backup FOLDER into TARGET, a new directory.

    The old site must not run any more: two that write the same log cannot both be right. CUSTODES_PASSPHRASE sets what
    opens the keys from now on; without it a key file is made.
    """
    done = restore_site(
        folder.resolve(),
        target.resolve(),
        [_share(text) for text in shares],
        passphrase=read_passphrase(os.environ),
        newer_log=newer_log,
        now_ns=time.time_ns(),
    )
    click.echo(
        f"restored to {done.data_dir}: {done.segments} segments, {done.keys} keys ({done.destroyed} more destroyed "
        f"again), log of {done.log_size} entries"
    )
    if done.requests_ended:
        click.echo(f"{done.requests_ended} requests that waited or were in force have to be filed anew")
    click.echo(f"start it with: custodes up --data {done.data_dir}")


@backup.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--share", "shares", multiple=True, required=True, help="A share, or the file that holds one; twice.")
@click.option(
    "--scratch",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    default=Path("/dev/shm"),  # nosec B108  # noqa: S108 - memory, and a folder of its own in it
    show_default=True,
    help="Where there is room for the whole backup; keys lie there meanwhile.",
)
def rehearse(folder: Path, shares: tuple[str, ...], scratch: Path) -> None:
    """Restore FOLDER into a scratch folder, open what it holds, say how long it took, and remove it again.

    The site may run. Exit code 11: it would not come back whole.
    """
    done = rehearse_restore(folder.resolve(), [_share(text) for text in shares], scratch.resolve(), time.time_ns())
    made = datetime.fromtimestamp(done.manifest.made_ns // 10**9, UTC).strftime("%Y-%m-%d %H:%M UTC")
    click.echo(f"backup of site {done.manifest.site_id}, {made}; restored in {done.seconds:.1f} s")
    click.echo(f"log: {done.log_size} entries, verified, the restore's own among them")
    click.echo(f"catalog: {done.cameras} cameras, {done.accounts} accounts")
    if done.segments:
        click.echo(f"footage: {done.segments} segments as they were sealed; {done.opened} opened by the restored keys")
        if done.destroyed:
            click.echo(
                f"         {done.destroyed} have keys that were destroyed, or whose time is over: they stay shut"
            )
    else:
        click.echo("footage: none in this backup; custodes backup footage fetches it from tiers.offsite")
    for line in done.wrong[:_SHOWN]:
        click.echo(line)
    if done.wrong:
        raise DataLoss(f"{len(done.wrong)} things would not come back")
    click.echo("good: this site would come back")


@backup.command()
@click.option("--camera", "cameras", multiple=True, help="Only this camera's; may be given several times.")
@data_option
def footage(cameras: tuple[str, ...], data: Path | None) -> None:
    """Fetch footage that is not here from the S3-compatible store of `tiers.offsite`.

    For a site that was restored without its footage, or lost a disk: each segment is checked against its seal before
    it counts. A site that runs fetches what somebody looks at by itself.
    """
    paths = find_site(data)
    config = load_effective(paths.data_dir)
    identity = read_identity(paths.identity)
    if config.tiers.offsite is None or identity is None:
        raise FailedPrecondition("no copies elsewhere are configured: tiers.offsite in site.yaml")
    recall = Recall(
        store=open_offsite(config.tiers.offsite, os.environ),
        paths=paths,
        site_id=identity.site_id,
        storage=Disk(),
        min_free_bytes=2 * config.recorder.min_free_mb * 2**20,
    )
    done = fetch_all(recall, paths.data_dir, is_wanted=lambda one: not cameras or one.header.camera_id in cameras)
    for line in done.wrong[:_SHOWN]:
        click.echo(line)
    click.echo(
        f"{done.fetched} segments fetched ({done.bytes_fetched / 1e6:.1f} MB), {done.there} were here, "
        f"{done.nowhere} are nowhere"
    )
    if done.wrong:
        raise DataLoss(f"{len(done.wrong)} copies are not what was sealed")


def _share(text: str) -> Share:
    if not text.strip().lower().startswith("custodes-share-"):
        try:
            with Path(text).open(encoding="ascii") as stream:
                text = stream.read(_MAX_SHARE_BYTES)
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidArgument(f"{text[:80]} is neither a share nor a file with one") from error
    return parse_share(text)
