"""A replica becomes the warden's folder of a site: the old writer is told if it can be reached, fenced in any case.

In this order, so that a crash anywhere leaves at most one writer: the replica never follows or acknowledges again
(`promoted.json`); the old warden is told; the log is verified and gets a generation above the old one's; the entry
`warden_promoted`; the folder takes its place.
"""

import asyncio
import contextlib
import json
import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from custodes.adapters.ipc.framing import AsyncChannel, expect
from custodes.adapters.keys.choose import open_provider
from custodes.adapters.keys.file import read_passphrase
from custodes.adapters.keys.store import KeyStore
from custodes.app.party_keys import read_witness
from custodes.app.replica import held, promoted_generation
from custodes.audit.checkpoint import LogKeys, LogSigner, log_keys, origin_of
from custodes.audit.log import MAX_PAGE, AuditLog
from custodes.audit.verify import verify_log
from custodes.config import KeyConfig, SitePaths, read_identity
from custodes.config.durable import replace_file, sync_folder
from custodes.errors import (
    AlreadyExists,
    CustodesError,
    FailedPrecondition,
    KeyMissing,
    NotFound,
    SiteMismatch,
)
from custodes.ports.clock import Clock
from custodes.sealing.published import key_id_of, read_pinned
from custodes.types.access import AuditKind, AuditRecord
from custodes.types.replica import FollowLog, LogFollowed
from custodes.units import CameraId, Ns

TELL_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Promoted:
    """What came of it."""

    generation: int
    size: int
    """Entries, with the one that tells of it."""
    was_told: bool
    """Whether the old warden knows, and writes nothing any more."""


def promote(
    folder: Path,
    *,
    source: Path | None,
    site: Path | None,
    may_lose: bool,
    keys_config: KeyConfig,
    environment: Mapping[str, str],
    clock: Clock,
) -> Promoted:
    """Make the replica in `folder` the writer; with `site` it takes its place there as `warden/`.

    Args:
        source: the old warden's socket, if it may still be there.
        may_lose: also where the old warden was followed asynchronously and cannot be asked what it still had.

    Raises: AlreadyExists (the replica runs; the site has a warden's folder), NotFound, FailedPrecondition,
        LogCorrupt, KeyMissing, SiteMismatch. Before the first mark nothing is changed; after it the same command goes
        on.
    """
    with held(folder):
        paths = SitePaths(folder)
        if site is not None:
            _check_place(paths, SitePaths(site))
        followed = _followed(folder)
        generation = promoted_generation(folder) or max(int(followed["generation"]) + 1, int(time.time()))
        keys = _pinned_keys(paths)
        report = verify_log(paths.warden_dir / "log.db", keys)
        was_told = source is not None and asyncio.run(_tell(folder, source, generation, mark=False))
        if not was_told and not followed["synchronous"] and not may_lose:
            raise FailedPrecondition(
                "the old warden cannot be asked, and it did not wait for this replica: it may have acknowledged "
                f"entries after the {report.size} that are here. Reach it (--from), or accept that (--may-lose)"
            )
        _open_keys(paths, keys_config, environment).close()  # before anything is marked: without them it is no use
        replace_file(folder / "promoted.json", json.dumps({"generation": generation, "size": report.size}).encode())
        if source is not None:
            was_told = asyncio.run(_tell(folder, source, generation, mark=True))
        size = _take_over(folder, paths, generation, was_told, keys_config, environment, clock)
        if site is not None:
            _move(paths, SitePaths(site))
        return Promoted(generation=generation, size=size, was_told=was_told)


def _check_place(ours: SitePaths, theirs: SitePaths) -> None:
    here, there = read_identity(ours.identity), read_identity(theirs.identity)
    if here is None or there is None or here.site_id != there.site_id:
        raise SiteMismatch(f"{theirs.data_dir} is not the data directory of the replica's site")
    if theirs.warden_dir.exists():
        raise AlreadyExists(f"{theirs.warden_dir} is there; move it away first: it is the old writer's")


def _followed(folder: Path) -> dict[str, int]:
    try:
        said = json.loads((folder / "follows.json").read_text())
        return {"generation": int(said["generation"]), "synchronous": bool(said["synchronous"])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NotFound(f"the replica in {folder} has never followed a warden: there is nothing to promote") from error


def _pinned_keys(paths: SitePaths) -> LogKeys:
    pinned = read_pinned(paths.warden_key)
    return log_keys(pinned.log_origin, pinned.log_key, pinned.log_mldsa_key)


async def _tell(folder: Path, source: Path, generation: int, *, mark: bool) -> bool:
    """Whether the old warden answers; with `mark` it is told of the generation, and writes nothing from then on."""
    name = read_witness(folder)[0].verifier.name
    try:
        async with asyncio.timeout(TELL_S):
            channel = await AsyncChannel.connect(source)
            try:
                if not mark:
                    return True
                told = FollowLog(name=name, size=0, root_hash=b"", generation=generation, stores={})
                await channel.send(told)
                expect(await channel.receive(), LogFollowed)
            finally:
                await channel.close()
    except FailedPrecondition:
        return True  # its answer to a generation above its own
    except (CustodesError, TimeoutError):
        return False
    raise FailedPrecondition(f"the warden at {source} is of a generation above {generation}; it was not told")


def _open_keys(paths: SitePaths, config: KeyConfig, environment: Mapping[str, str]) -> KeyStore:
    identity = read_identity(paths.identity)
    assert identity is not None
    if not (paths.warden_dir / "provider.json").exists() or not (paths.warden_dir / "keys.db").exists():
        raise KeyMissing(f"{paths.warden_dir} has no copy of the keys yet")
    provider, _ = open_provider(
        paths.warden_dir,
        config,
        passphrase=read_passphrase(environment),
        site_id=identity.site_id,
        environment=environment,
    )
    return KeyStore.open(
        paths.warden_dir / "keys.db", provider, context=identity.site_id.encode(), is_new_allowed=False
    )


def _take_over(
    folder: Path,
    paths: SitePaths,
    generation: int,
    was_told: bool,
    config: KeyConfig,
    environment: Mapping[str, str],
    clock: Clock,
) -> int:
    """The generation, and the entry; again is harmless. Returns the log's size."""
    identity = read_identity(paths.identity)
    assert identity is not None
    with contextlib.closing(_open_keys(paths, config, environment)) as keys:
        signer = LogSigner(origin_of(identity.site_id), keys.log_key(), keys.log_mldsa_key())
        log = AuditLog.open(paths.warden_dir / "log.db", signer, generation=generation)
        _destroy_again(log, keys, clock.now_ns())
    try:
        if log.size and log.read_of_kind(AuditKind.WARDEN_PROMOTED, log.size - 1, 1):
            return log.size
        details = {
            "replica": read_witness(folder)[0].verifier.name,
            "generation": str(generation),
            "entries": str(log.size),
            "old_warden": "was told" if was_told else "did not answer",
        }
        record = AuditRecord(
            kind=AuditKind.WARDEN_PROMOTED, actor="process:cli", subject=identity.site_id, details=details
        )
        return log.append([(record, clock.now_ns())])[0].index + 1
    finally:
        log.close()


def _destroy_again(log: AuditLog, keys: KeyStore, now_ns: Ns) -> None:
    """The copy of the keys may be older than the log's last word of them."""
    for start in range(0, log.size, MAX_PAGE):
        for entry in log.read_of_kind(AuditKind.KEYS_DESTROYED, start, MAX_PAGE):
            with contextlib.suppress(KeyMissing):  # never made here
                keys.destroy(key_id_of(CameraId(entry.record.subject), entry.record.details.get("day", "")), now_ns)


def _move(ours: SitePaths, theirs: SitePaths) -> None:
    """On one file system at once; else copied, made durable, and put there by one rename."""
    try:
        ours.warden_dir.rename(theirs.warden_dir)
    except OSError:
        fresh = theirs.data_dir / "warden.new"
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.copytree(ours.warden_dir, fresh)
        for path in fresh.iterdir():
            with path.open("rb") as stream:
                os.fsync(stream.fileno())
        fresh.chmod(0o700)
        sync_folder(fresh)
        fresh.rename(theirs.warden_dir)
    sync_folder(theirs.data_dir)
