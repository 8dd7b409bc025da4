"""What the server asks of the supervisor. Implemented over a unix socket by `adapters.ipc.supervisor`."""

from typing import Protocol

from custodes.types.message import SiteStatus


class Supervisor(Protocol):
    """asyncio. Every method raises `Unavailable` when the supervisor is down."""

    async def read_status(self) -> SiteStatus:
        """The processes of the site."""
        ...

    async def spawn_job(self, kind: str = "job") -> None:
        """One more view job. Raises: ResourceExhausted when the bound of jobs is met."""
        ...

    async def announce(self, address: str, first_boot_token: str) -> None:
        """Tell the person at the terminal where the page is; the token is empty once an account exists."""
        ...
