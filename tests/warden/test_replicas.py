"""A warden and its replica, over a line that tests cut: nothing acknowledged is missing, and one of them writes."""

import asyncio
import contextlib
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.warden.conftest import Site

from custodes.adapters.ipc.framing import RequestClient
from custodes.app import replica, warden_replication
from custodes.app.promotion import promote
from custodes.app.replica import SOCKET, make_replica, run
from custodes.app.warden import open_gate
from custodes.app.warden_gate import Gate
from custodes.app.warden_replication import ReplicaRules
from custodes.audit.checkpoint import log_keys
from custodes.audit.log_tables import read_entries
from custodes.audit.note import parse_vkey
from custodes.audit.verify import open_readonly, verify_log
from custodes.config import KeyConfig, SitePaths
from custodes.errors import AlreadyExists, FailedPrecondition, KeyMissing, LogCorrupt, Unavailable
from custodes.runtime.clock import SystemClock
from custodes.sealing.published import key_id_of, read_pinned
from custodes.types.access import AuditKind, AuditRecord, Checkpoint
from custodes.types.message import (
    Append,
    Appended,
    InclusionProof,
    LogPage,
    ProveInclusion,
    ReadCheckpoint,
    ReadLog,
)
from custodes.types.replica import ReadReplicas, ReplicaTable
from custodes.units import CameraId

PASSPHRASE = "a long passphrase of this test"
RECORD = AuditRecord(kind=AuditKind.CONFIG_CHANGED, actor="process:test", subject="x", details={})


class Pair:
    """A site with a warden's folder, and a replica of it."""

    def __init__(self, folder: Path, *, is_synchronous: bool) -> None:
        (folder / "site").mkdir()
        self.site = Site(folder / "site")
        self.site.paths.run_dir.mkdir(parents=True, exist_ok=True)
        asyncio.run(self._begin())
        self.folder = folder / "replica"
        vkey = make_replica(self.folder, "second.example/warden", folder / "site")
        self.rules = ReplicaRules(verifiers=(parse_vkey(vkey),), is_synchronous=is_synchronous)
        self.line = self.site.paths.socket("line")

    async def _begin(self) -> None:
        async with self.site.warden(PASSPHRASE):
            pass

    @property
    def socket(self) -> Path:
        return self.site.paths.socket("warden-replica")

    @asynccontextmanager
    async def warden(self, *, generation: int = 0) -> AsyncIterator[Gate]:
        async with open_gate(
            self.site.paths,
            self.site.identity,
            passphrase=PASSPHRASE,
            clock=SystemClock(),
            replicas=self.rules,
            generation=generation,
        ) as gate:
            yield gate

    @asynccontextmanager
    async def following(self, source: Path | None = None) -> AsyncIterator[tuple[asyncio.Task[None], asyncio.Event]]:
        """The replica's process, here; what it raised, and how it is stopped."""
        stop = asyncio.Event()
        task = asyncio.create_task(run(self.folder, source or self.socket, stop, SystemClock()))
        try:
            yield task, stop
        finally:
            stop.set()
            await asyncio.wait({task})
            task.exception()  # looked at by those whom it concerns

    async def replica_has(self, size: int) -> None:
        client = RequestClient(SitePaths(self.folder).socket(SOCKET))
        try:
            await until(lambda: self._size(client, size))
        finally:
            await client.close()

    async def _size(self, client: RequestClient, size: int) -> bool:
        with contextlib.suppress(Unavailable):
            return (await client.request(ReadReplicas(), ReplicaTable)).rows[0].size >= size
        return False

    def promote(self, **how: Any) -> Any:
        options = {"source": None, "site": None, "may_lose": False, "keys_config": KeyConfig(), **how}
        environment = {"CUSTODES_PASSPHRASE": how.pop("passphrase", PASSPHRASE)}
        options.pop("passphrase", None)
        return promote(self.folder, environment=environment, clock=SystemClock(), **options)

    def kinds(self, folder: Path) -> list[AuditKind]:
        connection = open_readonly(folder / "warden" / "log.db")
        try:
            return [entry.record.kind for entry in read_entries(connection, 0, 1000)]
        finally:
            connection.close()

    def verified(self, folder: Path) -> int:
        pinned = read_pinned(self.site.paths.warden_key)
        return verify_log(
            folder / "warden/log.db", log_keys(pinned.log_origin, pinned.log_key, pinned.log_mldsa_key)
        ).size


async def until(is_so: Callable[[], Coroutine[Any, Any, bool]]) -> None:
    async with asyncio.timeout(60.0):
        while not await is_so():
            await asyncio.sleep(0.02)


class Line:
    """Between replica and warden."""

    def __init__(self) -> None:
        self.ends: list[asyncio.StreamWriter] = []
        self.is_cut = False

    def cut(self) -> None:
        self.is_cut = True
        for end in self.ends:
            end.close()


@asynccontextmanager
async def line(pair: Pair) -> AsyncIterator[Line]:
    carried = Line()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while piece := await reader.read(65536):
                writer.write(piece)
                await writer.drain()
        writer.close()

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if carried.is_cut:
                raise OSError("the line is cut")
            there, back = await asyncio.open_unix_connection(str(pair.socket))
        except OSError:
            writer.close()
            return
        carried.ends.extend((writer, back))
        await asyncio.gather(pump(reader, back), pump(there, writer))

    server = await asyncio.start_unix_server(carry, str(pair.line))
    try:
        yield carried
    finally:
        server.close()
        carried.cut()


@pytest.fixture(params=[False, True], ids=["asynchronous", "synchronous"])
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Pair:
    return Pair(tmp_path, is_synchronous=request.param)


@pytest.fixture
def waiting(tmp_path: Path) -> Pair:
    return Pair(tmp_path, is_synchronous=True)


@pytest.fixture(autouse=True)
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replica, "RETRY_S", 0.05)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warden_replication, "START_S", 0.3)
    monkeypatch.setattr(warden_replication, "WAIT_S", 0.3)


def test_replica_follows_answers_questions_and_writes_nothing_for_anybody(pair: Pair) -> None:
    async def main() -> None:
        async with pair.following(), pair.warden() as gate:
            await gate.publish((CameraId("gate"),))
            assert gate.replication is not None
            await gate.replication.settled()
            index = (await gate.append(RECORD)).index
            await pair.replica_has(index + 1)
            client = RequestClient(SitePaths(pair.folder).socket(SOCKET))
            page = await client.request(ReadLog(start=index, limit=10), LogPage)
            assert [entry.record for entry in page.entries] == [RECORD]
            head = await client.request(ReadCheckpoint(), Checkpoint)
            assert "second.example/warden" in head.note
            proof = await client.request(ProveInclusion(index=index, size=index + 1), InclusionProof)
            assert proof.path == await gate._log.ask(lambda log: log.prove_inclusion(index, index + 1))
            with pytest.raises(FailedPrecondition, match="replica"):
                await client.request(Append(record=RECORD), Appended)
            await client.close()

    asyncio.run(main())
    assert pair.verified(pair.folder) == pair.verified(pair.site.paths.data_dir)


def test_synchronous_warden_without_its_replica_writes_nothing_and_says_whom_it_misses(
    waiting: Pair, impatient: None
) -> None:
    before = waiting.verified(waiting.site.paths.data_dir)

    async def main() -> None:
        with pytest.raises(Unavailable, match=r"second\.example/warden"):
            async with waiting.warden():
                pass

    asyncio.run(main())
    assert waiting.verified(waiting.site.paths.data_dir) == before


def test_line_that_is_cut_holds_a_synchronous_warden_up_and_a_whole_one_lets_it_go_on(
    waiting: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> int:
        async with line(waiting) as carried, waiting.following(waiting.line), waiting.warden() as gate:
            await gate.append(RECORD)
            carried.cut()
            with monkeypatch.context() as soon, pytest.raises(Unavailable, match="nothing is released or changed"):
                soon.setattr(warden_replication, "WAIT_S", 0.3)
                await gate.append(RECORD)
            carried.is_cut = False

            async def goes_on() -> bool:
                with contextlib.suppress(Unavailable):
                    await gate.append(RECORD)
                    return True
                return False

            await until(goes_on)
            return await gate._log.ask(lambda log: log.size)

    size = asyncio.run(main())
    assert waiting.verified(waiting.folder) == size


def test_promoted_replica_goes_on_as_the_site_and_the_old_warden_is_refused(pair: Pair, tmp_path: Path) -> None:
    async def before() -> None:
        async with pair.following(), pair.warden() as gate:
            await gate.publish((CameraId("gate"),))
            assert gate.replication is not None
            await gate.replication.settled()
            await pair.replica_has((await gate.append(RECORD)).index + 1)
            with pytest.raises(AlreadyExists):
                await asyncio.to_thread(pair.promote)
            await asyncio.sleep(0.1)

    asyncio.run(before())
    with pytest.raises(KeyMissing):
        pair.promote(passphrase="not the passphrase of it", may_lose=True)
    if not pair.rules.is_synchronous:
        with pytest.raises(FailedPrecondition, match="--may-lose"):
            pair.promote()
    data_dir = pair.site.paths.data_dir
    (data_dir / "warden").rename(tmp_path / "old")
    done = pair.promote(site=data_dir, may_lose=True)
    assert pair.kinds(data_dir)[-1] is AuditKind.WARDEN_PROMOTED and not done.was_told
    assert pair.verified(data_dir) == done.size

    async def after() -> None:
        async with open_gate(
            pair.site.paths, pair.site.identity, passphrase=PASSPHRASE, clock=SystemClock(), generation=done.generation
        ) as gate:
            await gate.append(RECORD)
            assert gate._keys.key_ids()

    asyncio.run(after())

    # The old warden comes back where it was, with the one who was promoted still on its line.
    (data_dir / "warden").rename(tmp_path / "new")
    (tmp_path / "old").rename(data_dir / "warden")

    async def back() -> None:
        async with pair.following():
            with pytest.raises(FailedPrecondition, match=r"promoted|generation"):
                async with pair.warden() as gate:
                    async with asyncio.timeout(30.0):
                        while True:
                            await gate.append(RECORD)
                            await asyncio.sleep(0.02)

    asyncio.run(back())

    async def again() -> None:
        with pytest.raises(FailedPrecondition, match="promoted"):
            async with pair.warden(generation=2**40):  # of a supervisor that took the directory over meanwhile
                pass

    asyncio.run(again())


def test_promotion_while_the_old_warden_runs_tells_it_and_it_writes_nothing_more(pair: Pair) -> None:
    async def main() -> None:
        async with pair.following() as (task, stop), pair.warden() as gate:
            await pair.replica_has((await gate.append(RECORD)).index + 1)
            stop.set()
            await asyncio.wait({task})
            done = await asyncio.to_thread(pair.promote, source=pair.socket)
            assert done.was_told
            with pytest.raises(FailedPrecondition):
                await gate.append(RECORD)

    asyncio.run(main())


def test_warden_put_back_from_an_older_copy_is_refused_by_its_replica(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shutil.copytree(pair.site.paths.warden_dir, tmp_path / "older")

    async def before() -> None:
        async with pair.following(), pair.warden() as gate:
            for _ in range(5):
                size = (await gate.append(RECORD)).index + 1
            await pair.replica_has(size)

    async def after() -> None:
        async with pair.following() as (task, _):
            try:
                async with pair.warden() as gate:
                    for _ in range(20):
                        await gate.append(RECORD)
                    async with asyncio.timeout(30.0):
                        await asyncio.wait({task})
            except Unavailable as error:
                assert "diverged" in str(error)
            with pytest.raises(LogCorrupt, match=r"diverged|older copy"):
                await task

    asyncio.run(before())
    monkeypatch.setattr(warden_replication, "START_S", 1.0)
    shutil.rmtree(pair.site.paths.warden_dir)
    shutil.copytree(tmp_path / "older", pair.site.paths.warden_dir)
    asyncio.run(after())


def test_key_that_the_log_calls_destroyed_is_destroyed_again_in_an_older_copy(waiting: Pair) -> None:
    """The replica had the entry, and lost its warden before it had the store without the key."""
    key_id = key_id_of(CameraId("gate"), "20260101")

    async def before() -> None:
        async with waiting.following(), waiting.warden() as gate:
            await gate._with_keys(lambda keys: keys.ensure([key_id], SystemClock().now_ns()))
            assert gate.replication is not None
            await gate.replication.settled()
            # what `Gate.destroy` does first
            await gate._log.append(
                AuditRecord(
                    kind=AuditKind.KEYS_DESTROYED,
                    actor="process:warden",
                    subject="gate",
                    details={"day": "20260101"},
                )
            )

    asyncio.run(before())
    assert _has_key(waiting.folder, key_id)
    waiting.promote()
    assert not _has_key(waiting.folder, key_id)


def _has_key(folder: Path, key_id: str) -> bool:
    with contextlib.closing(sqlite3.connect(folder / "warden/keys.db")) as keys:
        (wrapped,) = keys.execute("SELECT wrapped FROM camera_keys WHERE key_id = ?", (key_id,)).fetchone()
    return wrapped is not None
