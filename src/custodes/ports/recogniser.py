"""What the web asks of recognition: single pictures judged, zones' loads. Implemented by `adapters.ipc.recogniser`."""

from typing import Protocol

from custodes.types.face_message import HolderVerified, SampleJudged, VerifyHolder, ZoneLoads


class Recogniser(Protocol):
    """What the web asks of enroller and matcher (asyncio). Raises `Unavailable` while recognition is off or down."""

    async def give_sample(self, token: str, picture: bytes) -> SampleJudged:
        """Judge a picture for the enrolment behind an invitation, and keep its template with the warden if it is good.

        Raises: InvalidArgument for what is no picture, PermissionDenied without a signature in force.
        """
        ...

    async def verify_holder(self, message: VerifyHolder) -> HolderVerified:
        """Compare a picture with the template that its holder brings. Raises: as `give_sample`."""
        ...

    async def read_loads(self) -> ZoneLoads:
        """What each zone's gallery holds, and its threshold."""
        ...
