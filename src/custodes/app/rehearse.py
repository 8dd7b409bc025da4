"""A disaster rehearsed: a backup restored into a scratch folder, looked at as a person would, and thrown away.

What a restore proves by itself (shares, manifest, the log against its pinned key) is not enough for the day it is
needed: here the restored keys open footage, the catalog is read by today's program, every segment is compared with its
seal, and the time it took is said. The folder holds the site's keys in clear terms of a key file while it lasts.
"""

import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from custodes.adapters.keys.file import open_file_provider
from custodes.adapters.keys.store import KeyStore
from custodes.adapters.sql import sqlite_catalog
from custodes.app.backup import trusted_keys, verify_backup
from custodes.app.backup_format import Manifest
from custodes.app.restore import Restored, restore_site
from custodes.audit.verify import verify_log
from custodes.config import SitePaths
from custodes.errors import CustodesError, DataLoss, KeyMissing
from custodes.record.verify import Depth, verify_segments
from custodes.runtime.clock import SystemClock
from custodes.sealing.container import read_fragment, read_header, scan_fragments
from custodes.sealing.shares import Share
from custodes.sealing.unwrap import unwrap_data_key

SAMPLE = 200
"""Segments that are opened, spread over all: a key that opens one of a camera-day opens all of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsed:
    """What was found. `wrong`: sentences; empty when the site would come back."""

    manifest: Manifest
    restored: Restored | None
    seconds: float
    cameras: int
    accounts: int
    log_size: int
    segments: int
    opened: int
    destroyed: int
    """Segments of the sample whose keys were destroyed, as they should be."""
    wrong: tuple[str, ...]


def rehearse(backup: Path, shares: Sequence[Share], scratch: Path, now_ns: int) -> Rehearsed:
    """Restore into a folder of its own below `scratch`, look, remove it.

    Raises: DataLoss, InvalidArgument, SealBroken, LogCorrupt when there is nothing to look at.
    """
    began = time.monotonic()
    manifest, wrong = verify_backup(backup)
    if wrong:
        raise DataLoss(f"{len(wrong)} files of the backup are not as they were stored, the first: {wrong[0]}")
    with TemporaryDirectory(dir=scratch, prefix=".custodes-rehearsal-") as name:
        paths = SitePaths(Path(name) / "site")
        restored = restore_site(backup, paths.data_dir, shares, passphrase=None, newer_log=None, now_ns=now_ns)
        seconds = time.monotonic() - began
        log = verify_log(paths.warden_dir / "log.db", trusted_keys(paths))
        cameras, accounts = _read_catalog(paths, manifest)
        report = verify_segments(paths.data_dir, Depth.HASH) if manifest.segments else None
        if report is not None:
            wrong += [f"{one.path} {one.detail}" for one in report.problems]
        opened, destroyed, shut = _open_some(paths, manifest)
        return Rehearsed(
            manifest=manifest,
            restored=restored,
            seconds=seconds,
            cameras=cameras,
            accounts=accounts,
            log_size=log.size,
            segments=report.segments if report is not None else 0,
            opened=opened,
            destroyed=destroyed,
            wrong=(*wrong, *shut),
        )


def _read_catalog(paths: SitePaths, manifest: Manifest) -> tuple[int, int]:
    """By today's program, which brings an older schema up first: cameras and accounts."""
    if not paths.catalog.exists():
        raise DataLoss("the backup holds no catalog")
    with closing(sqlite_catalog(paths.catalog, site_id=manifest.site_id, clock=SystemClock())) as catalog:
        return len(catalog.cameras()), len(catalog.accounts())


def _open_some(paths: SitePaths, manifest: Manifest) -> tuple[int, int, list[str]]:
    """Decrypt all of some segments: how many, of how many the key is gone, and what does not open."""
    every = sorted(paths.segments.glob("*/*/*.seg"))
    step = max(1, -(-len(every) // SAMPLE))
    opened, destroyed, wrong = 0, 0, list[str]()
    provider = open_file_provider(paths.warden_dir, None)
    store = KeyStore.open(
        paths.warden_dir / "keys.db", provider, context=manifest.site_id.encode(), is_new_allowed=False
    )
    with closing(store):
        for path in every[::step]:
            try:
                with path.open("rb") as stream:
                    header = read_header(stream)
                    data_key = unwrap_data_key(store.private(header.key_id), header)
                    for fragment in scan_fragments(stream):
                        read_fragment(stream, header, data_key, fragment)
            except KeyMissing:
                destroyed += 1
            except CustodesError as error:
                wrong.append(f"{path.relative_to(paths.data_dir)} cannot be opened: {error}")
            else:
                opened += 1
    return opened, destroyed, wrong
