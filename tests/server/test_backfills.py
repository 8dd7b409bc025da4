"""Back-fills with a real warden and catalog; the job is scripted, and once the real process with a real model."""

import asyncio
import contextlib
import itertools
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import pytest
from tests.server.conftest import SITE_ID, ScriptedJob, ScriptedSupervisor, Site, listening, until
from tests.server.test_exports import RealJobs

from custodes.adapters.ipc.warden import WardenClient
from custodes.app.serving.backfills import PATIENCE, Backfills
from custodes.app.serving.catalog import ThreadedCatalog
from custodes.app.serving.jobs import JobPool
from custodes.config import SiteConfig, write_effective
from custodes.config.cluster import RayConfig
from custodes.config.tree import AnalyserConfig
from custodes.errors import FailedPrecondition, InvalidArgument, NotFound, PermissionDenied
from custodes.ports.catalog import Account
from custodes.ports.supervisor import Supervisor
from custodes.runtime.clock import SystemClock
from custodes.sealing.published import latest_usable, read_pinned
from custodes.testing.catalog import make_spec, make_track
from custodes.testing.ending import stop
from custodes.testing.media import make_clip, people_at, vouch, write_segment
from custodes.types.access import AuditKind, Principal, Purpose, PurposeKind, Role
from custodes.types.backfill import (
    Backfill,
    BackfillEnded,
    BackfillFacts,
    BackfillState,
    BackfillTask,
    StretchAnalysed,
    StretchStored,
)
from custodes.types.codec import encode
from custodes.types.media import Segment
from custodes.types.stream import SecondStream, second_of
from custodes.units import NS_PER_MS, NS_PER_S, CameraId, Ns, SegmentId

CAMERA = CameraId("cam")
TESS = Principal(user_id="u1", name="Tess", roles=frozenset({Role.TECHNICIAN}))
TICKET = Purpose(kind=PurposeKind.MAINTENANCE, reference="T-12")
FRAMES = 40


@dataclass
class Bench:
    site: Site
    catalog: ThreadedCatalog
    warden: WardenClient
    backfills: Backfills
    segment: Segment

    async def start(self, **other: object) -> Backfill:
        asked = {
            "principal": TESS,
            "purpose": TICKET,
            "camera_ids": [CAMERA],
            "start_ns": self.segment.header.start_ns,
            "end_ns": self.segment.end_ns,
        } | other
        return (await self.backfills.start(**asked)).backfills[0]  # type: ignore[arg-type]

    async def state(self, version: int) -> Backfill:
        return next(one for one in await self.catalog.backfills() if one.version == version)

    async def ended(self, version: int, *, patience_s: float = 180) -> Backfill:
        async with asyncio.timeout(patience_s):
            while (found := await self.state(version)).state in (BackfillState.RUNNING, BackfillState.WAITING):
                await asyncio.sleep(0.02)
        return found

    async def kinds(self) -> list[AuditKind]:
        return [entry.record.kind for entry in await self.site.log(self.warden)]


@asynccontextmanager
async def bench(
    site: Site, make: Callable[[Site], Supervisor], analyser: AnalyserConfig | None = None
) -> AsyncIterator[Bench]:
    clock = SystemClock()
    config = SiteConfig(data_dir=site.paths.data_dir, analyser=analyser or AnalyserConfig())
    write_effective(config, site.paths.effective_config)
    async with site.catalog() as catalog, site.warden() as warden:
        supervisor = make(site)
        pool = JobPool(supervisor, clock, spare=0, kind="backfiller", patience=PATIENCE)
        backfills = Backfills(catalog=catalog, warden=warden, jobs=pool, clock=clock)
        segment = await record(site, catalog, warden)
        async with listening(site.paths.socket("server-backfill"), pool.serve_peer):
            try:
                yield Bench(site, catalog, warden, backfills, segment)
            finally:
                await backfills.close()
                for process in getattr(supervisor, "processes", ()):
                    stop(process)


async def record(site: Site, catalog: ThreadedCatalog, warden: WardenClient) -> Segment:
    """Four seconds of five minutes ago, sealed, and analysed by somebody who saw people where none are."""
    await catalog.put_cameras([make_spec(CAMERA)], is_exclusive=False)
    await warden.publish_keys((CAMERA,))
    start_ns = time.time_ns() - 300 * NS_PER_S
    day = time.strftime("%Y%m%d", time.gmtime())
    key = latest_usable(site.paths.public_keys, CAMERA, day, read_pinned(site.paths.warden_key))
    segment, _ = write_segment(
        site.paths.data_dir,
        *make_clip(frames=FRAMES, fps=10, gop=10, start_ns=start_ns),
        public_key=key.public_key,
        key_id=key.key_id,
        site_id=SITE_ID,
    )
    await catalog.take_journal("recorder", 1, [segment], [])
    numbers = range(0, FRAMES, 2)
    facts = vouch([start_ns + n * 100 * NS_PER_MS for n in numbers], [[(0, 0, 1, 1)] * 7 for _ in numbers])
    await catalog.put_analysis(facts, [])
    return segment


async def next_task(supervisor: ScriptedSupervisor) -> tuple[ScriptedJob, BackfillTask]:
    await until(lambda: bool(supervisor.jobs))
    job = supervisor.jobs.pop()
    return job, await job.expect(BackfillTask)


async def send_stretch(job: ScriptedJob, start_ns: int, end_ns: int, model: str = "new 0123") -> None:
    """What a better model sees: the two who are there."""
    times = list(range(start_ns, end_ns, 200 * NS_PER_MS))
    facts = vouch(times, [people_at(0) for _ in times])
    await job.channel.send(BackfillFacts(facts=tuple(map(encode, facts))))
    await job.channel.send(StretchAnalysed(start_ns=Ns(start_ns), end_ns=Ns(end_ns), model=model))


def run(main: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(main())  # type: ignore[arg-type]


def test_backfill_when_paused_keeps_its_stretches_and_goes_on_where_it_stood(site: Site) -> None:
    supervisor = ScriptedSupervisor(site.paths.socket("server-backfill"))

    async def main() -> None:
        async with bench(site, lambda _: supervisor) as at:
            first_ns, last_ns = at.segment.header.start_ns, at.segment.end_ns
            cut_ns = Ns(first_ns + 2 * NS_PER_S)
            begun = await at.start()
            job, task = await next_task(supervisor)
            assert (task.position_ns, task.end_ns) == (first_ns, last_ns)
            assert [one.header.segment_id for one in task.segments] == [at.segment.header.segment_id]
            await send_stretch(job, first_ns, cut_ns)
            await job.expect(StretchStored)
            # Half of it is the new one's: the older frames behind vouch for nothing that the new ones are about.
            frames = await at.catalog.analysed(CAMERA, first_ns, last_ns)
            assert [len(fact.frame.track_ids) for fact in frames] == [2] * 10 + [7] * 10
            assert frames[10].valid_from_ns == frames[10].frame.utc_ns
            paused = (await at.backfills.pause(begun.version, is_cancel=False)).backfills[0]
            assert (paused.state, paused.position_ns, paused.model) == (BackfillState.PAUSED, cut_ns, "new 0123")
            await until(lambda: job.is_gone)
            await at.backfills.resume(begun.version, TESS)
            job, task = await next_task(supervisor)
            assert (task.start_ns, task.position_ns) == (first_ns, cut_ns)
            await send_stretch(job, cut_ns, last_ns)
            await job.expect(StretchStored)
            await job.channel.send(BackfillEnded(error="", unreadable=0))
            assert (await at.ended(begun.version)).state is BackfillState.DONE
            (stretch,) = await at.catalog.analysed_stretches(CAMERA, first_ns, last_ns)
            assert (stretch.start_ns, stretch.end_ns, stretch.version) == (first_ns, last_ns, begun.version)
            frames = await at.catalog.analysed(CAMERA, first_ns, last_ns)
            assert {len(fact.frame.track_ids) for fact in frames} == {2}
            assert (await at.kinds()).count(AuditKind.ACCESS_GRANTED) == 2
            assert (await at.kinds()).count(AuditKind.ANALYSIS_REPLACED) == 2

    run(main)


def test_backfill_of_a_second_stream_is_decided_for_its_camera_and_brings_masks_alone(site: Site) -> None:
    supervisor = ScriptedSupervisor(site.paths.socket("server-backfill"))
    stream_id = second_of(CAMERA)

    async def main() -> None:
        async with bench(site, lambda _: supervisor) as at:
            spec = replace(make_spec(CAMERA), second=SecondStream(url="rtsp://192.0.2.1/2"))
            await at.catalog.put_cameras([spec], is_exclusive=False)
            header = at.segment.header
            segment_id = SegmentId(f"{header.start_ns}-{header.run}-9")
            second = replace(at.segment, header=replace(header, camera_id=stream_id, segment_id=segment_id))
            await at.catalog.take_journal("recorder", 2, [second], [])
            begun = await at.start(camera_ids=[stream_id])
            job, task = await next_task(supervisor)
            assert (task.camera.camera_id, [one.header.camera_id for one in task.segments]) == (stream_id, [stream_id])
            granted = [e.record for e in await site.log(at.warden) if e.record.kind is AuditKind.ACCESS_GRANTED]
            assert granted[-1].subject == CAMERA
            times = list(range(header.start_ns, at.segment.end_ns, 200 * NS_PER_MS))
            track = make_track(1, 0, 1)
            facts = [
                replace(one, frame=replace(one.frame, camera_id=stream_id)) for one in vouch(times, [[]] * len(times))
            ]
            ended = replace(track, tracklet=replace(track.tracklet, camera_id=stream_id, start_ns=times[0]))
            await job.channel.send(BackfillFacts(facts=tuple(map(encode, [*facts, ended]))))
            await job.channel.send(StretchAnalysed(start_ns=times[0], end_ns=at.segment.end_ns, model="new"))
            await job.expect(StretchStored)
            await job.channel.send(BackfillEnded(error="", unreadable=0))
            assert (await at.ended(begun.version)).state is BackfillState.DONE
            span = (times[0], at.segment.end_ns)
            assert len(await at.catalog.analysed(stream_id, *span)) == len(times)
            assert await at.catalog.tracks(stream_id, *span, 9) == []
            # The other stream's analysis is as it was.
            assert {len(one.frame.track_ids) for one in await at.catalog.analysed(CAMERA, *span)} == {7}

    run(main)


def test_backfill_when_its_job_dies_or_lies_is_paused_and_what_was_there_stays(site: Site) -> None:
    supervisor = ScriptedSupervisor(site.paths.socket("server-backfill"))

    async def main() -> None:
        async with bench(site, lambda _: supervisor) as at:
            first_ns, last_ns = at.segment.header.start_ns, at.segment.end_ns
            for number in range(3):
                begun = await at.start()
                job, _ = await next_task(supervisor)
                if number == 0:
                    await job.channel.send(BackfillFacts(facts=()))
                    await job.channel.close()
                elif number == 1:
                    (fact,) = vouch([first_ns], [people_at(0)], camera_id="other")
                    await job.channel.send(BackfillFacts(facts=(encode(fact),)))
                else:
                    await send_stretch(job, first_ns - NS_PER_S, last_ns)
                over = await at.ended(begun.version)
                assert over.state is BackfillState.PAUSED, over
                assert over.detail
            frames = await at.catalog.analysed(CAMERA, first_ns, last_ns)
            assert {len(fact.frame.track_ids) for fact in frames} == {7}
            assert await at.catalog.analysed_stretches(CAMERA, first_ns, last_ns) == []
            cancelled = (await at.backfills.pause(begun.version, is_cancel=True)).backfills[0]
            assert cancelled.state is BackfillState.CANCELLED
            with pytest.raises(FailedPrecondition):
                await at.backfills.resume(begun.version, TESS)

    run(main)


def test_backfill_when_not_allowed_or_senseless_is_refused(site: Site) -> None:
    supervisor = ScriptedSupervisor(site.paths.socket("server-backfill"))

    async def main() -> None:
        async with bench(site, lambda _: supervisor) as at:
            guard = Principal(user_id="u2", name="Olga", roles=frozenset({Role.OPERATOR, Role.ADMINISTRATOR}))
            with pytest.raises(PermissionDenied):
                await at.start(principal=guard)
            assert (await at.kinds())[-1] is AuditKind.ACCESS_DENIED
            with pytest.raises(PermissionDenied):
                await at.start(purpose=Purpose(kind=PurposeKind.MAINTENANCE, reference=" "))
            with pytest.raises(NotFound):
                await at.start(camera_ids=[CAMERA, CameraId("nowhere")])
            with pytest.raises(InvalidArgument, match="none twice"):
                await at.start(camera_ids=[CAMERA, CAMERA])
            with pytest.raises(InvalidArgument):
                await at.start(start_ns=at.segment.end_ns, end_ns=at.segment.header.start_ns)
            with pytest.raises(FailedPrecondition, match="recorded"):
                long_ago = Ns(at.segment.header.start_ns - 9000 * NS_PER_S)
                await at.start(start_ns=long_ago, end_ns=Ns(long_ago + NS_PER_S))
            with pytest.raises(NotFound):
                await at.backfills.resume(77, TESS)
            assert not supervisor.jobs
            assert await at.catalog.backfills() == []

    run(main)


def test_backfills_of_several_cameras_wait_in_line_and_are_decided_when_their_turn_comes(site: Site) -> None:
    supervisor = ScriptedSupervisor(site.paths.socket("server-backfill"))
    names = [CAMERA, *(CameraId(f"cam{n}") for n in range(4))]

    async def main() -> None:
        async with bench(site, lambda _: supervisor) as at:
            await at.catalog.put_cameras([make_spec(name) for name in names], is_exclusive=False)
            header = at.segment.header
            for number, name in enumerate(names[1:], 2):
                segment_id = SegmentId(f"{header.start_ns}-{header.run}-{number}")
                other = replace(at.segment, header=replace(header, camera_id=name, segment_id=segment_id))
                await at.catalog.take_journal("recorder", number, [other], [])
            account = Account(
                user_id=TESS.user_id, name=TESS.name, password_hash="", roles=TESS.roles, created_ns=header.start_ns
            )
            await at.catalog.put_account(account)
            asked = {"start_ns": header.start_ns, "end_ns": at.segment.end_ns}
            first, *waiting = (
                await at.backfills.start(principal=TESS, purpose=TICKET, camera_ids=names, **asked)
            ).backfills
            assert [one.state for one in waiting] == [BackfillState.WAITING] * 4
            # One is taken out, one is stopped for now, and asked for again: it is the last then.
            await at.backfills.pause(waiting[0].version, is_cancel=True)
            await at.backfills.pause(waiting[1].version, is_cancel=False)
            (again,) = (await at.backfills.resume(waiting[1].version, TESS)).backfills
            assert again.state is BackfillState.WAITING
            job, task = await next_task(supervisor)
            assert task.camera.camera_id == CAMERA
            await job.channel.send(BackfillEnded(error="", unreadable=0))
            job, task = await next_task(supervisor)
            assert task.camera.camera_id == waiting[2].camera_id
            assert (await at.ended(first.version)).state is BackfillState.DONE
            # Whose role is gone meanwhile is refused when the turn comes, and the next one is not held up by it.
            await at.catalog.put_account(replace(account, roles=frozenset()))
            await job.channel.send(BackfillEnded(error="", unreadable=0))
            for one in (waiting[3], again):
                over = await at.ended(one.version)
                assert over.state is BackfillState.FAILED, over
                assert over.detail
            assert (await at.state(waiting[0].version)).state is BackfillState.CANCELLED
            assert not supervisor.jobs

    run(main)


def test_backfill_when_the_server_starts_again_is_paused(site: Site) -> None:
    supervisor = ScriptedSupervisor(site.paths.socket("server-backfill"))

    async def main() -> None:
        async with bench(site, lambda _: supervisor) as at:
            begun = await at.start()
            again = Backfills(
                catalog=at.catalog, warden=at.warden, jobs=JobPool(supervisor, SystemClock(), spare=0),
                clock=SystemClock(),
            )  # fmt: skip
            await again.recover()
            assert (await at.state(begun.version)).state is BackfillState.PAUSED

    run(main)


@pytest.mark.slow
def test_backfill_by_two_processes_that_are_killed_and_work_below_live_work(site: Site) -> None:
    async def main() -> None:
        async with bench(site, RealJobs, AnalyserConfig(backfill_tasks=2)) as at:
            begun, killed, nices = await at.start(), 0, set()
            while (await at.state(begun.version)).state is BackfillState.RUNNING:
                for one in psutil.Process().children(recursive=True):
                    with contextlib.suppress(psutil.Error):
                        if "multiprocessing.spawn" in " ".join(one.cmdline()):
                            nices.add(one.nice())
                            if not killed:
                                killed = one.pid
                                one.kill()
                await asyncio.sleep(0.02)
            over = await at.ended(begun.version)
            assert (over.state, over.detail) == (BackfillState.DONE, "")
            assert killed
            assert nices == {10}
            frames = await at.catalog.analysed(CAMERA, at.segment.header.start_ns, at.segment.end_ns)
            assert len(frames) == FRAMES // 2
            assert (await at.kinds())[-1] is AuditKind.ANALYSIS_REPLACED

    run(main)


@pytest.mark.slow
def test_backfill_on_a_ray_cluster_and_without_one(site: Site, tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="needs the extra `cluster`")
    port, token = free_port(), tmp_path / "token"
    config = AnalyserConfig(runner="ray", ray=RayConfig(address=f"127.0.0.1:{port}", token_file=token))

    async def main() -> None:
        async with bench(site, RealJobs, config) as at:
            away = await at.ended((await at.start()).version)
            assert away.state is BackfillState.PAUSED
            assert "nobody listens" in away.detail
            with tempfile.TemporaryDirectory(prefix="r") as short, cluster(port, token, Path(short)):
                again = await at.backfills.resume(away.version, TESS)
                over = await at.ended(again.backfills[0].version, patience_s=900)
            assert (over.state, over.detail) == (BackfillState.DONE, "")
            frames = await at.catalog.analysed(CAMERA, at.segment.header.start_ns, at.segment.end_ns)
            assert len(frames) == FRAMES // 2

    run(main)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1]) % 5000 + 5000  # Ray's own begin at 10002


@contextmanager
def cluster(port: int, token: Path, folder: Path) -> Iterator[None]:
    """`custodes cluster up`, one machine with one core to book."""
    argv = [sys.executable, "-m", "custodes.cli.main", "cluster", "up", "--address", "127.0.0.1", "--port", str(port)]
    argv += ["--token-file", str(token), "--cpus", "1", "--temp", str(folder / "r")]
    log = folder / "cluster.log"
    with log.open("wb") as output:
        process = subprocess.Popen(argv, stdout=output, stderr=subprocess.STDOUT)
    try:
        until_s = time.monotonic() + 180
        while b"runtime started" not in log.read_bytes():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < until_s, log.read_text()
            time.sleep(0.2)
        yield
    finally:
        stop(process)


@pytest.mark.e2e
def test_backfill_by_the_real_process_replaces_what_was_seen_and_opens_no_more_than_it_says(site: Site) -> None:
    async def main() -> None:
        async with bench(site, RealJobs) as at:
            begun = await at.start()
            over = await at.ended(begun.version)
            assert (over.state, over.detail) == (BackfillState.DONE, "")
            assert over.position_ns == at.segment.end_ns
            assert "nanodet" in over.model
            frames = await at.catalog.analysed(CAMERA, at.segment.header.start_ns, at.segment.end_ns)
            # Ellipses on noise are no people to a real model, and every moment is vouched for by the new look.
            assert len(frames) == FRAMES // 2
            assert all(len(fact.frame.track_ids) < 7 for fact in frames)
            assert all(b.valid_from_ns <= a.frame.utc_ns for a, b in itertools.pairwise(frames))
            kinds = await at.kinds()
            order = [AuditKind.ACCESS_GRANTED, AuditKind.KEYS_RELEASED, AuditKind.VIEW_ENDED]
            assert [kind for kind in kinds if kind in order] == order
            assert kinds[-1] is AuditKind.ANALYSIS_REPLACED

    run(main)
