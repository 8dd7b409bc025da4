"""Back-fills as the web layer uses them."""

from collections.abc import Sequence
from typing import Protocol

from custodes.types.access import Principal, Purpose
from custodes.types.backfill import BackfillTable
from custodes.units import CameraId, Ns


class BackfillDesk(Protocol):
    """Has recordings analysed again, one camera after the other; the warden decides each when its turn comes."""

    async def start(
        self, *, principal: Principal, purpose: Purpose, camera_ids: Sequence[CameraId], start_ns: Ns, end_ns: Ns
    ) -> BackfillTable:
        """Begin with the first camera, or wait in line behind what runs; the answer has one row a camera.

        Raises: InvalidArgument, NotFound, PermissionDenied with the decision's reasons, FailedPrecondition where
            nothing is recorded, ResourceExhausted when too many wait, Unavailable.
        """
        ...

    async def resume(self, version: int, principal: Principal) -> BackfillTable:
        """Go on where a paused one stood, or wait in line; decided and logged anew. Raises: as `start`."""
        ...

    async def pause(self, version: int, *, is_cancel: bool) -> BackfillTable:
        """Stop; what is stored stays. Returns when it has stopped. Raises: NotFound, FailedPrecondition."""
        ...

    async def table(self) -> BackfillTable:
        """The latest, newest first."""
        ...

    def left_s(self, version: int) -> float | None:
        """How long the one at work still takes at the pace so far; None for others, and before it can be told."""
        ...
