"""Files that are only ever appended to. Errors are StorageFull and StorageFailed, never OSError."""

from pathlib import Path
from typing import Protocol


class AppendFile(Protocol):
    """One open file, owned by one thread."""

    @property
    def size(self) -> int:
        """Bytes appended so far, written whole or not at all."""
        ...

    def append(self, payload: bytes | memoryview) -> None:
        """Write all of it at the end, or raise with the file as long as before (its tail may hold rubbish on a
        disk that fails; `truncate` says so). Raises: StorageFull, StorageFailed."""
        ...

    def sync(self) -> None:
        """fdatasync: what was appended survives a power cut. Raises: StorageFailed."""
        ...

    def close(self) -> None:
        """Idempotent; syncs nothing."""
        ...


class Storage(Protocol):
    """A directory tree on a disk."""

    def create(self, path: Path) -> AppendFile:
        """A new file, with its directories, durable in its directory. Raises: StorageFull, StorageFailed (also when
        the file exists)."""
        ...

    def reopen(self, path: Path, size: int) -> AppendFile:
        """An existing file (made if absent), cut to `size` bytes. Raises: StorageFull, StorageFailed."""
        ...

    def remove(self, path: Path) -> None:
        """Unlink a file that holds nothing yet; failing to is no error."""
        ...

    def delete(self, path: Path) -> None:
        """Unlink a recording; one that is gone already is fine. Durable after `sync_dir`. Raises: StorageFailed."""
        ...

    def sync_dir(self, path: Path) -> None:
        """fsync of a directory. Raises: StorageFailed."""
        ...

    def free_bytes(self, path: Path) -> int:
        """Room for an unprivileged writer below `path`. Raises: StorageFailed."""
        ...
