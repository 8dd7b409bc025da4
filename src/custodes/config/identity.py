"""Who a data directory belongs to: `site.json`, written once by the supervisor and never changed after.

The lock and the check of the directory's permissions are in `runtime.data_dir`.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import msgspec

from custodes.config.durable import sync_folder
from custodes.errors import SiteMismatch
from custodes.units import Ns

IDENTITY_KIND = "custodes-site"
_MAX_IDENTITY_BYTES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteIdentity:
    """The site that owns a data directory. `site_id`: 16 hex digits, random, made once."""

    site_id: str
    name: str
    created_ns: Ns
    kind: str = IDENTITY_KIND
    format: int = 1


def read_identity(path: Path) -> SiteIdentity | None:
    """The identity in `site.json`, or None when there is no such file.

    Raises: SiteMismatch when the file is not one of ours, or of a newer layout.
    """
    try:
        with path.open("rb") as stream:
            identity = msgspec.json.decode(stream.read(_MAX_IDENTITY_BYTES), type=SiteIdentity)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        raise SiteMismatch(f"{path} is not the identity of a custodes site: {error}") from error
    if identity.kind != IDENTITY_KIND or not identity.site_id:
        raise SiteMismatch(f"{path} says it is a {identity.kind!r}; expected {IDENTITY_KIND!r}")
    if identity.format != 1:
        raise SiteMismatch(f"{path} has layout {identity.format}; this custodes reads layout 1")
    return identity


def write_identity(path: Path, identity: SiteIdentity) -> None:
    """Create `site.json` durably. Raises: FileExistsError if there is one already; it is never replaced."""
    # Linked into place rather than renamed, so that two first starts cannot both win.
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    with fresh.open("wb") as stream:
        stream.write(msgspec.json.format(msgspec.json.encode(identity), indent=1))
        stream.flush()
        os.fsync(stream.fileno())
    try:
        os.link(fresh, path)
    finally:
        fresh.unlink()
    sync_folder(path.parent)
