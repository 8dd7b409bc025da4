"""Which cameras a recorder and its analysers work on: a small file, replaced atomically by the server.

It outlives the server, so that recording starts without it.
"""

from dataclasses import dataclass
from pathlib import Path

import msgspec

from custodes.config.durable import replace_file
from custodes.errors import ConfigError
from custodes.types.message import CameraSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """All cameras; `version` grows with each change."""

    version: int
    cameras: tuple[CameraSpec, ...]


def write_assignment(path: Path, assignment: Assignment) -> None:
    """Replace the file so that a reader sees the old or the new one, also after a power cut."""
    replace_file(path, msgspec.json.encode(assignment))


def read_assignment(path: Path) -> Assignment:
    """The current assignment; an empty one when no server has written any. Raises: ConfigError."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Assignment)
    except FileNotFoundError:
        return Assignment(version=0, cameras=())
    except (OSError, msgspec.MsgspecError) as error:
        raise ConfigError(f"{path} cannot be used: {error}") from error
