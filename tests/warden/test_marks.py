"""Marks go to a trace alone, of exactly the sessions that were given the segments, and the log has the list first."""

from dataclasses import replace

import pytest
from tests.warden.conftest import GATE, VAULT, Site

from custodes.app.warden_gate import Gate
from custodes.errors import InvalidArgument, PermissionDenied
from custodes.types.access import Action, AuditKind, Grant, Purpose, PurposeKind, Role
from custodes.types.leak import ReleaseMarks
from custodes.types.media import SegmentHeader
from custodes.types.message import EndGrant, ReleaseKeys
from custodes.units import CameraId, SegmentId

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
            for names in ((), (SegmentId("a"),) * 65):
                with pytest.raises(InvalidArgument):
                    await gate.release_marks(ReleaseMarks(grant_token=grant.token, segment_ids=names))
            await gate.end_grant(EndGrant(grant_id=grant.grant_id, frames_shown=0))
            with pytest.raises(PermissionDenied):
                await gate.release_marks(ReleaseMarks(grant_token=grant.token, segment_ids=(header.segment_id,)))
            assert AuditKind.MARKS_RELEASED not in site.kinds()

    site.run(main())
