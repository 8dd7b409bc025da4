"""Reading and writing the fleet's files: bounded, whole or not at all. For server and command."""

from pathlib import Path

from custodes.config.durable import make_folder, replace_file
from custodes.errors import InvalidArgument, StorageFailed


def write_file(path: Path, payload: bytes) -> None:
    """Replace a file of the fleet's (0600 in a 0700 folder). Raises: StorageFailed."""
    try:
        make_folder(path.parent, mode=0o700)
        replace_file(path, payload)
    except OSError as error:
        raise StorageFailed(f"{path} cannot be written: {(error.strerror or 'failed').lower()}") from error


def read_bounded(path: Path, limit: int) -> bytes:
    """A whole file. Raises: InvalidArgument when it is larger than `limit` bytes, StorageFailed."""
    try:
        with path.open("rb") as stream:
            payload = stream.read(limit + 1)
    except OSError as error:
        raise StorageFailed(f"{path} cannot be read: {(error.strerror or 'failed').lower()}") from error
    if len(payload) > limit:
        raise InvalidArgument(f"{path} is larger than {limit} bytes")
    return payload
