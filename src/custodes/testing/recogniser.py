"""A recogniser that keeps what it was given, for tests of pages: it judges nothing and knows no face."""

from dataclasses import dataclass, field

from custodes.types.face_message import HolderVerified, SampleJudged, ZoneLoads


@dataclass
class WrittenRecogniser:
    """`ports.recogniser.Recogniser` with answers that a test sets."""

    answer: HolderVerified
    shown: list[tuple[str, bytes, str]] = field(default_factory=list)
    """Token, picture and operator of each comparison."""

    async def give_sample(self, token: str, picture: bytes) -> SampleJudged:
        """Never taken."""
        return SampleJudged(is_taken=False, problem="nobody judges here", quality=None, templates=0, wanted=3)

    async def verify_holder(self, text: str, picture: bytes, operator: str) -> HolderVerified:
        """The answer that was set."""
        self.shown.append((text, picture, operator))
        return self.answer

    async def read_loads(self) -> ZoneLoads:
        """No zone is on."""
        return ZoneLoads(zones=())
