"""Evidence holds over the control socket: logged first, expiring, and stronger than retention."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
from tests.server.conftest import Site

from custodes.adapters.ipc.warden import WardenClient
from custodes.app.serving.catalog import ThreadedCatalog
from custodes.app.serving.holds import HoldService
from custodes.cli.hold import duration, moment_ns
from custodes.errors import CustodesError, InvalidArgument, NotFound, Unavailable
from custodes.testing.catalog import make_spec
from custodes.testing.clock import ManualClock
from custodes.types.access import AuditKind
from custodes.types.hold import PlaceHold, ReleaseHold
from custodes.units import NS_PER_S, CameraId, Ns

NOW = Ns(1_767_225_600 * NS_PER_S)
HOUR = 3600 * NS_PER_S


def asked(**changes: object) -> PlaceHold:
    fields: dict[str, object] = {
        "owner": "Ada Duty",
        "reason": "case 17",
        "camera_id": CameraId("gate"),
        "start_ns": Ns(NOW - 2 * HOUR),
        "end_ns": NOW,
        "expires_ns": Ns(NOW + 24 * HOUR),
    }
    return PlaceHold(**(fields | changes))  # type: ignore[arg-type]


@asynccontextmanager
async def service(site: Site) -> AsyncIterator[tuple[HoldService, ThreadedCatalog, WardenClient, ManualClock]]:
    clock = ManualClock(NOW)
    async with site.warden() as warden, site.catalog() as catalog:
        await catalog.put_cameras([make_spec("gate")], is_exclusive=False)
        yield HoldService(catalog=catalog, warden=warden, clock=clock), catalog, warden, clock


def test_hold_when_placed_and_released_then_both_are_logged_with_who_and_why(site: Site) -> None:
    async def main() -> None:
        async with service(site) as (holds, _, warden, _clock):
            placed = await holds.place(asked(), actor="process:cli")
            assert [row.hold_id for row in (await holds.table()).holds] == [placed.hold_id]
            await holds.release(ReleaseHold(hold_id=placed.hold_id, by="Bo", reason="closed"), actor="process:cli")
            assert (await holds.table()).holds == ()
            first, second = (entry.record for entry in (await site.log(warden))[-2:])
            assert (first.kind, first.subject, first.details["owner"]) == (AuditKind.HOLD_PLACED, "gate", "Ada Duty")
            assert (second.kind, second.details["by"]) == (AuditKind.HOLD_RELEASED, "Bo")
            with pytest.raises(NotFound):
                await holds.release(ReleaseHold(hold_id=placed.hold_id, by="Bo", reason="x"), actor="process:cli")

    asyncio.run(main())


def test_hold_when_its_time_is_over_then_it_holds_nothing(site: Site) -> None:
    async def main() -> None:
        async with service(site) as (holds, catalog, _, clock):
            await holds.place(asked(), actor="process:cli")
            clock.advance(24 * HOUR)
            assert (await holds.table()).holds == ()
            assert await catalog.holds(clock.now_ns()) == []

    asyncio.run(main())


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"owner": " "}, InvalidArgument),
        ({"reason": "x" * 201}, InvalidArgument),
        ({"start_ns": NOW}, InvalidArgument),
        ({"start_ns": Ns(-1)}, InvalidArgument),
        ({"expires_ns": NOW}, InvalidArgument),
        ({"expires_ns": Ns(NOW + 4000 * 24 * HOUR)}, InvalidArgument),
        ({"camera_id": CameraId("never-there")}, NotFound),
    ],
    ids=["no owner", "long reason", "empty interval", "before the epoch", "expired", "too long", "no such camera"],
)
def test_hold_when_it_makes_no_sense_then_nothing_is_held_or_logged(
    site: Site, changes: dict[str, object], error: type[CustodesError]
) -> None:
    async def main() -> None:
        async with service(site) as (holds, _, warden, _clock):
            before = (await warden.read_checkpoint()).size
            with pytest.raises(error):
                await holds.place(asked(**changes), actor="process:cli")
            assert (await holds.table()).holds == ()
            assert (await warden.read_checkpoint()).size == before

    asyncio.run(main())


def test_hold_when_the_warden_is_down_then_it_is_neither_placed_nor_released(site: Site) -> None:
    async def main() -> None:
        async with service(site) as (holds, catalog, _, clock):
            placed = await holds.place(asked(), actor="process:cli")
            gone = WardenClient(site.paths.socket("nobody"))
            without = HoldService(catalog=catalog, warden=gone, clock=clock)
            with pytest.raises(Unavailable):
                await without.place(asked(), actor="process:cli")
            with pytest.raises(Unavailable):
                await without.release(ReleaseHold(hold_id=placed.hold_id, by="Bo", reason="x"), actor="process:cli")
            assert len((await holds.table()).holds) == 1
            await gone.close()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-01T00:00", NOW),
        ("2026-01-01T01:00+01:00", NOW),
        ("2h", NOW - 2 * HOUR),
        ("0m", NOW + HOUR * 0),
    ],
)
def test_moment_when_written_as_people_do_then_it_is_utc(text: str, expected: int) -> None:
    assert moment_ns(text, datetime(2026, 1, 1, tzinfo=UTC)) == expected


@pytest.mark.parametrize("text", ["", "yesterday", "2h30m", "-2h", "99999999d", "2026-13-01"])
def test_moment_when_it_is_none_then_says_how_to_write_one(text: str) -> None:
    with pytest.raises(InvalidArgument, match="write"):
        moment_ns(text, datetime(2026, 1, 1, tzinfo=UTC))
    with pytest.raises(InvalidArgument, match="write"):
        duration(text)
