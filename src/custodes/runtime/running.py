"""Which sites of this user run, so that `custodes status` needs no argument: one small file per running site.

A hint only: the flock in the data directory decides, and a left-over file is ignored and removed.
"""

import contextlib
import hashlib
import os
from pathlib import Path

from custodes.runtime.data_dir import make_run_dir, running_pid

MAX_SITES = 64


def register_dir() -> Path:
    """Where the hints lie: `$XDG_RUNTIME_DIR/custodes`, else a private directory under /tmp."""
    base = os.environ.get("XDG_RUNTIME_DIR", "")
    if base and Path(base).is_dir():
        return Path(base) / "custodes"
    return Path(f"/tmp/custodes-{os.getuid()}")  # nosec B108  # noqa: S108 - made 0700 and checked before use


def register(data_dir: Path) -> None:
    """Say that a site runs on `data_dir`. Raises: FailedPrecondition when the register is somebody else's."""
    make_run_dir(register_dir())
    _entry(data_dir).write_text(f"{data_dir}\n", encoding="utf-8")


def unregister(data_dir: Path) -> None:
    """Idempotent."""
    with contextlib.suppress(OSError):
        _entry(data_dir).unlink(missing_ok=True)


def running_sites() -> list[Path]:
    """Data directories of this user's running sites, at most `MAX_SITES`."""
    found: list[Path] = []
    folder = register_dir()
    try:
        if folder.lstat().st_uid != os.getuid():
            return []
        entries = sorted(folder.glob("*.site"))
    except OSError:
        return []
    for entry in entries[:MAX_SITES]:
        with contextlib.suppress(OSError):
            data_dir = Path(entry.read_text(encoding="utf-8").strip())
            if running_pid(data_dir) is not None:
                found.append(data_dir)
            else:
                entry.unlink(missing_ok=True)
    return found


def _entry(data_dir: Path) -> Path:
    return register_dir() / f"{hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:16]}.site"
