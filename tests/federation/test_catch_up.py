"""From a site's outbox over a real NATS server into a centre: once, in order, through kills of everything."""

import asyncio
import contextlib
import functools
import random
import sqlite3
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.federation.conftest import SITE, SITE_KEY, SITE_VERIFIER, CentreHere

from custodes.adapters.nats import NatsLink
from custodes.adapters.sql import SqlCatalog, sqlite_catalog
from custodes.app.centre import follow
from custodes.app.serving import federation as serving
from custodes.app.serving.federation import Sender
from custodes.errors import DataLoss
from custodes.ports.outbox import Waiting
from custodes.testing.clock import ManualClock
from custodes.testing.ending import cancelled
from custodes.testing.nats import NatsServer
from custodes.testing.outbox import encoded, make_counts
from custodes.types.federation import CountsOfQuarter, Receipt

WITHIN_S = 120.0


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("custodes.app.centre", "custodes.app.serving.federation"):
        monkeypatch.setattr(f"{module}.RETRY_S", 0.05)
        monkeypatch.setattr(f"{module}.IDLE_S", 0.01)
    monkeypatch.setattr("custodes.app.centre.TELL_S", 0.1)


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[SqlCatalog]:
    opened = sqlite_catalog(tmp_path / "catalog.db", site_id=SITE, clock=ManualClock())
    yield opened
    opened.close()


class Running:
    """Sender and centre as tasks of this loop, each of which can be stopped and begun again."""

    def __init__(self, catalog: SqlCatalog, here: CentreHere, server: NatsServer) -> None:
        self.catalog, self.here, self.server = catalog, here, server
        self.clock = ManualClock()
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self._threads: ThreadPoolExecutor | None = None

    def begin_site(self) -> Sender:
        sender = Sender(
            site_id=SITE,
            key=SITE_KEY,
            centre=self.here.receipts,
            outbox=self.catalog.outbox,
            connect=functools.partial(NatsLink.connected, self.server.target()),
            clock=self.clock,
        )
        self.tasks["site"] = asyncio.create_task(sender.run())
        return sender

    def begin_centre(self) -> None:
        connect = functools.partial(NatsLink.connected, self.server.target())
        self.tasks["centre"] = asyncio.create_task(follow(self.here.centre, self.here.store, connect))

    async def end(self, *names: str) -> None:
        """As if their processes were killed: when it returns, nothing of them is under way."""
        tasks = [self.tasks.pop(name) for name in names or tuple(self.tasks)]
        await cancelled(*tasks)
        for one in tasks:
            assert one.cancelled() or one.result()
        # What a task had asked of a thread goes on without it.
        threads, self._threads = self._threads, ThreadPoolExecutor()
        asyncio.get_running_loop().set_default_executor(self._threads)
        if threads is not None:
            async with asyncio.timeout(WITHIN_S):
                await asyncio.to_thread(threads.shutdown)

    async def until(self, is_so: Callable[[], object]) -> None:
        deadline = time.monotonic() + WITHIN_S
        while not await asyncio.to_thread(is_so):
            for task in self.tasks.values():
                if task.done():
                    task.result()
            assert time.monotonic() < deadline, (self.here.store.site(SITE), self.catalog.outbox.state())
            await asyncio.sleep(0.02)

    def has_all(self, count: int) -> bool:
        return self.here.store.site(SITE).seq == count and self.catalog.outbox.state().floor == count

    def stored(self) -> list[int]:
        return [one.counts[0].count for one in self.here.store.read(SITE, CountsOfQuarter)]


def run(test: Callable[[Running], Awaitable[None]], running: Running) -> None:
    async def whole() -> None:
        try:
            await running.end()
            await test(running)
        finally:
            await running.end()

    asyncio.run(whole())


@pytest.fixture
def running(catalog: SqlCatalog, here: CentreHere, server: NatsServer) -> Running:
    return Running(catalog, here, server)


def taken(here: CentreHere) -> list[int]:
    """Counts in the order in which the centre's database was given them, noted by every transaction."""
    seen: list[int] = []
    whole = here.store.take

    def noted(row: object, facts: object) -> None:
        whole(row, facts)  # type: ignore[arg-type]
        seen.extend(one.counts[0].count for one in facts if isinstance(one, CountsOfQuarter))  # type: ignore[attr-defined]

    here.store.take = noted  # type: ignore[method-assign,assignment]
    return seen


def test_facts_when_server_centre_and_site_are_killed_on_the_way_arrive_once_in_order(running: Running) -> None:
    """Each number is a fact; the broker is killed twice in the middle, and loses what it has once."""
    seen = taken(running.here)
    total = 6000

    async def test(running: Running) -> None:
        outbox, kill = running.catalog.outbox, running.server.kill
        outbox.put(encoded(*(make_counts(n, count=n) for n in range(3000))))
        running.begin_centre()
        running.begin_site()
        await running.until(lambda: running.here.store.site(SITE).seq >= 500)
        await asyncio.to_thread(kill)
        outbox.put(encoded(*(make_counts(n, count=n) for n in range(3000, 5000))))  # the site works on
        await asyncio.to_thread(running.server.start)
        await running.until(lambda: running.here.store.site(SITE).seq >= 1500)
        await running.end("site")
        running.begin_site()
        await running.until(lambda: running.here.store.site(SITE).seq >= 2500)
        await running.end("centre")
        await asyncio.to_thread(running.here.close)
        await asyncio.to_thread(kill)
        await asyncio.to_thread(running.server.start)
        running.here.open()
        seen_again = taken(running.here)
        running.begin_centre()
        outbox.put(encoded(*(make_counts(n, count=n) for n in range(5000, total))))
        await running.until(lambda: running.has_all(total))
        seen.extend(seen_again)

    run(test, running)
    assert seen == list(range(total))
    assert running.stored() == list(range(total))
    assert running.here.store.site(SITE).lost == 0


def test_parcels_when_somebody_repeats_and_shuffles_them_change_nothing(running: Running) -> None:
    seen = taken(running.here)
    draw = random.Random(3)

    async def test(running: Running) -> None:
        raw: list[bytes] = []

        class Recording:
            is_up = True

            async def publish(self, site_id: str, sealed: bytes, message_id: str) -> None:
                raw.append(sealed)

            async def on_receipt(self, site_id: str, take: object) -> None: ...

        running.catalog.outbox.put(encoded(*(make_counts(n, count=n) for n in range(2200))))
        sender = running.begin_site()
        await running.end("site")
        while await sender.send_once(Recording()):
            pass
        assert len(raw) == 5
        running.begin_centre()
        async with NatsLink.connected(running.server.target()) as link:
            await link.make_stream()
            for number in range(60):
                await link.publish(SITE, draw.choice(raw), f"anything-{number}")
            for number, one in enumerate(raw):
                await link.publish(SITE, one, f"last-{number}")
                await link.publish(SITE, one[:-1] + b"\x00", f"bent-{number}")
                await link.publish("another", one, f"stranger-{number}")
        await running.until(lambda: running.here.store.site(SITE).seq == 2200)

    run(test, running)
    assert seen == list(range(2200))
    assert running.here.store.site("another").seq == 0


@pytest.mark.parametrize("is_confirmed", [True, False])
def test_sender_when_the_outbox_is_cut_between_two_looks_looks_again_and_names_a_hole(
    catalog: SqlCatalog, tmp_path: Path, is_confirmed: bool
) -> None:
    """A receipt that another task had begun to apply; and rows that somebody deleted."""
    outbox, read = catalog.outbox, catalog.outbox.read
    outbox.put(encoded(*(make_counts(n, count=n) for n in range(10))))

    def cut(after: int, limit: int) -> list[Waiting]:
        outbox.read = read  # type: ignore[method-assign]
        if is_confirmed:
            outbox.forget(4)
            return read(after, limit)
        with contextlib.closing(sqlite3.connect(tmp_path / "catalog.db")) as other, other:
            assert other.execute("DELETE FROM outbox WHERE seq <= 4").rowcount == 4
        return read(after, limit)

    outbox.read = cut  # type: ignore[method-assign]
    sent: list[str] = []

    class Recording:
        is_up = True

        async def publish(self, site_id: str, sealed: bytes, message_id: str) -> None:
            sent.append(message_id)

        async def on_receipt(self, site_id: str, take: object) -> None: ...

    async def send() -> None:
        sender = Sender(
            site_id=SITE,
            key=SITE_KEY,
            centre=SITE_VERIFIER,
            outbox=outbox,
            connect=contextlib.nullcontext,  # type: ignore[arg-type]
            clock=ManualClock(),
        )
        while await sender.send_once(Recording()):
            pass

    if is_confirmed:
        asyncio.run(send())
        assert sent == [f"{SITE}:5-10:0"]
    else:
        with pytest.raises(DataLoss, match="nothing of number 1"):
            asyncio.run(send())


def test_facts_when_the_stream_is_lost_before_the_centre_read_it_are_sent_again(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test(running: Running) -> None:
        running.catalog.outbox.put(encoded(*(make_counts(n, count=n) for n in range(700))))
        async with NatsLink.connected(running.server.target()) as link:
            await link.make_stream()
        sender = running.begin_site()
        await running.until(lambda: sender.is_idle)
        async with NatsLink.connected(running.server.target()) as link:
            await link._stream.delete_stream("CUSTODES_FACTS")
        running.begin_centre()
        await running.until(lambda: sender.receipt is not None)
        assert running.here.store.site(SITE).seq == 0
        running.clock.advance(serving.RESEND_NS + 1)
        await running.until(lambda: running.has_all(700))

    run(test, running)
    assert running.stored() == list(range(700))


def test_site_when_its_catalog_is_an_older_backup_goes_on_after_what_the_centre_has(running: Running) -> None:
    async def test(running: Running) -> None:
        outbox = running.catalog.outbox
        outbox.put(encoded(*(make_counts(n, count=n) for n in range(10))))
        running.begin_centre()
        running.begin_site()
        await running.until(lambda: running.has_all(10))
        await running.end("site")
        # As if the backup was made after four facts, and the site went on from there while nobody heard it.
        outbox.restart(4, b"\x04" * 32)
        outbox.put(encoded(*(make_counts(n, count=n) for n in range(100, 120))))
        running.begin_site()
        await running.until(lambda: running.has_all(30))

    run(test, running)
    assert running.stored() == [*range(10), *range(100, 120)]
    assert running.here.store.site(SITE).lost == 0


def test_centre_when_its_database_is_lost_takes_what_comes_and_says_what_is_missing(
    running: Running, tmp_path: Path
) -> None:
    async def test(running: Running) -> None:
        running.catalog.outbox.put(encoded(*(make_counts(n, count=n) for n in range(10))))
        running.begin_centre()
        running.begin_site()
        await running.until(lambda: running.has_all(10))
        await running.end("centre")
        running.here.close()
        (running.here.folder / "centre.db").unlink()
        running.here.open()
        running.begin_centre()
        running.catalog.outbox.put(encoded(*(make_counts(n, count=n) for n in range(10, 15))))
        await running.until(lambda: running.has_all(15))

    run(test, running)
    # Parcels whose acknowledgement was still on its way to the stream come again; the others are gone, and counted.
    lost = running.here.store.site(SITE).lost
    assert 0 <= lost <= 10
    assert running.stored() == list(range(lost, 15))


def test_receipt_when_of_somebody_else_makes_the_site_forget_nothing(running: Running) -> None:
    from custodes.federation.parcel import seal_receipt

    async def test(running: Running) -> None:
        running.catalog.outbox.put(encoded(*(make_counts(n) for n in range(5))))
        tip = running.catalog.outbox.tip_at(5)
        assert tip is not None
        sender = running.begin_site()
        forged = seal_receipt(SITE_KEY, Receipt(site_id=SITE, seq=5, tip=tip, log_size=0, cosigned=""))
        await sender.take_receipt(forged)
        await sender.take_receipt(b"")
        assert running.catalog.outbox.state().floor == 0 and sender.receipt is None

    run(test, running)


def test_site_when_its_share_of_the_stream_is_full_waits_and_another_does_not(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    from custodes.errors import Unavailable

    monkeypatch.setattr("custodes.adapters.nats.link.MAX_PARCELS", 3)

    async def test(running: Running) -> None:
        async with NatsLink.connected(running.server.target()) as link:
            await link.make_stream()
            for number in range(3):
                await link.publish("one", b"x", f"{number}")
            with pytest.raises(Unavailable):
                await link.publish("one", b"x", "3")
            await link.publish("two", b"x", "4")

    run(test, running)
