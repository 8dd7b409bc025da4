"""Marks go to a trace alone, of exactly the sessions that were given the segments, and the log has the list first."""

from dataclasses import replace

import pytest
from tests.warden.conftest import GATE, HOUR, VAULT, Site

from custodes.app.warden_gate import Gate, day_of
from custodes.errors import FailedPrecondition, InvalidArgument, KeyMissing, PermissionDenied, SealBroken
from custodes.sealing.apart import open_apart, seal_apart, split_apart
from custodes.sealing.published import background_key_id, exactly, read_pinned
from custodes.types.access import Action, AuditKind, Grant, Purpose, PurposeKind, Role
from custodes.types.leak import ReleaseMarks
from custodes.types.media import SegmentHeader
from custodes.types.message import EndGrant, ReleaseKeys
from custodes.units import CameraId, Ns, SegmentId

LEAK = Purpose(kind=PurposeKind.LEAK_TRACE, reference="leak 1")


async def watched(gate: Gate, site: Site, session: str, header: SegmentHeader, camera_id: CameraId = GATE) -> bytes:
    """Somebody plays a segment back; returns the mark key of what they were shown."""
    answer = await gate.authorise(site.request(Action.PLAY_BACK, session=session, camera_id=camera_id))
    assert answer.grant is not None
    released = await gate.release(ReleaseKeys(grant_token=answer.grant.token, headers=(header,)))
    await gate.end_grant(EndGrant(grant_id=answer.grant.grant_id, frames_shown=1))
    return released.mark_key


async def traced(gate: Gate, site: Site) -> Grant:
    asked = site.request(Action.TRACE_LEAK, role=Role.PRIVACY_OFFICER, session="trace")
    answer = await gate.authorise(replace(asked, purpose=LEAK))
    assert answer.grant is not None, answer.decision.reasons
    return answer.grant


def test_marks_when_traced_then_of_those_who_were_given_the_segment_and_logged_first(site: Site) -> None:
    async def main() -> None:
        async with site.warden() as gate:
            wanted, _ = site.segment()
            other, _ = site.segment()
            keys = {name: await watched(gate, site, name, wanted) for name in ("s1", "s2")}
            await watched(gate, site, "elsewhen", other)
            vault, _ = site.segment(VAULT)
            await watched(gate, site, "elsewhere", vault, VAULT)
            grant = await traced(gate, site)
            await gate.release(ReleaseKeys(grant_token=grant.token, headers=(wanted,)))  # its own look is no candidate
            answer = await gate.release_marks(ReleaseMarks(grant_token=grant.token, segment_ids=(wanted.segment_id,)))
            assert {str(one.session_id): one.mark_key for one in answer.candidates} == keys
            entry = site.entries()[answer.log_index]
            assert entry.record.kind is AuditKind.MARKS_RELEASED
            assert entry.record.details["candidates"] == "2"
            assert entry.record.details["reference"] == "leak 1"
            for one in answer.candidates:
                granted = site.entries()[one.granted_index].record
                assert granted.kind is AuditKind.ACCESS_GRANTED
                assert granted.details["session"] == one.session_id

    site.run(main())


def test_marks_when_another_grant_or_none_or_too_many_then_refused(site: Site) -> None:
    async def main() -> None:
        async with site.warden() as gate:
            header, _ = site.segment()
            look = await gate.authorise(site.request(Action.PLAY_BACK))
            assert look.grant is not None
            with pytest.raises(PermissionDenied, match="play_back"):
                await gate.release_marks(ReleaseMarks(grant_token=look.grant.token, segment_ids=(header.segment_id,)))
            with pytest.raises(PermissionDenied):
                await gate.release_marks(ReleaseMarks(grant_token="x" * 43, segment_ids=(header.segment_id,)))
            grant = await traced(gate, site)
            with pytest.raises(InvalidArgument):
                await gate.release_marks(ReleaseMarks(grant_token=grant.token, segment_ids=(SegmentId("a"),) * 65))
            await gate.end_grant(EndGrant(grant_id=grant.grant_id, frames_shown=0))
            with pytest.raises(PermissionDenied):
                await gate.release_marks(ReleaseMarks(grant_token=grant.token, segment_ids=(header.segment_id,)))
            assert AuditKind.MARKS_RELEASED not in site.kinds()

    site.run(main())


def test_marks_when_no_segment_is_named_then_of_all_who_were_given_the_time_and_which(site: Site) -> None:
    async def main() -> None:
        async with site.warden() as gate:
            first, _ = site.segment()
            grant = await traced(gate, site)
            second, _ = site.segment(start_ns=site.clock.now_ns() + HOUR // 2)
            for session, header in (("s1", first), ("s2", second)):
                await watched(gate, site, session, header)
            beyond, _ = site.segment(start_ns=site.clock.now_ns() + 3 * HOUR)
            ask = site.request(Action.PLAY_BACK, session="later", lasts_ns=4 * HOUR)
            answer = await gate.authorise(ask)
            assert answer.grant is not None
            await gate.release(ReleaseKeys(grant_token=answer.grant.token, headers=(second, beyond)))
            marks = await gate.release_marks(ReleaseMarks(grant_token=grant.token, segment_ids=()))
            found = {str(one.session_id): one.starts_ns for one in marks.candidates}
            assert found == {"s1": (first.start_ns,), "s2": (second.start_ns,), "later": (second.start_ns,)}
            assert site.entries()[marks.log_index].record.details["candidates"] == "3"

    site.run(main())


def test_background_when_a_trace_asks_then_opened_at_any_time_and_else_refused(site: Site) -> None:
    async def main() -> None:
        async with site.warden() as gate:
            year = day_of(site.clock.now_ns())[:4]
            pinned = read_pinned(site.paths.warden_key)
            key = exactly(site.paths.public_keys, background_key_id(GATE, year), pinned)
            long_ago = Ns(site.clock.now_ns() - 100 * 24 * HOUR)
            sealed = seal_apart(key, name=f"{long_ago}-x-background", start_ns=long_ago, label="b", payload=b"view")
            header, body = split_apart(sealed)
            grant = await traced(gate, site)
            released = await gate.release(ReleaseKeys(grant_token=grant.token, headers=(header,)))
            assert open_apart(header, released.data_keys[0], "b", body) == b"view"
            with pytest.raises(SealBroken):
                open_apart(header, released.data_keys[0], "another", body)
            look = await gate.authorise(site.request(Action.PLAY_BACK))
            assert look.grant is not None
            with pytest.raises(PermissionDenied, match="background"):
                await gate.release(ReleaseKeys(grant_token=look.grant.token, headers=(header,)))
            for this in (year, str(int(year) + 1)):
                with pytest.raises(FailedPrecondition):
                    await gate.destroy(GATE, f"{this}0000")
            site.clock.advance(366 * 24 * HOUR)
            await gate.destroy(GATE, f"{year}0000")
            with pytest.raises(KeyMissing):
                exactly(site.paths.public_keys, background_key_id(GATE, year), pinned)
            await gate.publish((GATE,))  # the days that come have keys all the same

    site.run(main())
