"""Clients of the warden: asyncio for the server, blocking for view jobs. They fail closed: no answer, no footage."""

import asyncio
from pathlib import Path
from typing import TypeVar

from custodes.adapters.ipc.framing import REQUEST_TIMEOUT_S, Channel, RequestClient
from custodes.errors import CustodesError
from custodes.types.access import AccessRequest, AuditRecord, Checkpoint
from custodes.types.credential import CheckCode, CodeChecked, SealSecret, SecretSealed
from custodes.types.face import SignedPermit
from custodes.types.leak import MarksReleased, ReleaseMarks
from custodes.types.media import SegmentHeader
from custodes.types.message import (
    Append,
    Appended,
    Authorise,
    Authorised,
    ClaimSigned,
    ConsistencyProof,
    CosignedCheckpoint,
    CosignedCheckpoints,
    DestroyKeys,
    EndGrant,
    EntryProofs,
    EraseSegments,
    InclusionProof,
    KeysReleased,
    LogPage,
    Ok,
    ProveConsistency,
    ProveEntries,
    ProveInclusion,
    PublishKeys,
    ReadCheckpoint,
    ReadCosigned,
    ReadLog,
    ReleaseKeys,
    SignClaim,
    StoreCosigned,
    StoreTimestamp,
)
from custodes.types.protection import CompareProtected, PermitLooks, TrackProbe
from custodes.types.servers import LeadSince
from custodes.units import CameraId, SegmentId

T = TypeVar("T")

MARKS_TIMEOUT_S = 120.0
"""The warden reads the log from the segments' time on: 20 s per million entries."""

_CONNECTIONS = 8
"""Requests in flight at once, so that appends of several people share one fsync; a connection carries one."""


class WardenClient:
    """`ports.warden.Warden` over `warden-server.sock`. Made and used on one event loop.

    A request is sent again once when the warden restarted in between. Then an entry may stand in the log twice: the
    log never lacks what happened, and a double entry shows itself by its session.
    """

    def __init__(self, socket: Path, *, timeout_s: float = REQUEST_TIMEOUT_S, epoch: int = 0) -> None:
        """`epoch`: under which this server leads, of several; 0: it says nothing of that."""
        greeting = LeadSince(epoch=epoch) if epoch else None
        self._clients = [RequestClient(socket, timeout_s=timeout_s, greeting=greeting) for _ in range(_CONNECTIONS)]
        self._idle = list(self._clients)
        self._free = asyncio.Semaphore(_CONNECTIONS)

    async def _request(self, message: object, reply: type[T]) -> T:
        async with self._free:
            client = self._idle.pop()
            try:
                return await client.request(message, reply)
            finally:
                self._idle.append(client)

    async def authorise(self, request: AccessRequest) -> Authorised:
        """Decide, log durably, grant."""
        return await self._request(Authorise(request=request), Authorised)

    async def end_grant(self, grant_id: str, frames_shown: int) -> None:
        """The view is over."""
        await self._request(EndGrant(grant_id=grant_id, frames_shown=frames_shown), Ok)

    async def append(self, record: AuditRecord) -> int:
        """Append durably; returns the index."""
        return (await self._request(Append(record=record), Appended)).index

    async def read_log(self, start: int, limit: int) -> LogPage:
        """Entries [start, start+limit), limit ≤ 1000, and the newest checkpoint."""
        return await self._request(ReadLog(start=start, limit=limit), LogPage)

    async def read_checkpoint(self) -> Checkpoint:
        """The newest signed tree head."""
        return await self._request(ReadCheckpoint(), Checkpoint)

    async def prove_inclusion(self, index: int, size: int) -> InclusionProof:
        """Audit path of one entry."""
        return await self._request(ProveInclusion(index=index, size=size), InclusionProof)

    async def prove_consistency(self, old_size: int, new_size: int) -> tuple[bytes, ...]:
        """Proof that the log of `old_size` is the beginning of that of `new_size`."""
        message = ProveConsistency(old_size=old_size, new_size=new_size)
        return (await self._request(message, ConsistencyProof)).path

    async def prove_entries(self, indices: tuple[int, ...]) -> tuple[str, ...]:
        """C2SP tlog-proof files of these entries (at most 64)."""
        return (await self._request(ProveEntries(indices=indices), EntryProofs)).proofs

    async def store_cosigned(self, note: str) -> None:
        """Keep a checkpoint with signatures of configured witnesses."""
        await self._request(StoreCosigned(note=note), Ok)

    async def store_timestamp(self, note: str, token: bytes) -> None:
        """Keep an RFC 3161 token over SHA-256 of a published checkpoint."""
        await self._request(StoreTimestamp(note=note, token=token), Ok)

    async def read_cosigned(self) -> tuple[CosignedCheckpoint, ...]:
        """Per witness the newest checkpoint that it signed."""
        return (await self._request(ReadCosigned(), CosignedCheckpoints)).checkpoints

    async def publish_keys(self, camera_ids: tuple[CameraId, ...]) -> None:
        """Make sure that camera-day public keys lie ready for the recorder."""
        await self._request(PublishKeys(camera_ids=camera_ids), Ok)

    async def destroy_keys(self, camera_id: CameraId, day: str) -> int:
        """Crypto-shred one past camera-day; returns the index of the log entry."""
        return (await self._request(DestroyKeys(camera_id=camera_id, day=day), Appended)).index

    async def erase_segments(self, grant_token: str, segment_ids: tuple[SegmentId, ...]) -> int:
        """Give up recordings: no key of them is released from now on; returns the index of the log entry."""
        return (await self._request(EraseSegments(grant_token=grant_token, segment_ids=segment_ids), Appended)).index

    async def sign_claim(self, export_id: str, claim: bytes) -> tuple[bytes, str]:
        """Sign a film's content credentials; returns signature and certificates (PEM)."""
        signed = await self._request(SignClaim(export_id=export_id, claim=claim), ClaimSigned)
        return signed.signature, signed.chain_pem

    async def seal_secret(self, user_id: str, secret: str) -> bytes:
        """Seal what an authenticator app shares with the site."""
        return (await self._request(SealSecret(user_id=user_id, secret=secret), SecretSealed)).sealed

    async def check_code(self, user_id: str, sealed: bytes, code: str, *, after_step: int) -> int | None:
        """The time step whose code this is, if newer than `after_step`."""
        message = CheckCode(user_id=user_id, sealed=sealed, code=code, after_step=after_step)
        return (await self._request(message, CodeChecked)).step

    async def about_requests(self, message: object) -> object:
        """Messages of `types.approval` and their replies."""
        return await self._request(message, object)

    async def about_cases(self, message: object) -> object:
        """Messages of `types.cases` and their replies."""
        return await self._request(message, object)

    async def close(self) -> None:
        """Idempotent."""
        for client in self._clients:
            await client.close()


class WardenJobClient:
    """`ports.warden.KeyReleaser` over `warden-jobs.sock`: connects for each request, owned by one thread."""

    def __init__(self, socket: Path, *, timeout_s: float = REQUEST_TIMEOUT_S) -> None:
        self._socket = socket
        self._timeout_s = timeout_s

    def release_keys(self, grant_token: str, headers: tuple[SegmentHeader, ...]) -> KeysReleased:
        """Data keys of exactly these segments (1 to 64). Raises: PermissionDenied, KeyMissing, Unavailable."""
        channel = Channel.connect(self._socket, timeout_s=self._timeout_s)
        try:
            released = channel.request(ReleaseKeys(grant_token=grant_token, headers=headers), KeysReleased)
        finally:
            channel.close()
        if len(released.data_keys) != len(headers):
            raise CustodesError(f"warden released {len(released.data_keys)} keys for {len(headers)} segments")
        return released

    def permit_looks(self, grant_token: str) -> SignedPermit:
        """That faces of a check's recordings may be compared now. Raises: PermissionDenied, Unavailable."""
        return self._once(PermitLooks(grant_token=grant_token), SignedPermit)

    def compare_protected(
        self, grant_token: str, contract: str, probes: tuple[TrackProbe, ...], is_last: bool
    ) -> None:
        """Compare tracks; the answer says nothing of what was found. Raises: PermissionDenied, Unavailable."""
        message = CompareProtected(grant_token=grant_token, contract=contract, probes=probes, is_last=is_last)
        self._once(message, Ok)

    def _once(self, message: object, reply: type[T]) -> T:
        channel = Channel.connect(self._socket, timeout_s=self._timeout_s)
        try:
            return channel.request(message, reply)
        finally:
            channel.close()

    def release_marks(self, grant_token: str, segment_ids: tuple[SegmentId, ...]) -> MarksReleased:
        """Mark keys of all sessions that were given one of these segments (1 to 64); only to a trace.

        Raises: PermissionDenied, InvalidArgument, ResourceExhausted, Unavailable.
        """
        channel = Channel.connect(self._socket, timeout_s=MARKS_TIMEOUT_S)
        try:
            return channel.request(ReleaseMarks(grant_token=grant_token, segment_ids=segment_ids), MarksReleased)
        finally:
            channel.close()
