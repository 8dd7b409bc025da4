"""The matcher's socket: what it answers, and the server's client."""

from pathlib import Path

from custodes.adapters.ipc.framing import RequestClient
from custodes.types.message import GalleryStatus, Ok, Ping, ReadGallery


class MatcherClient:
    """asyncio client. Every method raises Unavailable when the matcher is down."""

    def __init__(self, path: Path) -> None:
        self._client = RequestClient(path)

    async def read_gallery(self) -> GalleryStatus:
        """How much is enrolled."""
        return await self._client.request(ReadGallery(), GalleryStatus)

    async def ping(self) -> None:
        """Raises: Unavailable or DeadlineExceeded when it does not answer."""
        await self._client.request(Ping(), Ok)

    async def close(self) -> None:
        """Idempotent."""
        await self._client.close()
