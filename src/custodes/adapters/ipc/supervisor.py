"""Asking the supervisor, over `supervisor.sock`."""

from pathlib import Path

from custodes.adapters.ipc.framing import RequestClient
from custodes.types.message import Announce, Ok, ReadStatus, ReplaceProcess, SiteStatus, SpawnJob, StopSite


class SupervisorClient:
    """asyncio. Every method raises Unavailable when the supervisor is gone, DeadlineExceeded when it is silent."""

    def __init__(self, path: Path, *, server: str = "server") -> None:
        """`server`: of several the one that asks, to which its view jobs connect."""
        self._client = RequestClient(path)
        self._server = server

    async def read_status(self) -> SiteStatus:
        """All processes, now."""
        return await self._client.request(ReadStatus(), SiteStatus)

    async def spawn_job(self, kind: str = "job") -> None:
        """One more job. Raises: ResourceExhausted at the bound of jobs."""
        # Sent twice it would start two jobs; a lost one is asked for again by whoever counts the ready ones.
        await self._client.request(SpawnJob(kind=kind, server=self._server), Ok, is_repeatable=False)

    async def announce(self, address: str, first_boot_token: str) -> None:
        """Show a person at the terminal where to go; an empty token once an account exists."""
        await self._client.request(Announce(address=address, first_boot_token=first_boot_token), Ok)

    async def replace(self, name: str) -> None:
        """End a process, by force where it does not end, and begin it anew; returns when that one is ready.

        Raises: NotFound, Unavailable.
        """
        await self._client.request(ReplaceProcess(name=name), Ok, is_repeatable=False)

    async def stop(self) -> None:
        """Stop the whole site; returns before it has stopped."""
        await self._client.request(StopSite(), Ok)

    async def close(self) -> None:
        """Idempotent."""
        await self._client.close()
