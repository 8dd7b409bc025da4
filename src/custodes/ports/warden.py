"""The only door to keys and to the log. Implemented over a unix socket by `adapters.ipc.warden`."""

from typing import Protocol

from custodes.types.access import AccessRequest, AuditRecord, Checkpoint
from custodes.types.media import SegmentHeader
from custodes.types.message import Authorised, CosignedCheckpoint, InclusionProof, KeysReleased, LogPage
from custodes.units import CameraId, SegmentId


class Warden(Protocol):
    """What the server may ask (asyncio). Raises `Unavailable` when the warden is down: callers fail closed."""

    async def authorise(self, request: AccessRequest) -> Authorised:
        """Decide, append to the log durably, then grant. A refusal is an answer, not an exception."""
        ...

    async def end_grant(self, grant_id: str, frames_shown: int) -> None:
        """The view is over."""
        ...

    async def append(self, record: AuditRecord) -> int:
        """Append durably; returns the index."""
        ...

    async def read_log(self, start: int, limit: int) -> LogPage:
        """Entries [start, start+limit) and the newest checkpoint."""
        ...

    async def read_checkpoint(self) -> Checkpoint:
        """The newest signed tree head."""
        ...

    async def prove_inclusion(self, index: int, size: int) -> InclusionProof:
        """Audit path of one entry."""
        ...

    async def prove_consistency(self, old_size: int, new_size: int) -> tuple[bytes, ...]:
        """Proof that the log of `old_size` is the beginning of that of `new_size`."""
        ...

    async def prove_entries(self, indices: tuple[int, ...]) -> tuple[str, ...]:
        """C2SP tlog-proof files of these entries (at most 64), under checkpoints that witnesses signed if any did."""
        ...

    async def store_cosigned(self, note: str) -> None:
        """Keep a checkpoint with signatures of configured witnesses. Raises: LogCorrupt when none verifies."""
        ...

    async def store_timestamp(self, note: str, token: bytes) -> None:
        """Keep an RFC 3161 token over a published checkpoint's note, verified by the caller. Raises: LogCorrupt."""
        ...

    async def read_cosigned(self) -> tuple[CosignedCheckpoint, ...]:
        """Per witness the newest checkpoint that it signed."""
        ...

    async def publish_keys(self, camera_ids: tuple[CameraId, ...]) -> None:
        """Make sure that camera-day public keys lie ready for the recorder."""
        ...

    async def destroy_keys(self, camera_id: CameraId, day: str) -> int:
        """Crypto-shred one past camera-day (`yyyymmdd`, UTC); returns the index of the log entry. Raises:
        FailedPrecondition (the day is not over), KeyMissing (never made)."""
        ...

    async def erase_segments(self, grant_token: str, segment_ids: tuple[SegmentId, ...]) -> int:
        """Give up recordings under a grant to erase: no key of them is released from now on; returns the log index.
        Raises: PermissionDenied, InvalidArgument."""
        ...

    async def sign_claim(self, export_id: str, claim: bytes) -> tuple[bytes, str]:
        """Sign a film's content credentials; returns signature and certificates (PEM). No claim, no signature."""
        ...

    async def seal_secret(self, user_id: str, secret: str) -> bytes:
        """Seal what an authenticator app shares with the site; nobody gets it back. Raises: InvalidArgument."""
        ...

    async def check_code(self, user_id: str, sealed: bytes, code: str, *, after_step: int) -> int | None:
        """The time step whose code this is, if newer than `after_step`; None for a wrong one. Raises: SealBroken."""
        ...

    async def about_requests(self, message: object) -> object:
        """Whatever `types.approval` defines as a message; the reply it names. Raises: as `access.requests`."""
        ...

    async def about_cases(self, message: object) -> object:
        """Whatever `types.cases` defines as a message; the reply it names. Raises: as `access.cases`."""
        ...


class KeyReleaser(Protocol):
    """What a view job may ask (blocking)."""

    def release_keys(self, grant_token: str, headers: tuple[SegmentHeader, ...]) -> KeysReleased:
        """Data keys of exactly these segments. Raises: PermissionDenied, KeyMissing, Unavailable."""
        ...
