"""Takes the log's checkpoints to its witnesses and their signatures back to the warden, which has no HTTP.

A witness that says no is not asked to reconsider: that the log did not simply grow stands in the log itself, and on
the page its last signature grows old.
"""

import asyncio
from collections.abc import Sequence
from typing import Protocol

import structlog

from custodes.adapters.witness.http import WitnessReply
from custodes.audit.note import NoteVerifier
from custodes.audit.witness import request_body
from custodes.errors import CustodesError, Unavailable
from custodes.ports.warden import Warden
from custodes.types.access import AuditKind, AuditRecord, Checkpoint

_CONFLICT = 409
STAMP_RETRY_S = 300.0


class WitnessClient(Protocol):
    """One witness over whatever carries its requests (blocking)."""

    def add_checkpoint(self, body: bytes) -> WitnessReply:
        """Raises: Unavailable."""
        ...


class WitnessRound:
    """One witness: what it signed last, and the way there."""

    def __init__(self, keys: Sequence[NoteVerifier], client: WitnessClient, warden: Warden) -> None:
        self.name = keys[0].name
        self._client = client
        self._warden = warden
        self._size = 0
        self._refused = ""
        self._lock = asyncio.Lock()

    async def bring(self, checkpoint: Checkpoint) -> bool:
        """Take a checkpoint there unless it signed that size already; True when it signed now.

        Raises: Unavailable when witness or warden do not answer.
        """
        async with self._lock:
            return await self._bring(checkpoint)

    async def _bring(self, checkpoint: Checkpoint) -> bool:
        if checkpoint.size == 0 or checkpoint.size == self._size:
            return False
        reply = await self._ask(self._size, checkpoint)
        known = _size_of(reply)
        if reply.status == _CONFLICT and known is not None and known != self._size and known <= checkpoint.size:
            # It remembers another size than we do: after our restart, or when its answer was lost.
            self._size = known
            reply = await self._ask(known, checkpoint)
        if reply.status != 200:
            await self._refuse(checkpoint, reply)
            return False
        await self._warden.store_cosigned(checkpoint.note + reply.body)
        self._size, self._refused = checkpoint.size, ""
        return True

    async def _ask(self, old_size: int, checkpoint: Checkpoint) -> WitnessReply:
        path: tuple[bytes, ...] = ()
        if 0 < old_size < checkpoint.size:
            path = await self._warden.prove_consistency(old_size, checkpoint.size)
        return await asyncio.to_thread(self._client.add_checkpoint, request_body(old_size, path, checkpoint.note))

    async def _refuse(self, checkpoint: Checkpoint, reply: WitnessReply) -> None:
        if reply.status >= 500:
            raise Unavailable(f"witness {self.name} answers {reply.status}")
        reason = f"{reply.status} {reply.body.strip()[:200]}"
        if reason == self._refused:
            return
        self._refused = reason
        structlog.get_logger().error("a witness refuses the log's checkpoint", witness=self.name, answer=reason)
        details = {"event": "witness_refused", "answer": reason, "size": str(checkpoint.size)}
        record = AuditRecord(kind=AuditKind.PROCESS_EVENT, actor="process:server", subject=self.name, details=details)
        await self._warden.append(record)


def _size_of(reply: WitnessReply) -> int | None:
    text = reply.body.strip()
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None


async def run_witnesses(rounds: Sequence[WitnessRound], warden: Warden, *, every_s: float) -> None:
    """For ever: the newest checkpoint to every witness, each by itself so that a slow one holds up nobody."""

    async def run_one(one: WitnessRound) -> None:
        is_told = False
        while True:
            try:
                await one.bring(await warden.read_checkpoint())
                is_told = False
            except CustodesError as error:
                if not is_told:
                    structlog.get_logger().warning("a witness cannot be asked", witness=one.name, error=str(error))
                is_told = True
            await asyncio.sleep(every_s)

    await asyncio.gather(*(run_one(one) for one in rounds), asyncio.Event().wait())


class Stamper(Protocol):
    """A time stamping authority (blocking)."""

    def stamp(self, note: str) -> bytes:
        """A verified token. Raises: Unavailable, DataLoss."""
        ...


async def stamp_once(stamper: Stamper, warden: Warden, last_size: int) -> int:
    """Have the newest checkpoint stamped unless it is of `last_size`; returns the size that is stamped now.

    Raises: Unavailable, DataLoss from authority or warden.
    """
    checkpoint = await warden.read_checkpoint()
    if checkpoint.size not in (0, last_size):
        token = await asyncio.to_thread(stamper.stamp, checkpoint.note)
        await warden.store_timestamp(checkpoint.note, token)
    return checkpoint.size


async def run_stamper(stamper: Stamper, warden: Warden, *, every_s: float) -> None:
    """For ever; a failure is told once and tried again after a while."""
    size, is_told = 0, False
    while True:
        try:
            size = await stamp_once(stamper, warden, size)
            is_told = False
            await asyncio.sleep(every_s)
        except CustodesError as error:
            if not is_told:
                structlog.get_logger().warning("the checkpoint was not time-stamped", error=str(error))
            is_told = True
            await asyncio.sleep(min(every_s, STAMP_RETRY_S))
