"""The leak desk as the web layer uses it: a picture is traced when a second person agreed, and both see the answer."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from custodes.types.access import Principal
from custodes.units import CameraId, Ns


class TraceState(StrEnum):
    """How far a trace is. Whether others agreed is the request's matter."""

    FILED = "filed"
    TRACING = "tracing"
    PAUSED = "paused"
    """By its owner, or because the site ended; it goes on from what was looked through, allowed and logged anew."""
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class LeakTrace:
    """A picture on the desk."""

    request_id: str
    """Of the request that others approve; the trace's own name, too."""
    owner_id: str
    owner: str
    reference: str
    """The case."""
    camera_ids: tuple[CameraId, ...]
    start_ns: Ns
    end_ns: Ns
    picture_sha256: str
    media_type: str
    filed_ns: Ns
    state: TraceState = TraceState.FILED
    error: str = ""
    finding: str = ""
    """JSON, when done (`app.serving.leaks`)."""
    share: float = 0.0
    """How much is looked through, 0 to 1, while it is traced."""


class LeakTraces(Protocol):
    """Traces over the page. A trace is known to who asked and to those who approved it, to nobody else."""

    async def file(
        self,
        who: Principal,
        *,
        picture: bytes,
        reference: str,
        camera_ids: tuple[CameraId, ...],
        start_ns: Ns,
        end_ns: Ns,
        reason: str,
    ) -> LeakTrace:
        """Put a picture on the desk and ask others. Raises: InvalidArgument, PermissionDenied, ResourceExhausted."""
        ...

    async def known_to(self, who: Principal) -> list[LeakTrace]:
        """Newest first."""
        ...

    async def read(self, request_id: str, who: Principal) -> LeakTrace:
        """Raises: NotFound, also for who is neither owner nor approver."""
        ...

    async def start(self, request_id: str, who: Principal) -> None:
        """By its owner, once others approved. Raises: NotFound, FailedPrecondition, ResourceExhausted."""
        ...

    async def pause(self, request_id: str, who: Principal) -> None:
        """By its owner; `start` goes on. Raises: NotFound, FailedPrecondition when none runs."""
        ...

    async def picture(self, request_id: str, who: Principal) -> Path:
        """The file as it was found. Raises: NotFound."""
        ...

    async def bundle(self, request_id: str, who: Principal) -> Path:
        """The evidence, logged before its first byte leaves. Raises: NotFound, FailedPrecondition, Unavailable."""
        ...

    async def forget(self, request_id: str, who: Principal) -> None:
        """By its owner: picture, finding and bundle go; the log stays. Raises: NotFound, FailedPrecondition."""
        ...
