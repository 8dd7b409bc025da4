"""Storage forecast, last backup and networks on the system page: numbers for all, cameras for who may know of them."""

import asyncio
import dataclasses

from tests.web.test_matrix import session_of

from custodes.errors import Unavailable
from custodes.fleet.health import HealthReport, StreamNeed, forecast
from custodes.types.access import AuditKind, AuditRecord, CameraScope, Role
from custodes.types.stream import second_of
from custodes.units import NS_PER_DAY, NS_PER_S, CameraId


def measured(site, *streams, free_bytes):
    storage = forecast(streams, recorded_bytes=100, free_bytes=free_bytes, reserve_bytes=0)

    async def read():
        return HealthReport(start_ns=0, end_ns=NS_PER_DAY, cameras=(), storage=storage)

    site.app.state.deps = dataclasses.replace(site.app.state.deps, health=read)


def need(camera_id, bytes_per_day=50, kept_h=240.0):
    return StreamNeed(camera_id=CameraId(camera_id), bytes_per_day=bytes_per_day, kept_h=kept_h)


def test_forecast_says_when_the_room_is_used_up_and_of_which_cameras(claimed):
    measured(claimed, need("gate"), need(second_of(CameraId("gate"))), need("yard", 0), free_bytes=300)
    now_ns = claimed.clock.now_ns()
    storage = claimed.client.get("/api/v1/upkeep").json()["storage"]
    assert storage["full_ns"] == now_ns + 3 * NS_PER_DAY
    assert storage["reach_days"] == 4.0
    assert storage["growth"][0] == [now_ns, 100] and storage["growth"][-1][1] == 1000
    assert [one["name"] for one in storage["streams"]] == ["Main gate", "Main gate, second stream", "Yard"]
    only_yard = CameraScope(is_all=False, camera_ids=frozenset({CameraId("yard")}))
    session_of(claimed, Role.ADMINISTRATOR, only_yard)
    answer = claimed.client.get("/api/v1/upkeep")
    assert [one["camera_id"] for one in answer.json()["storage"]["streams"]] == ["yard"]
    assert '"gate"' not in answer.text


def test_last_backup_is_told_and_a_missing_one_and_a_warden_that_is_down(claimed):
    assert claimed.client.get("/api/v1/upkeep").json()["backup"] == {"made_ns": None, "since_ns": None}
    made_ns = claimed.clock.now_ns()
    record = AuditRecord(kind=AuditKind.BACKUP_MADE, actor="process:cli", subject="", details={"to": "/mnt/secret"})
    asyncio.run(claimed.warden.append(record))
    claimed.clock.advance(301 * NS_PER_S)
    answer = claimed.client.get("/api/v1/upkeep")
    assert answer.json()["backup"] == {"made_ns": made_ns, "since_ns": None}
    assert "/mnt/secret" not in answer.text
    claimed.clock.advance(301 * NS_PER_S)
    claimed.warden.is_down = True
    told = claimed.client.get("/api/v1/upkeep").json()
    assert told["backup"] is None and "warden" in told["backup_problem"]


def test_disk_that_cannot_be_measured_is_a_sentence_and_the_rest_is_told(claimed):
    async def fails():
        raise Unavailable("the data directory cannot be measured: gone")

    claimed.app.state.deps = dataclasses.replace(claimed.app.state.deps, health=fails)
    told = claimed.client.get("/api/v1/upkeep").json()
    assert told["storage"] is None and "cannot be measured" in told["storage_problem"]
    assert told["models"][0]["name"] == "the one that came along"
