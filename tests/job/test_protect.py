"""A check for protected people as a process, against a real warden: permit, keys, networks, one neutral answer."""

import asyncio
import time

import numpy as np
from tests.job.test_job import facts, recorded  # noqa: F401 - the fixture

from custodes.adapters.ipc.framing import RequestClient
from custodes.testing.cases import opening
from custodes.testing.job import CAMERA, JobSite
from custodes.types.access import Action, AuditKind, Fidelity, Principal, Purpose, PurposeKind, Role
from custodes.types.approval import FileRequest, RequestRecord
from custodes.types.face_message import (
    ConsentSigned,
    EnrolmentInvited,
    InviteEnrolment,
    PutTemplate,
    SignConsent,
    TemplateKept,
)
from custodes.types.leak import NeedMasks
from custodes.types.media import Segment
from custodes.types.message import LogPage, ReadLog
from custodes.types.protection import BeginCheck, CheckBegun, ChecksWanted, PieceChecked, ProtectTask, ReadChecks
from custodes.units import NS_PER_S, Ns

OFFICER = Principal(user_id="o", name="Eva", roles=frozenset({Role.PRIVACY_OFFICER}))
ANN = Principal(user_id="a", name="Ann", roles=frozenset({Role.INVESTIGATOR}))


async def _asked(site: JobSite, segment: Segment) -> CheckBegun:
    """Somebody is protected, somebody asks to unmask, and the check may begin."""
    server, faces = (RequestClient(site.paths.socket(name)) for name in ("warden-server", "warden-faces"))
    expires = Ns(time.time_ns() + 10**15)
    invitation = InviteEnrolment(
        principal=OFFICER, name="Cleo", purpose="I was followed", zone_ids=(), expires_ns=expires, protects=True
    )
    token = (await server.request(invitation, EnrolmentInvited)).token
    await server.request(SignConsent(token=token, signature="Cleo Ray", text_sha256="a" * 64), ConsentSigned)
    vector = np.ones(128, np.float32)
    template = PutTemplate(token=token, contract="dlib-face-resnet:1", vector=vector, quality=0.9, picture=b"jpeg")
    await faces.request(template, TemplateKept)
    await server.request(opening(ANN, "7"), object)
    filing = FileRequest(
        principal=ANN,
        action=Action.PLAY_BACK,
        purpose=Purpose(kind=PurposeKind.CASE, reference="7"),
        camera_ids=(CAMERA,),
        start_ns=segment.header.start_ns,
        end_ns=segment.end_ns,
        fidelity=Fidelity.UNMASKED,
        reason="somebody was hurt here",
        is_break_glass=False,
    )
    await server.request(filing, RequestRecord)
    (piece,) = (await server.request(ReadChecks(), ChecksWanted)).pieces
    begun = await server.request(BeginCheck(piece=piece), CheckBegun)
    await server.close()
    await faces.close()
    return begun


async def _after(site: JobSite) -> tuple[list[AuditKind], ChecksWanted]:
    server = RequestClient(site.paths.socket("warden-server"))
    page = await server.request(ReadLog(start=0, limit=1000), LogPage)
    wanted = await server.request(ReadChecks(), ChecksWanted)
    await server.close()
    return [entry.record.kind for entry in page.entries], wanted


def test_check_when_nobody_has_a_face_then_is_done_logged_and_says_nothing(site: JobSite, recorded: Segment) -> None:  # noqa: F811
    grant = asyncio.run(_asked(site, recorded)).grant
    with site.job("job-protect") as job:
        job.channel.send(
            ProtectTask(
                camera_id=CAMERA,
                session_id=grant.request.session_id,
                grant_token=grant.token,
                deadline_ns=Ns(time.time_ns() + 600 * NS_PER_S),
                start_ns=recorded.header.start_ns,
                end_ns=recorded.end_ns,
                segments=(recorded,),
            )
        )
        asked = job.until(NeedMasks, PieceChecked)[-1]
        assert isinstance(asked, NeedMasks)
        job.channel.send(facts(recorded.header.start_ns))
        assert job.until(PieceChecked)[-1] == PieceChecked(camera_id=CAMERA, error="")
        assert job.wait() == 0
    kinds, wanted = asyncio.run(_after(site))
    assert kinds[-1] is AuditKind.PROTECTION_CHECKED
    assert AuditKind.KEYS_RELEASED in kinds, "it read the recording"
    assert wanted.pieces == ()
