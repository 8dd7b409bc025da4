"""Several servers and one PostgreSQL database: a guest writes nothing, one leads, who led before writes no more."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import pytest
from tests.catalog.test_postgres import reused, server, target

from custodes.adapters.sql import PostgresTarget, SqlCatalog, postgres_catalog, postgres_guest, take_over
from custodes.app.serving.leading import LEADER, LEASE_NS, UNWRITTEN_LOOKS, Candidate, Tenure
from custodes.errors import CustodesError, FailedPrecondition, SiteMismatch, Unavailable
from custodes.ports.catalog import LoginSession
from custodes.ports.leases import Lease
from custodes.testing.catalog import make_spec
from custodes.testing.clock import ManualClock
from custodes.testing.postgres import PostgresServer
from custodes.units import NS_PER_S, Ns

__all__ = ["reused", "server", "target"]

Guests = Callable[[], SqlCatalog]


@pytest.fixture(scope="module")
def made(server: PostgresServer) -> PostgresTarget:
    """A database whose tables are there: a second of migrations for all tests of this file."""
    target = server.database()
    postgres_catalog(target, site_id="site", clock=ManualClock()).close()
    return target


@pytest.fixture
def guest(made: PostgresTarget, server: PostgresServer) -> Iterator[Guests]:
    """Makes guests."""
    server.sql("TRUNCATE lease, camera", made.database)
    with ExitStack() as stack:

        def make() -> SqlCatalog:
            catalog = postgres_guest(made, site_id="site", clock=ManualClock())
            stack.callback(catalog._store.dispose)
            return catalog

        yield make


def stood(catalog: SqlCatalog, holder: str) -> Lease | None:
    return asyncio.run(Candidate(catalog, holder).stand())


def leading(catalog: SqlCatalog, target: PostgresTarget, holder: str) -> Lease:
    lease = stood(catalog, holder)
    assert lease is not None
    take_over(catalog, target, lease)
    return lease


def test_guest_before_the_tables_are_there_waits_and_of_another_site_is_refused(target: PostgresTarget) -> None:
    with pytest.raises(Unavailable, match="schema none"):
        postgres_guest(target, site_id="site", clock=ManualClock())
    postgres_catalog(target, site_id="other", clock=ManualClock()).close()
    with pytest.raises(SiteMismatch):
        postgres_guest(target, site_id="site", clock=ManualClock())


def test_guest_reads_and_notes_that_a_session_was_used_and_writes_nothing_else(guest: Guests) -> None:
    with pytest.raises(FailedPrecondition, match="follows"):
        guest().put_cameras([make_spec("gate")], is_exclusive=False)
    assert guest().cameras() == []


def test_guest_notes_a_sessions_last_use_beside_the_writer(guest: Guests, made: PostgresTarget) -> None:
    clock = ManualClock()
    now_ns = clock.now_ns()
    session = LoginSession(
        token_hash=b"h",
        user_id="ada",
        csrf_token="t",
        created_ns=now_ns,
        last_seen_ns=now_ns,
        expires_ns=Ns(now_ns + NS_PER_S * 900),
    )
    with closing(postgres_catalog(made, site_id="site", clock=clock)) as writer:
        writer.put_session(session)
        assert guest().renew_session(b"h", session)
        writer.end_session(b"h")
        assert not guest().renew_session(b"h", session)


def test_one_of_several_leads_and_another_once_it_let_go(guest: Guests, made: PostgresTarget) -> None:
    first, second = guest(), guest()
    lease = leading(first, made, "first")
    first.put_cameras([make_spec("gate")], is_exclusive=False)
    assert stood(second, "second") is None
    first.leases.let_go([LEADER], "first")
    again = stood(second, "second")
    assert again is not None and again.epoch == lease.epoch + 1


def test_leader_whose_connection_is_gone_is_followed_before_its_lease_runs_out(
    guest: Guests, made: PostgresTarget
) -> None:
    """As after kill -9: the lock is free, the lease is not."""
    first, second = guest(), guest()
    leading(first, made, "first")
    first._store.dispose()
    candidate = Candidate(second, "second")
    looks = [asyncio.run(candidate.stand()) for _ in range(UNWRITTEN_LOOKS)]
    assert looks[:-1] == [None] * (UNWRITTEN_LOOKS - 1)
    assert looks[-1] is not None


def test_leader_that_was_paused_beyond_its_lease_writes_nothing_more_and_learns_of_it(
    guest: Guests, made: PostgresTarget
) -> None:
    """Its connection and lock are as alive as they were: the one who leads now ends them."""
    first, second = guest(), guest()
    tenure = Tenure(lease=leading(first, made, "first"), leases=first.leases)
    now_ns = time.time_ns()
    second.leases.clock = lambda _: now_ns + 2 * LEASE_NS
    leading(second, made, "second")
    second.put_cameras([make_spec("gate")], is_exclusive=False)
    for _ in range(3):  # the first finds its connection ended, the others get none
        with pytest.raises(Unavailable):
            first.put_cameras([make_spec("yard")], is_exclusive=False)
    with pytest.raises(FailedPrecondition, match="another server"):
        asyncio.run(tenure.keep())
    assert [one.camera_id for one in second.cameras()] == ["gate"]


@pytest.mark.slow
def test_leader_goes_on_leading_after_the_database_began_anew(
    guest: Guests, made: PostgresTarget, server: PostgresServer
) -> None:
    first = guest()
    tenure = Tenure(lease=leading(first, made, "first"), leases=first.leases)
    server.stop()
    server.start()

    async def some_renewals() -> None:
        async with asyncio.timeout(20.0):
            keeping = asyncio.create_task(tenure.keep())
            while not await asyncio.to_thread(first.is_written):
                await asyncio.sleep(0.05)
            keeping.cancel()

    asyncio.run(some_renewals())
    first.put_cameras([make_spec("gate")], is_exclusive=False)


def test_taking_over_without_the_lease_is_refused_and_the_guest_stays_one(guest: Guests, made: PostgresTarget) -> None:
    first, second = guest(), guest()
    lease = leading(first, made, "first")
    with pytest.raises(CustodesError, match="another server of this site leads"):
        take_over(second, made, Lease(name=LEADER, holder="second", epoch=lease.epoch))
    first.put_cameras([make_spec("gate")], is_exclusive=False)
    assert len(second.cameras()) == 1
