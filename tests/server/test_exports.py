"""Exports with a real warden, real catalog, real job processes and real recordings, checked by `custodes-verify`."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import av
import pytest
from click.testing import CliRunner
from tests.server.conftest import SITE_ID, Site, listening, until

import custodes_verify
from custodes.access.policy import load_policies
from custodes.access.requests import digest
from custodes.adapters.blob.disk import Disk
from custodes.adapters.ipc.warden import WardenClient
from custodes.app.serving.backfills import Backfills
from custodes.app.serving.cameras import CameraService
from custodes.app.serving.catalog import ThreadedCatalog
from custodes.app.serving.control import ControlService
from custodes.app.serving.erasure import Eraser
from custodes.app.serving.exports import Exporter
from custodes.app.serving.holds import HoldService
from custodes.app.serving.jobs import JobPool
from custodes.app.serving.journal import SealLogger
from custodes.app.serving.leaks import LeakDesk
from custodes.app.serving.live_state import ServerLiveState
from custodes.app.serving.proofs import ProofDesk
from custodes.app.serving.retention import RetentionSweeper
from custodes.app.serving.traffic import TrafficService
from custodes.app.serving.views import ServerViewBroker
from custodes.cli.evidence import evidence
from custodes.cli.main import run
from custodes.config import SiteConfig, write_effective
from custodes.config.tree import ViewConfig
from custodes.errors import DataLoss, FailedPrecondition, InvalidArgument, NotFound, PermissionDenied
from custodes.ports.catalog import Account
from custodes.runtime.clock import SystemClock
from custodes.sealing.published import latest_usable, read_pinned
from custodes.testing.cases import opening
from custodes.testing.catalog import make_spec
from custodes.testing.ending import LIMIT_S, stop
from custodes.testing.media import make_clip, people_at, vouch, write_segment
from custodes.testing.passkey import FakeAuthenticator
from custodes.types.access import Action, AuditKind, Fidelity, Principal, Purpose, PurposeKind, Role
from custodes.types.approval import CastVote, EnrolKey, FileRequest, RequestRecord
from custodes.types.media import Gap, GapCause, Segment
from custodes.types.message import Append, Appended, ExportState, SiteStatus
from custodes.types.stream import SecondStream, second_of
from custodes.units import NS_PER_MS, NS_PER_S, CameraId, Ns, RunId
from custodes.web.auth.passwords import Passwords
from custodes.web.auth.people import People

CAMERA = CameraId("cam")
ADA = Principal(user_id="u1", name="Ada", roles=frozenset({Role.INVESTIGATOR}))
CASE = Purpose(kind=PurposeKind.CASE, reference="2026-7")
FRAMES = 40


class RealJobs:
    """A supervisor that starts view jobs as the real one does."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self.processes: list[subprocess.Popen[bytes]] = []

    async def spawn_job(self, kind: str = "job") -> None:
        name = f"{kind}-{len(self.processes)}"
        arguments = [
            sys.executable,
            "-m",
            f"custodes.app.{kind}",
            "--data",
            str(self._site.paths.data_dir),
            "--name",
            name,
        ]
        self.processes.append(subprocess.Popen(arguments, stdin=subprocess.DEVNULL))

    async def read_status(self) -> SiteStatus:
        return SiteStatus(site_id=SITE_ID, data_dir="", address="", processes=())

    async def announce(self, address: str, first_boot_token: str) -> None:
        raise AssertionError("nobody announces here")


Recorder = Callable[[Site, ThreadedCatalog, WardenClient], Awaitable[Segment]]


@dataclass
class Bench:
    site: Site
    catalog: ThreadedCatalog
    warden: WardenClient
    exporter: Exporter
    jobs: RealJobs
    segment: Segment
    pool: JobPool
    broker: ServerViewBroker
    keys: dict[int, FakeAuthenticator] = field(default_factory=dict)

    async def start(
        self,
        *,
        start_s: float = 0,
        end_s: float = 10,
        request_id: str | None = None,
        fidelity: Fidelity = Fidelity.MASKED,
        camera_id: CameraId = CAMERA,
    ) -> str:
        first = self.segment.header.start_ns
        return await self.exporter.start(
            principal=ADA,
            purpose=CASE,
            camera_id=camera_id,
            start_ns=Ns(first + round(start_s * NS_PER_S)),
            end_ns=Ns(first + round(end_s * NS_PER_S)),
            request_id=await self.approve() if request_id is None else request_id,
            fidelity=fidelity,
        )

    async def approve(
        self,
        fidelity: Fidelity = Fidelity.MASKED,
        *,
        purpose: Purpose = CASE,
        shown: tuple[tuple[RunId, int], ...] = (),
        action: Action = Action.EXPORT,
    ) -> str:
        """A request that covers everything here, signed by as many others as are needed."""
        first = self.segment.header.start_ns
        filing = FileRequest(
            principal=ADA,
            action=action,
            purpose=purpose,
            camera_ids=(CAMERA,),
            start_ns=Ns(first - NS_PER_S),
            end_ns=Ns(first + 50 * NS_PER_S),
            fidelity=fidelity,
            reason="the court asks for it",
            is_break_glass=False,
            shown=shown,
        )
        record = await self.warden.about_requests(filing)
        assert isinstance(record, RequestRecord)
        request_id = record.request.request_id
        for number in range(record.request.needed):
            who = Principal(user_id=f"v{number}", name=f"Ben {number}", roles=frozenset({Role.SUPERVISOR}))
            key = self.keys.setdefault(number, FakeAuthenticator())
            await self.warden.about_requests(EnrolKey(principal=who, key=key.enrolled(who.user_id), name="Key"))
            signed = key.get(digest(record.request))
            vote = CastVote(principal=who, request_id=request_id, is_yes=True, note="", assertion=signed)
            await self.warden.about_requests(vote)
        return request_id

    async def export(self, *, start_s: float = 0, end_s: float = 10, camera_id: CameraId = CAMERA) -> ExportState:
        return await self.finished(await self.start(start_s=start_s, end_s=end_s, camera_id=camera_id))

    async def finished(self, export_id: str) -> ExportState:
        await until(lambda: self.exporter.state(export_id).state in ("ready", "failed"))
        return self.exporter.state(export_id)


@asynccontextmanager
async def bench(
    site: Site,
    recorder: Recorder | None = None,
    authority: Callable[[str], bytes] | None = None,
    *,
    views: ViewConfig | None = None,
) -> AsyncIterator[Bench]:
    clock, config = SystemClock(), SiteConfig(data_dir=site.paths.data_dir, views=views or ViewConfig())
    write_effective(config, site.paths.effective_config)
    jobs = RealJobs(site)
    pool = JobPool(jobs, clock, spare=0, patience=10)  # a busy machine starts a process in half a minute
    async with site.catalog() as catalog, site.warden() as warden:
        broker = ServerViewBroker(catalog=catalog, warden=warden, jobs=pool, clock=clock, config=config)
        exporter = Exporter(
            catalog=catalog,
            warden=warden,
            jobs=broker,
            proofs=ProofDesk(warden=warden, witnesses=(), paths=site.paths, config=config, authority=authority),
            clock=clock,
            paths=site.paths,
            config=config,
            site_id=SITE_ID,
        )
        segment = await (recorder or record)(site, catalog, warden)
        await warden.about_cases(opening(ADA, CASE.reference))
        async with listening(site.paths.socket("server-jobs"), pool.serve_peer):
            try:
                yield Bench(site, catalog, warden, exporter, jobs, segment, pool, broker)
            finally:
                await exporter.close()
                for process in jobs.processes:
                    stop(process)


async def record(site: Site, catalog: ThreadedCatalog, warden: WardenClient) -> Segment:
    """Four seconds, recorded a minute ago, analysed, sealed, known to the log; then a gap."""
    await catalog.put_cameras([make_spec(CAMERA)], is_exclusive=False)
    await warden.publish_keys((CAMERA,))
    start_ns = time.time_ns() - 60 * NS_PER_S
    day = time.strftime("%Y%m%d", time.gmtime())
    key = latest_usable(site.paths.public_keys, CAMERA, day, read_pinned(site.paths.warden_key))
    segment, _ = write_segment(
        site.paths.data_dir,
        *make_clip(frames=FRAMES, fps=10, gop=10, start_ns=start_ns),
        public_key=key.public_key,
        key_id=key.key_id,
        site_id=SITE_ID,
    )
    gap = Gap(camera_id=CAMERA, start_ns=segment.end_ns, end_ns=Ns(segment.end_ns + NS_PER_S), cause=GapCause.ENDED)
    await catalog.take_journal("recorder", 1, [segment], [gap])
    numbers = range(0, FRAMES, 2)
    facts = vouch([start_ns + n * 100 * NS_PER_MS for n in numbers], [people_at(n) for n in numbers])
    await catalog.put_analysis(facts, [])

    async def append_once(record):  # type: ignore[no-untyped-def]
        return (await warden._request(Append(record=record), Appended)).index

    assert await SealLogger(catalog, warden, append_once).log_new() == 1
    return segment


def test_export_when_nobody_approved_then_is_refused_and_logged(site: Site) -> None:
    async def main() -> None:
        async with bench(site) as at:
            with pytest.raises(PermissionDenied, match="approv"):
                await at.start(request_id="")
            entries = await site.log(at.warden)
            assert entries[-1].record.kind is AuditKind.ACCESS_DENIED
            assert entries[-1].record.details["action"] == "export"
            assert not at.jobs.processes

    asyncio.run(main())


def test_export_when_made_then_verifies_plays_and_every_change_is_found(site: Site, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.zip"

    async def main() -> list[AuditKind]:
        async with bench(site) as at:
            state = await at.export()
            assert (state.state, state.detail) == ("ready", "")
            Path(state.path).rename(bundle)
            await at.exporter.forget(state.export_id)
            with pytest.raises(NotFound):
                at.exporter.state(state.export_id)
            assert list((site.paths.data_dir / "exports").iterdir()) == []
            return [entry.record.kind for entry in await site.log(at.warden)]

    kinds = asyncio.run(main())
    order = [AuditKind.ACCESS_GRANTED, AuditKind.KEYS_RELEASED, AuditKind.VIEW_ENDED, AuditKind.EVIDENCE_SEALED]
    assert [kind for kind in kinds if kind in order] == order
    said = CliRunner().invoke(evidence, ["verify", str(bundle)], catch_exceptions=False)
    assert "1 of 1 native segments are as the log recorded them" in said.stdout
    assert "granted to Ada" in said.stdout
    check_content(bundle, tmp_path)
    check_mutations(bundle, tmp_path)


@pytest.mark.slow
def test_export_in_pieces_by_two_processes_verifies_and_can_be_paused(site: Site, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.zip"

    async def main() -> None:
        async with bench(site, views=ViewConfig(export_tasks=2)) as at:
            export_id = await at.start(end_s=10)
            await until(lambda: at.exporter._exports[export_id].link is not None)
            await at.exporter.hold(export_id, ADA, is_held=True)
            assert at.exporter.state(export_id).state == "paused"
            with pytest.raises(NotFound):
                await at.exporter.hold(export_id, replace(ADA, user_id="u2"), is_held=False)
            await at.exporter.hold(export_id, ADA, is_held=False)
            state = await at.finished(export_id)
            assert (state.state, state.detail) == ("ready", "")
            with pytest.raises(FailedPrecondition):
                await at.exporter.hold(export_id, ADA, is_held=True)
            Path(state.path).rename(bundle)

    asyncio.run(main())
    said = CliRunner().invoke(evidence, ["verify", str(bundle)], catch_exceptions=False)
    assert "1 of 1 native segments are as the log recorded them" in said.stdout
    check_content(bundle, tmp_path)


async def record_second(at: Bench) -> Segment:
    """A second of the camera's second stream, from where the first begins; nobody analysed it. Known to the log."""
    stream_id = second_of(CAMERA)
    spec = replace(make_spec(CAMERA), second=SecondStream(url="rtsp://192.0.2.1/2"))
    await at.catalog.put_cameras([spec], is_exclusive=False)
    await at.warden.publish_keys((stream_id,))
    day = time.strftime("%Y%m%d", time.gmtime())
    key = latest_usable(at.site.paths.public_keys, stream_id, day, read_pinned(at.site.paths.warden_key))
    start_ns = at.segment.header.start_ns
    info, packets = make_clip(frames=10, width=640, height=480, start_ns=start_ns, camera_id=stream_id)
    second, _ = write_segment(
        at.site.paths.data_dir,
        replace(info, run="b" * 12),
        packets,
        public_key=key.public_key,
        key_id=key.key_id,
        site_id=SITE_ID,
    )
    await at.catalog.take_journal("recorder", 2, [second], [])

    async def append_once(record):  # type: ignore[no-untyped-def]
        return (await at.warden._request(Append(record=record), Appended)).index

    assert await SealLogger(at.catalog, at.warden, append_once).log_new() == 1
    return second


def test_export_of_a_second_stream_is_covered_whole_without_an_analysis_of_its_own_and_verifies(site: Site) -> None:
    stream_id = second_of(CAMERA)

    async def main() -> None:
        async with bench(site) as at:
            await record_second(at)
            state = await at.export(camera_id=stream_id)
            assert (state.state, state.detail) == ("ready", "")
            with zipfile.ZipFile(state.path) as opened:
                manifest = json.loads(opened.read("manifest.json"))
                policy = custodes_verify.parse_policy(opened.read("log/policy").decode())
            (film,) = manifest["derived"]
            assert (film["frames"], film["fully_masked_frames"]) == (10, 10)
            assert (manifest["camera_id"], manifest["camera_name"]) == (stream_id, "cam (stream 2)")
            said = custodes_verify.verify_evidence(Path(state.path), policy)
            assert any("1 of 1 native segments" in line for line in said)
            # What others approved is about the camera.
            granted = [e.record for e in await site.log(at.warden) if e.record.kind is AuditKind.ACCESS_GRANTED]
            assert granted[-1].subject == CAMERA

    asyncio.run(main())


def check_content(bundle: Path, folder: Path) -> None:
    with zipfile.ZipFile(bundle) as opened:
        manifest = json.loads(opened.read("manifest.json"))
        film = folder / "film.mp4"
        film.write_bytes(opened.read("derived/film-1.mp4"))
    (row,) = manifest["derived"]
    assert (row["frames"], row["fully_masked_frames"] < FRAMES // 2) == (FRAMES, True)
    with av.open(str(film)) as container:
        assert sum(1 for _ in container.decode(video=0)) == FRAMES
    check_players(film)
    assert manifest["gaps"][0]["cause"] == "ended"
    assert (manifest["purpose"], manifest["reference"], manifest["exporter"]) == ("case", "2026-7", "Ada")
    assert manifest["unreadable"] == []
    assert {stretch["state"] for stretch in manifest["signatures"]} == {"not_signed"}
    assert "viewers.json" not in manifest["files"]  # those are for a person who asked for their data


def check_players(film: Path) -> None:
    """What a lawyer opens it with, where these are installed: ffprobe counts all frames, VLC plays to the end."""
    if ffprobe := shutil.which("ffprobe"):
        wanted = ["-count_frames", "-select_streams", "v:0", "-show_entries", "stream=codec_name,nb_read_frames"]
        said = subprocess.run(
            [ffprobe, "-v", "error", *wanted, "-of", "json", str(film)], capture_output=True, check=True, timeout=600
        )
        assert (json.loads(said.stdout)["streams"][0], said.stderr) == (
            {"codec_name": "h264", "nb_read_frames": str(FRAMES)},
            b"",
        )
    if vlc := shutil.which("vlc"):
        with tempfile.TemporaryDirectory() as folder:
            copy, seen = Path(folder, "film.mp4"), Path(folder, "seen.ts")
            shutil.copy(film, copy)
            is_root = os.geteuid() == 0
            if is_root:  # VLC does not run as root
                for path in (copy, copy.parent):
                    os.chown(path, 65534, 65534)
            sout = f"#transcode{{vcodec=mp2v}}:std{{access=file,mux=ts,dst={seen}}}"
            said = subprocess.run(
                [vlc, "-I", "dummy", "--no-audio", "--sout", sout, str(copy), "vlc://quit"],
                env={"HOME": folder, "PATH": os.environ["PATH"]},
                user=65534 if is_root else None,
                capture_output=True,
                check=True,
                timeout=600,
            )
            with av.open(str(seen)) as container:
                assert sum(1 for _ in container.decode(video=0)) >= FRAMES - 2, said.stderr[-2000:]


def check_mutations(bundle: Path, folder: Path) -> None:
    """Each file of the bundle changed, lost or added: always found."""
    with zipfile.ZipFile(bundle) as opened:
        files = {name: opened.read(name) for name in opened.namelist()}
    changed = folder / "changed.zip"
    for name in [*files, "extra"]:
        for change in ("flip", "lose"):
            copies = dict(files)
            raw = copies.pop(name, b"more")
            if change == "flip":
                copies[name] = raw[:-3] + bytes([raw[-3] ^ 1]) + raw[-2:]
            elif name == "extra":
                continue
            with zipfile.ZipFile(changed, "w") as opened:
                for key, value in copies.items():
                    opened.writestr(key, value)
            with pytest.raises((DataLoss, InvalidArgument)):
                CliRunner().invoke(evidence, ["verify", str(changed)], catch_exceptions=False)


def test_export_when_a_part_is_asked_then_only_its_frames_are_in_the_film(site: Site, tmp_path: Path) -> None:
    async def main() -> None:
        async with bench(site) as at:
            state = await at.export(start_s=1, end_s=1.95)
            with zipfile.ZipFile(state.path) as opened:
                manifest = json.loads(opened.read("manifest.json"))
            assert manifest["derived"][0]["frames"] == 10
            policy = custodes_verify.parse_policy(zipfile.ZipFile(state.path).read("log/policy").decode())
            assert custodes_verify.verify_evidence(Path(state.path), policy)

    asyncio.run(main())


def test_export_when_the_recording_was_changed_on_disk_then_the_bundle_does_not_verify(site: Site) -> None:
    async def main() -> None:
        async with bench(site) as at:
            path = site.paths.data_dir / at.segment.path
            raw = bytearray(path.read_bytes())
            raw[-100] ^= 1
            path.write_bytes(raw)
            state = await at.export()
            assert state.state == "ready"
            with zipfile.ZipFile(state.path) as opened:
                assert json.loads(opened.read("manifest.json"))["unreadable"] != []
            with pytest.raises(custodes_verify.Wrong, match="native segment"):
                custodes_verify.verify_evidence(Path(state.path), None)

    asyncio.run(main())


def test_export_when_nothing_was_recorded_or_the_span_is_wrong_then_says_so(site: Site) -> None:
    async def main() -> None:
        async with bench(site) as at:
            for start_s, end_s in ((5, 5), (6, 5), (0, 90_000)):
                with pytest.raises(InvalidArgument):
                    await at.start(start_s=start_s, end_s=end_s)
            state = await at.export(start_s=20, end_s=30)
            assert (state.state, "nothing was recorded" in state.detail) == ("failed", True)
            await at.exporter.forget("unknown")

    asyncio.run(main())


def test_export_when_the_job_dies_then_fails_and_leaves_no_file(site: Site) -> None:
    async def main() -> None:
        async with bench(site) as at:
            export_id = await at.start()
            at.jobs.processes[-1].kill()
            await until(lambda: at.exporter.state(export_id).state in ("failed", "ready"))
            if at.exporter.state(export_id).state == "failed":
                assert list((site.paths.data_dir / "exports").glob("*.zip")) == []

    asyncio.run(main())


def test_export_when_approved_without_masks_shows_people_and_a_masked_approval_does_not(
    site: Site, tmp_path: Path
) -> None:
    """The whole way: request, passkey, warden's word to the job, film."""

    async def main() -> list[int]:
        coloured = []
        async with bench(site) as at:
            masked = await at.approve()
            with pytest.raises(PermissionDenied):
                await at.start(request_id=masked, fidelity=Fidelity.UNMASKED)
            for fidelity in (Fidelity.MASKED, Fidelity.UNMASKED):
                export_id = await at.start(request_id=await at.approve(fidelity), fidelity=fidelity)
                await until(lambda made=export_id: at.exporter.state(made).state in ("ready", "failed"))  # type: ignore[misc]
                state = at.exporter.state(export_id)
                assert (state.state, state.detail) == ("ready", "")
                (mine,) = at.exporter.of_person(ADA.user_id)
                assert (mine.state.export_id, mine.fidelity) == (export_id, fidelity)
                with pytest.raises(NotFound):
                    await at.exporter.fetch(export_id, replace(ADA, user_id="u9"))
                path = await at.exporter.fetch(export_id, ADA)
                report = custodes_verify.verify_evidence(path, None)
                assert report
                coloured.append(coloured_pixels(path, tmp_path / export_id))
                await at.exporter.forget(export_id)
            fetched = [one.record for one in await site.log(at.warden)][-1]
            assert (fetched.kind, fetched.actor) == (AuditKind.EVIDENCE_FETCHED, "Ada")
        return coloured

    masked, unmasked = asyncio.run(main())
    assert unmasked > 10_000 > 100 > masked


def coloured_pixels(bundle: Path, film: Path) -> int:
    """Chroma samples over the whole film that show a drawn person: their colour is nothing else's, nor the fill's."""
    with zipfile.ZipFile(bundle) as opened:
        film.write_bytes(opened.read("derived/film-1.mp4"))
    with av.open(str(film)) as container:
        frames = [frame.to_ndarray(format="yuv420p") for frame in container.decode(video=0)]
    return sum(int((frame[-frame.shape[0] // 6 :] > 155).sum()) for frame in frames)


def eraser_of(at: Bench) -> Eraser:
    clock, paths = SystemClock(), at.site.paths
    config = SiteConfig(data_dir=paths.data_dir)
    retention = RetentionSweeper(
        paths=paths,
        site_id=SITE_ID,
        config=config,
        catalog=at.catalog,
        warden=at.warden,
        live=ServerLiveState(at.catalog, at.jobs, clock),
        storage=Disk(),
        clock=clock,
    )
    return Eraser(
        catalog=at.catalog,
        warden=at.warden,
        retention=retention,
        exporter=at.exporter,
        proofs=ProofDesk(warden=at.warden, witnesses=(), paths=paths, config=config),
        clock=clock,
        paths=paths,
        config=config,
        site_id=SITE_ID,
    )


@asynccontextmanager
async def control(at: Bench) -> AsyncIterator[None]:
    """The socket that the command line talks to, and Ada's account."""
    clock, paths = SystemClock(), at.site.paths
    config = SiteConfig(data_dir=paths.data_dir)
    password_hash = await Passwords().hash("correct horse battery staple")
    account = Account(
        user_id=ADA.user_id,
        name="Ada",
        password_hash=password_hash,
        roles=ADA.roles,
        created_ns=clock.now_ns(),
        totp_secret=SECRET,
    )
    await at.catalog.put_account(account)
    service = ControlService(
        cameras=CameraService(
            catalog=at.catalog,
            warden=at.warden,
            live=ServerLiveState(at.catalog, at.jobs, clock),
            assignment=paths.assignment,
        ),
        people=People(catalog=at.catalog, warden=at.warden, clock=clock),
        holds=HoldService(catalog=at.catalog, warden=at.warden, clock=clock),
        catalog=at.catalog,
        policies=load_policies(),
        config=config,
        clock=clock,
        warden=at.warden,
        exporter=at.exporter,
        eraser=eraser_of(at),
        leaks=LeakDesk(
            catalog=at.catalog,
            warden=at.warden,
            jobs=at.pool,
            views=at.broker,
            clock=clock,
            paths=paths,
            config=config,
        ),
        backfills=Backfills(catalog=at.catalog, warden=at.warden, jobs=JobPool(at.jobs, clock, spare=0), clock=clock),
        traffic=TrafficService(catalog=at.catalog, clock=clock),
    )
    async with listening(paths.socket("server-control"), service.serve_peer):
        yield


SECRET = "JBSWY3DPEHPK3PXP"


async def run_command(at: Bench, *more: str) -> tuple[int, str]:
    """`custodes export` as a process; exit code and all it said."""
    (at.site.paths.data_dir / "password").write_text("correct horse battery staple\n")
    first_s, last_s = at.segment.header.start_ns // NS_PER_S, at.segment.end_ns // NS_PER_S + 1
    times = [datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S") for second in (first_s, last_s)]
    where = ["--data", str(at.site.paths.data_dir), "--password-file", str(at.site.paths.data_dir / "password")]
    arguments = ["export", CAMERA, *times, "--purpose", "case", "--reference", "2026-7", "--as", "Ada", *where, *more]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "custodes.cli.main", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(LIMIT_S):
        said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()


def test_case_commands_when_the_person_is_right_then_open_note_staff_show_and_close(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    async def case(at: Bench, *words: str) -> tuple[int, str]:
        password = at.site.paths.data_dir / "password"
        who = ["--as", "Ada", "--password-file", str(password), "--data", str(at.site.paths.data_dir)]
        status = await asyncio.to_thread(run, ["case", *words, *who])
        said = capsys.readouterr()
        return status, said.out + said.err

    async def main() -> None:
        async with bench(site) as at, control(at):
            password = at.site.paths.data_dir / "password"
            password.write_text("wrong")
            assert (await case(at, "list"))[0] != 0
            password.write_text("correct horse battery staple")
            account = (await at.catalog.accounts())[0]
            await at.catalog.put_account(replace(account, totp_secret=""))
            assert "2026-7" in (await case(at, "list"))[1]
            opened = await case(at, "open", "Bicycle", "--reason", "stolen at the gate", "--number", "B1")
            assert opened == (0, "opened case B1\n")
            assert (await case(at, "note", "B1", "leaves", "--camera", "cam", "--at", "1h"))[0] == 0
            assert (await case(at, "note", "B1", "leaves", "--camera", "cam"))[0] != 0
            assert (await case(at, "staff", "B1", "--add", "Ada"))[1] == "works on case B1: Ada\n"
            assert (await case(at, "staff", "B1", "--add", "Nobody"))[0] != 0
            assert "leaves" in (await case(at, "show", "b1"))[1]
            assert (await case(at, "close", "B1", "--because", "found"))[0] == 0
            assert (await case(at, "note", "B1", "too late"))[0] != 0
            assert (await case(at, "reopen", "B1", "--because", "lost again"))[1] == "case B1 is open\n"

    asyncio.run(main())


def test_command_when_the_person_and_the_approval_are_right_then_writes_a_bundle(site: Site, tmp_path: Path) -> None:
    bundle = tmp_path / "out.zip"

    async def main() -> None:
        async with bench(site) as at, control(at):
            request = ["--request", await at.approve(), "--output", str(bundle)]
            status, said = await run_command(at, *request)  # without the app's code
            assert (status != 0, "wrong password or code" in said) == (True, True), said
            entries = await site.log(at.warden)
            assert [entry.record.kind for entry in entries].count(AuditKind.LOGIN_FAILED) == 1
            account = (await at.catalog.accounts())[0]
            await at.catalog.put_account(replace(account, totp_secret=""))
            status, said = await run_command(at, *request)
            assert status == 0, said

    asyncio.run(main())
    assert custodes_verify.verify_evidence(bundle, None)
    assert bundle.stat().st_mode & 0o077 == 0
