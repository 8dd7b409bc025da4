"""Recordings on their way from the recorder's disk to a slower one, and copies of them to an S3-compatible store.

Move: copy → fsync → fsync folder → link beside the file → rename the link over it → fsync folder. The name in the data
directory stays and is either the file or a link to the whole copy: whoever reads finds a segment wherever it is, and
a crash leaves at most a copy that nobody links to, which the next move writes over. Only sealed segments move. What
is deleted, and when, is `retention`'s.
"""

import asyncio
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol

import structlog

from custodes.adapters.blob.slow import SlowDisk
from custodes.config import SitePaths
from custodes.config.durable import replace_file, sync_folder
from custodes.config.secret import read_secret
from custodes.config.tree import OffsiteConfig
from custodes.errors import ConfigError, CustodesError, NotFound, StorageFailed, StorageFull
from custodes.ports.blob import BlobStore
from custodes.ports.catalog_async import AsyncCatalog
from custodes.ports.clock import Clock
from custodes.record.compaction import current
from custodes.record.journal import DELETIONS, read_all
from custodes.types.event import SegmentDeleted
from custodes.types.media import Segment
from custodes.units import NS_PER_HOUR, NS_PER_S, CameraId, Ns

SWEEP_S = 30.0
BATCH = 200
"""Segments per camera and sweep; a camera makes one a minute."""
SLOW_RESERVE_BYTES = 256 * 2**20
"""Left free on the slower disk: below it, it counts as full."""
FORGET_NS = 3600 * NS_PER_S
"""How often copies elsewhere of what was deleted here are deleted too; without their keys nobody could read them."""
TIER_FILE = "custodes-tier.json"


def open_slow_disk(paths: SitePaths, folder: Path, site_id: str) -> SlowDisk:
    """The slower disk of this site. On first use a file on it is made that names the site; from then on it has to be
    there, so that an unmounted disk is not mistaken for an empty one.

    Raises: StorageFailed when the folder is missing, another site's, or not the one used before.
    """
    known, marker = paths.data_dir / "tier.json", folder / TIER_FILE
    try:
        if not folder.is_dir():
            raise StorageFailed(f"the slower disk's folder {folder} is not there; make it, or mount its disk")
        if not known.exists() and not marker.exists():
            tree = json.dumps({"site_id": site_id, "tier_id": secrets.token_hex(8)}).encode()
            replace_file(marker, tree)
            replace_file(known, tree)
        if not marker.is_file():
            raise StorageFailed(f"{marker} is not there: the slower disk is not mounted")
        found = json.loads(marker.read_bytes())
        if found["site_id"] != site_id:
            raise StorageFailed(f"{folder} is the slower disk of site {found['site_id']}, not of {site_id}")
        if not known.exists():
            replace_file(known, marker.read_bytes())
        if json.loads(known.read_bytes()) != found:
            raise StorageFailed(f"{folder} is not the slower disk that was used before")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StorageFailed(f"the slower disk {folder} cannot be used: {error}") from error
    return SlowDisk(folder, anchor=marker)


def open_offsite(config: OffsiteConfig, environ: Mapping[str, str]) -> BlobStore:
    """The store elsewhere. Raises: ConfigError when boto3 is missing or a credential's reference leads nowhere."""
    try:
        from custodes.adapters.blob.s3 import S3Store  # boto3 is optional, and takes half a second to import
    except ImportError as error:
        raise ConfigError("tiers.offsite needs boto3: pip install 'custodes[s3]'") from error
    return S3Store(
        endpoint=config.endpoint,
        bucket=config.bucket,
        region=config.region,
        access_key=read_secret("tiers.offsite.access_key", config.access_key, environ),
        secret_key=read_secret("tiers.offsite.secret_key", config.secret_key, environ),
    )


class TierSweeper:
    """One task of the server's; `sweep` once, or `run` for ever."""

    def __init__(
        self,
        *,
        paths: SitePaths,
        catalog: AsyncCatalog,
        clock: Clock,
        lock: asyncio.Lock,
        slow: "SlowTier | None",
        offsite: "OffsiteTier | None",
    ) -> None:
        """`lock`: retention's, so that nothing is moved while it is being deleted."""
        self._paths = paths
        self._catalog = catalog
        self._clock = clock
        self._lock = lock
        self._tiers: list[Tier] = [tier for tier in (slow, offsite) if tier is not None]
        self._offsite = offsite
        self._next_forget_ns = 0
        self._from_ns: dict[tuple[str, CameraId], Ns] = {}
        self._told = ""
        self._log = structlog.get_logger()

    async def run(self) -> None:
        """Sweep for ever; what fails is told once and tried again."""
        while True:
            try:
                await self.sweep()
                self._told = ""
            except CustodesError as error:
                if str(error) != self._told:
                    self._log.error("recordings stay where they are", error=str(error))
                self._told = str(error)
            await asyncio.sleep(SWEEP_S)

    async def sweep(self) -> int:
        """Take every segment that is due to where it belongs; returns how many.

        Raises: StorageFailed, StorageFull, after every tier had its turn: a store that is away keeps nothing here.
        """
        taken, failure = 0, None
        for tier in self._tiers:
            try:
                for camera_id in await self._catalog.totals():
                    taken += await self._sweep_camera(tier, camera_id)
                tier.is_failing = False
            except (StorageFailed, StorageFull) as error:
                tier.is_failing = isinstance(error, StorageFailed)
                failure = failure or error
        if failure is None and self._offsite is not None and self._clock.monotonic_ns() >= self._next_forget_ns:
            await asyncio.to_thread(self._offsite.forget, current(self._paths.journal_dir, DELETIONS))
            self._next_forget_ns = self._clock.monotonic_ns() + FORGET_NS
        if failure is not None:
            raise failure
        return taken

    async def _sweep_camera(self, tier: "Tier", camera_id: CameraId) -> int:
        before_ns = Ns(self._clock.now_ns() - (0 if await asyncio.to_thread(tier.is_pressed) else tier.after_ns))
        place, taken = (tier.name, camera_id), 0
        while True:
            begun_ns = self._from_ns.get(place, Ns(0))
            found = await self._catalog.segments(camera_id, begun_ns, before_ns, BATCH)
            due = [one for one in found if one.is_sealed and one.end_ns <= before_ns]
            for segment in due:
                async with self._lock:
                    taken += await asyncio.to_thread(tier.take, self._paths, segment)
                # Not beyond its start: those that begin with it are looked at again, which is harmless.
                self._from_ns[place] = max(begun_ns, segment.header.start_ns)
            if len(found) < BATCH or self._from_ns.get(place, Ns(0)) == begun_ns:
                return taken


class Tier(Protocol):
    """Where segments go after some time."""

    name: str
    after_ns: int
    is_failing: bool

    def is_pressed(self) -> bool:
        """Whether they have to go at once."""
        ...

    def take(self, paths: SitePaths, segment: Segment) -> bool:
        """Take one; False when it is there already or gone. Raises: StorageFailed, StorageFull."""
        ...


class SlowTier:
    """Moves to the slower disk: after `after_h`, or at once while the recorder's disk gets full."""

    name = "slow"

    def __init__(self, disk: SlowDisk, *, after_h: float, data_dir: Path, min_free_bytes: int) -> None:
        self.after_ns = int(after_h * NS_PER_HOUR)
        self.is_failing = False
        self._disk = disk
        self._data_dir = data_dir
        self._min_free_bytes = min_free_bytes

    def is_pressed(self) -> bool:
        """See `Tier`. Earlier than retention would delete (twice the recorder's least room)."""
        status = os.statvfs(self._data_dir)
        return status.f_bavail * status.f_frsize < 3 * self._min_free_bytes

    def has_room(self) -> bool:
        """Whether the slower disk can, and does, take what the faster one has to give away."""
        return not self.is_failing and self._free_bytes() > SLOW_RESERVE_BYTES

    def is_full(self) -> bool:
        """Whether it is there and takes no more: then room has to be made on it."""
        return 0 <= self._free_bytes() <= SLOW_RESERVE_BYTES

    def _free_bytes(self) -> int:
        """-1 when it is not there."""
        try:
            return self._disk.free_bytes()
        except (StorageFailed, StorageFull):
            return -1

    def take(self, paths: SitePaths, segment: Segment) -> bool:
        """See `Tier`."""
        path = paths.data_dir / segment.path
        if path.is_symlink() or not path.is_file():
            return False
        if self._disk.free_bytes() < SLOW_RESERVE_BYTES + segment.bytes_on_disk:
            raise StorageFull(f"the slower disk has no room for {path.name}")
        self._disk.put(segment.path, path)
        link = path.with_name(f"{path.name}.link")
        try:
            link.unlink(missing_ok=True)
            link.symlink_to(self._disk.path(segment.path))
            link.replace(path)
            sync_folder(path.parent)
        except OSError as error:
            raise StorageFailed(f"cannot put a link in the place of {path.name}: {error.strerror}") from error
        return True

    def forget(self, path: Path, key: str) -> bool:
        """Before a link is deleted: delete what it leads to. False when it is none of ours."""
        if path.readlink() != self._disk.path(key):
            return False
        self._disk.delete(key)
        return True


class OffsiteTier:
    """Copies to a store elsewhere, and deletes there what the site deleted."""

    name = "offsite"

    def __init__(self, store: BlobStore, *, after_h: float, site_id: str) -> None:
        self.after_ns = int(after_h * NS_PER_HOUR)
        self.is_failing = False
        self._store = store
        self._prefix = f"{site_id}/"
        self._there: set[str] | None = None

    def is_pressed(self) -> bool:
        """See `Tier`."""
        return False

    def take(self, paths: SitePaths, segment: Segment) -> bool:
        """See `Tier`."""
        there = self._known()
        if segment.path in there:
            return False
        try:
            self._store.put(self._prefix + segment.path, paths.data_dir / segment.path)
        except NotFound:
            return False  # deleted since we looked
        there.add(segment.path)
        return True

    def forget(self, deletions: Path) -> None:
        """Delete copies of what the journal of deletions names. Raises: StorageFailed, DataLoss."""
        there = self._known()
        deleted = {record.path for record in read_all(deletions)[0] if isinstance(record, SegmentDeleted)}
        for path in sorted(deleted & there):
            self._store.delete(self._prefix + path)
            there.discard(path)

    def paths(self) -> Iterator[str]:
        """Of all segments that are there."""
        return iter(sorted(self._known().copy()))

    def _known(self) -> set[str]:
        if self._there is None:
            self._there = {key.removeprefix(self._prefix) for key in self._store.keys(self._prefix)}
        return self._there
