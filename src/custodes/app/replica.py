"""The replica of a warden: a process that follows the log, keeps copies of what lies beside it, and answers who only
asks.

`custodes warden replica FOLDER --from SOCKET`. Its folder is a data directory with a `warden/` and nothing else of a
site, so that `custodes audit --data FOLDER` reads it, too. It holds no key of the site in the clear and nothing that
opens one; its own key signs what it has (`app.party_keys`). What makes it the writer is in `app.promotion`.
"""

import asyncio
import contextlib
import fcntl
import hashlib
import json
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import structlog

from custodes.adapters.ipc.connections import Connections
from custodes.adapters.ipc.framing import AsyncChannel, answer_requests, expect, serve
from custodes.app.party_keys import make_witness, read_witness
from custodes.app.warden_replication import FILES, STORES
from custodes.audit.checkpoint import LogKeys, log_keys, open_published
from custodes.audit.cosignature import Cosigner, with_line
from custodes.audit.leaf import SealedLeaf
from custodes.audit.log_tables import read_entries, translated
from custodes.audit.note import KeyType
from custodes.audit.replica import ReplicaLog
from custodes.audit.tree import StoredTree
from custodes.config import SitePaths, read_identity, write_identity
from custodes.config.durable import replace_file
from custodes.errors import (
    AlreadyExists,
    CustodesError,
    DataLoss,
    FailedPrecondition,
    InvalidArgument,
    LogCorrupt,
    NotFound,
    ProtocolError,
    SiteMismatch,
    StorageFailed,
    Unavailable,
)
from custodes.ports.clock import Clock
from custodes.sealing.published import read_pinned, write_pinned
from custodes.types.access import Checkpoint
from custodes.types.message import (
    ConsistencyProof,
    InclusionProof,
    LogPage,
    Ok,
    Ping,
    ProveConsistency,
    ProveInclusion,
    ReadCheckpoint,
    ReadLog,
)
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

SOCKET = "replica"
RETRY_S = 1.0
SILENT_S = 40.0
"""Without a word of the warden for so long, which speaks every ten seconds, the line counts as cut."""
MAX_PAGE = 1000


def make_replica(folder: Path, name: str, site: Path) -> str:
    """A new folder with the replica's keys; returns the key for the site's `audit.replicas`.

    Args: site: where the site's `site.json` and `warden-key.json` lie, both public: its data directory, or copies.

    Raises: SiteMismatch without them; FailedPrecondition when the folder holds a replica already.
    """
    theirs, ours = SitePaths(site), SitePaths(folder)
    identity = read_identity(theirs.identity)
    if identity is None:
        raise SiteMismatch(f"{site} has no site.json of a site that has started")
    pinned = read_pinned(theirs.warden_key)
    cosigners = make_witness(folder, name)
    ours.warden_dir.mkdir(mode=0o700)
    ours.run_dir.mkdir(mode=0o700, exist_ok=True)
    write_pinned(ours.warden_key, pinned)
    write_identity(ours.identity, identity)
    return _signing(cosigners).verifier.vkey


def replica_key(folder: Path) -> str:
    """For the site's `audit.replicas`. Raises: KeyMissing, FailedPrecondition."""
    return _signing(read_witness(folder)).verifier.vkey


def _signing(cosigners: tuple[Cosigner, ...]) -> Cosigner:
    return next(one for one in cosigners if one.verifier.key_type is KeyType.COSIGN_ED25519)


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """One process works on a replica's folder. Raises: AlreadyExists, NotFound."""
    try:
        descriptor = os.open(folder / "replica.lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise NotFound(f"{folder} holds no replica: {error.strerror}; make one: custodes warden init") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise AlreadyExists(f"another process works on the replica in {folder}; stop it first") from error
        yield
    finally:
        os.close(descriptor)


def promoted_generation(folder: Path) -> int:
    """Under which generation it was promoted; 0: it was not. Raises: DataLoss."""
    try:
        return int(json.loads((folder / "promoted.json").read_text())["generation"])
    except FileNotFoundError:
        return 0
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataLoss(f"{folder / 'promoted.json'} cannot be read: {error}") from error


class Replica:
    """Opened; follows one warden."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        """Raises: KeyMissing, SiteMismatch, LogCorrupt, Unavailable."""
        self.paths = SitePaths(folder)
        self._folder = folder
        self._clock = clock
        self._cosigners = read_witness(folder)
        self._signer = _signing(self._cosigners)
        pinned = read_pinned(self.paths.warden_key)
        self.keys: LogKeys = log_keys(pinned.log_origin, pinned.log_key, pinned.log_mldsa_key)
        self.log = ReplicaLog.open(self.paths.warden_dir / "log.db", self.keys.ed25519)
        self._writer_size, self._seen_ns, self._trouble, self._is_connected = 0, 0, "has not connected yet", False
        self._is_synchronous, self._has_followed = False, False

    async def follow(self, source: Path) -> None:
        """For ever; a warden that is away is asked again every second.

        Raises: LogCorrupt when the logs have diverged, PermissionDenied when the warden does not know it,
            FailedPrecondition; Unavailable, ResourceExhausted from its own disk.
        """
        is_told = False
        while True:
            try:
                channel = await AsyncChannel.connect(source)
                try:
                    await self._follow(channel)
                finally:
                    self._is_connected = False
                    await channel.close()
            except (Unavailable, ProtocolError) as error:
                self._trouble = str(error)
                if not is_told or self._has_followed:
                    structlog.get_logger().warning("the warden cannot be followed", error=str(error))
                is_told, self._has_followed = True, False
            await asyncio.sleep(RETRY_S)

    async def _follow(self, channel: AsyncChannel) -> None:
        await channel.send(
            FollowLog(
                name=self._signer.verifier.name,
                size=self.log.size,
                root_hash=self.log.root,
                generation=0,
                stores=self._digests(),
            )
        )
        followed = expect(await self._heard(channel), LogFollowed)
        self._writer_size, self._is_synchronous = followed.size, followed.is_synchronous
        if followed.size < self.log.size:
            raise LogCorrupt(
                f"the warden has {followed.size} entries and this replica {self.log.size}: its log was put back from "
                "an older copy, or is another one"
            )
        self._remember(followed)
        self._is_connected, self._has_followed, self._trouble = True, True, ""
        structlog.get_logger().info("follows", size=self.log.size, of=followed.size)
        while (message := await self._heard(channel)) is not None:
            line = self._take(message)
            self._seen_ns = self._clock.now_ns()
            await channel.send(PieceKept(size=self.log.size, line=line))

    async def _heard(self, channel: AsyncChannel) -> object | None:
        try:
            async with asyncio.timeout(SILENT_S):
                return await channel.receive()
        except TimeoutError as error:
            raise Unavailable(f"the warden was silent for {SILENT_S:.0f} s") from error

    def _take(self, message: object) -> str:
        """Durable on return; the line that signs it. Raises: LogCorrupt, ProtocolError, errors of the disk."""
        match message:
            case LogPiece():
                if not len(message.leaves) == len(message.blinds) == len(message.personals):
                    raise ProtocolError("a piece of the log with columns of unequal lengths")
                leaves = [
                    SealedLeaf(leaf=leaf, blind=blind, personal=personal)
                    for leaf, blind, personal in zip(message.leaves, message.blinds, message.personals, strict=True)
                ]
                head = self.log.take(message.first, leaves, message.note)
                self._writer_size = max(self._writer_size, head.size)
                return self._line(head)
            case PersonalKept(runs=runs):
                self.log.keep_personal([index for first, count in runs for index in range(first, first + count)])
            case StoreCopy():
                self._put_store(message)
            case HeadPublished(note=note):
                self._publish(note)
            case StillThere():
                pass
            case _:
                raise ProtocolError(f"a warden sends its replicas no {type(message).__name__}")
        return ""

    def _line(self, head: Checkpoint) -> str:
        return self._signer.line(head, self._clock.now_ns() // NS_PER_S)

    def _publish(self, note: str) -> None:
        """Remember it, with our own lines: what an outsider checks the copy by."""
        head = open_published(note, self.keys)
        if head.size != self.log.size or head.root_hash != self.log.root:
            raise LogCorrupt(f"the warden published another tree of {head.size} entries than it sent")
        time_s = self._clock.now_ns() // NS_PER_S
        signed = head
        for one in self._cosigners:
            signed = with_line(signed, one.line(head, time_s))
        try:
            database = self.log.connection
            database.execute("INSERT OR REPLACE INTO state VALUES ('published', ?)", (note,))
            database.execute(
                "INSERT OR REPLACE INTO cosigned VALUES (?, ?, ?)",
                (self._signer.verifier.name, head.size, signed.note),
            )
        except sqlite3.Error as error:
            raise translated(error) from error

    def _put_store(self, copy: StoreCopy) -> None:
        if copy.name not in (*STORES, *FILES):
            raise ProtocolError(f"there is no store {copy.name!r} beside a log")
        if copy.name in STORES:
            _check_database(copy)
        path = self.paths.warden_dir / copy.name
        before = None
        with contextlib.suppress(FileNotFoundError):
            before = os.open(path, os.O_RDWR)
        try:
            replace_file(path, copy.content)
            path.chmod(0o600)
            if before is not None:
                # A destroyed key must not stay in the blocks of the copy before.
                os.pwrite(before, b"\0" * os.fstat(before).st_size, 0)
                os.fsync(before)
        except OSError as error:
            raise StorageFailed(f"{copy.name} cannot be kept: {error.strerror}") from error
        finally:
            if before is not None:
                os.close(before)

    def _digests(self) -> dict[str, bytes]:
        found = {}
        for name in (*STORES, *FILES):
            with contextlib.suppress(FileNotFoundError):
                found[name] = hashlib.sha256((self.paths.warden_dir / name).read_bytes()).digest()
        return found

    def _remember(self, followed: LogFollowed) -> None:
        """For `promote`: how the warden was followed, and whose generation it was."""
        said = {"generation": followed.generation, "synchronous": followed.is_synchronous, "size": followed.size}
        replace_file(self._folder / "follows.json", json.dumps(said).encode())

    # -- who only asks -----------------------------------------------------------------------------------------

    async def serve_peer(self, channel: AsyncChannel) -> None:
        """Questions that change nothing."""
        await answer_requests(channel, self.respond)

    async def respond(self, message: object) -> object:
        """Raises: InvalidArgument, LogCorrupt, Unavailable."""
        tree = StoredTree(self.log.connection, self.log.size)
        match message:
            case ReadLog(start=start, limit=limit):
                if start < 0 or not 0 <= limit <= MAX_PAGE:
                    raise InvalidArgument(f"entries from {start}, {limit} of them; at most {MAX_PAGE} at once")
                return LogPage(entries=read_entries(self.log.connection, start, limit), checkpoint=self.signed_head())
            case ReadCheckpoint():
                return self.signed_head()
            case ProveInclusion(index=index, size=size):
                path = StoredTree(self.log.connection, min(size, self.log.size)).prove_inclusion(index)
                return InclusionProof(index=index, size=size, path=path)
            case ProveConsistency(old_size=old_size):
                return ConsistencyProof(path=tree.prove_consistency(old_size))
            case ReadReplicas():
                return self.table()
            case Ping():
                return Ok()
        raise FailedPrecondition(
            f"this is a replica: it answers questions about the log, not {type(message).__name__}"
        )

    def signed_head(self) -> Checkpoint:
        """The warden's newest head with the replica's line. Raises: Unavailable while there is none."""
        if self.log.head is None:
            raise Unavailable("the replica has nothing yet")
        return with_line(self.log.head, self._line(self.log.head))

    def table(self) -> ReplicaTable:
        """This one."""
        row = ReplicaRow(
            name=self._signer.verifier.name,
            is_connected=self._is_connected,
            size=self.log.size,
            seen_ns=self._seen_ns,
            trouble=self._trouble,
        )
        return ReplicaTable(
            size=max(self._writer_size, self.log.size),
            generation=0,
            is_synchronous=self._is_synchronous,
            rows=(row,),
        )


def _check_database(copy: StoreCopy) -> None:
    try:
        with contextlib.closing(sqlite3.connect(":memory:")) as database:
            database.deserialize(copy.content)
            (said,) = database.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as error:
        raise ProtocolError(f"the copy of {copy.name} is no database: {error}") from error
    if said != "ok":
        raise ProtocolError(f"the copy of {copy.name} is damaged: {said}")


async def tell_old(folder: Path, source: Path, generation: int) -> None:
    """For ever: the old warden is told that this replica was promoted, whenever it comes back."""
    name, told = _signing(read_witness(folder)).verifier.name, ""
    while True:
        try:
            channel = await AsyncChannel.connect(source)
            try:
                hello = FollowLog(name=name, size=0, root_hash=b"", generation=generation, stores={})
                await channel.send(hello)
                async with asyncio.timeout(SILENT_S):
                    expect(await channel.receive(), LogFollowed)
            finally:
                await channel.close()
        except Unavailable:
            told = ""  # it is away, as it should be
        except (CustodesError, TimeoutError) as error:
            if str(error) != told:
                structlog.get_logger().warning("the old warden was told of the promotion", answer=str(error))
            told = str(error)
        await asyncio.sleep(RETRY_S)


async def run(folder: Path, source: Path, stop: asyncio.Event, clock: Clock) -> None:
    """Follow and answer until `stop`; one that was promoted only tells the old warden so, and opens no log.

    Raises: AlreadyExists, NotFound, KeyMissing; what `Replica.follow` raises.
    """
    with held(folder):
        stopping = asyncio.create_task(stop.wait(), name="stop")
        if generation := promoted_generation(folder):
            telling = asyncio.create_task(tell_old(folder, source, generation), name="tell")
            await asyncio.wait({telling, stopping}, return_when=asyncio.FIRST_COMPLETED)
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)
            return
        replica = Replica(folder, clock)
        connections = Connections()
        replica.paths.run_dir.mkdir(mode=0o700, exist_ok=True)
        socket = await serve(replica.paths.socket(SOCKET), connections.tracked(replica.serve_peer))
        following = asyncio.create_task(replica.follow(source), name="follow")
        try:
            await asyncio.wait({following, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if following.done():
                following.result()
        finally:
            socket.close()
            for task in (following, stopping):
                task.cancel()
            await asyncio.gather(following, stopping, return_exceptions=True)
            await connections.end()
            replica.log.close()
