"""Makes and checks backups of a site that runs: catalog, log, keys, journals; with its footage if asked.

No secret is needed: everything is sealed to the site's recovery key. The order makes the copies fit each other: what
the catalog knows is in the log that is copied after it, and the keys of its segments in the key store copied last.
"""

import fcntl
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from custodes.app.backup_format import (
    BackupFile,
    Manifest,
    check_stored,
    copy_file,
    read_manifest,
    seal_file,
    sign_manifest,
    write_manifest,
)
from custodes.app.catalog import copy_to_file, database_of
from custodes.app.recovery import Recovery, encode_recovery, read_recovery, seal_to
from custodes.audit.checkpoint import LogKeys, log_keys
from custodes.audit.verify import verify_log
from custodes.config import SitePaths, read_identity
from custodes.config.durable import sync_folder
from custodes.errors import (
    AlreadyExists,
    CustodesError,
    DataLoss,
    FailedPrecondition,
    ResourceExhausted,
    SiteMismatch,
    Unavailable,
)
from custodes.record.verify import named_segments
from custodes.sealing.published import read_pinned

Progress = Callable[[int, int], None]

_LOOSE = (
    "site.json",
    "warden-key.json",
    "effective.json",
    "warden/recovery.json",
    "signers.json",
    "federation.key",
    "siem.json",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A finished backup."""

    folder: Path
    files: int
    segments: int
    bytes_stored: int
    log_size: int


def make_backup(
    paths: SitePaths,
    folder: Path,
    now_ns: int,
    *,
    with_footage: bool,
    on_progress: Progress = lambda done, total: None,
) -> Made:
    """Back up into `folder`, which must not exist; it appears only when all of it is durable.

    Raises: KeyMissing without a recovery key, AlreadyExists, DataLoss (the copy of log or catalog does not verify),
        SiteMismatch, Unavailable, ResourceExhausted.
    """
    identity = read_identity(paths.identity)
    if identity is None:
        raise SiteMismatch(f"{paths.data_dir} is not the data directory of a site")
    if folder.exists():
        raise AlreadyExists(f"{folder} is there already; name a new folder")
    recovery = read_recovery(paths)
    partial = folder.with_name(folder.name + ".partial")
    try:
        with _scratch_folder(paths.data_dir / "backup.tmp") as scratch:
            return _make(paths, folder, partial, scratch, recovery, now_ns, with_footage, on_progress)
    except OSError as error:
        if isinstance(error, FileExistsError):
            raise AlreadyExists(f"{partial} is there: another backup runs, or one was cut off; remove it") from error
        raise ResourceExhausted(f"cannot write the backup to {folder.parent}: {error.strerror or error}") from error


@contextmanager
def _scratch_folder(folder: Path) -> Iterator[Path]:
    """A private folder on the site's own disk: the copies are in clear for a moment, beside what they are copies of.

    What a backup that was killed left in it goes first. Raises: FailedPrecondition when another backup runs.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for left in folder.iterdir():
            left.unlink()
        yield folder
        shutil.rmtree(folder)
    except BlockingIOError as error:
        raise FailedPrecondition("another backup of this site is being made") from error
    except BaseException:
        for left in folder.iterdir():
            left.unlink()
        raise
    finally:
        os.close(descriptor)


def _make(
    paths: SitePaths,
    folder: Path,
    partial: Path,
    scratch: Path,
    recovery: Recovery,
    now_ns: int,
    with_footage: bool,
    on_progress: Progress,
) -> Made:
    partial.mkdir(mode=0o700, parents=True)
    try:
        key = os.urandom(32)
        files = [seal_file(source, partial, name, key) for name, source in _copies(paths, scratch)]
        report = verify_log(scratch / "log.db", trusted_keys(paths))
        segments = _copy_footage(paths, partial, on_progress) if with_footage else []
        manifest = Manifest(
            site_id=recovery.site_id,
            made_ns=now_ns,
            recovery=encode_recovery(recovery).decode(),
            sealed_key=seal_to(recovery, key, "backup").hex(),
            log_size=report.size,
            log_root=report.root_hash.hex(),
            files=files,
            segments=segments,
        )
        sign_manifest(manifest, key)
        write_manifest(partial, manifest)
        partial.rename(folder)
        sync_folder(folder.parent)
    except (OSError, CustodesError):
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return Made(
        folder=folder,
        files=len(files),
        segments=len(segments),
        bytes_stored=sum(one.bytes_stored for one in (*files, *segments)),
        log_size=report.size,
    )


def _copies(paths: SitePaths, scratch: Path) -> Iterator[tuple[str, Path]]:
    yield "catalog.db", _copy_catalog(paths, scratch / "catalog.db")
    for journal in sorted(paths.journal_dir.glob("*.journal")):
        yield f"journal/{journal.name}", journal
    for name in ("requests.db", "cases.db"):  # before the log: each step is logged before it is kept
        if (paths.warden_dir / name).is_file():
            yield f"warden/{name}", _copy_database(paths.warden_dir / name, scratch / name)
    yield "warden/log.db", _copy_database(paths.warden_dir / "log.db", scratch / "log.db")
    keys = _copy_database(paths.warden_dir / "keys.db", scratch / "keys.db")
    _forget_root(keys)
    yield "warden/keys.db", keys
    for name in _LOOSE:
        if (paths.data_dir / name).is_file():
            yield name, paths.data_dir / name


def _copy_catalog(paths: SitePaths, target: Path) -> Path:
    """As a file, wherever it is: a backup is restored without the database's help."""
    database = database_of(paths)
    if database is None:
        return _copy_database(paths.catalog, target)
    copy_to_file(paths, database, os.environ, lambda table, rows: None, file=target)
    return target


def _copy_database(source: Path, target: Path) -> Path:
    """A consistent copy of a database that is being written to. Raises: DataLoss, Unavailable."""
    try:
        with (
            closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as live,
            closing(sqlite3.connect(target)) as copy,
        ):
            live.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")
            (found,) = copy.execute("PRAGMA integrity_check(1)").fetchone()
    except sqlite3.Error as error:
        raise Unavailable(f"{source.name} cannot be copied: {error}") from error
    if found != "ok":
        raise DataLoss(f"{source.name} is damaged: {found}")
    return target


def _forget_root(keys: Path) -> None:
    """The root under the site's passphrase does not go along: guessing that is easier than two shares."""
    with closing(sqlite3.connect(keys, isolation_level=None)) as copy:
        copy.execute("PRAGMA secure_delete=ON")
        copy.execute("DELETE FROM secrets WHERE name = 'root'")
        copy.execute("VACUUM")


def _copy_footage(paths: SitePaths, folder: Path, on_progress: Progress) -> list[BackupFile]:
    """Sealed segments that are there; what retention deletes meanwhile is left out."""
    newest, deleted = named_segments(paths.data_dir)
    wanted = [path for path, segment in sorted(newest.items()) if segment.is_sealed and path not in deleted]
    copied: list[BackupFile] = []
    for number, path in enumerate(wanted):
        try:
            copied.append(copy_file(paths.data_dir / path, folder, path))
        except FileNotFoundError:
            continue
        on_progress(number + 1, len(wanted))
    return copied


def trusted_keys(paths: SitePaths) -> LogKeys:
    """What the site's log is signed with."""
    pinned = read_pinned(paths.warden_key)
    return log_keys(pinned.log_origin, pinned.log_key, pinned.log_mldsa_key)


def verify_backup(folder: Path, *, on_progress: Progress = lambda done, total: None) -> tuple[Manifest, list[str]]:
    """Whether every byte is what was stored; needs no share. Returns: the manifest, and what is wrong.

    That the content itself fits together was checked when it was made, and is again by a restore. Raises: DataLoss.
    """
    manifest = read_manifest(folder)
    wrong: list[str] = []
    every: Sequence[BackupFile] = (*manifest.files, *manifest.segments)
    for number, one in enumerate(every):
        if problem := check_stored(folder, one):
            wrong.append(f"{one.stored} {problem}")
        on_progress(number + 1, len(every))
    return manifest, wrong
