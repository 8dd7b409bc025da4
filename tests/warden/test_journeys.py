"""Journeys over the warden's real desks, log and keys, the real catalog and simulated cameras that see real walks."""

import io
import json
import zipfile
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from tests.warden.conftest import Site
from tests.warden.office import ANN, BEN, BOSS, CID, OFFICER, Office, filing, through

import custodes_verify
from custodes.access import requests
from custodes.adapters.ipc.warden import WardenClient
from custodes.adapters.sql import sqlite_catalog
from custodes.app.serving.journey_exhibit import ExhibitMaker
from custodes.app.serving.journeys import JourneyService
from custodes.app.serving.proofs import ProofDesk
from custodes.config import SiteConfig
from custodes.errors import AlreadyExists, InvalidArgument, NotFound, PermissionDenied
from custodes.testing.cases import opening
from custodes.testing.catalog import make_spec
from custodes.testing.keys import SITE_ID
from custodes.testing.web import InlineCatalog
from custodes.types.access import Action, AuditKind, Fidelity, Purpose, PurposeKind
from custodes.types.approval import CastVote, FileRequest, LookRequest, RequestRecord
from custodes.types.cases import CloseCase, ReadCase
from custodes.types.event import FrameAnalysed, TrackEnded
from custodes.types.face_message import EndEnrolment, ReadCandidates
from custodes.types.journey import LinkKind, OpenJourney, ReadFollowable, ReadLastSeen
from custodes.types.scene import CameraScene, GroundPoint
from custodes.types.vision import ObjectClass, Tracklet
from custodes.units import NS_PER_S, CameraId, Ns, RunId
from eval.pinhole import RUN, T0_NS, Mover, Noise, Pinhole, look

GATE_VIEW = Pinhole((14.0, 8.0, 4.0), (0.0, 8.0), focal_px=900, name="gate")
ROOF_VIEW = Pinhole((-14.0, 8.0, 4.0), (0.0, 8.0), focal_px=900, name="roof")
VAULT_VIEW = Pinhole((14.0, 48.0, 4.0), (0.0, 48.0), focal_px=900, name="vault")
VIEWS = (GATE_VIEW, ROOF_VIEW, VAULT_VIEW)
CASE = Purpose(kind=PurposeKind.CASE, reference="2026-1")
SECONDS = 36.0


class Door(WardenClient):
    """The server's client of the warden, without the socket between them."""

    def __init__(self, office: Office) -> None:
        self._office = office

    async def _request(self, message, expected):
        answer = await self._office.ask(message)
        assert isinstance(answer, expected)
        return answer


def walker(number, x, begin, speed):
    """Along y, from `begin` m on."""
    return Mover(
        number, ObjectClass.PERSON, (0.4, 0.5, 1.7), lambda second: (np.array([x, begin + speed * second]), np.pi / 2)
    )


def spec_of(camera):
    at = [(-4.0, camera.target[1] - 4), (4.0, camera.target[1] - 4), (4.0, camera.target[1] + 6)]
    at.append((-4.0, camera.target[1] + 6))
    shares = camera.project(np.column_stack([np.array(at), np.zeros(4)]))
    points = tuple(
        GroundPoint(at=(float(x), float(y)), place_m=place) for (x, y), place in zip(shares, at, strict=True)
    )
    return replace(make_spec(camera.name), scene=CameraScene(ground=points, floor="yard"))


def ended_of(frames: list[FrameAnalysed]) -> list[TrackEnded]:
    """What the analyser says of tracks when they are over."""
    seen: dict[int, list] = {}
    for fact in frames:
        for row in np.flatnonzero(fact.frame.is_measured & (fact.frame.track_ids >= 0)):
            box = tuple(float(side) for side in fact.frame.boxes_norm[row])
            seen.setdefault(int(fact.frame.track_ids[row]), []).append((fact.frame.utc_ns, box))
    return [
        TrackEnded(
            tracklet=Tracklet(
                camera_id=frames[0].frame.camera_id,
                run=RUN,
                track_id=track_id,
                object_class=ObjectClass.PERSON,
                start_ns=looks[0][0],
                end_ns=looks[-1][0],
                frames=len(looks),
                mean_score=0.8,
                first_box_norm=looks[0][1],
                last_box_norm=looks[-1][1],
            )
        )
        for track_id, looks in seen.items()
        if len(looks) > 4
    ]


@cache
def walks():
    """What each camera saw; drawn once, as it takes most of a test's time."""
    people = [walker(1, -2.0, 0.0, 2.0), walker(2, 2.5, 66.0, -1.9)]
    return [
        look(
            one, people, (0, SECONDS), fps=5, noise=Noise(), rng=np.random.default_rng(3), homography=one.homography()
        )
        for one in VIEWS
    ]


def recorded(folder: Path, clock) -> tuple[InlineCatalog, dict[tuple[str, int], set[int]]]:
    """A catalog of what three cameras saw of two people who pass one another, and whose each track is."""
    catalog = sqlite_catalog(folder / "catalog.db", site_id=SITE_ID, clock=clock)
    catalog.put_cameras([spec_of(one) for one in VIEWS], is_exclusive=True)
    owners: dict[tuple[str, int], set[int]] = {}
    for camera, watched in zip(VIEWS, walks(), strict=True):
        catalog.put_analysis(watched.frames, ended_of(watched.frames))
        for track_id, names in watched.truth.items():
            owners[camera.name, track_id] = {max(set(names), key=names.count)}
    return InlineCatalog.over(catalog), owners


def service(office: Office, catalog: InlineCatalog) -> JourneyService:
    door, paths = Door(office), office.site.paths
    config = SiteConfig.model_validate({"name": "Test", "data_dir": paths.data_dir})
    proofs = ProofDesk(warden=door, witnesses=[], paths=paths, config=config)
    clock = office.site.clock
    maker = ExhibitMaker(warden=door, proofs=proofs, clock=clock, paths=paths, config=config, site_id=SITE_ID)
    return JourneyService(catalog=catalog, warden=door, clock=clock, exhibits=maker)


def asking(person_id: str, **changes) -> FileRequest:
    asked = FileRequest(
        principal=CID,
        action=Action.FOLLOW,
        purpose=CASE,
        camera_ids=tuple(CameraId(one.name) for one in VIEWS),
        start_ns=Ns(T0_NS - 60 * NS_PER_S),
        end_ns=Ns(T0_NS + 60 * NS_PER_S),
        fidelity=Fidelity.MASKED,
        reason="she does not answer her telephone",
        is_break_glass=False,
        person_id=person_id,
    )
    return replace(asked, **changes)


async def approved(office: Office, asked: FileRequest) -> str:
    record = await office.ask(asked)
    assert isinstance(record, RequestRecord)
    request_id = record.request.request_id
    signed = await office.sign(OFFICER, requests.digest(record.request))
    vote = CastVote(principal=OFFICER, request_id=request_id, is_yes=True, note="", assertion=signed)
    await office.ask(vote)
    return request_id


async def confirmed(office: Office, zone_id: str, person_id: str, track_id: int, *, at_s: float = 4.0) -> None:
    """Two people say that the gate's track is this person's."""
    seen = Ns(T0_NS + round(at_s * NS_PER_S))
    found = replace(
        filing(zone_id, person_id), run=RunId(RUN), track_id=track_id, start_ns=seen, end_ns=Ns(seen + NS_PER_S)
    )
    await office.process(found)
    candidate_id = (await office.ask(ReadCandidates(principal=CID))).records[0].candidate.candidate_id
    await office.train(ANN, BEN)
    for one in (ANN, BEN):
        await office.say(one, candidate_id)


def prepared(site: Site, tmp_path: Path):
    """Clock after the walk; catalog and truth."""
    site.clock.advance(T0_NS + 100 * NS_PER_S - site.clock.now_ns())
    return recorded(tmp_path, site.clock)


def test_journey_of_an_enrolled_person_over_three_cameras_is_theirs_alone_and_verifies(site, tmp_path):
    catalog, owners = prepared(site, tmp_path)
    bundle = tmp_path / "journey.zip"

    async def main(office: Office) -> None:
        zone_id = await office.zone()
        person_id, _, _ = await office.enrolled(1, (zone_id,), may_follow=True)
        await office.ask(opening(CID, "2026-1"))
        desk = service(office, catalog)
        request_id = await approved(office, asking(person_id))
        assert (await desk.follow(CID, request_id)).steps == ()  # nobody confirmed anything: nothing is looked for
        track_id = next(track for (camera, track), who in owners.items() if camera == "gate" and who == {1})
        await confirmed(office, zone_id, person_id, track_id)
        journey = await desk.follow(CID, request_id)
        assert journey.name == "N1"
        assert {step.camera_id for step in journey.steps} == {"gate", "roof", "vault"}
        assert {step.kind for step in journey.steps} == set(LinkKind)
        assert all(owners[step.camera_id, step.track_id] == {1} for step in journey.steps)
        assert all(step.path_m and abs(step.path_m[0][1] + 2.0) < 1.0 for step in journey.steps)
        assert all(0.5 <= step.probability <= 1 for step in journey.steps)
        bundle.write_bytes(await desk.exhibit(CID, request_id))
        notes = (await office.ask(ReadCase(principal=CID, number="2026-1"))).notes
        assert "exhibit" in notes[-1].text
        assert not list((site.paths.data_dir / "exports").iterdir())
        with pytest.raises(NotFound):
            await desk.follow(BOSS, request_id)

    through(site, main)
    report = "\n".join(custodes_verify.verify_evidence(bundle, None))
    assert "is entry" in report
    with zipfile.ZipFile(bundle) as opened:
        told = json.loads(opened.read("journey.json"))
        assert "N1" not in opened.read("journey.json").decode()
        pieces = {name: opened.read(name) for name in opened.namelist()}
    assert [step["kind"] for step in told["steps"]].count("verified") == 1
    assert site.kinds().count(AuditKind.JOURNEY_OPENED) == 3
    changed = io.BytesIO()
    with zipfile.ZipFile(changed, "w") as again:
        for name, content in pieces.items():
            again.writestr(name, content.replace(b"vault", b"VAULT") if name == "journey.json" else content)
    bundle.write_bytes(changed.getvalue())
    with pytest.raises(custodes_verify.Wrong):
        custodes_verify.verify_evidence(bundle, None)


def test_journey_is_refused_without_agreement_approval_case_or_after_an_end(site, tmp_path):
    catalog, _ = prepared(site, tmp_path)

    async def main(office: Office) -> None:
        zone_id = await office.zone()
        quiet, _, _ = await office.enrolled(1, (zone_id,))
        person_id, _, _ = await office.enrolled(2, (zone_id,), may_follow=True)
        assert [one.person_id for one in (await office.ask(ReadFollowable(principal=CID))).people] == [person_id]
        with pytest.raises(PermissionDenied):
            await office.ask(ReadFollowable(principal=ANN))
        desk = service(office, catalog)
        with pytest.raises(PermissionDenied, match="case"):
            await office.ask(asking(person_id))
        await office.ask(opening(CID, "2026-1"))
        for who in (quiet, "f" * 16):
            with pytest.raises(PermissionDenied, match="did not agree"):
                await office.ask(asking(who))
        with pytest.raises(InvalidArgument, match="24 hours"):
            await office.ask(asking(person_id, start_ns=Ns(T0_NS - 25 * 3600 * NS_PER_S)))
        with pytest.raises(InvalidArgument, match="opens recordings"):
            await office.ask(asking(person_id, is_break_glass=True))
        with pytest.raises(InvalidArgument, match="one enrolled person"):
            requests.check_filed(_as_request(asking("")), now_ns=Ns(T0_NS))
        filed = await office.ask(asking(person_id))
        with pytest.raises(PermissionDenied, match="approval"):
            await desk.follow(CID, filed.request.request_id)
        request_id = await approved(office, asking(person_id))
        await desk.follow(CID, request_id)
        await office.ask(CloseCase(principal=CID, number="2026-1", because="she came back"))
        with pytest.raises(PermissionDenied):
            await desk.follow(CID, request_id)
        await office.ask(opening(CID, "2026-2"))
        other = await approved(office, asking(person_id, purpose=replace(CASE, reference="2026-2")))
        await desk.follow(CID, other)
        await office.ask(EndEnrolment(principal=BOSS, person_id=person_id))
        with pytest.raises(PermissionDenied, match="did not agree"):
            await desk.follow(CID, other)

    through(site, main)
    kinds = site.kinds()
    assert kinds.count(AuditKind.JOURNEY_OPENED) == 2
    assert kinds.count(AuditKind.ACCESS_DENIED) >= 2


def _as_request(asked: FileRequest):
    return LookRequest(
        request_id="r", requester_id="u6", requester="P6", action=asked.action, purpose=asked.purpose,
        camera_ids=asked.camera_ids, start_ns=asked.start_ns, end_ns=asked.end_ns, fidelity=asked.fidelity,
        reason=asked.reason, is_break_glass=False, needed=1, filed_ns=Ns(T0_NS), decide_by_ns=Ns(T0_NS),
        lasts_ns=Ns(1), person_id=asked.person_id,
    )  # fmt: skip


def test_last_seen_of_a_missing_child_tells_what_two_confirmed_and_ends_by_itself(site):
    async def main(office: Office) -> None:
        zone_id = await office.zone()
        day = 24 * 3600 * NS_PER_S
        until = Ns(site.clock.now_ns() + day)
        with pytest.raises(InvalidArgument, match="three days"):
            await office.enrolled(9, (zone_id,), is_missing=True)
        person_id, _, _ = await office.enrolled(1, (zone_id,), samples=1, expires_ns=until, is_missing=True)
        (row,) = (await office.ask(ReadLastSeen(principal=ANN))).people
        assert (row.name, row.is_compared, row.sighting) == ("N1", True, None)
        candidate_id = await office.filed(zone_id, person_id)
        await office.train(ANN, BEN)
        await office.say(ANN, candidate_id)
        assert (await office.ask(ReadLastSeen(principal=ANN))).people[0].sighting is None
        await office.say(BEN, candidate_id)
        (row,) = (await office.ask(ReadLastSeen(principal=ANN))).people
        assert row.sighting.camera_id == "gate"
        assert row.verified_by == ("P4", "P5")
        assert row.earlier == ()
        later = await office.filed(zone_id, person_id, track_id=-1, seen_ns=8)
        with pytest.raises(AlreadyExists):  # a face without a body, seen at the same time: the same one
            await office.filed(zone_id, person_id, track_id=-1, seen_ns=9)
        await office.filed(zone_id, person_id, track_id=-1, seen_ns=20)
        for who in (ANN, BEN):
            await office.say(who, later)
        (row,) = (await office.ask(ReadLastSeen(principal=ANN))).people
        assert (row.sighting.end_ns, [one.end_ns for one in row.earlier]) == (9, [2])
        with pytest.raises(PermissionDenied):
            await office.ask(ReadLastSeen(principal=OFFICER))
        site.clock.advance(day)
        assert (await office.ask(ReadLastSeen(principal=ANN))).people == ()
        await office.gate.faces.people.sweep()
        assert not office.gate.faces.people._office.store.has_key(person_id)

    through(site, main)
    assert site.kinds().count(AuditKind.LAST_SEEN_READ) == 5


def test_open_journey_of_a_request_for_something_else_is_refused(site):
    async def main(office: Office) -> None:
        await office.ask(opening(CID, "2026-1"))
        asked = replace(
            asking(""), action=Action.PLAY_BACK, fidelity=Fidelity.UNMASKED, camera_ids=(CameraId("gate"),)
        )
        site.clock.advance(T0_NS + 100 * NS_PER_S - site.clock.now_ns())
        record = await office.ask(asked)
        with pytest.raises(InvalidArgument, match="not for a journey"):
            await office.ask(OpenJourney(principal=CID, request_id=record.request.request_id))

    through(site, main)
