"""Web push as the web layer uses it."""

from typing import Protocol

from custodes.types.push import PushDevice


class PushDesk(Protocol):
    """Devices of people, and how they are told."""

    @property
    def public_key(self) -> str:
        """What a browser subscribes with, base64url."""
        ...

    async def add(self, user_id: str, name: str, endpoint: str, p256dh: bytes, auth: bytes) -> PushDevice:
        """Keep it, instead of the one with the same endpoint. Raises: InvalidArgument, ResourceExhausted."""
        ...

    async def of_person(self, user_id: str) -> list[PushDevice]:
        """Theirs, by creation."""
        ...

    async def remove(self, device_id: str, user_id: str) -> PushDevice:
        """Forget it; returns what it was. Raises: NotFound, also for somebody else's."""
        ...

    async def try_out(self, device_id: str, user_id: str) -> None:
        """Tell this one that it works. Raises: NotFound, Unavailable."""
        ...
