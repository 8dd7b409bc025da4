"""Port: the site's cameras as a person sets them up."""

from typing import Protocol

from custodes.types.message import CameraSpec
from custodes.types.setup import CameraChange, CameraProbed, NetworkAsked, PictureRedrawn
from custodes.units import CameraId


class CameraDesk(Protocol):
    """Reads and changes what is recorded; looks at cameras that are not there yet.

    Who may is decided before: every act here is `Action.CONFIGURE`. Each change is in the log before it counts.
    """

    async def cameras(self) -> list[CameraSpec]:
        """All, by id; `password_ref` says where a password is, never what."""
        ...

    async def history(self) -> list[CameraChange]:
        """What can be undone, newest first."""
        ...

    async def put(self, spec: CameraSpec, *, password: str | None, actor: str) -> None:
        """Add or change one.

        Args:
            password: as typed, kept in a file (0600) of the data directory; None leaves the spec's reference.

        Raises: InvalidArgument, Unavailable when the warden is down; then nothing has changed.
        """
        ...

    async def remove(self, camera_id: CameraId, *, actor: str) -> None:
        """Forget a camera's configuration; recordings stay until their retention ends.

        Raises: NotFound, Unavailable.
        """
        ...

    async def undo(self, change_id: str, *, actor: str) -> CameraId:
        """Bring back what was before a change. Returns: whose it was.

        Raises: NotFound, FailedPrecondition where the camera was changed again since, Unavailable.
        """
        ...

    async def probe(self, spec: CameraSpec, *, password: str) -> CameraProbed:
        """Look at a camera once. Raises: Unavailable when no process can."""
        ...

    async def discover(self, interface: str) -> NetworkAsked:
        """Ask one network who is there. Raises: Unavailable when no process can."""
        ...

    async def redraw(self, content: bytes) -> PictureRedrawn:
        """A picture of a floor, decoded and drawn anew by another process. Raises: Unavailable when none can."""
        ...

    def networks(self) -> list[str]:
        """IPv4 addresses of this machine whose networks can be asked; loopback is none."""
        ...
