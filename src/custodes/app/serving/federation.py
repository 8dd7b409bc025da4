"""Tells a centre what the site's configuration shares, and forgets what the centre has confirmed.

What is told goes into the outbox first, in the transaction that stores it, and from there over NATS: the site works
on through a cut, and catches up in order. The centre answers with receipts, which can make us forget, send again or
number anew what waits in the outbox, and nothing else.
"""

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from custodes import __version__
from custodes.app.serving.answers import Answerer
from custodes.app.serving.wishes import WishBook
from custodes.audit.note import KeyType, NoteVerifier, parse_vkey
from custodes.audit.witness import request_body
from custodes.errors import ConfigError, CustodesError, DataLoss, InvalidArgument, LogCorrupt, ProtocolError
from custodes.federation.parcel import MAX_FACTS, cut, encode_fact, open_receipt, seal_parcel
from custodes.federation.shared import shared_figure, shared_fleet
from custodes.fleet.audit import FleetReport
from custodes.ports.catalog_async import AsyncCatalog
from custodes.ports.clock import Clock
from custodes.ports.outbox import Outbox
from custodes.ports.views import LiveState
from custodes.ports.warden import Warden
from custodes.types.federation import (
    MAX_ROWS,
    REMOVED,
    CameraNow,
    CamerasChanged,
    LogGrew,
    Receipt,
    Shared,
    SiteHealth,
    Topic,
)
from custodes.types.traffic import Figure

IDLE_S = 1.0
"""How often an empty outbox is looked into."""
RETRY_S = 2.0
RESEND_NS = 60 * 1_000_000_000
"""After so long without progress, what was sent and not confirmed is sent again: the stream lost it."""


class Link(Protocol):
    """`adapters.nats.NatsLink`, the site's half."""

    async def publish(self, site_id: str, sealed: bytes, message_id: str) -> None:
        """Raises: Unavailable."""
        ...

    async def on_receipt(self, site_id: str, take: Callable[[bytes], Awaitable[None]]) -> None:
        """Raises: Unavailable."""
        ...

    async def on_question(self, site_id: str, take: Callable[[bytes], Awaitable[None]]) -> None:
        """Raises: Unavailable."""
        ...

    @property
    def is_up(self) -> bool:
        """Whether it is worth going on with."""
        ...


Connect = Callable[[], AbstractAsyncContextManager[Link]]


class Sender:
    """The outbox's way to the centre. Used on one event loop."""

    def __init__(
        self,
        *,
        site_id: str,
        key: Ed25519PrivateKey,
        centre: NoteVerifier,
        outbox: Outbox,
        connect: Connect,
        clock: Clock,
        on_question: Callable[[bytes], Awaitable[None]] | None = None,
    ) -> None:
        """`on_question`: what the centre asks; None: it is not listened to."""
        self._on_question = on_question
        self._site_id = site_id
        self._key = key
        self._centre = centre
        self._outbox = outbox
        self._connect = connect
        self._clock = clock
        self._lock = asyncio.Lock()
        self._sent = 0
        self._round = 0
        self._confirmed = -1
        self._moved_ns = 0
        self.receipt: Receipt | None = None
        """The newest; None until the centre was heard."""
        self.is_idle = False
        """Everything was sent, as far as the last look."""

    async def run(self) -> None:
        """For ever; a centre that cannot be reached is told once."""
        is_told = False
        while True:
            try:
                async with self._connect() as link:
                    await link.on_receipt(self._site_id, self.take_receipt)
                    if self._on_question is not None:
                        await link.on_question(self._site_id, self._on_question)
                    is_told = False
                    self._moved_ns = self._clock.monotonic_ns()
                    while link.is_up:
                        if not await self.send_once(link):
                            await asyncio.sleep(IDLE_S)
            except CustodesError as error:
                if not is_told:
                    structlog.get_logger().warning("the centre is not told now; it waits", error=str(error))
                is_told = True
            await asyncio.sleep(RETRY_S)

    async def send_once(self, link: Link) -> bool:
        """The next parcel; False when nothing waits. Raises: Unavailable, and what the catalog raises."""
        async with self._lock:
            state = await asyncio.to_thread(self._outbox.state)
            self._again_when_stuck(state.floor)
            self._sent = max(self._sent, state.floor)
            waiting = await asyncio.to_thread(self._outbox.read, self._sent, MAX_FACTS)
            self.is_idle = not waiting
            if not waiting:
                return False
            before = await asyncio.to_thread(self._outbox.tip_at, self._sent)
            if before is None or waiting[0].seq != self._sent + 1:
                return await self._was_cut_meanwhile()
            encoded = [one.encoded for one in waiting]
            encoded = encoded[: cut(encoded)]
            first, last = waiting[0].seq, waiting[0].seq + len(encoded) - 1
            sealed = seal_parcel(
                self._key, site_id=self._site_id, first=first, before=before, floor=state.floor, encoded=encoded
            )
            await link.publish(self._site_id, sealed, f"{self._site_id}:{first}-{last}:{self._round}")
            self._sent = last
            return True

    async def _was_cut_meanwhile(self) -> bool:
        """True when a receipt shortened the outbox between two looks at it. Raises: DataLoss if it has a hole."""
        if (await asyncio.to_thread(self._outbox.state)).floor > self._sent:
            return True
        raise DataLoss(f"the outbox has a hole: nothing of number {self._sent + 1}, and newer facts wait")

    def _again_when_stuck(self, floor: int) -> None:
        now_ns = self._clock.monotonic_ns()
        if self._sent <= floor or self.receipt is None:
            self._moved_ns = now_ns
        elif now_ns - self._moved_ns > RESEND_NS:
            self._sent, self._round, self._moved_ns = floor, self._round + 1, now_ns

    async def take_receipt(self, sealed: bytes) -> None:
        """What came over the wire; of anybody but the centre it is dropped."""
        try:
            receipt = open_receipt(sealed, site_id=self._site_id, key=self._centre)
        except ProtocolError as error:
            structlog.get_logger().warning("a receipt that is none", error=str(error))
            return
        try:
            async with self._lock:
                await self._apply(receipt)
        except CustodesError as error:  # of the catalog: the receipt comes again
            structlog.get_logger().warning("a receipt waits", error=str(error))

    async def _apply(self, receipt: Receipt) -> None:
        state = await asyncio.to_thread(self._outbox.state)
        if receipt.seq < state.floor:
            if receipt.seq != self._confirmed:
                structlog.get_logger().warning("the centre forgot what it had", has=receipt.seq, floor=state.floor)
                self._sent, self._round = state.floor, self._round + 1
        elif await asyncio.to_thread(self._outbox.tip_at, receipt.seq) == receipt.tip:
            await asyncio.to_thread(self._outbox.forget, receipt.seq)
        else:
            structlog.get_logger().warning("the catalog is not what it was; facts are numbered anew", has=receipt.seq)
            await asyncio.to_thread(self._outbox.restart, receipt.seq, receipt.tip)
            self._sent, self._round = receipt.seq, self._round + 1
        if receipt.seq != self._confirmed:
            self._confirmed, self._moved_ns = receipt.seq, self._clock.monotonic_ns()
        self.receipt = receipt


class Federator:
    """What is told, and how it comes into the outbox. `run` for ever."""

    def __init__(
        self,
        *,
        topics: frozenset[Topic],
        every_s: float,
        sender: Sender,
        outbox: Outbox,
        catalog: AsyncCatalog,
        warden: Warden,
        live: LiveState,
        fleet: Callable[[], Awaitable[FleetReport]],
        data_dir: Path,
        clock: Clock,
        answerer: Answerer | None = None,
    ) -> None:
        self._answerer = answerer
        self._topics = topics
        self._every_s = every_s
        self._sender = sender
        self._outbox = outbox
        self._catalog = catalog
        self._warden = warden
        self._live = live
        self._fleet = fleet
        self._data_dir = data_dir
        self._clock = clock
        self._told: dict[str, CameraNow] = {}
        self._audit_ns = 0
        self._log_seq = -1
        self._kept_size = 0

    @property
    def answerer(self) -> Answerer | None:
        """Answers the centre's questions; None where it is not listened to."""
        return self._answerer

    @property
    def wishes(self) -> WishBook | None:
        """What the centre wishes to see; None where it is not listened to."""
        return None if self._answerer is None else self._answerer.wishes

    async def run(self) -> None:
        """Look, and send, for ever."""
        parts = [self._sender.run(), self._look_forever()]
        if self._answerer is not None:
            parts.append(self._answerer.run())
        await asyncio.gather(*parts)

    async def _look_forever(self) -> None:
        while True:
            try:
                await self.look()
            except (CustodesError, OSError) as error:
                structlog.get_logger().warning("what the centre is told is incomplete", error=str(error))
            await asyncio.sleep(self._every_s)

    async def look(self) -> None:
        """One round over what has no moment of its own. Raises: what catalog, warden and disk raise."""
        facts: list[Shared] = []
        if Topic.HEALTH in self._topics:
            facts += [await self._health(), *self._cameras()]
        if Topic.FLEET in self._topics:
            facts += await self._audited()
        await asyncio.to_thread(self._outbox.put, [encode_fact(one) for one in facts])
        if Topic.LOG in self._topics:
            await self._log()

    async def _health(self) -> SiteHealth:
        rows = self._live.camera_rows()
        free = await asyncio.to_thread(shutil.disk_usage, self._data_dir)
        return SiteHealth(
            utc_ns=self._clock.now_ns(),
            version=__version__,
            cameras=len(rows),
            recording=sum(row.is_recording for row in rows),
            recorded_bytes=await self._catalog.recorded_bytes(),
            free_bytes=free.free,
            facts_dropped=(await asyncio.to_thread(self._outbox.state)).dropped,
        )

    def _cameras(self) -> list[CamerasChanged]:
        now = [
            CameraNow(camera_id=row.camera_id, state=row.state.replace(" ", "-")[:64], is_recording=row.is_recording)
            for row in self._live.camera_rows()
        ]
        gone = self._told.keys() - {one.camera_id for one in now}
        now += [CameraNow(camera_id=camera_id, state=REMOVED, is_recording=False) for camera_id in sorted(gone)]
        news = [one for one in now if self._told.get(one.camera_id) != one]
        self._told = {one.camera_id: one for one in now if one.state != REMOVED}
        utc_ns = self._clock.now_ns()
        lots = (news[start : start + MAX_ROWS] for start in range(0, len(news), MAX_ROWS))
        return [CamerasChanged(utc_ns=utc_ns, cameras=tuple(lot)) for lot in lots]

    async def _audited(self) -> Sequence[Shared]:
        report = await self._fleet()
        audit_ns = max((one.seen.observed_ns for one in report.devices), default=0)
        if audit_ns == self._audit_ns:
            return []
        self._audit_ns = audit_ns
        return shared_fleet(report, audit_ns)

    async def _log(self) -> None:
        """The newest checkpoint, proven from what the centre's witness remembers, once it has what was told before.

        After a cut that is one proof over days: a witness wants the newest, not each.
        """
        receipt = self._sender.receipt
        if receipt is None:
            return
        state = await asyncio.to_thread(self._outbox.state)
        if self._log_seq < 0:
            self._log_seq = state.newest
        await self._keep(receipt)
        if max(receipt.seq, state.floor) < self._log_seq:
            return
        checkpoint = await self._warden.read_checkpoint()
        if checkpoint.size in (0, receipt.log_size):
            return
        path: tuple[bytes, ...] = ()
        if 0 < receipt.log_size < checkpoint.size:
            path = await self._warden.prove_consistency(receipt.log_size, checkpoint.size)
        request = request_body(receipt.log_size, path, checkpoint.note).decode()
        await asyncio.to_thread(self._outbox.put, [encode_fact(LogGrew(request=request))])
        self._log_seq = (await asyncio.to_thread(self._outbox.state)).newest

    async def _keep(self, receipt: Receipt) -> None:
        """The witness's signature, once. What the warden does not take is told, and the centre goes on being told."""
        if not receipt.cosigned or receipt.log_size == self._kept_size:
            return
        self._kept_size = receipt.log_size
        try:
            await self._warden.store_cosigned(receipt.cosigned)
        except (LogCorrupt, InvalidArgument) as error:
            structlog.get_logger().error("the centre's signature is not kept", error=str(error))


def shared_bytes(topics: frozenset[Topic], min_group: int) -> Callable[[Figure], list[bytes]]:
    """For `Outbox.share`: a figure that cannot be told is left out, never the reason that it is not stored."""

    def shared(figure: Figure) -> list[bytes]:
        found = []
        for fact in shared_figure(figure, topics, min_group=min_group):
            try:
                found.append(encode_fact(fact))
            except InvalidArgument as error:
                structlog.get_logger().warning("a figure is not told", error=str(error))
        return found

    return shared


def receipt_key(keys: Sequence[str]) -> NoteVerifier:
    """Of `federation.centre`. Raises: ConfigError when there is none, InvalidArgument for a malformed one."""
    for one in map(parse_vkey, keys):
        if one.key_type is KeyType.ED25519:
            return one
    raise ConfigError("federation.centre: none of the keys is for receipts; take all lines of `custodes centre init`")
