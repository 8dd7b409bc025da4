"""Files of condemned segments: unlinked, their directories synced, the deletion noted in a journal of its own.

Blocking; called in a thread, one call at a time. What goes is decided elsewhere.
"""

import contextlib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path

import structlog

from custodes.app.kept_names import kept_in
from custodes.config import SitePaths
from custodes.errors import CustodesError, SealBroken, StorageFailed, StorageFull
from custodes.ports.catalog import Garbage
from custodes.ports.storage import Storage
from custodes.record.compaction import MIN_BYTES, compact_deletions, current
from custodes.record.journal import DELETIONS, JournalWriter
from custodes.sealing.container import read_header
from custodes.types.event import SegmentDeleted
from custodes.types.media import SegmentHeader
from custodes.units import CameraId, KeyId, SegmentId


class GarbageFiles:
    """The segment files of one site, as far as deleting needs them."""

    def __init__(
        self,
        paths: SitePaths,
        site_id: str,
        storage: Storage,
        forget_moved: Callable[[Path, str], bool] | None = None,
        *,
        copies: Callable[[], Iterable[str]] | None = tuple,
        compact_bytes: int = MIN_BYTES,
    ) -> None:
        """
        Args:
            forget_moved: deletes what a link leads to; False when the link is not ours (`tiers.SlowTier.forget`).
            copies: paths of the segments that have a copy elsewhere; None when nobody can tell.
            compact_bytes: size from which on the journal is written anew, when most of it is outdated.
        """
        self._paths = paths
        self._site_id = site_id
        self._storage = storage
        self._forget_moved = forget_moved or _no_slower_disk
        self._journal: JournalWriter | None = None
        self._copies = copies
        self._compact_bytes = self._compact_at_bytes = compact_bytes
        self._log = structlog.get_logger()

    def close(self) -> None:
        """Idempotent."""
        if self._journal is not None:
            self._journal.close()
            self._journal = None

    def is_there(self, camera_id: CameraId) -> bool:
        """Whether the camera's folder is. When it is not, its disk may be unmounted: nothing is to be concluded."""
        return (self._paths.segments / camera_id).is_dir()

    def delete(self, garbage: Sequence[Garbage]) -> list[Garbage]:
        """Unlink, sync, note in the journal; returns what is gone for good, or was never ours to delete.

        What cannot be deleted, synced or noted now is left for the next time. Raises: DataLoss (a damaged journal).
        """
        folders: dict[Path, list[Garbage]] = defaultdict(list)
        done: list[Garbage] = []
        for one in garbage:
            path = self._paths.data_dir / one.path
            if self._is_foreign(one, path):
                self._log.error("file is not the segment that the catalog knows; left alone", path=one.path)
                done.append(one)
                continue
            if not self.is_there(one.camera_id):
                continue
            try:
                if path.is_symlink() and not self._forget_moved(path, one.path):
                    self._log.error("link leads to where no segment of ours lies; left alone", path=one.path)
                    done.append(one)
                    continue
                self._storage.delete(path)
            except StorageFailed as error:
                self._log.error("segment file cannot be deleted", error=str(error))
                continue
            folders[path.parent].append(one)
            self._forget_sketches(one)
        for folder, members in folders.items():
            try:
                if folder.is_dir():
                    self._storage.sync_dir(folder)
            except StorageFailed as error:
                self._log.error("directory cannot be synced", error=str(error))
                continue
            if self._note(members):
                done += members
        return done

    def _forget_sketches(self, one: Garbage) -> None:
        """What leak traces and analysers sketched of it: a file that covers more goes whole, a trace makes it anew."""
        folder = self._paths.index / one.camera_id
        covering = [kept.path for kept in kept_in(folder, "skx") if not kept.distance_ns(one.start_ns, one.end_ns)]
        for path in (folder / f"{one.segment_id}.idx", *covering):
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)

    def has_stray(self, camera_id: CameraId, key_id: KeyId, known: Collection[SegmentId]) -> bool:
        """Whether a file that the catalog does not know may need the key. O(files of the camera)."""
        for path in (self._paths.segments / camera_id).glob("*/*.seg"):
            if path.stem in known:
                continue
            header = _header(path)
            if header is None or header.key_id == key_id:
                self._log.warning("an unknown file keeps a key", path=path.name, key_id=key_id)
                return True
        return False

    def remove_day(self, camera_id: CameraId, day: str) -> None:
        """Remove the folder of a past day, if it is empty."""
        with contextlib.suppress(OSError):
            (self._paths.segments / camera_id / day).rmdir()

    def _is_foreign(self, one: Garbage, path: Path) -> bool:
        """A path that leads elsewhere, or a file whose header names another segment. A damaged one is ours."""
        parts = Path(one.path).parts
        if len(parts) != 4 or parts[:2] != ("segments", one.camera_id) or parts[3] != f"{one.segment_id}.seg":
            return True
        if ".." in parts:
            return True
        header = _header(path)
        return header is not None and (header.segment_id, header.site_id) != (one.segment_id, self._site_id)

    def _note(self, members: Sequence[Garbage]) -> bool:
        if self._journal is not None and self._journal.size >= self._compact_at_bytes and not self._journal.pending:
            self.close()
        try:
            if self._journal is None:
                self._journal = JournalWriter(self._storage, self._journal_path())
                self._compact_at_bytes = max(self._compact_bytes, 2 * self._journal.size)
        except (StorageFull, StorageFailed) as error:
            self._log.error("deletions cannot be noted", error=str(error))
            return False
        return self._journal.extend(
            SegmentDeleted(camera_id=one.camera_id, segment_id=one.segment_id, path=one.path) for one in members
        )

    def _journal_path(self) -> Path:
        """Written anew first when it is large and mostly outdated; while that fails it grows on."""
        folder = self._paths.journal_dir
        try:
            if self._copies is not None:
                return compact_deletions(self._storage, folder, self._copies, min_bytes=self._compact_bytes)
        except CustodesError as error:
            self._log.warning("the journal of deletions stays as long as it is", error=str(error))
        return current(folder, DELETIONS)


def _no_slower_disk(path: Path, key: str) -> bool:
    raise StorageFailed(f"{key} lies on a slower disk, which is not configured or not there; it is deleted later")


def _header(path: Path) -> SegmentHeader | None:
    try:
        with path.open("rb") as stream:
            return read_header(stream)
    except (OSError, SealBroken):
        return None
