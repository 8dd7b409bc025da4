"""The warden with cases: what an open one carries, what closing shuts at once, what is erased, what the log keeps."""

from dataclasses import replace

import pytest
from tests.warden.conftest import Site

from custodes.access.cases import member_of
from custodes.errors import AlreadyExists, NotFound, PermissionDenied
from custodes.testing.cases import opening
from custodes.types.access import Action, AuditKind, Principal, Purpose, PurposeKind, Role
from custodes.types.cases import CaseTable, ChangeCase, CloseCase, NoteOnCase, ReadCase, ReadCases
from custodes.types.message import Append, ReleaseKeys
from custodes.units import NS_PER_DAY, CameraId, Ns

ANN = Principal(user_id="u1", name="Ann Miller", roles=frozenset({Role.INVESTIGATOR}))
BEN = Principal(user_id="u2", name="Ben Ude", roles=frozenset({Role.OPERATOR}))
CLEO = Principal(user_id="u3", name="Cleo Ray", roles=frozenset({Role.SUPERVISOR}))
SECRET = "a red bicycle with a basket"


def looking(site: Site, who: Principal, number: str = "7"):
    asked = site.request(Action.PLAY_BACK)
    return replace(asked, principal=who, purpose=Purpose(kind=PurposeKind.CASE, reference=number))


def test_look_when_its_case_is_closed_or_given_to_others_then_the_next_release_is_refused(site: Site) -> None:
    async def main() -> None:
        async with site.warden() as gate:
            header, data_key = site.segment()
            assert (await gate.authorise(looking(site, ANN))).decision.policy_ids == ("case-not-theirs",)
            await gate.answer_server(opening(ANN, "7"))
            assert (await gate.authorise(looking(site, ANN, "8"))).grant is None
            assert (await gate.authorise(looking(site, BEN))).grant is None
            staffing = ChangeCase(principal=ANN, number="7", owner=member_of(ANN), members=(member_of(BEN),))
            await gate.answer_server(staffing)
            grants = [(await gate.authorise(looking(site, who))).grant for who in (ANN, BEN)]
            for grant in grants:
                released = await gate.answer_job(ReleaseKeys(grant_token=grant.token, headers=(header,)))
                assert released.data_keys == (data_key,)
            await gate.answer_server(replace(staffing, members=()))
            with pytest.raises(PermissionDenied, match="case"):
                await gate.answer_job(ReleaseKeys(grant_token=grants[1].token, headers=(header,)))
            await gate.answer_job(ReleaseKeys(grant_token=grants[0].token, headers=(header,)))
            await gate.answer_server(CloseCase(principal=CLEO, number="7", because="found again"))
            with pytest.raises(PermissionDenied, match="case"):
                await gate.answer_job(ReleaseKeys(grant_token=grants[0].token, headers=(header,)))
        async with site.warden() as gate:
            assert (await gate.authorise(looking(site, ANN))).grant is None

    site.run(main())
    assert [one for one in site.kinds() if one.value.startswith("case_")] == [
        AuditKind.CASE_OPENED,
        AuditKind.CASE_CHANGED,
        AuditKind.CASE_CHANGED,
        AuditKind.CASE_CLOSED,
    ]


def test_case_when_somebody_else_asks_then_is_not_there_for_them(site: Site) -> None:
    async def main() -> None:
        async with site.warden() as gate:
            await gate.answer_server(opening(ANN, "7"))
            with pytest.raises(AlreadyExists):
                await gate.answer_server(opening(CLEO, "7"))
            for step in (
                ReadCase(principal=BEN, number="7"),
                CloseCase(principal=BEN, number="7", because="bored"),
                ChangeCase(principal=BEN, number="7", owner=member_of(BEN), members=()),
            ):
                with pytest.raises(NotFound):
                    await gate.answer_server(step)
            assert await gate.answer_server(ReadCases(principal=BEN, limit=9)) == CaseTable(cases=())
            for limit, count in ((9, 1), (0, 0), (-1, 0)):
                table = await gate.answer_server(ReadCases(principal=CLEO, limit=limit))
                assert len(table.cases) == count
            with pytest.raises(PermissionDenied):
                await gate.answer_server(replace(opening(BEN, "9"), principal=BEN))
            record = site.entries()[-1].record
            with pytest.raises(PermissionDenied):
                await gate.answer_server(Append(record=replace(record, kind=AuditKind.CASE_OPENED)))

    site.run(main())


def test_notes_when_the_cases_time_is_over_are_gone_from_the_disk_and_the_log_keeps_hashes_alone(site: Site) -> None:
    async def main() -> None:
        async with site.warden() as gate:
            await gate.answer_server(opening(ANN, "7"))
            note = NoteOnCase(
                principal=ANN, number="7", text=SECRET, camera_id=CameraId("gate"), moment_ns=site.clock.now_ns()
            )
            await gate.answer_server(note)
            with pytest.raises(NotFound):
                await gate.answer_server(replace(note, principal=BEN))
            await gate.answer_server(CloseCase(principal=ANN, number="7", because="found"))
            assert _on_disk(site, SECRET)
            assert await gate.forget_cases(site.clock.now_ns()) == 0
            assert await gate.forget_cases(Ns(site.clock.now_ns() + 30 * NS_PER_DAY + 1)) == 1
            assert (await gate.answer_server(ReadCase(principal=CLEO, number="7"))).notes == ()

    site.run(main())
    assert not _on_disk(site, SECRET) and not _on_disk(site, "Bicycle stolen", but="log.db")
    assert AuditKind.CASE_ERASED in site.kinds()
    (noted,) = [one.record for one in site.entries() if one.record.kind is AuditKind.CASE_NOTED]
    assert len(noted.details["sha256"]) == 64


def _on_disk(site: Site, text: str, *, but: str = "") -> bool:
    files = [
        one for one in site.paths.warden_dir.iterdir() if one.is_file() and not (but and one.name.startswith(but))
    ]
    return any(text.encode() in one.read_bytes() for one in files)
