"""The warden's side of its replicas: what each has, sending what it lacks, waiting for it where that is asked.

**Invariant:** where replication is synchronous, nothing is acknowledged to anybody before every configured replica has
said, under its own signature, that it has the entry; so a promoted replica lacks nothing that was acknowledged, and a
warden whose replica was promoted acknowledges nothing more (ADR 127).
"""

import asyncio
import hashlib
import itertools
import sqlite3
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from custodes.adapters.ipc.framing import AsyncChannel, expect, failure_of
from custodes.app.warden_log import LogWriter
from custodes.audit.cosignature import open_cosignatures, with_line
from custodes.audit.log import AuditLog
from custodes.audit.note import KeyType, NoteVerifier
from custodes.errors import (
    CustodesError,
    FailedPrecondition,
    LogCorrupt,
    PermissionDenied,
    ProtocolError,
    Unavailable,
)
from custodes.ports.clock import Clock
from custodes.types.access import AuditKind, Checkpoint
from custodes.types.replica import (
    FollowLog,
    HeadPublished,
    LogFollowed,
    LogPiece,
    PersonalKept,
    PieceKept,
    ReadReplicas,
    ReplicaRow,
    ReplicaTable,
    StillThere,
    StoreCopy,
)
from custodes.units import NS_PER_S

SOCKET = "warden-replica"

STORES = ("keys.db", "requests.db", "cases.db", "faces.db")
"""Small databases beside the log, each sent whole when it changed: a megabyte for a hundred cameras and a year."""
FILES = ("provider.json",)
"""What else opens them: how the root secret is guarded, not what guards it."""

PIECE_ENTRIES = 512
ANSWER_S = 10.0
"""For a replica to keep a piece: a write and an fsync. Beyond it its connection counts as cut."""
WAIT_S = 5.0
"""How long an append waits for replicas where replication is synchronous; then it is refused."""
START_S = 30.0
"""How long a warden that replicates synchronously waits for its replicas before it writes anything."""
WITHOUT_REPLICA = (
    "A replica of the warden does not answer, and nothing is released or changed without it. Recording goes on. "
    "Tell whoever runs this site."
)
"""For people at the page, who cannot mend it (`web.language.reported`)."""

PUBLISH_S = 10.0
"""How late a replica has the checkpoint as it may leave."""


@dataclass(slots=True)
class _Replica:
    """One configured replica."""

    verifier: NoteVerifier
    size: int = -1
    """Entries that it has under its signature since it connected; -1: not connected."""
    stores: dict[str, bytes] = field(default_factory=dict)
    seen_ns: int = 0
    trouble: str = "has not connected since the start"
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    is_taken: bool = False
    """Somebody is connected under its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaRules:
    """Who follows the log, and whether they are waited for."""

    verifiers: tuple[NoteVerifier, ...]
    is_synchronous: bool


class Replication:
    """Used on the warden's event loop."""

    def __init__(
        self, writer: LogWriter, folder: Path, verifiers: Sequence[NoteVerifier], *, is_synchronous: bool, clock: Clock
    ) -> None:
        """`verifiers`: the replicas' keys that sign what they have (Ed25519 cosigners)."""
        self._writer = writer
        self._folder = folder
        self._clock = clock
        self._is_synchronous = is_synchronous
        self._replicas = {one.name: _Replica(one) for one in verifiers if one.key_type is KeyType.COSIGN_ED25519}
        self._stores = Stores(folder)
        self._news = asyncio.Condition()
        self.superseded = 0
        """Generation of the replica that was promoted instead of this warden; 0: none."""

    async def serve_peer(self, channel: AsyncChannel) -> None:
        """One replica, until it goes; or a question of the command line."""
        hello = await channel.receive()
        if isinstance(hello, ReadReplicas):
            await channel.send(await self._table())
            return
        if not isinstance(hello, FollowLog):
            raise ProtocolError(f"a replica's first message is FollowLog, not {type(hello).__name__}")
        try:
            replica = await self._greeted(hello)
        except CustodesError as error:
            structlog.get_logger().error("a replica is refused", replica=hello.name, error=str(error))
            if hello.name in self._replicas:
                self._replicas[hello.name].trouble = str(error)
            await channel.send(failure_of(error))
            return
        try:
            size, generation = await self._writer.ask(lambda log: (log.size, log.generation()))
            await channel.send(LogFollowed(size=size, generation=generation, is_synchronous=self._is_synchronous))
            await self._feed(replica, hello, channel)
        except CustodesError as error:
            replica.trouble = str(error)
            raise
        finally:
            replica.size, replica.is_taken = -1, False
            replica.trouble = replica.trouble or "went away"
            structlog.get_logger().warning("a replica is gone", replica=hello.name, why=replica.trouble)

    async def _greeted(self, hello: FollowLog) -> _Replica:
        """Raises: PermissionDenied, FailedPrecondition (promoted, or here twice), LogCorrupt (diverged)."""
        replica = self._replicas.get(hello.name)
        if replica is None:
            raise PermissionDenied(f"no replica {hello.name!r} is named under audit.replicas")
        if hello.generation:
            await self._give_way(hello.generation)
            raise FailedPrecondition(
                f"the replica {hello.name} was promoted: the log goes on there, under generation {hello.generation}; "
                "this warden writes nothing any more"
            )

        def compare(log: AuditLog) -> None:
            if hello.size > log.size:
                raise LogCorrupt(
                    f"the replica {hello.name} has {hello.size} entries, this log {log.size}: the logs have diverged, "
                    "or this one was put back from an older copy"
                )
            if hello.size and log.root_at(hello.size) != hello.root_hash:
                raise LogCorrupt(
                    f"the {hello.size} entries of the replica {hello.name} are not those of this log: the logs have "
                    "diverged"
                )

        await self._writer.ask(compare)
        if replica.is_taken:
            raise FailedPrecondition(f"the replica {hello.name} is connected already")
        replica.is_taken = True
        return replica

    async def _give_way(self, generation: int) -> None:
        """Raises: FailedPrecondition when this warden's log is the one that goes on from that promotion."""

        def went_on(log: AuditLog) -> bool:
            found = log.read_of_kind(AuditKind.WARDEN_PROMOTED, 0, log.size)
            return any(int(one.record.details["generation"]) >= generation for one in found)

        if await self._writer.ask(went_on):
            raise FailedPrecondition(
                f"the replica was promoted under generation {generation}, and this is the log that it became: make a "
                "new one to follow"
            )
        await self._writer.ask(lambda log: log.supersede(generation))
        self.superseded = generation
        async with self._news:
            self._news.notify_all()

    async def _feed(self, replica: _Replica, hello: FollowLog, channel: AsyncChannel) -> None:
        """Send what it lacks, for ever. Raises: Unavailable, LogCorrupt, ProtocolError."""
        sent, erasures, published_s, published = hello.size, -1, 0.0, 0
        replica.stores = dict(hello.stores)
        loop = asyncio.get_running_loop()
        structlog.get_logger().info("a replica follows", replica=hello.name, size=hello.size)
        replica.trouble = ""
        while True:
            replica.wake.clear()
            size, erased = await self._writer.ask(lambda log: (log.size, log.erasures))
            while sent < size:
                sent = await self._send_piece(replica, channel, sent)
            if erased != erasures:
                runs = await self._writer.ask(lambda log: _runs(log.personal_kept()))
                await self._kept(replica, channel, PersonalKept(runs=runs))
                erasures = erased
            for name, content in self._stores.contents():
                digest = hashlib.sha256(content).digest()
                if replica.stores.get(name) != digest:
                    await self._kept(replica, channel, StoreCopy(name=name, content=content))
                    replica.stores[name] = digest
            await self._saw(replica, sent)
            if sent > published and loop.time() - published_s > PUBLISH_S:
                published_s, published = loop.time(), sent
                head = await self._writer.ask(lambda log: log.publish(self._clock.now_ns() // NS_PER_S))
                if head.size == sent:
                    await self._kept(replica, channel, HeadPublished(note=head.note))
            try:
                async with asyncio.timeout(PUBLISH_S):
                    await replica.wake.wait()
            except TimeoutError:
                await self._kept(replica, channel, StillThere())

    async def _send_piece(self, replica: _Replica, channel: AsyncChannel, first: int) -> int:
        leaves, head = await self._writer.ask(lambda log: log.sealed(first, PIECE_ENTRIES))
        piece = LogPiece(
            first=first,
            leaves=tuple(one.leaf for one in leaves),
            blinds=tuple(one.blind for one in leaves),
            personals=tuple(one.personal for one in leaves),
            note=head.note,
        )
        kept = await self._kept(replica, channel, piece)
        if kept.size != head.size or not _is_signed(head, kept.line, replica.verifier):
            raise LogCorrupt(
                f"the replica {replica.verifier.name} did not sign the {head.size} entries that it was sent"
            )
        await self._saw(replica, head.size)
        return head.size

    async def _kept(self, replica: _Replica, channel: AsyncChannel, message: object) -> PieceKept:
        try:
            async with asyncio.timeout(ANSWER_S):
                await channel.send(message)
                answer = await channel.receive()
        except TimeoutError as error:
            raise Unavailable(f"the replica {replica.verifier.name} was silent for {ANSWER_S:.0f} s") from error
        if answer is None:
            raise Unavailable(f"the replica {replica.verifier.name} went away")
        return expect(answer, PieceKept)

    async def _saw(self, replica: _Replica, size: int) -> None:
        replica.size, replica.seen_ns = size, self._clock.now_ns()
        async with self._news:
            self._news.notify_all()

    def is_complete(self) -> bool:
        """Whether every replica is connected."""
        return all(one.size >= 0 for one in self._replicas.values())

    def look(self) -> None:
        """What lies beside the log now. Raises: Unavailable."""
        self._stores.look()

    # -- waiting -----------------------------------------------------------------------------------------------

    async def wait_for_all(self) -> None:
        """At the start, before anything is written. Raises: FailedPrecondition, Unavailable."""
        if not self._is_synchronous:
            return
        size = await self._writer.ask(lambda log: log.size)
        await self._until(lambda one: one.size >= size, START_S, "nothing is written before every replica follows")

    async def committed(self, size: int) -> None:
        """The first `size` entries are durable here. Raises: Unavailable when a replica does not have them in time."""
        self._wake()
        if self._is_synchronous:
            await self._until(lambda one: one.size >= size, WAIT_S, WITHOUT_REPLICA)

    async def settled(self) -> None:
        """Something was answered; what it changed beside the log is to be with the replicas, too.

        Raises: Unavailable as `committed`.
        """
        changed = self._stores.look()
        if not changed:
            return
        self._wake()
        if self._is_synchronous:
            wanted = {name: hashlib.sha256(content).digest() for name, content in self._stores.contents()}
            await self._until(
                lambda one: one.size >= 0 and all(one.stores.get(name) == wanted[name] for name in changed),
                WAIT_S,
                WITHOUT_REPLICA,
            )

    def _wake(self) -> None:
        for one in self._replicas.values():
            one.wake.set()

    async def _until(self, is_so: Callable[[_Replica], bool], patience_s: float, sentence: str) -> None:
        def lacking() -> list[_Replica]:
            return [one for one in self._replicas.values() if not is_so(one)]

        try:
            async with asyncio.timeout(patience_s), self._news:
                await self._news.wait_for(lambda: self.superseded or not lacking())
        except TimeoutError as error:
            said = "; ".join(f"{one.verifier.name}: {one.trouble or 'is behind'}" for one in lacking())
            structlog.get_logger().error("replicas do not answer", missing=said)
            raise Unavailable(sentence if sentence == WITHOUT_REPLICA else f"{sentence} ({said})") from error
        if self.superseded:
            raise FailedPrecondition(
                f"a replica of this warden was promoted (generation {self.superseded}); the log goes on there"
            )

    async def _table(self) -> ReplicaTable:
        size = await self._writer.ask(lambda log: log.size)
        rows = [
            ReplicaRow(
                name=name,
                is_connected=one.size >= 0,
                size=max(one.size, 0),
                seen_ns=one.seen_ns,
                trouble=one.trouble,
            )
            for name, one in self._replicas.items()
        ]
        generation = await self._writer.ask(lambda log: log.generation())
        return ReplicaTable(size=size, generation=generation, is_synchronous=self._is_synchronous, rows=tuple(rows))

    def close(self) -> None:
        """Idempotent."""
        self._stores.close()


class Stores:
    """What lies beside the log, as it is to be copied; looked at through connections of its own that only read."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: dict[str, sqlite3.Connection] = {}
        self._versions: dict[str, int] = {}
        self._contents: dict[str, bytes] = {}

    def look(self) -> set[str]:
        """Names of those that changed since the last look; the first look finds all. About 20 µs when none did.

        Raises: Unavailable.
        """
        changed = set()
        for name in FILES:
            path = self._folder / name
            if name not in self._contents and path.exists():
                self._contents[name] = path.read_bytes()
                changed.add(name)
        for name in STORES:
            try:
                database = self._database(name)
                if database is None:
                    continue
                (version,) = database.execute("PRAGMA data_version").fetchone()
                if self._versions.get(name) != version:
                    self._versions[name], self._contents[name] = version, _alone(database.serialize())
                    changed.add(name)
            except sqlite3.Error as error:
                raise Unavailable(f"{name} cannot be copied for replicas: {error}") from error
        return changed

    def contents(self) -> Iterable[tuple[str, bytes]]:
        """As of the last look."""
        return list(self._contents.items())

    def _database(self, name: str) -> sqlite3.Connection | None:
        path = self._folder / name
        if name not in self._open and path.exists():
            self._open[name] = sqlite3.connect(
                f"file:{path}?mode=ro", uri=True, isolation_level=None, check_same_thread=False
            )
        return self._open.get(name)

    def close(self) -> None:
        """Idempotent."""
        for one in self._open.values():
            one.close()
        self._open.clear()


def settling(
    respond: Callable[[object], Awaitable[object]], replication: Replication | None
) -> Callable[[object], Awaitable[object]]:
    """The same answers, each given only when what it changed beside the log is settled (`Replication.settled`)."""
    if replication is None:
        return respond

    async def answer(message: object) -> object:
        reply = await respond(message)
        await replication.settled()
        return reply

    return answer


def _alone(content: bytes) -> bytes:
    """A database as it is without its write-ahead log: bytes 18 and 19 of the header say whether it has one (2).

    Source: https://www.sqlite.org/fileformat2.html 1.3.3; whoever opens it turns the log on again.
    """
    return content[:18] + b"\x01\x01" + content[20:]


def _is_signed(head: Checkpoint, line: str, verifier: NoteVerifier) -> bool:
    try:
        return bool(open_cosignatures(with_line(head, line), [verifier]))
    except LogCorrupt:
        return False


def _runs(indices: Iterable[int]) -> tuple[tuple[int, int], ...]:
    """(first, count) of what follows without a hole; `indices` in order."""
    found = []
    for _, group in itertools.groupby(enumerate(indices), key=lambda pair: pair[1] - pair[0]):
        some = [index for _, index in group]
        found.append((some[0], len(some)))
    return tuple(found)
