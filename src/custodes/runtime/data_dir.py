"""Takes possession of a data directory: identity, lock, run directory, permissions. The supervisor alone does this.

**Invariant:** while a supervisor lives it holds the flock on `lock`; nobody else starts on the same directory, and
the kernel lets go of it however the supervisor ends.

A file server that machines share lets go of it, too, when it has not heard of one for long, which may only have been
paused. So each taking over has a number, the *generation*, that only grows: what writes the log compares it with the
newest there (`audit.log`), and a supervisor that finds a newer one stops its site.
"""

import contextlib
import fcntl
import os
import re
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from custodes.config import SiteConfig, SiteIdentity, SitePaths, read_identity, write_effective, write_identity
from custodes.config.durable import make_folder, replace_file
from custodes.errors import AlreadyExists, FailedPrecondition, SiteMismatch
from custodes.ports.clock import Clock
from custodes.units import NS_PER_S

GENERATION_VARIABLE = "CUSTODES_GENERATION"
"""Under which supervisor a process was started."""

MAX_GENERATION_DIGITS = 18
"""Below SQLite's integers."""

_EVERYBODY_ELSE, _THE_WORLD = 0o077, 0o007
"""Who must have no right to the directory: the group counts as ours only where the warden is in it (`keys.user`)."""
_HARMLESS = frozenset({"lost+found", ".keep", ".gitkeep"})
"""What a fresh mount or checkout may hold without being somebody's data."""


@dataclass(slots=True)
class OpenSite:
    """A data directory that is ours until `close`."""

    paths: SitePaths
    identity: SiteIdentity
    config: SiteConfig
    generation: int
    _lock: int

    def close(self) -> None:
        """Let go of the lock; idempotent."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_data_dir(config: SiteConfig, *, clock: Clock, new_site_id: Callable[[], str]) -> OpenSite:
    """Create or take over `config.data_dir` and write `effective.json` into it.

    Raises: AlreadyExists when a site runs there; SiteMismatch when it is another site's, or somebody else's
    directory; FailedPrecondition when it cannot be written, or its permissions are unsafe.
    """
    paths = SitePaths(config.data_dir)
    # First of all, before anything is written: a stranger's directory is left exactly as it is.
    _refuse_stranger(paths, config)
    others = _THE_WORLD if config.keys.user else _EVERYBODY_ELSE
    _make_private(paths.data_dir, "data directory", others)
    lock = _take_lock(paths)
    try:
        generation = _next_generation(paths, clock)
        identity = _claim(paths, config, clock, new_site_id)
        # Without a name in the configuration the site keeps its own.
        config = config.model_copy(update={"name": identity.name})
        for folder in (paths.log_dir, paths.segments, paths.journal_dir, paths.public_keys):
            make_folder(folder, mode=0o700)
        make_run_dir(paths.run_dir, others)
        write_effective(config, paths.effective_config)
        if config.keys.user:
            _let_the_warden_in(paths)
    except OSError as error:
        os.close(lock)
        raise FailedPrecondition(f"cannot write in {paths.data_dir}: {error.strerror or error}") from error
    except BaseException:
        os.close(lock)
        raise
    return OpenSite(paths, identity, config, generation, lock)


def read_generation(paths: SitePaths) -> int:
    """The newest; 0 where none was noted or it cannot be read. Raises: OSError for a disk that does not answer."""
    try:
        text = paths.generation.read_text(encoding="ascii").strip()
    except (FileNotFoundError, UnicodeDecodeError):
        return 0
    return int(text) if text.isdigit() and len(text) < MAX_GENERATION_DIGITS else 0


def _next_generation(paths: SitePaths, clock: Clock) -> int:
    """Noted durably. Not below the seconds of now: where the file is lost or a backup was restored, it still grows."""
    generation = max(read_generation(paths) + 1, clock.now_ns() // NS_PER_S)
    replace_file(paths.generation, f"{generation}\n".encode())
    return generation


def _let_the_warden_in(paths: SitePaths) -> None:
    """The warden is a member of our group: reads what it starts from, and writes keys, sockets and its log.

    Raises: FailedPrecondition when its sockets could not lie beside the data.
    """
    if paths.run_dir.parent != paths.data_dir:
        raise FailedPrecondition(
            f"{paths.data_dir} is too long a path for sockets of two users; move the site to a shorter one"
        )
    for folder in (paths.data_dir, paths.run_dir, paths.log_dir, paths.public_keys.parent, paths.public_keys):
        folder.chmod(0o770)
    for file in (paths.identity, paths.effective_config, paths.generation):
        file.chmod(0o640)


def make_run_dir(run_dir: Path, others: int = _EVERYBODY_ELSE) -> None:
    """Make the sockets' directory, or check that the one there is ours alone.

    Raises: FailedPrecondition; a directory of somebody else under /tmp could hand our sockets to them.
    """
    _make_private(run_dir, "run directory", others)


def _make_private(folder: Path, what: str, others: int) -> None:
    try:
        make_folder(folder, mode=0o700)
        found = folder.lstat()
    except FileExistsError as error:
        raise FailedPrecondition(f"{what} {folder} is a file; name a directory") from error
    except OSError as error:
        raise FailedPrecondition(f"cannot make the {what} {folder}: {error.strerror}") from error
    if what == "run directory" and not stat.S_ISDIR(found.st_mode):
        raise FailedPrecondition(f"{what} {folder} is a link or no directory; remove it and start again")
    # A link to a data directory on another disk is the operator's good right, so only the target counts there.
    found = folder.stat()
    if found.st_uid != os.getuid():
        raise FailedPrecondition(f"{what} {folder} belongs to user {found.st_uid}, not to us ({os.getuid()})")
    if stat.S_IMODE(found.st_mode) & others:
        mode = f"{stat.S_IMODE(found.st_mode):04o}"
        if what == "data directory" and not any(folder.iterdir()):
            folder.chmod(0o700)  # an empty directory made by `mkdir`: nothing to leak yet
            return
        raise FailedPrecondition(f"{what} {folder} is open to others (mode {mode}); run: chmod 700 {folder}")


def _take_lock(paths: SitePaths) -> int:
    try:
        lock = os.open(paths.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise FailedPrecondition(f"cannot write in {paths.data_dir}: {error.strerror}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.read(lock, 32).decode("ascii", "replace").strip()
        os.close(lock)
        raise AlreadyExists(
            f"a site runs on {paths.data_dir} already (process {holder or 'unknown'}); "
            f"stop it with: custodes site stop --data {paths.data_dir}"
        ) from error
    try:
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    except OSError as error:
        os.close(lock)
        raise FailedPrecondition(f"cannot write in {paths.data_dir}: {error.strerror}") from error
    return lock


@contextlib.contextmanager
def stopped_site(paths: SitePaths) -> Iterator[None]:
    """Hold the lock of a site that does not run, so that it cannot be started meanwhile.

    Raises: AlreadyExists when it runs, FailedPrecondition when the directory cannot be written.
    """
    lock = _take_lock(paths)
    try:
        yield
    finally:
        os.close(lock)


def running_pid(data_dir: Path) -> int | None:
    """Process id of the supervisor that holds the directory's lock, or None when none does."""
    try:
        lock = os.open(SitePaths(data_dir).lock, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(lock, 32).decode("ascii", "replace").strip()
        return int(holder) if holder.isdigit() else None
    finally:
        os.close(lock)
    return None


def _refuse_stranger(paths: SitePaths, config: SiteConfig) -> None:
    """Raises: SiteMismatch when the directory is another site's, or holds what is no site's."""
    if not paths.data_dir.is_dir():
        return
    identity = read_identity(paths.identity)
    if identity is not None:
        if "name" in config.model_fields_set and config.name != identity.name:
            raise SiteMismatch(
                f"{paths.data_dir} belongs to the site {identity.name!r}, the configuration is of {config.name!r}; "
                f"name another data_dir, or to rename the site edit name in {paths.identity}"
            )
        return
    ours = {paths.lock.name, *_HARMLESS}
    try:
        strangers = sorted(
            entry.name
            for entry in paths.data_dir.iterdir()
            # a power cut during the very first start leaves `.site.json.<pid>` and nothing else
            if entry.name not in ours and not re.fullmatch(r"\.site\.json\.\d+", entry.name)
        )
    except OSError as error:
        raise FailedPrecondition(f"cannot read {paths.data_dir}: {error.strerror}") from error
    if strangers:
        raise SiteMismatch(
            f"{paths.data_dir} holds {', '.join(strangers[:3])}{' …' if len(strangers) > 3 else ''} but no "
            f"site.json: it is not the directory of a custodes site (or its disk is not mounted); "
            f"name an empty one as data_dir"
        )


def _claim(paths: SitePaths, config: SiteConfig, clock: Clock, new_site_id: Callable[[], str]) -> SiteIdentity:
    identity = read_identity(paths.identity)
    if identity is None:
        identity = SiteIdentity(site_id=new_site_id(), name=config.name, created_ns=clock.now_ns())
        write_identity(paths.identity, identity)
    return identity
