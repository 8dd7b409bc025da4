"""The server's client of enroller and matcher."""

from pathlib import Path

from custodes.adapters.ipc.framing import RequestClient
from custodes.types.face_message import (
    GiveSample,
    HolderVerified,
    ReadZoneLoads,
    SampleJudged,
    VerifyHolder,
    ZoneLoads,
)

_TIMEOUT_S = 60.0
"""The first picture loads the networks, on a machine that may be busy."""


class RecogniserClient:
    """`ports.recogniser.Recogniser` over `enroller.sock` and `matcher.sock`."""

    def __init__(self, enroller: Path, matcher: Path) -> None:
        self._enroller = RequestClient(enroller, timeout_s=_TIMEOUT_S)
        self._matcher = RequestClient(matcher)

    async def give_sample(self, token: str, picture: bytes) -> SampleJudged:
        """See `Recogniser`. A picture is never sent twice."""
        message = GiveSample(token=token, picture=picture)
        return await self._enroller.request(message, SampleJudged, is_repeatable=False)

    async def verify_holder(self, message: VerifyHolder) -> HolderVerified:
        """See `Recogniser`."""
        return await self._enroller.request(message, HolderVerified, is_repeatable=False)

    async def read_loads(self) -> ZoneLoads:
        """See `Recogniser`."""
        return await self._matcher.request(ReadZoneLoads(), ZoneLoads)

    async def close(self) -> None:
        """Idempotent."""
        await self._enroller.close()
        await self._matcher.close()
