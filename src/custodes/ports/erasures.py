"""Erasures as the web layer uses them."""

from pathlib import Path
from typing import Protocol

from custodes.types.access import Principal
from custodes.types.message import ErasureDone
from custodes.units import CameraId, Ns


class ErasureDesk(Protocol):
    """Erases recordings for a person who asked for it; always rests on a request that others approved."""

    async def erase(
        self,
        *,
        principal: Principal,
        camera_id: CameraId,
        start_ns: Ns,
        end_ns: Ns,
        reference: str,
        request_id: str,
    ) -> ErasureDone:
        """Erase every recording that touches the stretch, whole, and certify it.

        Raises: PermissionDenied with the decision's reasons; FailedPrecondition while something of it is held or still
            being recorded; NotFound when nothing is there; InvalidArgument, ResourceExhausted, Unavailable.
        """
        ...

    def certificates(self) -> list[str]:
        """Ids of those that are kept, newest first."""
        ...

    def path_of(self, erasure_id: str) -> Path:
        """Its certificate. Raises: NotFound."""
        ...
