"""What every kind of view has in common: it takes commands, and each step gives outputs and the time of the next."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from custodes.types.event import FrameAnalysed
from custodes.types.media import Segment
from custodes.types.message import MediaChunk, MediaInit, StillRendered, ViewNote
from custodes.units import NS_PER_MS, Ns

Output = MediaInit | MediaChunk | StillRendered | ViewNote

IDLE_NS = 500 * NS_PER_MS
"""A view with nothing to do is asked again after this, commands or not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """`outputs` in order; `wait_ns`: nothing more to do for that long unless a command comes."""

    outputs: tuple[Output, ...]
    wait_ns: int


class View(Protocol):
    """One running view. Owned by one thread."""

    @property
    def frames_shown(self) -> int:
        """Pictures given out so far."""
        ...

    def add_masks(self, frames: Sequence[FrameAnalysed]) -> None:
        """Facts of this camera that arrived."""
        ...

    def add_segments(self, segments: Sequence[Segment]) -> None:
        """Recorded segments that began or grew."""
        ...

    def seek(self, utc_ns: Ns, request_id: int) -> None:
        """Go there; the newest wish counts."""
        ...

    def step(self) -> Step:
        """Do what is due, bounded to some tens of milliseconds of work."""
        ...


def note(code: str, message: str, request_id: int = 0) -> ViewNote:
    """A sentence for the viewer."""
    return ViewNote(code=code, message=message, request_id=request_id)
