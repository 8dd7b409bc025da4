"""The gate: the log entry comes first, and without it nothing leaves."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from tests.warden.conftest import GATE, HOUR, VAULT, Site

from custodes.app.warden_gate import DAYS_AHEAD, Gate, day_of
from custodes.audit.merkle import leaf_hash, verify_inclusion
from custodes.errors import (
    FailedPrecondition,
    InvalidArgument,
    KeyMissing,
    PermissionDenied,
    ProtocolError,
    ResourceExhausted,
    SealBroken,
)
from custodes.sealing.published import latest_usable, read_pinned
from custodes.types.access import Action, AuditKind, AuditRecord, Fidelity, Grant, Role
from custodes.types.media import SegmentHeader
from custodes.types.message import (
    Append,
    Appended,
    Authorise,
    DestroyKeys,
    EndGrant,
    InclusionProof,
    KeysReleased,
    Ok,
    Ping,
    ProveInclusion,
    ReleaseKeys,
)
from custodes.units import Ns

DAY = 24 * HOUR


async def granted(gate: Gate, site: Site, **changes: object) -> Grant:
    answer = await gate.authorise(site.request(**changes))  # type: ignore[arg-type]
    assert answer.grant is not None
    return answer.grant


async def released(gate: Gate, grant: Grant, *headers: SegmentHeader) -> KeysReleased:
    return await gate.release(ReleaseKeys(grant_token=grant.token, headers=headers))


def fill_disk(gate: Gate) -> None:
    """SQLite's own page limit: its next growth meets a full disk."""
    database = gate._log._log._db
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    (pages,) = database.execute("PRAGMA page_count").fetchone()
    database.execute(f"PRAGMA max_page_count={pages}")


async def until_full(gate: Gate) -> None:
    """Append until the log cannot grow any more."""
    fill_disk(gate)
    record = AuditRecord(kind=AuditKind.PROCESS_EVENT, actor="process:test", subject="", details={})
    for text in ("y" * 900, ""):  # the smallest record last: then no larger one fits either
        with pytest.raises(ResourceExhausted):
            for _ in range(1000):
                await gate.append(replace(record, details={"x": text}))


# -- authorise -----------------------------------------------------------------------------------------------


def test_authorise_when_allowed_then_the_durable_entry_names_who_what_and_why(site: Site) -> None:
    async def main() -> None:
        async with site.warden() as gate:
            answer = await gate.authorise(site.request(Action.PLAY_BACK))
            assert answer.grant is not None and answer.log_index == answer.grant.log_index
            entry = site.entries()[answer.log_index]
            assert (entry.record.kind, entry.record.actor, entry.record.subject) == (
                AuditKind.ACCESS_GRANTED,
                "Ann Miller",
                "gate",
            )
            details = entry.record.details
            assert (details["action"], details["purpose"], details["reference"]) == ("play_back", "maintenance", "7")
            assert details["fidelity"] == "masked"
            assert details["grant_id"] == answer.grant.grant_id
            assert answer.grant.token not in str(entry)

    site.run(main())


@pytest.mark.parametrize(
    "changes", [{"role": Role.ADMINISTRATOR}, {"fidelity": Fidelity.UNMASKED}], ids=["role", "unmasked"]
)
def test_authorise_when_refused_then_logs_the_reasons_and_grants_nothing(
    site: Site, changes: dict[str, object]
) -> None:
    async def main() -> None:
        async with site.warden() as gate:
            answer = await gate.authorise(site.request(**changes))  # type: ignore[arg-type]
            assert answer.grant is None and not answer.decision.is_allowed
            entry = site.entries()[answer.log_index]
            assert entry.record.kind is AuditKind.ACCESS_DENIED
            assert entry.record.details["reasons"] == " ".join(answer.decision.reasons)

    site.run(main())


def test_authorise_when_the_log_cannot_be_written_then_grants_nothing(site: Site) -> None:
    async def main() -> None:
        async with site.warden() as gate:
            await until_full(gate)
            for _ in range(3):
                with pytest.raises(ResourceExhausted):
                    await gate.authorise(site.request())
            assert gate._grants == {}

    site.run(main())


# -- release -------------------------------------------------------------------------------------------------


def test_release_when_granted_then_gives_exactly_these_keys_after_logging_them(site: Site) -> None:
    async def main() -> None:
        async with site.warden() as gate:
            grant = await granted(gate, site)
            (one, key_one), (two, key_two) = site.segment(), site.segment()
            answer = await released(gate, grant, one, two)
            assert answer.data_keys == (key_one, key_two)
            entry = site.entries()[answer.log_index]
            assert entry.record.kind is AuditKind.KEYS_RELEASED
            assert entry.record.actor == "Ann Miller"
            assert entry.record.details["segment_0"] == one.segment_id
            assert entry.record.details["segment_1"] == two.segment_id
            secrets = {key_one, key_two, answer.mark_key}
            assert not any(s in p.read_bytes() for p in site.paths.warden_dir.iterdir() for s in secrets)

    site.run(main())


def test_release_when_sessions_differ_then_so_do_their_mark_keys(site: Site) -> None:
    async def main() -> None:
        async with site.warden() as gate:
            header, _ = site.segment()
            one = await released(gate, await granted(gate, site, session="s1"), header)
            again = await released(gate, await granted(gate, site, session="s1"), header)
            two = await released(gate, await granted(gate, site, session="s2"), header)
            assert one.mark_key == again.mark_key != two.mark_key
            assert len(one.mark_key) == 32

    site.run(main())


def test_release_when_the_log_cannot_be_written_then_releases_nothing_and_recovers(site: Site) -> None:
    async def main() -> None:
        async with site.warden() as gate:
            grant = await granted(gate, site)
            header, data_key = site.segment()
            await until_full(gate)
            for _ in range(3):
                with pytest.raises(ResourceExhausted):
                    await released(gate, grant, header)
            gate._log._log._db.execute("PRAGMA max_page_count=1000000")
            assert (await released(gate, grant, header)).data_keys == (data_key,)
        site.verify()

    site.run(main())


Asked = tuple[str, tuple[SegmentHeader, ...]]
"""Token and headers of a release that must be refused."""


async def ask_after_end(gate: Gate, site: Site, grant: Grant, header: SegmentHeader) -> Asked:
    await gate.end_grant(EndGrant(grant_id=grant.grant_id, frames_shown=1))
    return grant.token, (header,)


async def ask_after_expiry(gate: Gate, site: Site, grant: Grant, header: SegmentHeader) -> Asked:
    site.clock.advance(HOUR)
    return grant.token, (header,)


async def ask_for_destroyed(gate: Gate, site: Site, grant: Grant, header: SegmentHeader) -> Asked:
    site.clock.advance(DAY)
    grant = await granted_over(gate, site, header)
    await gate.destroy(GATE, day_of(header.start_ns))
    return grant.token, (header,)


async def ask_for_other_camera(gate: Gate, site: Site, grant: Grant, header: SegmentHeader) -> Asked:
    return grant.token, (header, site.segment(VAULT)[0])


async def ask_too_early(gate: Gate, site: Site, grant: Grant, header: SegmentHeader) -> Asked:
    return grant.token, (header, site.segment(start_ns=header.start_ns - 121 * 10**9)[0])


def asking(**change: object) -> Callable[[Gate, Site, Grant, SegmentHeader], Awaitable[Asked]]:
    async def ask(gate: Gate, site: Site, grant: Grant, header: SegmentHeader) -> Asked:
        count = change.get("count", 1)
        fields = {name: value for name, value in change.items() if name not in ("token", "count")}
        assert isinstance(count, int)
        return str(change.get("token", grant.token)), (replace(header, **fields),) * count  # type: ignore[arg-type]

    return ask


REFUSALS = {
    "ended": (ask_after_end, PermissionDenied),
    "expired": (ask_after_expiry, PermissionDenied),
    "destroyed key": (ask_for_destroyed, KeyMissing),
    "other camera": (ask_for_other_camera, PermissionDenied),
    "too early": (ask_too_early, PermissionDenied),
    "unknown token": (asking(token="A" * 43), PermissionDenied),
    "made-up token": (asking(token="'; DROP TABLE"), PermissionDenied),
    "changed segment id": (asking(segment_id="other"), SealBroken),
    "changed start": (asking(start_ns=1_700_000_000_000_000_001), SealBroken),
    "changed wrapped key": (asking(wrapped_key=b"x" * 1168), SealBroken),
    "other site": (asking(site_id="cd" * 8), PermissionDenied),
    "no such key": (asking(key_id="gate/20010101"), KeyMissing),
    "hostile key id": (asking(key_id="gate/../../x"), KeyMissing),
    "control characters": (asking(key_id="gate/\n"), InvalidArgument),
    "hostile segment id": (asking(segment_id="\n" * 5000), InvalidArgument),
    "no segments": (asking(count=0), InvalidArgument),
    "too many segments": (asking(count=65), InvalidArgument),
}


@pytest.mark.parametrize(("ask", "error"), REFUSALS.values(), ids=REFUSALS.keys())
def test_release_when_anything_is_wrong_then_refuses_and_logs_the_refusal(
    site: Site,
    ask: Callable[[Gate, Site, Grant, SegmentHeader], Awaitable[Asked]],
    error: type[Exception],
) -> None:
    async def main() -> None:
        async with site.warden() as gate:
            header, _ = site.segment()
            token, headers = await ask(gate, site, await granted(gate, site), header)
            with pytest.raises(error):
                await gate.release(ReleaseKeys(grant_token=token, headers=headers))
            last = site.entries()[-1].record
            assert last.kind is AuditKind.KEYS_REFUSED
            assert last.details["reason"]

    site.run(main())


async def granted_over(gate: Gate, site: Site, header: SegmentHeader) -> Grant:
    """Playback of the moment of a segment that lies behind."""
    request = replace(site.request(Action.PLAY_BACK), start_ns=header.start_ns)
    answer = await gate.authorise(request)
    assert answer.grant is not None
    return answer.grant


def test_release_when_the_warden_restarted_then_the_old_token_is_dead(site: Site) -> None:
    async def main() -> None:
        async with site.warden() as gate:
            grant = await granted(gate, site)
            header, data_key = site.segment()
        async with site.warden() as gate:
            with pytest.raises(PermissionDenied):
                await released(gate, grant, header)
            assert (await released(gate, await granted(gate, site), header)).data_keys == (data_key,)

    site.run(main())


def test_end_grant_when_known_then_logs_frames_and_when_repeated_then_nothing(site: Site) -> None:
    async def main() -> None:
        async with site.warden() as gate:
            grant = await granted(gate, site)
            for _ in range(2):
                await gate.end_grant(EndGrant(grant_id=grant.grant_id, frames_shown=77))
            ends = [entry for entry in site.entries() if entry.record.kind is AuditKind.VIEW_ENDED]
            assert [entry.record.details["frames_shown"] for entry in ends] == ["77"]

    site.run(main())


# -- log -----------------------------------------------------------------------------------------------------


def test_open_when_first_and_again_then_the_log_tells_creation_and_starts(site: Site) -> None:
    async def main() -> None:
        for _ in range(2):
            async with site.warden():
                pass

    site.run(main())
    assert site.kinds() == [AuditKind.SITE_CREATED, AuditKind.WARDEN_STARTED, AuditKind.WARDEN_STARTED]
    assert site.verify().size == 3


def test_append_when_many_wait_then_each_gets_its_own_durable_place_in_order(site: Site) -> None:
    async def main() -> None:
        async with site.warden() as gate:
            records = [
                AuditRecord(kind=AuditKind.LOGIN, actor=f"user-{n}", subject=f"user-{n}", details={})
                for n in range(700)
            ]
            answers = await asyncio.gather(*(gate.append(record) for record in records))
            entries = site.entries()
            assert [answer.index for answer in answers] == list(range(2, 702))
            assert [entries[answer.index].record for answer in answers] == records

    site.run(main())
    site.verify()


def test_append_when_one_of_a_group_is_out_of_bounds_then_only_that_one_fails(site: Site) -> None:
    async def main() -> None:
        async with site.warden() as gate:
            texts = ["x", "y" * 5000, "z"]
            answers = await asyncio.gather(
                *(
                    gate.append(AuditRecord(kind=AuditKind.LOGIN, actor=text, subject="", details={}))
                    for text in texts
                ),
                return_exceptions=True,
            )
            assert [type(answer) for answer in answers] == [Appended, InvalidArgument, Appended]

    site.run(main())


@pytest.mark.parametrize(
    "kind", ["site_created", "warden_started", "access_granted", "access_denied", "keys_released", "view_ended"]
)
def test_append_when_the_kind_is_the_wardens_own_then_refuses(site: Site, kind: str) -> None:
    async def main() -> None:
        async with site.warden() as gate:
            record = AuditRecord(kind=AuditKind(kind), actor="process:server", subject="", details={})
            with pytest.raises(PermissionDenied):
                await gate.answer_server(Append(record=record))

    site.run(main())


def test_prove_inclusion_when_asked_then_the_entry_verifies_against_the_checkpoint(site: Site) -> None:
    async def main() -> None:
        async with site.warden() as gate:
            await granted(gate, site)
            page = await gate.read_log(0, 10)
            proof = await gate.answer_server(ProveInclusion(index=2, size=page.checkpoint.size))
            assert isinstance(proof, InclusionProof)
            verify_inclusion(
                leaf=page.entries[2].leaf_hash,
                index=2,
                size=proof.size,
                path=proof.path,
                root=page.checkpoint.root_hash,
            )
            assert leaf_hash(b"") != page.entries[2].leaf_hash

    site.run(main())


# -- camera-day keys -----------------------------------------------------------------------------------------


def test_publish_when_asked_then_today_and_a_week_ahead_verify(site: Site) -> None:
    async def main() -> None:
        async with site.warden():
            pinned = read_pinned(site.paths.warden_key)
            for later in range(DAYS_AHEAD + 1):
                day = day_of(site.clock.now_ns(), days_later=later)
                assert latest_usable(site.paths.public_keys, GATE, day, pinned).day == day

    site.run(main())


def test_renew_when_days_pass_or_a_file_is_lost_then_publishes_without_being_asked(site: Site) -> None:
    async def main() -> None:
        async with site.warden() as gate:
            pinned = read_pinned(site.paths.warden_key)
            today = day_of(site.clock.now_ns())
            before = latest_usable(site.paths.public_keys, VAULT, today, pinned)
            (site.paths.public_keys / VAULT / f"{today}.json").write_text("damaged")
            site.clock.advance(3 * DAY)
            await gate.renew()
            last = day_of(site.clock.now_ns(), days_later=DAYS_AHEAD)
            assert latest_usable(site.paths.public_keys, VAULT, last, pinned).day == last
            site.clock.jump(-3 * DAY)
            await gate.renew()
            assert latest_usable(site.paths.public_keys, VAULT, today, pinned) == before

    site.run(main())


@pytest.mark.parametrize("bad", ["", "Gate", "../x", "a/b", "x" * 64])
def test_publish_when_the_camera_id_is_malformed_then_refuses(site: Site, bad: str) -> None:
    async def main() -> None:
        async with site.warden() as gate:
            with pytest.raises(InvalidArgument):
                await gate.publish((bad,))  # type: ignore[arg-type]

    site.run(main())


def test_destroy_when_the_day_is_past_then_logs_destroys_and_unpublishes(site: Site) -> None:
    async def main() -> None:
        async with site.warden() as gate:
            header, _ = site.segment()
            day = day_of(site.clock.now_ns())
            site.clock.advance(DAY)
            answer = await gate.answer_server(DestroyKeys(camera_id=GATE, day=day))
            assert isinstance(answer, Appended)
            assert site.entries()[answer.index].record.kind is AuditKind.KEYS_DESTROYED
            assert not (site.paths.public_keys / GATE / f"{day}.json").exists()
            grant = await granted_over(gate, site, header)
            with pytest.raises(KeyMissing):
                await released(gate, grant, header)

    site.run(main())


@pytest.mark.parametrize("later", [0, 1])
def test_destroy_when_the_recorder_may_still_seal_to_it_then_refuses(site: Site, later: int) -> None:
    async def main() -> None:
        async with site.warden() as gate:
            with pytest.raises(FailedPrecondition):
                await gate.destroy(GATE, day_of(site.clock.now_ns(), days_later=later))

    site.run(main())


# -- sockets' messages ---------------------------------------------------------------------------------------


def test_answer_when_the_message_belongs_to_the_other_socket_then_refuses(site: Site) -> None:
    async def main() -> None:
        async with site.warden() as gate:
            with pytest.raises(ProtocolError):
                await gate.answer_server(ReleaseKeys(grant_token="A" * 43, headers=()))
            for message in (Authorise(request=site.request()), EndGrant(grant_id="", frames_shown=0), Ok()):
                with pytest.raises(ProtocolError):
                    await gate.answer_job(message)
            assert await gate.answer_server(Ping()) == await gate.answer_job(Ping()) == Ok()

    site.run(main())


def test_authorise_when_live_would_end_in_the_past_then_refuses(site: Site) -> None:
    async def main() -> None:
        async with site.warden() as gate:
            past = replace(site.request(), end_ns=Ns(site.clock.now_ns()))
            with pytest.raises(InvalidArgument):
                await gate.authorise(past)

    site.run(main())
