"""Looks for an approved journey: real warden and job processes, sealed film, the server's own desks; who wears what is
told by likenesses alone, and by nobody who was not asked with an approval."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from tests.warden.office import ANN, BEN, BOSS, CID, OFFICER, Office, filing

from custodes.access import requests
from custodes.adapters.ipc.framing import AsyncChannel, RequestClient
from custodes.adapters.ipc.warden import WardenClient
from custodes.adapters.sql import sqlite_catalog
from custodes.app.serving.jobs import JobPool
from custodes.app.serving.journey_exhibit import ExhibitMaker
from custodes.app.serving.journey_looks import LookDesk
from custodes.app.serving.journeys import JourneyService
from custodes.app.serving.proofs import ProofDesk
from custodes.config import SiteConfig
from custodes.errors import FailedPrecondition, InvalidArgument, NotFound, PermissionDenied
from custodes.journey.usual import Way
from custodes.media.decode import FrameDecoder
from custodes.runtime.clock import SystemClock
from custodes.sealing.published import latest_usable, read_pinned
from custodes.testing.cases import opening
from custodes.testing.catalog import make_spec
from custodes.testing.ending import ended
from custodes.testing.job import SITE_ID, JobSite
from custodes.testing.media import draw_frame, encode_clip, people_at, vouch, write_segment
from custodes.testing.web import InlineCatalog
from custodes.track.colours import Looks, colours
from custodes.types.access import Action, AuditKind, Fidelity, Purpose, PurposeKind
from custodes.types.approval import CastVote, FileRequest, RequestRecord
from custodes.types.event import TrackEnded
from custodes.types.face_message import EndEnrolment, ReadCandidates
from custodes.types.journey import LinkKind, LooksUse, OpenJourney
from custodes.types.journey_job import (
    BeginLooks,
    CompareTracks,
    LookMoment,
    LooksBegun,
    LooksEnded,
    LooksFailed,
    LooksTask,
    LookTrack,
    OpenCamera,
    TracksCompared,
)
from custodes.types.media import Segment, StreamInfo
from custodes.types.message import LogPage, ReadLog, StillRendered, StopView, ViewEnded, ViewKind
from custodes.types.scene import CameraScene
from custodes.types.vision import ObjectClass, Tracklet
from custodes.units import NS_PER_MS, NS_PER_S, CameraId, Ns, RunId

GATE, ROOF, YARD = CameraId("gate"), CameraId("roof"), CameraId("yard")
RUN = RunId("0" * 12)
RED, BLUE = (90, 200), (200, 90)
FRAMES, FPS = 40, 10
CASE = Purpose(kind=PurposeKind.CASE, reference="2026-1")


def dressed(index: int, start_ns: int, wear: tuple[tuple[int, int], ...]):
    """A frame of the synthetic clip, its two figures in these colours (u, v)."""
    frame = draw_frame(index, width=320, height=240, utc_ns=start_ns)
    for (x1, y1, x2, y2), (u, v) in zip(people_at(index), wear, strict=True):
        part = slice(int(y1 * 120), int(y2 * 120)), slice(int(x1 * 160), int(x2 * 160))
        frame.u[part], frame.v[part] = u, v
    return frame


@dataclass
class Film:
    """One camera's four seconds: who wears what, sealed, with what the analyser said."""

    camera_id: CameraId
    start_ns: int
    wear: tuple[tuple[int, int], ...]
    info: StreamInfo
    packets: list
    segment: Segment
    facts: tuple
    tracks: tuple[Tracklet, ...]
    scene: CameraScene = field(default_factory=CameraScene)


def sealed(site: JobSite, info: StreamInfo, packets: list) -> Segment:
    """Packets as a segment under today's key of their camera, which the warden has published."""
    day = time.strftime("%Y%m%d", time.gmtime())
    key = latest_usable(site.paths.public_keys, info.camera_id, day, read_pinned(site.paths.warden_key))
    return write_segment(
        site.paths.data_dir, info, packets, public_key=key.public_key, key_id=key.key_id, site_id=SITE_ID
    )[0]


def film(site: JobSite, camera_id: CameraId, start_ns: int, wear) -> Film:
    frames = (dressed(number, start_ns, wear) for number in range(FRAMES))
    info, packets = encode_clip(frames, fps=FPS, gop=10, start_ns=start_ns, camera_id=camera_id)
    segment = sealed(site, info, packets)
    times = [start_ns + number * 100 * NS_PER_MS for number in range(0, FRAMES, 2)]
    boxes = [people_at(number) for number in range(0, FRAMES, 2)]
    tracks = tuple(
        Tracklet(
            camera_id=camera_id, run=RUN, track_id=at + 1, object_class=ObjectClass.PERSON, start_ns=Ns(times[0]),
            end_ns=Ns(times[-1]), frames=20, mean_score=0.9, first_box_norm=boxes[0][at], last_box_norm=boxes[-1][at],
        )
        for at in (0, 1)
    )  # fmt: skip
    return Film(camera_id, start_ns, wear, info, packets, segment, vouch(times, boxes, camera_id=camera_id), tracks)


class SocketOffice(Office):
    """Everybody at the doors of a warden process."""

    def __init__(self, site: JobSite) -> None:
        self.site = site
        self.site.clock = SystemClock()
        self.keys = {}
        self._server = RequestClient(site.paths.socket("warden-server"))
        self._faces = RequestClient(site.paths.socket("warden-faces"))

    async def ask(self, message):
        return await self._server.request(message, object)

    async def process(self, message):
        return await self._faces.request(message, object)

    async def close(self) -> None:
        await self._server.close()
        await self._faces.close()

    async def log(self):
        page = await self.ask(ReadLog(start=0, limit=1000))
        assert isinstance(page, LogPage)
        return page.entries


@dataclass
class Scene:
    """A site where Cid may follow N1, who was confirmed in the gate's first track."""

    site: JobSite
    films: dict[CameraId, Film]
    keys: dict
    person_id: str
    asked: FileRequest
    request_id: str


async def published(site: JobSite, cameras: tuple[CameraId, ...]) -> None:
    """Today's keys of these cameras."""
    client = WardenClient(site.paths.socket("warden-server"))
    await client.publish_keys(cameras)
    await client.close()


async def _prepare(site: JobSite) -> Scene:
    await published(site, (GATE, ROOF, YARD))
    start_ns = time.time_ns() - 300 * NS_PER_S
    films = {
        GATE: film(site, GATE, start_ns, (RED, BLUE)),
        ROOF: film(site, ROOF, start_ns + 10 * NS_PER_S, (BLUE, RED)),
        YARD: film(site, YARD, start_ns + 10 * NS_PER_S, (BLUE, RED)),
    }
    first = replace(films[GATE].tracks[0], start_ns=Ns(start_ns + NS_PER_S), end_ns=Ns(start_ns + 2 * NS_PER_S))
    span = Ns(start_ns - 5 * NS_PER_S), Ns(start_ns + 60 * NS_PER_S)
    return await confirmed(site, films, first, (GATE, ROOF), span)


async def confirmed(
    site: JobSite, films: dict[CameraId, Film], seen: Tracklet, cameras: tuple[CameraId, ...], span: tuple[Ns, Ns]
) -> Scene:
    """Somebody is enrolled, two people confirm them in that part of a track, and Cid may follow them in `span`."""
    office = SocketOffice(site)
    zone_id = await office.zone(camera_id=seen.camera_id)
    person_id, _, _ = await office.enrolled(1, (zone_id,), may_follow=True)
    await office.ask(opening(CID, "2026-1"))
    found = replace(
        filing(zone_id, person_id), camera_id=seen.camera_id, run=seen.run, track_id=seen.track_id,
        start_ns=seen.start_ns, end_ns=seen.end_ns,
    )  # fmt: skip
    await office.process(found)
    candidate_id = (await office.ask(ReadCandidates(principal=CID))).records[0].candidate.candidate_id
    await office.train(ANN, BEN)
    for one in (ANN, BEN):
        await office.say(one, candidate_id)
    asked = FileRequest(
        principal=CID, action=Action.FOLLOW, purpose=CASE, camera_ids=cameras, start_ns=span[0], end_ns=span[1],
        fidelity=Fidelity.MASKED, reason="she does not answer her telephone", is_break_glass=False,
        person_id=person_id,
    )  # fmt: skip
    request_id = await approved(office, asked)
    await office.close()
    return Scene(site, films, office.keys, person_id, asked, request_id)


async def approved(office: Office, asked: FileRequest) -> str:
    record = await office.ask(asked)
    assert isinstance(record, RequestRecord)
    signed = await office.sign(OFFICER, requests.digest(record.request))
    request_id = record.request.request_id
    await office.ask(CastVote(principal=OFFICER, request_id=request_id, is_yes=True, note="", assertion=signed))
    return request_id


@pytest.fixture(scope="module")
def scene(site: JobSite) -> Iterator[Scene]:
    return asyncio.run(_prepare(site))


@asynccontextmanager
async def at_door(scene: Scene):
    office = SocketOffice(scene.site)
    office.keys = scene.keys
    try:
        yield office
    finally:
        await office.close()


class Starter:
    """The supervisor's part: a job process, and its connection to the server's pool."""

    def __init__(self, site: JobSite) -> None:
        self._site = site
        self.pool: JobPool | None = None
        self.processes = []
        self._tasks = []

    async def spawn_job(self, kind: str = "job") -> None:
        self.processes.append(self._site.start(kind, f"looks-{len(self.processes)}"))
        connection, _ = await asyncio.to_thread(self._site._listener.accept)
        channel = AsyncChannel(*await asyncio.open_unix_connection(sock=connection))
        self._tasks.append(asyncio.create_task(self.pool.serve_peer(channel)))

    async def ended(self) -> None:
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for one in self.processes:
            await asyncio.to_thread(ended, one)


class Recordings:
    """What the broker of views says was recorded."""

    def __init__(self, films: dict[CameraId, Film]) -> None:
        self._films = films

    async def segments_between(self, camera_id, start_ns, end_ns):
        return [self._films[camera_id].segment]


@asynccontextmanager
async def serving(scene: Scene, folder: Path):
    """The server's service over the catalog, the warden process, and job processes."""
    site, clock = scene.site, SystemClock()
    catalog = sqlite_catalog(folder / "catalog.db", site_id=SITE_ID, clock=clock)
    specs = [replace(make_spec(one), scene=film.scene) for one, film in scene.films.items()]
    catalog.put_cameras(specs, is_exclusive=True)
    for one in scene.films.values():
        catalog.put_analysis(one.facts, [TrackEnded(tracklet=track) for track in one.tracks])
    inline = InlineCatalog.over(catalog)
    warden = WardenClient(site.paths.socket("warden-server"))
    config = SiteConfig.model_validate({"name": "Test", "data_dir": site.paths.data_dir})
    proofs = ProofDesk(warden=warden, witnesses=[], paths=site.paths, config=config)
    maker = ExhibitMaker(warden=warden, proofs=proofs, clock=clock, paths=site.paths, config=config, site_id=SITE_ID)
    starter = Starter(site)
    starter.pool = JobPool(starter, clock, spare=0)
    looks = LookDesk(catalog=inline, warden=warden, jobs=starter.pool, views=Recordings(scene.films), clock=clock)
    service = JourneyService(catalog=inline, warden=warden, clock=clock, exhibits=maker, looks=looks)
    service._ways = lambda: _known_ways()
    try:
        yield service, starter
    finally:
        await service.close()
        await warden.close()


async def _known_ways():
    return {(GATE, ROOF): Way(usual_s=6.0)}


def test_journey_when_clothes_are_compared_then_finds_who_wears_the_same_and_leaves_no_vector(
    scene: Scene, tmp_path: Path
) -> None:
    async def main():
        async with serving(scene, tmp_path) as (service, starter):
            blind = await service.follow(CID, scene.request_id)
            await service.begin(CID, scene.request_id)
            while not (making := service.making(CID, scene.request_id)).is_done:
                await asyncio.sleep(0.05)
            assert service.making(OFFICER, scene.request_id) is None
            journey = await service.follow(CID, scene.request_id)
            await starter.ended()
        async with at_door(scene) as office:
            return blind, journey, making, await office.log()

    blind, journey, making, entries = asyncio.run(main())
    assert blind.looks is LooksUse.NONE
    assert [one.camera_id for one in blind.steps] == [GATE], "two came at once: by time alone neither is told"
    assert (journey.looks, journey.looks_note) == (LooksUse.ALL, "")
    (first, second) = journey.steps
    assert (first.kind, first.look_nats) == (LinkKind.VERIFIED, None)
    assert (second.camera_id, second.track_id) == (ROOF, 2)
    assert second.look_nats > 0.5
    assert making.cameras == 2
    kinds = [one.record.kind for one in entries]
    released = kinds.index(AuditKind.KEYS_RELEASED)
    assert kinds.index(AuditKind.JOURNEY_OPENED) < kinds.index(AuditKind.ACCESS_GRANTED) < released
    keys = entries[released].record
    assert (keys.subject, keys.details["action"], keys.details["user_id"]) in {
        (GATE, "follow", CID.user_id), (ROOF, "follow", CID.user_id)
    }  # fmt: skip
    assert {one.record.subject for one in entries if one.record.kind is AuditKind.KEYS_RELEASED} == {GATE, ROOF}
    _no_look_on_disk(scene, (scene.site.paths.data_dir, tmp_path))


def _no_look_on_disk(scene: Scene, folders: tuple[Path, ...]) -> None:
    """No look of anybody in any moment, as the job sees it, in either precision: from its first to its last colour."""
    needles = set()
    for one in scene.films.values():
        decoder = FrameDecoder(one.info)
        frames = [frame for packet in one.packets for frame in decoder.decode(packet)] + decoder.flush()
        assert len(frames) == FRAMES
        for number, frame in enumerate(frames):
            needles |= bytes_of(colours(frame, np.array(people_at(number))))
    nothing_of(needles, folders)


def bytes_of(looks: Looks) -> set[bytes]:
    """Looks as they might lie in a file: from their first to their last colour, in either precision."""
    found = set()
    for row in looks:
        there = np.flatnonzero(row)
        if len(there):
            found |= {row[there[0] : there[-1] + 1].astype(kind).tobytes() for kind in (np.float32, np.float64)}
    return found


def nothing_of(needles: set[bytes], folders: tuple[Path, ...]) -> None:
    """No file in these folders has any of them."""
    assert min(len(one) for one in needles) > 16
    files = [one for folder in folders for one in folder.rglob("*") if one.is_file()]
    assert files
    for one in files:
        content = one.read_bytes()
        assert not any(needle in content for needle in needles), one


@pytest.mark.parametrize("case", ["other-camera", "other-person", "not-approved", "not-opened", "playback"])
def test_keys_for_looks_when_anything_but_an_open_approved_journey_is_asked_then_refused(
    scene: Scene, case: str
) -> None:
    async def main():
        async with at_door(scene) as office:
            before = len(await office.log())
            if case == "other-camera":
                await office.ask(OpenJourney(principal=CID, request_id=scene.request_id))
                refused, asked = (
                    InvalidArgument,
                    BeginLooks(principal=CID, request_id=scene.request_id, camera_id=YARD),
                )
            elif case == "other-person":
                refused, asked = NotFound, BeginLooks(principal=ANN, request_id=scene.request_id, camera_id=GATE)
            elif case == "not-approved":
                record = await office.ask(scene.asked)
                request_id = record.request.request_id
                with pytest.raises(PermissionDenied):
                    await office.ask(OpenJourney(principal=CID, request_id=request_id))
                refused, asked = FailedPrecondition, BeginLooks(principal=CID, request_id=request_id, camera_id=GATE)
            elif case == "not-opened":
                request_id = await approved(office, scene.asked)
                refused, asked = FailedPrecondition, BeginLooks(principal=CID, request_id=request_id, camera_id=GATE)
            else:
                other = replace(scene.asked, action=Action.PLAY_BACK, fidelity=Fidelity.UNMASKED, person_id="")
                request_id = (await office.ask(other)).request.request_id
                refused, asked = InvalidArgument, BeginLooks(principal=CID, request_id=request_id, camera_id=GATE)
            with pytest.raises(refused):
                await office.ask(asked)
            return [one.record.kind for one in (await office.log())[before:]]

    kinds = asyncio.run(main())
    assert AuditKind.ACCESS_GRANTED not in kinds
    assert AuditKind.KEYS_RELEASED not in kinds


async def _begun(scene: Scene, camera_id: CameraId = GATE) -> LooksBegun:
    async with at_door(scene) as office:
        await office.ask(OpenJourney(principal=CID, request_id=scene.request_id))
        return await office.ask(BeginLooks(principal=CID, request_id=scene.request_id, camera_id=camera_id))


def _track(scene: Scene, index: int, camera_id: CameraId, track_id: int) -> LookTrack:
    one = scene.films[camera_id]
    moments = tuple(
        LookMoment(utc_ns=fact.frame.utc_ns, box_norm=tuple(fact.frame.boxes_norm[track_id - 1].tolist()))
        for fact in one.facts[::5]
    )
    return LookTrack(
        index=index, camera_id=camera_id, run=RUN, track_id=track_id, start_ns=one.tracks[0].start_ns,
        end_ns=one.tracks[0].end_ns, moments=moments,
    )  # fmt: skip


def _opened(scene: Scene, token: str, camera_id: CameraId = GATE) -> OpenCamera:
    return OpenCamera(
        camera_id=camera_id, grant_token=token, start_ns=scene.asked.start_ns, end_ns=scene.asked.end_ns,
        scene=make_spec(camera_id).scene, segments=(scene.films[camera_id].segment,),
    )  # fmt: skip


def _task(seconds: int = 3600) -> LooksTask:
    return LooksTask(request_id="r", deadline_ns=Ns(time.time_ns() + 600 * NS_PER_S), budget_ns=Ns(seconds * NS_PER_S))


@pytest.mark.parametrize("case", ["unopened-camera", "token-of-another-camera", "unknown-token", "track-twice"])
def test_job_when_asked_for_what_was_not_opened_then_fails_and_tells_nothing(scene: Scene, case: str) -> None:
    token = asyncio.run(_begun(scene)).grant.token
    with scene.site.job(f"looks-{case}") as job:
        job.channel.send(_task())
        camera_id = GATE
        if case == "unopened-camera":
            camera_id = ROOF
            job.channel.send(_opened(scene, token))
        elif case == "token-of-another-camera":
            camera_id = YARD
            job.channel.send(_opened(scene, token, YARD))
        else:
            job.channel.send(_opened(scene, token if case == "track-twice" else "A" * 43))
        tracks = (_track(scene, 1, camera_id, 1), _track(scene, 1 if case == "track-twice" else 2, camera_id, 2))
        job.channel.send(CompareTracks(tracks=tracks, pairs=((1, 2),)))
        assert isinstance(job.until(LooksFailed, TracksCompared)[-1], LooksFailed)
        assert job.until(LooksEnded)
        assert job.wait() == 0


def test_job_when_the_budget_is_spent_then_says_so_and_sees_nobody(scene: Scene) -> None:
    token = asyncio.run(_begun(scene)).grant.token
    with scene.site.job("looks-budget") as job:
        job.channel.send(_task(seconds=0))
        job.channel.send(_opened(scene, token))
        tracks = (_track(scene, 1, GATE, 1), _track(scene, 2, GATE, 2))
        job.channel.send(CompareTracks(tracks=tracks, pairs=((1, 2),)))
        assert job.until(LooksFailed, TracksCompared)[-1] == TracksCompared(nats=(None,), left_ns=Ns(0))
        job.channel.send(StopView())
        assert job.until(LooksEnded)[-1] == LooksEnded()
        assert job.wait() == 0


def test_view_job_with_the_grant_of_a_journey_shows_no_picture(scene: Scene) -> None:
    grant = asyncio.run(_begun(scene)).grant
    task = replace(scene.site.task(grant, ViewKind.PLAYBACK, scene.films[GATE].segment), camera_id=GATE)
    with scene.site.job("looks-view") as job:
        job.channel.send(replace(task, start_ns=scene.films[GATE].segment.header.start_ns))
        outputs = job.until(ViewEnded)
        assert outputs[-1].frames_shown == 0
        assert not any(isinstance(one, StillRendered) for one in outputs)
        assert job.wait() == 0


def test_keys_when_the_agreement_ends_while_a_job_works_then_are_released_no_more(scene: Scene) -> None:
    token = asyncio.run(_begun(scene)).grant.token

    async def end() -> None:
        async with at_door(scene) as office:
            await office.ask(EndEnrolment(principal=BOSS, person_id=scene.person_id))

    with scene.site.job("looks-ended") as job:
        job.channel.send(_task())
        job.channel.send(_opened(scene, token))
        asyncio.run(end())
        job.channel.send(CompareTracks(tracks=(_track(scene, 1, GATE, 1),), pairs=()))
        assert isinstance(job.until(LooksFailed, TracksCompared)[-1], LooksFailed)
        assert job.until(LooksEnded)
        assert job.wait() == 0
