"""What is kept beside the catalog about cameras: the former configurations, and the passwords that people typed.

Small files of the server. The catalog holds no secret: a camera's `password_ref` leads to a file here, made anew with
each password, so that an undone change finds the one that belongs to it.
"""

import secrets
from collections.abc import Iterable
from dataclasses import replace

import msgspec
import structlog

from custodes.config import SitePaths
from custodes.config.durable import make_folder, replace_file
from custodes.errors import StorageFailed
from custodes.ports.clock import Clock
from custodes.types.message import CameraSpec
from custodes.types.setup import CameraChange, CameraHistory
from custodes.units import NS_PER_S, CameraId

MAX_CHANGES = 50
"""Undoing is for mistakes; the log tells what was long ago."""
KEEP_NS = 30 * 86_400 * NS_PER_S
"""So long a removed camera's password stays, for undoing the removal."""
_MAX_FILE_BYTES = 16 * 1024 * 1024


class CameraShelf:
    """One site's; called with the camera service's lock held."""

    def __init__(self, paths: SitePaths, clock: Clock) -> None:
        self._path = paths.camera_history
        self._passwords = paths.camera_passwords
        self._clock = clock
        self._history = self._read()

    @property
    def changes(self) -> tuple[CameraChange, ...]:
        """Oldest first."""
        oldest_ns = self._clock.now_ns() - KEEP_NS
        return tuple(one for one in self._history.changes if one.utc_ns >= oldest_ns)

    def note(self, actor: str, camera_id: CameraId, before: CameraSpec | None, after: CameraSpec | None) -> None:
        """Remember one step that was made."""
        change = CameraChange(
            change_id=secrets.token_hex(8),
            utc_ns=self._clock.now_ns(),
            actor=actor,
            camera_id=camera_id,
            before=before,
            after=after,
        )
        self._write(replace(self._history, changes=(*self.changes, change)[-MAX_CHANGES:]))

    def news_of(self, configured: Iterable[CameraSpec], there: Iterable[CameraSpec]) -> list[CameraSpec]:
        """Of what `site.yaml` says, what is to be put: what it says anew, and what is missing without anybody having
        removed it. What people changed on the page stays until the file changes."""
        known = {spec.camera_id: spec for spec in self._history.imported}
        present = {spec.camera_id for spec in there}
        newest = {change.camera_id: change for change in self._history.changes}
        removed = {camera_id for camera_id, change in newest.items() if change.after is None}
        return [
            spec
            for spec in configured
            if known.get(spec.camera_id) != spec or (spec.camera_id not in present and spec.camera_id not in removed)
        ]

    def note_import(self, configured: tuple[CameraSpec, ...]) -> None:
        """Remember what the file said."""
        if self._history.imported != configured:
            self._write(replace(self._history, imported=configured))

    def keep_password(self, camera_id: CameraId, password: str) -> str:
        """A `password_ref` to what was typed; empty for no password. Raises: StorageFailed."""
        if not password:
            return ""
        path = self._passwords / f"{camera_id}-{secrets.token_hex(4)}"
        try:
            make_folder(self._passwords, mode=0o700)
            replace_file(path, password.encode(), mode=0o600)
        except OSError as error:
            raise StorageFailed(f"the camera's password cannot be kept: {error.strerror}") from error
        return f"file:{path}"

    def sweep(self, cameras: Iterable[CameraSpec]) -> None:
        """Delete passwords that no camera, and no change that can be undone, refers to."""
        specs = [*cameras, *(spec for one in self.changes for spec in (one.before, one.after) if spec is not None)]
        wanted = {spec.password_ref.removeprefix("file:") for spec in specs}
        try:
            for path in self._passwords.glob("*") if self._passwords.is_dir() else ():
                if str(path) not in wanted:
                    path.unlink(missing_ok=True)
        except OSError as error:
            structlog.get_logger().error("a camera's old password could not be deleted", error=str(error))

    def _read(self) -> CameraHistory:
        try:
            with self._path.open("rb") as stream:
                return msgspec.json.decode(stream.read(_MAX_FILE_BYTES), type=CameraHistory)
        except FileNotFoundError:
            return CameraHistory()
        except (OSError, ValueError, msgspec.MsgspecError) as error:
            structlog.get_logger().error("what was changed of cameras cannot be undone", error=str(error))
            return CameraHistory()

    def _write(self, history: CameraHistory) -> None:
        self._history = history
        try:
            replace_file(self._path, msgspec.json.encode(history))
        except OSError as error:
            # The change itself is made and logged; only undoing it after a restart is lost.
            structlog.get_logger().error("what was changed of cameras is not kept", error=str(error))
