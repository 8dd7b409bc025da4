"""Whole sealed files kept elsewhere than on the recorder's disk: a slower disk, an S3-compatible store.

What is put is ciphertext; a store is never trusted with anything else.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol


class BlobStore(Protocol):
    """Files under keys such as `segments/gate/20260301/<id>.seg`. Used by one thread at a time."""

    def put(self, key: str, source: Path) -> None:
        """Store the file; when it returns, the whole of it is durable under the key, or nothing is.

        Raises: StorageFull, StorageFailed, NotFound when `source` is gone.
        """
        ...

    def get(self, key: str, target: Path) -> None:
        """Fetch into a new file, durable. Raises: NotFound, StorageFailed; then there is no target."""
        ...

    def size(self, key: str) -> int | None:
        """Bytes stored under the key, None when there is nothing. Raises: StorageFailed."""
        ...

    def delete(self, key: str) -> None:
        """Idempotent. Raises: StorageFailed."""
        ...

    def keys(self, prefix: str) -> Iterator[str]:
        """All keys with that prefix, in order. Raises: StorageFailed."""
        ...
