"""`ports.storage` on a local file system."""

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from custodes.config.durable import make_folder
from custodes.errors import StorageFailed, StorageFull
from custodes.ports.storage import AppendFile

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_MODE = 0o640


class DiskFile:
    """One file descriptor opened for appending."""

    def __init__(self, fd: int, path: Path, size: int) -> None:
        self._fd = fd
        self._path = path
        self._size = size

    @property
    def size(self) -> int:
        """See the port."""
        return self._size

    def append(self, payload: bytes | memoryview) -> None:
        """See the port."""
        view = memoryview(payload)
        try:
            with translated("write to", self._path):
                while view:
                    view = view[os.write(self._fd, view) :]
        except (StorageFull, StorageFailed):
            # Half a record would be ignored by readers; cutting it lets the next record follow.
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, self._size)
                os.lseek(self._fd, 0, os.SEEK_END)
            raise
        self._size += len(payload)

    def sync(self) -> None:
        """See the port."""
        with translated("sync", self._path):
            os.fdatasync(self._fd)

    def close(self) -> None:
        """See the port."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            with contextlib.suppress(OSError):
                os.close(fd)


class Disk:
    """`ports.storage.Storage` over the kernel's file calls."""

    def __init__(self, *, anchor: Path | None = None) -> None:
        """`anchor`: a file of this disk that is never replaced. While another or none is in its place, the disk was
        unmounted, and nothing is created: it would fill the disk below and be hidden by the next mount.

        Raises: StorageFailed when it is not there.
        """
        self._anchor = anchor
        self._anchor_id = None if anchor is None else _id_of(anchor)

    def require_mounted(self) -> None:
        """Raises: StorageFailed while the anchor is not the file that it was."""
        if self._anchor is not None and _id_of(self._anchor) != self._anchor_id:
            raise StorageFailed(f"{self._anchor} is not the file it was: another disk is mounted there")

    def create(self, path: Path) -> AppendFile:
        """See the port."""
        self.require_mounted()
        with translated("create", path):
            make_folder(path.parent)
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, _MODE)
        created = DiskFile(fd, path, 0)
        try:
            self.sync_dir(path.parent)
        except (StorageFull, StorageFailed):
            created.close()
            self.remove(path)
            raise
        return created

    def reopen(self, path: Path, size: int) -> AppendFile:
        """See the port."""
        self.require_mounted()
        with translated("open", path):
            make_folder(path.parent)
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, _MODE)
            try:
                os.ftruncate(fd, size)
                os.fsync(fd)
            except OSError:
                os.close(fd)
                raise
        self.sync_dir(path.parent)
        return DiskFile(fd, path, size)

    def remove(self, path: Path) -> None:
        """See the port."""
        with contextlib.suppress(OSError):
            path.unlink()

    def delete(self, path: Path) -> None:
        """See the port."""
        with translated("delete", path):
            path.unlink(missing_ok=True)

    def sync_dir(self, path: Path) -> None:
        """See the port."""
        with translated("sync", path):
            fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)

    def free_bytes(self, path: Path) -> int:
        """See the port."""
        with translated("look at", path):
            status = os.statvfs(path)
        return status.f_bavail * status.f_frsize


def _id_of(path: Path) -> tuple[int, int]:
    with translated("find", path):
        status = path.stat()
    return status.st_dev, status.st_ino


@contextlib.contextmanager
def translated(verb: str, path: Path) -> Iterator[None]:
    """OSError as StorageFull or StorageFailed, saying what could not be done to which file."""
    try:
        yield
    except OSError as error:
        message = f"cannot {verb} {path.name}: {(error.strerror or str(error)).lower()}"
        if error.errno in _NO_ROOM:
            raise StorageFull(message) from error
        raise StorageFailed(message) from error
