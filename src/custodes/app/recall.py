"""Sealed segments back from the store elsewhere: fetched beside, checked against what was sealed, then named.

Ciphertext only; who may open it is the warden's business as ever. When and for whom is `serving.recall`'s and the
CLI's.
"""

import os
from collections.abc import Iterable
from pathlib import Path

from custodes.config import SitePaths, read_identity
from custodes.config.durable import make_folder, sync_folder
from custodes.errors import DataLoss, SiteMismatch, StorageFailed, StorageFull
from custodes.ports.blob import BlobStore
from custodes.ports.storage import Storage
from custodes.record.intact import hash_problem
from custodes.types.media import Segment

FOLDER = "recall.tmp"
"""In the data directory, so that a whole file is renamed to its place; nothing in it counts."""


class Recall:
    """Fetches from one store. Used by one thread at a time."""

    def __init__(
        self, *, store: BlobStore, paths: SitePaths, site_id: str, storage: Storage, min_free_bytes: int = 0
    ) -> None:
        """`min_free_bytes`: left on the disk for what is being recorded."""
        self._store = store
        self._paths = paths
        self._site_id = site_id
        self._storage = storage
        self._min_free_bytes = min_free_bytes
        self._folder = paths.data_dir / FOLDER

    def missing(self, segments: Iterable[Segment]) -> list[Segment]:
        """Those that were sealed with something in them and cannot be read here, in the order given. 3 µs each.

        A link that leads nowhere (the slower disk is away) counts as missing.
        """
        return [
            one
            for one in segments
            if one.is_sealed and one.bytes_on_disk and not os.access(self._paths.data_dir / one.path, os.R_OK)
        ]

    def fetch(self, segment: Segment) -> Path:
        """Fetch one into a file of its own and check every byte of it; `place` gives it its name.

        Raises: NotFound when there is no copy; DataLoss when the copy is not what was sealed; SiteMismatch when the
            data directory is not this site's; StorageFull when it would take room from recording; StorageFailed.
        """
        identity = read_identity(self._paths.identity)
        if identity is None or identity.site_id != self._site_id:
            raise SiteMismatch(f"{self._paths.data_dir} is not the data directory of site {self._site_id}")
        if self._storage.free_bytes(self._paths.data_dir) < segment.bytes_on_disk + self._min_free_bytes:
            raise StorageFull(f"no room to fetch {segment.path} back ({segment.bytes_on_disk / 1e6:.1f} MB)")
        try:
            make_folder(self._folder, mode=0o700)
        except OSError as error:
            raise StorageFailed(f"cannot make {self._folder.name}: {error.strerror}") from error
        target = self._folder / f"{segment.header.camera_id}-{segment.header.segment_id}"
        self._store.get(f"{self._site_id}/{segment.path}", target)
        size = target.stat().st_size
        problem = hash_problem(target, segment)
        if not problem and size != segment.bytes_on_disk:
            problem = f"has {size} bytes; {segment.bytes_on_disk} were sealed"
        if problem:
            target.unlink(missing_ok=True)
            raise DataLoss(f"the copy of {segment.path} elsewhere {problem}")
        return target

    def place(self, segment: Segment, fetched: Path) -> None:
        """Give a fetched file its name, durably, also where a link leads nowhere. Raises: StorageFailed."""
        path = self._paths.data_dir / segment.path
        try:
            make_folder(path.parent)
            fetched.replace(path)
            sync_folder(path.parent)
        except OSError as error:
            raise StorageFailed(f"cannot put {path.name} in its place: {error.strerror}") from error

    def clear(self) -> None:
        """Drop what a crash left half fetched."""
        for left in self._folder.glob("*"):
            left.unlink(missing_ok=True)
