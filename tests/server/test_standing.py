"""Who leads, and how far replicas are: asked of a real table of leases and a real socket."""

import asyncio

from custodes.adapters.ipc.framing import AsyncChannel
from custodes.adapters.sql import sqlite_catalog
from custodes.app.serving.leading import LEADER
from custodes.app.serving.standing import StandingReader
from custodes.testing.clock import ManualClock
from custodes.types.looks import Drops
from custodes.types.replica import ReadReplicas, ReplicaRow, ReplicaTable
from custodes.units import NS_PER_S
from custodes.web.metrics import Reading, families

TABLE = ReplicaTable(
    size=120,
    generation=3,
    is_synchronous=False,
    rows=(
        ReplicaRow(name="cellar", is_connected=True, size=117, seen_ns=5 * NS_PER_S, trouble=""),
        ReplicaRow(name="attic", is_connected=False, size=-1, seen_ns=0, trouble="went away"),
    ),
)


def asked(reader, path, answer=TABLE):
    async def both():
        async def serve(stream_in, stream_out):
            channel = AsyncChannel(stream_in, stream_out)
            assert isinstance(await channel.receive(), ReadReplicas)
            await channel.send(answer)
            await channel.close()

        async with await asyncio.start_unix_server(serve, str(path)):
            return await reader()

    return asyncio.run(both())


def test_the_leader_is_named_as_the_configuration_names_it_and_replicas_as_the_warden_sees_them(tmp_path):
    catalog = sqlite_catalog(tmp_path / "catalog.db", site_id="ab" * 8, clock=ManualClock())
    catalog.leases.take([LEADER], "server-2@host/17/abcd", 10 * NS_PER_S)
    found = asked(StandingReader(catalog.leases, tmp_path / "w"), tmp_path / "w")
    assert (found.leader, found.epoch, found.replicas, found.trouble) == ("server-2", 1, TABLE, "")
    catalog.leases.let_go([LEADER], "server-2@host/17/abcd")
    assert asyncio.run(StandingReader(catalog.leases, None)()).leader == ""
    catalog.close()


def test_a_warden_that_does_not_answer_is_said(tmp_path):
    found = asyncio.run(StandingReader(None, tmp_path / "nobody")())
    assert found.replicas is None and "nobody answers" in found.trouble


def test_monitoring_reads_leader_and_lag(tmp_path):
    standing = asked(StandingReader(None, tmp_path / "w"), tmp_path / "w")
    reading = Reading(
        cameras=(),
        processes=None,
        storage=None,
        log_size=None,
        cosigned=(),
        standing=standing,
        events=0,
        drops=Drops(),
    )
    samples = {(one.name, *one.labels.values()): one.value for family in families(reading) for one in family.samples}
    assert samples["custodes_replica_lag_entries", "cellar"] == 3
    assert samples["custodes_replica_connected", "attic"] == 0
    assert ("custodes_replica_lag_entries", "attic") not in samples
