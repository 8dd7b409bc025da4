"""A recogniser that keeps what it was given, for tests of pages: it judges nothing and knows no face."""

from dataclasses import dataclass, field

from custodes.types.face_message import HolderVerified, SampleJudged, VerifyHolder, ZoneLoads


@dataclass
class WrittenRecogniser:
    """`ports.recogniser.Recogniser` with answers that a test sets."""

    answer: HolderVerified
    shown: list[VerifyHolder] = field(default_factory=list)
    """Each comparison that was asked for."""

    async def give_sample(self, token: str, picture: bytes) -> SampleJudged:
        """Never taken."""
        return SampleJudged(is_taken=False, problem="nobody judges here", quality=None, templates=0, wanted=3)

    async def verify_holder(self, message: VerifyHolder) -> HolderVerified:
        """The answer that was set."""
        self.shown.append(message)
        return self.answer

    async def read_loads(self) -> ZoneLoads:
        """No zone is on."""
        return ZoneLoads(zones=())
