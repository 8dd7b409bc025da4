"""`ports.blob.BlobStore` on another disk: a folder in which each key is a path."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from custodes.adapters.blob.disk import Disk, translated
from custodes.config.durable import make_folder
from custodes.errors import InvalidArgument, NotFound

_PART = ".part"


class SlowDisk:
    """A folder on a slower or larger disk. `root` is made on first use and guarded by `anchor` against unmounting."""

    def __init__(self, root: Path, *, anchor: Path | None = None) -> None:
        """`anchor`: see `disk.Disk`. Raises: StorageFailed when it is not there."""
        self._root = root
        self._disk = Disk(anchor=anchor)

    def path(self, key: str) -> Path:
        """Where a key lies. Raises: InvalidArgument for one that leads elsewhere."""
        parts = Path(key).parts
        if not parts or Path(key).is_absolute() or ".." in parts or key.endswith(_PART):
            raise InvalidArgument(f"{key[:200]!r} is no key of a stored file")
        return self._root / key

    def put(self, key: str, source: Path) -> None:
        """See the port."""
        target = self.path(key)
        part = target.with_name(target.name + _PART)
        if not source.is_file():
            raise NotFound(f"{source.name} is not there to be moved")
        self._disk.require_mounted()
        with translated("write", target):
            make_folder(target.parent)
            try:
                with source.open("rb") as reading, part.open("wb") as writing:
                    shutil.copyfileobj(reading, writing, 1 << 20)
                    writing.flush()
                    os.fsync(writing.fileno())
                part.replace(target)
            except OSError:
                part.unlink(missing_ok=True)
                raise
        self._disk.sync_dir(target.parent)

    def get(self, key: str, target: Path) -> None:
        """See the port."""
        source = self.path(key)
        if not source.is_file():
            raise NotFound(f"nothing is stored under {key}")
        SlowDisk(target.parent).put(target.name, source)

    def size(self, key: str) -> int | None:
        """See the port."""
        path = self.path(key)
        with translated("look at", path):
            return path.stat().st_size if path.is_file() else None

    def delete(self, key: str) -> None:
        """See the port."""
        path = self.path(key)
        self._disk.require_mounted()
        self._disk.delete(path)
        if path.parent.is_dir():
            self._disk.sync_dir(path.parent)

    def keys(self, prefix: str) -> Iterator[str]:
        """See the port."""
        for path in sorted(self._root.rglob("*")):
            key = str(path.relative_to(self._root))
            if path.is_file() and key.startswith(prefix) and not key.endswith(_PART):
                yield key

    def free_bytes(self) -> int:
        """Room for more. Raises: StorageFailed, also when the disk is not mounted."""
        self._disk.require_mounted()
        with translated("make", self._root):
            make_folder(self._root)
        return self._disk.free_bytes(self._root)
