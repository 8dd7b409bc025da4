"""A site out of its backup and enough recovery shares, into an empty directory.

What was shredded does not come back: keys that the newest log given says were destroyed, and keys whose retention is
over by now and that no hold keeps, are destroyed again before the new site exists. A backup alone cannot know what was
destroyed after it; nothing can be promised about a thief who has it and the shares. Nor can it know who vetoed a look
after it: no request is in force in a restored site.
"""

import json
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from custodes.access.requests import phase
from custodes.adapters.keys.file import open_file_provider
from custodes.adapters.keys.requests import RequestStore
from custodes.adapters.keys.store import KeyStore
from custodes.app.backup import trusted_keys
from custodes.app.backup_format import Manifest, check_manifest, check_stored, open_file, read_manifest
from custodes.app.recovery import RecoveryKey, decode_recovery
from custodes.audit.checkpoint import LogKeys, LogSigner, origin_of
from custodes.audit.log import MAX_PAGE, AuditLog
from custodes.audit.log_tables import read_entries
from custodes.audit.merkle import push_peak, root_of_peaks
from custodes.audit.verify import open_readonly, verify_log
from custodes.config import SitePaths, load_effective
from custodes.config.durable import make_folder, sync_folder
from custodes.config.leaks import LeakConfig
from custodes.errors import AlreadyExists, ConfigError, DataLoss, LogCorrupt, SealBroken
from custodes.sealing.published import is_background_key
from custodes.sealing.shares import Share
from custodes.types.access import AuditKind, AuditRecord, LogEntry
from custodes.types.approval import RequestPhase
from custodes.types.stream import camera_of, second_of
from custodes.units import NS_PER_DAY, NS_PER_HOUR, NS_PER_S, CameraId, KeyId, Ns

_DEFAULT_AGE_H = 72.0
_BY_RESTORE = "process:restore"


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What a restore did. `destroyed`: keys destroyed again; `log_size`: before the entry of the restore itself;
    `requests_ended`: waited or were in force when the backup was made, and have to be filed anew."""

    data_dir: Path
    segments: int
    keys: int
    destroyed: int
    log_size: int
    requests_ended: int


def restore_site(
    backup: Path,
    target: Path,
    shares: Sequence[Share],
    *,
    passphrase: str | None,
    newer_log: Path | None,
    now_ns: int,
) -> Restored:
    """Restore into `target`, which must not exist or be empty; it appears only when all of it is there.

    Args:
        passphrase: under which the keys lie from now on; None makes a key file.
        newer_log: a later copy of `warden/log.db`: its entries count, and it becomes the site's log.

    Raises: InvalidArgument, SealBroken (shares, or a changed backup), DataLoss (an incomplete backup), LogCorrupt
        (the newer log does not continue the backup's), AlreadyExists.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise AlreadyExists(f"{target} is not empty; a site is restored into a new directory")
    manifest = read_manifest(backup)
    key_holder = RecoveryKey(decode_recovery(manifest.recovery.encode()), shares)
    key = key_holder.open(bytes.fromhex(manifest.sealed_key), "backup")
    check_manifest(manifest, key)
    partial = target.with_name(target.name + ".partial")
    if partial.exists():
        shutil.rmtree(partial)
    make_folder(partial, mode=0o700)
    try:
        done = _restore_into(SitePaths(partial), backup, manifest, key, key_holder, passphrase, newer_log, now_ns)
        if target.is_dir():
            target.rmdir()
        partial.rename(target)
        sync_folder(target.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return replace(done, data_dir=target)


def _restore_into(
    paths: SitePaths,
    backup: Path,
    manifest: Manifest,
    key: bytes,
    key_holder: RecoveryKey,
    passphrase: str | None,
    newer_log: Path | None,
    now_ns: int,
) -> Restored:
    for one in manifest.files:
        make_folder((paths.data_dir / one.name).parent, mode=0o700)
        open_file(backup, one, paths.data_dir / one.name, key)
    for one in manifest.segments:
        if problem := check_stored(backup, one):
            raise DataLoss(f"{one.stored} {problem}")
        make_folder((paths.data_dir / one.name).parent, mode=0o700)
        shutil.copyfile(backup / one.stored, paths.data_dir / one.name)
    trusted = trusted_keys(paths)
    size = _take_log(paths, manifest, trusted, newer_log)
    store = KeyStore.adopt(
        paths.warden_dir / "keys.db",
        open_file_provider(paths.warden_dir, passphrase),
        context=manifest.site_id.encode(),
        root=key_holder.root(),
    )
    try:
        if store.log_key().public_key().public_bytes_raw() != trusted.ed25519.public_key:
            raise SealBroken("the backup's keys are not those that the site's log is signed with")
        gone = _destroyed(paths.warden_dir / "log.db") | _outlived(paths, store.key_ids(), now_ns)
        again = [key_id for key_id in store.key_ids() if key_id in gone]
        for key_id in again:
            store.destroy(key_id, Ns(now_ns))
        ended = _end_requests(paths, Ns(now_ns))
        done = Restored(
            data_dir=paths.data_dir,
            segments=len(manifest.segments),
            keys=len(store.key_ids()),
            destroyed=len(again),
            log_size=size,
            requests_ended=ended,
        )
        _note_restore(paths, store, manifest, done, now_ns)
        return done
    finally:
        store.close()


def _take_log(paths: SitePaths, manifest: Manifest, trusted: LogKeys, newer_log: Path | None) -> int:
    """Verify the backup's log, and the newer one as its continuation. Returns: the size of what is the site's now."""
    own = paths.warden_dir / "log.db"
    report = verify_log(own, trusted)
    if (report.size, report.root_hash.hex()) != (manifest.log_size, manifest.log_root):
        raise LogCorrupt(f"the backup's log has {report.size} entries; the manifest speaks of {manifest.log_size}")
    if newer_log is None:
        return report.size
    newer = verify_log(newer_log, trusted)
    if newer.size < report.size or _root_at(newer_log, report.size) != report.root_hash:
        raise LogCorrupt(f"{newer_log} does not continue the backup's log: it is older, or another story")
    own.unlink()
    with (
        closing(sqlite3.connect(f"{newer_log.absolute().as_uri()}?mode=ro", uri=True)) as source,
        closing(sqlite3.connect(own)) as copy,
    ):
        source.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")
    return newer.size


def _entries(log: Path) -> Iterator[LogEntry]:
    with closing(open_readonly(log)) as connection:
        start = 0
        while page := read_entries(connection, start, MAX_PAGE):
            yield from page
            start += len(page)


def _root_at(log: Path, size: int) -> bytes:
    peaks: list[bytes] = []
    for entry in _entries(log):
        if entry.index == size:
            break
        push_peak(peaks, entry.index, entry.leaf_hash)
    return root_of_peaks(peaks)


def _destroyed(log: Path) -> set[KeyId]:
    """Keys that the log says were destroyed."""
    return {
        KeyId(f"{entry.record.subject}/{entry.record.details.get('day', '')}")
        for entry in _entries(log)
        if entry.record.kind is AuditKind.KEYS_DESTROYED
    }


def _outlived(paths: SitePaths, key_ids: Sequence[KeyId], now_ns: int) -> set[KeyId]:
    """Keys of days whose retention is over, and that no unexpired hold of their camera touches; keys of views without
    people (`background_key_id`) whose year ended longer ago than they are kept."""
    try:
        config = load_effective(paths.data_dir)
        default_h, background_days = config.retention.max_age_h, config.leaks.background_days
    except ConfigError:
        default_h, background_days = _DEFAULT_AGE_H, LeakConfig().background_days
    with closing(sqlite3.connect(paths.catalog)) as catalog:
        own = _own_retention(catalog)
        holds = catalog.execute(
            "SELECT camera_id, start_ns, end_ns FROM hold WHERE expires_ns > ?", (now_ns,)
        ).fetchall()
    gone: set[KeyId] = set()
    for key_id in key_ids:
        camera_id, _, day = key_id.partition("/")
        if is_background_key(key_id):
            over_ns = int(datetime(int(day[:4]) + 1, 1, 1, tzinfo=UTC).timestamp()) * NS_PER_S
            if over_ns + background_days * NS_PER_DAY <= now_ns:
                gone.add(key_id)
            continue
        start_ns = int(datetime.strptime(day, "%Y%m%d").replace(tzinfo=UTC).timestamp()) * NS_PER_S
        end_ns = start_ns + NS_PER_DAY + NS_PER_HOUR  # a segment begun at the day's end may last beyond it
        is_held = any(
            camera in (camera_id, camera_of(CameraId(camera_id))) and hold_start <= end_ns and hold_end >= start_ns
            for camera, hold_start, hold_end in holds
        )
        if not is_held and end_ns + int(own.get(camera_id, default_h) * NS_PER_HOUR) <= now_ns:
            gone.add(key_id)
    return gone


def _own_retention(catalog: sqlite3.Connection) -> dict[str, float]:
    """Hours by stream, where they are not the site's."""
    own: dict[str, float] = {}
    columns = [row[1] for row in catalog.execute("PRAGMA table_info(camera)")]
    for row in catalog.execute("SELECT * FROM camera"):
        values = dict(zip(columns, row, strict=True))
        camera_id, retention_h = values["camera_id"], values["retention_h"]
        packed = values.get("second")  # not in a backup of before cameras had two streams
        second_h = json.loads(packed).get("retention_h", 0.0) if packed else 0.0
        own |= {camera_id: retention_h, second_of(camera_id): second_h or retention_h}
    return {stream_id: hours for stream_id, hours in own.items() if hours > 0}


def _end_requests(paths: SitePaths, now_ns: Ns) -> int:
    """End what waited or was in force, forget passkeys that the log calls removed; reviews that are due stay due.

    A veto or a withdrawal after the backup is unknown, and a signature given before it would count again.
    """
    path = paths.warden_dir / "requests.db"
    if not path.is_file():  # a backup from before they were in it
        return 0
    store, ended = RequestStore(path), 0
    try:
        for record in store.records():
            if phase(record, now_ns) in (RequestPhase.WAITING, RequestPhase.IN_FORCE):
                store.put(replace(record, withdrawn_by=_BY_RESTORE, withdrawn_ns=now_ns))
                ended += 1
        removed = _removed_passkeys(paths.warden_dir / "log.db")
        for key in store.passkeys():
            if any(key.credential_id.hex().startswith(one) for one in removed):
                store.forget_key(key.credential_id)
    finally:
        store.close()
    with closing(sqlite3.connect(paths.catalog, isolation_level=None)) as catalog:
        for one in removed:
            catalog.execute("DELETE FROM passkey WHERE lower(hex(credential_id)) LIKE ?", (one + "%",))
    return ended


def _removed_passkeys(log: Path) -> set[str]:
    """Ids (hex, at most 64 bytes of each) of passkeys of which the log's last word is that they were removed."""
    removed: set[str] = set()
    for entry in _entries(log):
        details = entry.record.details
        if entry.record.kind is not AuditKind.CREDENTIAL_CHANGED or details.get("what") != "passkey":
            continue
        if details.get("change") == "removed":
            removed.add(details.get("credential", ""))
        else:
            removed.discard(details.get("credential", ""))
    removed.discard("")  # an entry whose details were erased
    return removed


def _note_restore(paths: SitePaths, store: KeyStore, manifest: Manifest, done: Restored, now_ns: int) -> None:
    """The log itself says that it was restored: a witness that saw more of it will ask."""
    signer = LogSigner(origin_of(manifest.site_id), store.log_key(), store.log_mldsa_key())
    log = AuditLog.open(paths.warden_dir / "log.db", signer)
    try:
        details = {
            "backup_made_ns": str(manifest.made_ns),
            "log_size": str(done.log_size),
            "keys_destroyed": str(done.destroyed),
            "segments": str(done.segments),
            "requests_ended": str(done.requests_ended),
        }
        record = AuditRecord(
            kind=AuditKind.SITE_RESTORED, actor="process:cli", subject=manifest.site_id, details=details
        )
        log.append([(record, Ns(now_ns))])
    finally:
        log.close()
