"""Evidence exports as the web layer uses them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from custodes.types.access import Fidelity, Principal, Purpose
from custodes.types.message import ExportState
from custodes.units import CameraId, Ns, RunId


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedBundle:
    """What the log knows of a bundle: the SHA-256 of its manifest, the entry of that, and the grant's."""

    manifest: str
    sealed_index: int
    grant_index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonExport:
    """One export of a person, and how far it is."""

    state: ExportState
    camera_id: CameraId
    start_ns: Ns
    end_ns: Ns
    reference: str
    fidelity: Fidelity
    sealed: SealedBundle | None = None
    """None until it is ready."""


class ExportDesk(Protocol):
    """Makes bundles; the warden decides each, and an export always rests on an approved request."""

    async def start(
        self,
        *,
        principal: Principal,
        purpose: Purpose,
        camera_id: CameraId,
        start_ns: Ns,
        end_ns: Ns,
        request_id: str = "",
        fidelity: Fidelity = Fidelity.MASKED,
        shown: tuple[tuple[RunId, int], ...] = (),
    ) -> str:
        """Authorise and begin; returns the export's id. `shown`: the only people unmasked (`ViewTask.shown`).

        Raises: InvalidArgument, NotFound, PermissionDenied with the decision's reasons, ResourceExhausted while
            another is being made or the disk is too full, Unavailable.
        """
        ...

    def of_person(self, user_id: str) -> list[PersonExport]:
        """Theirs, newest first; nobody else's."""
        ...

    async def fetch(self, export_id: str, principal: Principal) -> Path:
        """The file of a bundle that is ready, for who made it; logged before its first byte may leave.

        Raises: NotFound, also for somebody else's; FailedPrecondition while it is not ready; Unavailable.
        """
        ...

    async def hold(self, export_id: str, principal: Principal, *, is_held: bool) -> None:
        """Its owner pauses it while it is rendered, or lets it go on. Raises: NotFound, FailedPrecondition."""
        ...

    async def forget(self, export_id: str) -> None:
        """Stop it if it runs, and remove its file. Harmless for an unknown one."""
        ...
