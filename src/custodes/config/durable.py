"""Small files that are whole or not there, also after a power cut. Video goes through `ports.storage`."""

import os
from pathlib import Path


def replace_file(path: Path, payload: bytes, *, mode: int = 0o600) -> None:
    """Put `payload` at `path`: a reader sees what was there before or all of this, and it stays. Raises: OSError."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    # Exclusive, so that the mode is ours from the first byte on.
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(payload)
        stream.flush()
        os.fsync(stream.fileno())
    fresh.replace(path)
    sync_folder(path.parent)


def make_folder(folder: Path, *, mode: int = 0o777) -> None:
    """Make a folder and what is missing above it, each durable in its parent. Raises: OSError.

    `mkdir -p` alone is not enough: after a power cut a synced file in a folder that its parent does not know is gone.
    """
    missing, above = [], folder
    while not above.is_dir() and above != above.parent:
        missing.append(above)
        above = above.parent
    for one in reversed(missing):
        one.mkdir(mode=mode, exist_ok=True)
        sync_folder(one.parent)


def sync_folder(folder: Path) -> None:
    """Make new names in a folder durable. Raises: OSError."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
