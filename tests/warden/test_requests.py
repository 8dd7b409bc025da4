"""The warden with requests: what an approved one opens, what a veto shuts, what survives a restart; all logged."""

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest
from tests.warden.conftest import GATE, HOUR, Site

from custodes.access import keys
from custodes.access.quotas import QUOTAS
from custodes.access.requests import digest
from custodes.adapters.keys.requests import RequestStore
from custodes.app.warden import open_gate
from custodes.config import AccessConfig
from custodes.errors import PermissionDenied, ResourceExhausted
from custodes.testing.cases import opening
from custodes.testing.passkey import FakeAuthenticator
from custodes.types.access import Action, AuditKind, Fidelity, Principal, Purpose, PurposeKind, Role
from custodes.types.approval import (
    CastVote,
    EnrolKey,
    FileRequest,
    ForgetKey,
    ReadKeys,
    RequestRecord,
    VouchForKey,
    WithdrawRequest,
)
from custodes.types.leak import ReleaseMarks
from custodes.types.message import Append, EraseSegments, ReleaseKeys
from custodes.units import Ns

ANN = Principal(user_id="u1", name="Ann Miller", roles=frozenset({Role.INVESTIGATOR}))
BEN = Principal(user_id="u2", name="Ben Ude", roles=frozenset({Role.SUPERVISOR}))
BOTH = Principal(user_id="u3", name="Cid Or", roles=frozenset({Role.INVESTIGATOR, Role.PRIVACY_OFFICER}))
KEY = FakeAuthenticator()


def wanted(site: Site, request_id: str, **changes: object):
    asked = site.request(Action.PLAY_BACK, role=Role.INVESTIGATOR, fidelity=Fidelity.UNMASKED, lasts_ns=0)
    return replace(asked, principal=ANN, request_id=request_id, **changes)


def filing(site: Site) -> FileRequest:
    now_ns = site.clock.now_ns()
    return FileRequest(
        principal=ANN,
        action=Action.PLAY_BACK,
        purpose=wanted(site, "").purpose,
        camera_ids=(GATE,),
        start_ns=Ns(now_ns - HOUR),
        end_ns=Ns(now_ns + HOUR),
        fidelity=Fidelity.UNMASKED,
        reason="somebody was hurt at the gate",
        is_break_glass=False,
    )


async def approved(site: Site, gate) -> RequestRecord:
    record = await gate.answer_server(filing(site))
    await gate.answer_server(EnrolKey(principal=BEN, key=KEY.enrolled(BEN.user_id), name="Key"))
    signed = KEY.get(digest(record.request))
    return await gate.answer_server(
        CastVote(principal=BEN, request_id=record.request.request_id, is_yes=True, note="", assertion=signed)
    )


def test_unmasked_release_when_approved_says_so_and_stops_at_the_withdrawal(site: Site) -> None:
    async def main() -> None:
        async with site.warden() as gate:
            await gate.answer_server(opening(ANN, "7"))
            header, data_key = site.segment()
            assert (await gate.authorise(wanted(site, ""))).grant is None
            record = await approved(site, gate)
            request_id = record.request.request_id
            grant = (await gate.authorise(wanted(site, request_id))).grant
            assert grant is not None
            released = await gate.answer_job(ReleaseKeys(grant_token=grant.token, headers=(header,)))
            assert released.data_keys == (data_key,)
            assert released.fidelity is Fidelity.UNMASKED
            await gate.answer_server(WithdrawRequest(principal=ANN, request_id=request_id))
            with pytest.raises(PermissionDenied, match="not in force"):
                await gate.answer_job(ReleaseKeys(grant_token=grant.token, headers=(header,)))
            assert (await gate.authorise(wanted(site, request_id))).grant is None

    site.run(main())
    assert site.verify().size == len(site.entries())
    assert AuditKind.REQUEST_APPROVED in site.kinds()


def test_release_that_races_a_withdrawal_or_an_erasure_gives_nothing_after_it(site: Site) -> None:
    """The log writes the veto or the erasure first; the release has passed its checks by then."""

    async def main() -> None:
        async with site.warden() as gate:
            await gate.answer_server(opening(ANN, "7"))
            header, _ = site.segment()
            record = await approved(site, gate)
            look = (await gate.authorise(wanted(site, record.request.request_id))).grant
            erasing = await gate.answer_server(
                replace(
                    filing(site),
                    principal=BOTH,
                    action=Action.ERASE,
                    purpose=Purpose(kind=PurposeKind.SUBJECT_ACCESS, reference="SAR-9"),
                    fidelity=Fidelity.MASKED,
                )
            )
            request_id = erasing.request.request_id
            signed = KEY.get(digest(erasing.request))
            await gate.answer_server(
                CastVote(principal=BEN, request_id=request_id, is_yes=True, note="", assertion=signed)
            )
            asked = replace(
                wanted(site, request_id, action=Action.ERASE, purpose=erasing.request.purpose),
                principal=BOTH,
                fidelity=Fidelity.MASKED,
                start_ns=erasing.request.start_ns,
                end_ns=erasing.request.end_ns,
            )
            grant = (await gate.authorise(asked)).grant
            opens = ReleaseKeys(grant_token=look.token, headers=(header,))
            erases = EraseSegments(grant_token=grant.token, segment_ids=(header.segment_id,))
            other, _ = site.segment()
            again = ReleaseKeys(grant_token=look.token, headers=(other,))
            for act, release, word in (
                (erases, opens, "was erased"),
                (WithdrawRequest(principal=ANN, request_id=record.request.request_id), again, "not in force"),
            ):
                done, refused = await asyncio.gather(
                    gate.answer_server(act), gate.answer_job(release), return_exceptions=True
                )
                assert not isinstance(done, Exception), done
                assert isinstance(refused, PermissionDenied) and word in str(refused)

    site.run(main())
    assert site.kinds()[-3:] == [AuditKind.REQUEST_WITHDRAWN, AuditKind.KEYS_RELEASED, AuditKind.KEYS_REFUSED]


def test_marks_when_the_trace_was_withdrawn_are_not_released(site: Site) -> None:
    async def main() -> None:
        async with site.warden() as gate:
            leak = Purpose(kind=PurposeKind.LEAK_TRACE, reference="LEAK-1")
            asked = replace(filing(site), action=Action.TRACE_LEAK, purpose=leak, fidelity=Fidelity.MASKED)
            record = await gate.answer_server(replace(asked, principal=BOTH))
            await gate.answer_server(EnrolKey(principal=BEN, key=KEY.enrolled(BEN.user_id), name="Key"))
            request_id = record.request.request_id
            signed = KEY.get(digest(record.request))
            await gate.answer_server(
                CastVote(principal=BEN, request_id=request_id, is_yes=True, note="", assertion=signed)
            )
            look = wanted(site, request_id, action=Action.TRACE_LEAK, purpose=leak, fidelity=Fidelity.MASKED)
            grant = (await gate.authorise(replace(look, principal=BOTH))).grant
            marks = ReleaseMarks(grant_token=grant.token, segment_ids=())
            assert (await gate.answer_job(marks)).candidates == ()
            await gate.answer_server(WithdrawRequest(principal=BOTH, request_id=request_id))
            with pytest.raises(PermissionDenied, match="not in force"):
                await gate.answer_job(marks)

    site.run(main())


def test_look_that_a_lost_passkey_approved_ends_with_the_passkey_until_its_owner_signs_again(site: Site) -> None:
    async def main() -> None:
        async with site.warden() as gate:
            await gate.answer_server(opening(ANN, "7"))
            record = await approved(site, gate)
            request_id = record.request.request_id
            header, _ = site.segment()
            keys_of = ReleaseKeys(
                grant_token=(await gate.authorise(wanted(site, request_id))).grant.token, headers=(header,)
            )
            await gate.answer_job(keys_of)
            new = FakeAuthenticator()
            enrolled = new.enrolled(BEN.user_id)
            await gate.answer_server(EnrolKey(principal=BEN, key=enrolled, name="New"))
            await gate.answer_server(vouching((BEN, KEY), new, enrolled))
            await gate.answer_server(ForgetKey(principal=BEN, credential_id=KEY.credential_id))
        assert site.entries()[-1].record.details["approvals_void"] == request_id
        async with site.warden() as gate:  # it was kept, not only remembered
            assert (await gate.authorise(wanted(site, request_id))).grant is None
            signed = new.get(digest(record.request))
            again = CastVote(principal=BEN, request_id=request_id, is_yes=True, note="", assertion=signed)
            assert [vote.counts for vote in (await gate.answer_server(again)).votes] == [False, True]
            assert (await gate.authorise(wanted(site, request_id))).grant is not None
            await gate.answer_server(ForgetKey(principal=BEN, credential_id=new.credential_id))
            with pytest.raises(PermissionDenied):
                await gate.answer_job(keys_of)

    site.run(main())
    approvals = [one.record.details for one in site.entries() if one.record.kind is AuditKind.REQUEST_APPROVED]
    assert [one["approvals"] for one in approvals] == ["1 of 1", "1 of 1"]


def test_approval_when_the_warden_restarts_still_holds_and_the_signature_counts_no_more(site: Site) -> None:
    async def main() -> None:
        async with site.warden() as gate:
            await gate.answer_server(opening(ANN, "7"))
            record = await approved(site, gate)
        async with site.warden() as gate:
            assert (await gate.authorise(wanted(site, record.request.request_id))).grant is not None
            other = await gate.answer_server(filing(site))
            replayed = record.votes[0].assertion
            with pytest.raises(PermissionDenied):
                await gate.answer_server(
                    CastVote(
                        principal=BEN,
                        request_id=other.request.request_id,
                        is_yes=True,
                        note="",
                        assertion=replayed,
                    )
                )

    site.run(main())


def test_approvals_when_two_race_for_the_last_place_count_once(site: Site) -> None:
    async def main() -> None:
        async with site.warden() as gate:
            await gate.answer_server(opening(ANN, "7"))
            record = await gate.answer_server(filing(site))
            request_id = record.request.request_id
            votes, voters = [], []
            for number in range(4):
                who = replace(BEN, user_id=f"v{number}", name=f"V{number}")
                key = FakeAuthenticator()
                enrolled = key.enrolled(who.user_id)
                await gate.answer_server(EnrolKey(principal=who, key=enrolled, name="Key"))
                voters.append((who, key))
                if number:
                    await gate.answer_server(vouching(voters[0], key, enrolled))
                signed = key.get(digest(record.request))
                votes.append(CastVote(principal=who, request_id=request_id, is_yes=True, note="", assertion=signed))
            answers = await asyncio.gather(*(gate.answer_server(one) for one in votes), return_exceptions=True)
            assert sum(isinstance(one, RequestRecord) for one in answers) == 1

    site.run(main())
    assert site.kinds().count(AuditKind.REQUEST_APPROVED) == 1


def vouching(by, key: FakeAuthenticator, enrolled) -> VouchForKey:
    who, own = by
    signed = own.get(keys.digest(enrolled))
    return VouchForKey(principal=who, credential_id=key.credential_id, assertion=signed)


def test_passkey_when_only_the_server_speaks_for_it_then_approves_nothing(site: Site) -> None:
    """What a server that is taken over could say, one after the other."""

    async def main() -> None:
        async with site.warden() as gate:
            await gate.answer_server(opening(ANN, "7"))
            record = await approved(site, gate)
            second = await gate.answer_server(filing(site))
            forged, mallory = FakeAuthenticator(), replace(BEN, user_id="u9", name="Mallory")
            key = replace(forged.enrolled("u9"), vouched_by="me")
            await gate.answer_server(EnrolKey(principal=mallory, key=key, name="x"))
            vote = CastVote(
                principal=mallory,
                request_id=second.request.request_id,
                is_yes=True,
                note="",
                assertion=forged.get(digest(second.request)),
            )
            with pytest.raises(PermissionDenied, match="vouched"):
                await gate.answer_server(vote)
            own = vouching((mallory, forged), forged, key)
            with pytest.raises(PermissionDenied, match="vouched"):
                await gate.answer_server(own)
            swapped = replace(forged.enrolled(BEN.user_id), credential_id=KEY.credential_id)
            await gate.answer_server(EnrolKey(principal=BEN, key=swapped, name="x"))
            with pytest.raises(PermissionDenied):
                await gate.answer_server(replace(vote, principal=BEN, assertion=KEY.get(digest(second.request))))
            for known in (await gate.answer_server(ReadKeys())).keys:
                assert not known.vouched_by
                await gate.answer_server(
                    ForgetKey(principal=replace(BEN, user_id=known.user_id), credential_id=known.credential_id)
                )
            await gate.answer_server(EnrolKey(principal=mallory, key=key, name="x"))
            assert [one.vouched_by for one in (await gate.answer_server(ReadKeys())).keys] == [""]
            assert record.votes

    site.run(main())


def test_passkey_when_site_yaml_names_it_counts_again_after_all_others_are_lost(site: Site) -> None:
    key = FakeAuthenticator()
    enrolled = key.enrolled(BEN.user_id)

    async def enrol(rules: AccessConfig) -> str:
        async with open_gate(site.paths, site.identity, passphrase=None, clock=site.clock, rules=rules) as gate:
            await gate.answer_server(EnrolKey(principal=BEN, key=enrolled, name="Key"))
            told = await gate.answer_server(ReadKeys())
            await gate.answer_server(ForgetKey(principal=BEN, credential_id=key.credential_id))
            return next(iter(told.keys)).vouched_by

    assert site.run(enrol(AccessConfig())) == keys.FIRST
    assert site.run(enrol(AccessConfig())) == ""
    assert site.run(enrol(AccessConfig(trusted_keys=[keys.fingerprint(enrolled)]))) == keys.CONFIGURED


def test_passkeys_when_written_before_anybody_vouched_still_count(tmp_path) -> None:
    path, key = tmp_path / "requests.db", KEY.enrolled("u2")
    store = RequestStore(path)
    store.put_key(key)
    store.close()
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA user_version = 0")
    store = RequestStore(path)
    assert (store.passkeys()[0].vouched_by, store.is_rooted) == (keys.BEFORE, True)
    store.close()


def test_server_cannot_have_steps_of_requests_appended(site: Site) -> None:
    async def main() -> None:
        async with site.warden() as gate:
            await gate.answer_server(opening(ANN, "7"))
            for kind in (AuditKind.REQUEST_APPROVED, AuditKind.BREAK_GLASS_REVIEWED, AuditKind.REQUEST_FILED):
                with pytest.raises(PermissionDenied):
                    await gate.answer_server(Append(record=replace(site.entries()[0].record, kind=kind)))

    site.run(main())


def test_release_beyond_the_hours_quota_is_refused_and_logged(site: Site) -> None:
    async def main() -> None:
        async with site.warden() as gate:
            await gate.answer_server(opening(ANN, "7"))
            asked = site.request(Action.PLAY_BACK, lasts_ns=HOUR)
            grant = (await gate.authorise(asked)).grant
            assert grant is not None
            headers = [site.segment(start_ns=asked.start_ns + n)[0] for n in range(QUOTAS[Role.OPERATOR].segments + 1)]
            for begin in range(0, len(headers) - 1, 60):
                batch = tuple(headers[begin : min(begin + 60, len(headers) - 1)])
                await gate.answer_job(ReleaseKeys(grant_token=grant.token, headers=batch))
            with pytest.raises(ResourceExhausted, match="quota"):
                await gate.answer_job(ReleaseKeys(grant_token=grant.token, headers=(headers[-1],)))
        assert site.kinds()[-1] is AuditKind.KEYS_REFUSED
        async with site.warden() as gate:  # a restart begins no new hour
            again = (await gate.authorise(asked)).grant
            assert again is not None
            with pytest.raises(ResourceExhausted, match="quota"):
                await gate.answer_job(ReleaseKeys(grant_token=again.token, headers=(headers[-1],)))

    site.run(main())
