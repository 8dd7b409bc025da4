"""The broker between a real warden and scripted jobs over the real socket."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest
from tests.server.conftest import PATIENCE_S, ScriptedJob, ScriptedSupervisor, Site, listening, running, until

from custodes.adapters.ipc.framing import AsyncChannel
from custodes.adapters.ipc.warden import WardenClient
from custodes.app.serving.catalog import ThreadedCatalog
from custodes.app.serving.jobs import JobPool
from custodes.app.serving.view import RunningView
from custodes.app.serving.views import ServerViewBroker
from custodes.config import SiteConfig
from custodes.errors import InvalidArgument, NotFound, PermissionDenied, ResourceExhausted, Unavailable
from custodes.ports.views import ViewOutput
from custodes.runtime.clock import SystemClock
from custodes.testing.catalog import CAMERA, at, make_frame, make_segment, make_spec
from custodes.testing.ending import cancelled
from custodes.types.access import AuditKind, Fidelity, Principal, Purpose, PurposeKind, Role
from custodes.types.message import (
    MaskFacts,
    MediaChunk,
    MediaInit,
    MoreSegments,
    SeekTo,
    StillRendered,
    StopView,
    ViewEnded,
    ViewKind,
    ViewNote,
    ViewTask,
)
from custodes.types.scene import CameraScene
from custodes.types.stream import WHOLE_PICTURE, SecondStream, second_of
from custodes.units import NS_PER_S, CameraId, Ns

ADA = Principal(user_id="u1", name="Ada", roles=frozenset({Role.OPERATOR, Role.INVESTIGATOR}))
INIT = MediaInit(mime="video/mp4", payload=b"init")


@dataclass
class Bench:
    site: Site
    catalog: ThreadedCatalog
    warden: WardenClient
    supervisor: ScriptedSupervisor
    broker: ServerViewBroker

    async def open(self, kind: ViewKind = ViewKind.LIVE, **changes: Any) -> RunningView:
        now_ns = SystemClock().now_ns()
        is_live = kind is ViewKind.LIVE
        order: dict[str, Any] = {
            "principal": ADA,
            "purpose": Purpose(kind=PurposeKind.LIVE_DUTY, reference="")
            if is_live
            else Purpose(kind=PurposeKind.MAINTENANCE, reference="ticket 7"),
            "kind": kind,
            "camera_id": CAMERA,
            "start_ns": now_ns if is_live else at(0),
            "end_ns": Ns(now_ns + 3600 * NS_PER_S) if is_live else at(100),
            "fidelity": Fidelity.MASKED,
            "speed": 1.0,
            "max_height_px": 720,
        }
        return await self.broker.open_view(**(order | changes))

    async def job(self, number: int = 0) -> ScriptedJob:
        await until(lambda: len(self.supervisor.jobs) > number)
        return self.supervisor.jobs[number]

    async def kinds(self) -> list[AuditKind]:
        return [entry.record.kind for entry in await self.site.log(self.warden)]


@asynccontextmanager
async def bench(site: Site, *, deadline_s: int = 3600) -> AsyncIterator[Bench]:
    clock = SystemClock()
    async with site.catalog() as catalog, site.warden() as warden:
        await warden.publish_keys((CAMERA,))
        await catalog.put_cameras([make_spec()], is_exclusive=False)
        path = site.paths.socket("server-jobs")
        supervisor = ScriptedSupervisor(path)
        pool = JobPool(supervisor, clock, spare=1)
        config = SiteConfig.model_validate({"views": {"deadline_s": deadline_s}})
        broker = ServerViewBroker(catalog=catalog, warden=warden, jobs=pool, clock=clock, config=config)
        async with listening(path, pool.serve_peer), running(pool.run()):
            try:
                yield Bench(site, catalog, warden, supervisor, broker)
            finally:
                await broker.close()


async def take(view: RunningView, count: int) -> list[ViewOutput]:
    outputs: list[ViewOutput] = []
    async with asyncio.timeout(PATIENCE_S):
        async for output in view.outputs():
            outputs.append(output)
            if len(outputs) == count:
                break
    return outputs


def chunk(utc_ns: int, frames: int = 1) -> MediaChunk:
    return MediaChunk(utc_ns=Ns(utc_ns), age_ns=Ns(0), frames=frames, is_fully_masked=False, payload=b"fragment")


def test_live_view_when_opened_is_logged_first_and_relayed(site: Site) -> None:
    async def main() -> None:
        async with bench(site) as b:
            now = SystemClock().now_ns()
            b.broker.on_frames(CAMERA, [make_frame(1, (now - at(0)) / NS_PER_S)])
            async with await b.open() as view:
                assert (await b.kinds())[view.log_index] is AuditKind.ACCESS_GRANTED
                job = await b.job()
                task = await job.expect(ViewTask)
                assert (task.kind, task.camera_id, task.session_id) == (ViewKind.LIVE, CAMERA, view.session_id)
                assert [fact.frame.seq for fact in (await job.expect(MaskFacts)).frames] == [1]
                b.broker.on_frames(CAMERA, [make_frame(2, 2)])
                b.broker.on_frames(CameraId("other"), [make_frame(3, 3, camera_id="other")])
                assert [fact.frame.seq for fact in (await job.expect(MaskFacts)).frames] == [2]
                for output in (INIT, chunk(1, 5), chunk(2, 4)):
                    await job.channel.send(output)
                assert await take(view, 3) == [INIT, chunk(1, 5), chunk(2, 4)]
                answer = asyncio.create_task(end_when_told(job, 9))
            await answer
            last = (await b.site.log(b.warden))[-1].record
            assert (last.kind, last.details["frames_shown"]) == (AuditKind.VIEW_ENDED, "9")

    asyncio.run(main())


def test_view_of_a_second_stream_is_decided_for_its_camera_and_hears_of_its_own_masks_alone(site: Site) -> None:
    stream_id = second_of(CAMERA)
    zone = ((0.0, 0.0), (0.5, 0.0), (0.5, 0.5))
    first = replace(make_spec(), scene=CameraScene(privacy=(zone,)))
    second = SecondStream(url="rtsp://192.0.2.1/2")

    async def main() -> None:
        async with bench(site) as b:
            await b.catalog.put_cameras([replace(first, second=second)], is_exclusive=False)
            async with await b.open(camera_id=stream_id) as view:
                job = await b.job()
                task = await job.expect(ViewTask)
                # Nobody said where the camera's zone lies in this stream, so it is covered whole.
                assert (task.camera_id, task.privacy) == (stream_id, (WHOLE_PICTURE,))
                granted = (await b.site.log(b.warden))[view.log_index].record
                assert (granted.kind, granted.subject) == (AuditKind.ACCESS_GRANTED, CAMERA)
                await job.expect(MaskFacts)
                b.broker.on_frames(CAMERA, [make_frame(2, 2)])
                b.broker.on_frames(stream_id, [make_frame(3, 3, camera_id=stream_id)])
                assert [fact.frame.seq for fact in (await job.expect(MaskFacts)).frames] == [3]
                answer = asyncio.create_task(end_when_told(job, 0))
            await answer
            # Taken out of the configuration: how the zone lay in it is not known any more.
            await b.catalog.put_cameras([first], is_exclusive=False)
            assert await b.broker._privacy(stream_id) == (WHOLE_PICTURE,)
            assert await b.broker._privacy(CAMERA) == (zone,)
            with pytest.raises(NotFound):
                await b.open(camera_id=second_of(CameraId("nowhere")))

    asyncio.run(main())


async def end_when_told(job: ScriptedJob, frames: int) -> None:
    await job.expect(StopView)
    await job.channel.send(ViewEnded(frames_shown=frames, error=""))
    await job.channel.close()


def test_view_when_policy_says_no_is_refused_with_reasons_and_takes_no_job(site: Site) -> None:
    async def main() -> None:
        async with bench(site) as b:
            with pytest.raises(PermissionDenied, match=r"\w+ \w+"):
                await b.open(principal=Principal(user_id="u2", name="Bob", roles=frozenset({Role.ADMINISTRATOR})))
            with pytest.raises(PermissionDenied):
                await b.open(fidelity=Fidelity.UNMASKED)
            assert (await b.kinds()).count(AuditKind.ACCESS_DENIED) == 2
            assert all(job.received.empty() for job in b.supervisor.jobs)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"camera_id": CameraId("nowhere")}, NotFound),
        ({"speed": 0.2}, InvalidArgument),
        ({"speed": 17.0}, InvalidArgument),
        ({"max_height_px": 89}, InvalidArgument),
        ({"start_ns": at(5), "end_ns": at(5)}, InvalidArgument),
    ],
    ids=["camera", "slow", "fast", "small", "empty"],
)
def test_view_when_asked_wrongly_is_refused_before_the_log(
    site: Site, changes: dict[str, Any], error: type[Exception]
) -> None:
    async def main() -> None:
        async with bench(site) as b:
            before = await b.kinds()
            with pytest.raises(error):
                await b.open(ViewKind.PLAYBACK, **changes)
            assert await b.kinds() == before

    asyncio.run(main())


def test_view_when_the_warden_is_down_is_unavailable(site: Site) -> None:
    async def main() -> None:
        async with site.catalog() as catalog:
            await catalog.put_cameras([make_spec()], is_exclusive=False)
            clock = SystemClock()
            supervisor = ScriptedSupervisor(site.paths.socket("server-jobs"))
            warden = WardenClient(site.paths.socket("warden-server"))
            pool = JobPool(supervisor, clock, spare=0)
            broker = ServerViewBroker(catalog=catalog, warden=warden, jobs=pool, clock=clock, config=SiteConfig())
            with pytest.raises(Unavailable):
                await Bench(site, catalog, warden, supervisor, broker).open()
            assert supervisor.jobs == []

    asyncio.run(main())


def test_view_when_no_job_may_start_is_unavailable_and_ends_its_grant(site: Site) -> None:
    async def main() -> None:
        async with bench(site) as b:
            await (await b.job()).channel.close()
            b.supervisor.refusal = ResourceExhausted("24 view jobs run")
            await until(lambda: not b.broker._jobs._ready)
            with pytest.raises(Unavailable, match="24 view jobs"):
                await b.open()
            assert (await b.kinds())[-2:] == [AuditKind.ACCESS_GRANTED, AuditKind.VIEW_ENDED]

    asyncio.run(main())


def test_pool_when_a_job_comes_while_another_is_refused_goes_on(site: Site) -> None:
    """At the bound, one that was started before is counted as the one that the supervisor refuses."""

    class Full(ScriptedSupervisor):
        async def spawn_job(self, kind: str = "job") -> None:
            await super().spawn_job(kind)
            await until(lambda: bool(pool._ready))
            raise ResourceExhausted("164 view jobs run")

    async def main() -> None:
        nonlocal pool
        path = site.paths.socket("server-jobs")
        pool = JobPool(Full(path), SystemClock(), spare=0)
        async with listening(path, pool.serve_peer):
            with pytest.raises(Unavailable, match="164 view jobs"):
                await pool.take()
            assert (await pool.take()).job_id == "job-0", "the one that came is there for the next"

    pool: JobPool
    asyncio.run(main())


def test_pool_ends_although_a_job_was_taken_just_then(site: Site) -> None:
    """`asyncio.wait_for` forgets a cancellation that comes while what it waits for becomes true (Python 3.11)."""

    async def main() -> None:
        path = site.paths.socket("server-jobs")
        pool = JobPool(ScriptedSupervisor(path), SystemClock(), spare=1)
        async with listening(path, pool.serve_peer):
            keeping = asyncio.create_task(pool.run())
            await until(lambda: len(pool._ready) == 1)
            await pool.take()  # returns in the step in which it wakes the other
            await cancelled(keeping)
            assert keeping.cancelled()

    asyncio.run(main())


def test_view_when_its_job_dies_goes_on_in_another_for_the_same_session(site: Site) -> None:
    async def main() -> None:
        async with bench(site) as b:
            view = await b.open(ViewKind.PLAYBACK)
            job = await b.job()
            first = await job.expect(ViewTask)
            await job.channel.send(chunk(at(42), 3))
            await take(view, 1)
            await job.channel.close()
            again = await b.job(1)
            second = await again.expect(ViewTask)
            assert second.session_id == first.session_id
            assert second.grant_token != first.grant_token
            assert second.start_ns == at(42)
            await again.channel.send(INIT)
            note, init = await take(view, 2)
            assert isinstance(note, ViewNote)
            assert (note.code, init) == ("restarted", INIT)
            ended = [entry.record for entry in await b.site.log(b.warden) if entry.record.kind is AuditKind.VIEW_ENDED]
            assert [record.details["frames_shown"] for record in ended] == ["3"]
            answer = asyncio.create_task(end_when_told(again, 0))
            await view.stop()
            await answer

    asyncio.run(main())


def test_view_when_its_jobs_keep_dying_ends_with_words_after_three_restarts(site: Site) -> None:
    async def main() -> None:
        async with bench(site) as b:
            view = await b.open()
            for number in range(4):
                job = await b.job(number)
                await job.expect(ViewTask)
                await job.channel.close()
            outputs = await take(view, 99)
            codes = [output.code for output in outputs if isinstance(output, ViewNote)]
            assert codes == ["restarted"] * 3
            assert isinstance(outputs[-1], ViewEnded)
            assert outputs[-1].error == "the view job died"
            assert (await b.kinds()).count(AuditKind.VIEW_ENDED) == 4

    asyncio.run(main())


def test_view_when_the_job_ignores_the_stop_ends_all_the_same(site: Site) -> None:
    async def main() -> None:
        async with bench(site) as b:
            view = await b.open()
            job = await b.job()
            await job.expect(ViewTask)
            await view.stop()
            await until(lambda: job.is_gone)
            assert (await b.kinds())[-1] is AuditKind.VIEW_ENDED
            assert isinstance((await take(view, 99))[-1], ViewEnded)

    asyncio.run(main())


def test_view_when_its_time_is_over_ends_without_a_restart(site: Site) -> None:
    async def main() -> None:
        async with bench(site, deadline_s=10) as b:
            now_ns = SystemClock().now_ns()
            view = await b.open(end_ns=Ns(now_ns + NS_PER_S // 2))
            job = await b.job()
            task = await job.expect(ViewTask)
            assert task.deadline_ns <= now_ns + NS_PER_S // 2
            await until(lambda: SystemClock().now_ns() > task.deadline_ns)
            await job.channel.send(ViewEnded(frames_shown=2, error="the time of this view is over"))
            await job.channel.close()
            assert await take(view, 99) == [ViewEnded(frames_shown=2, error="the time of this view is over")]

    asyncio.run(main())


def test_still_when_sought_gets_its_masks_before_the_wish(site: Site) -> None:
    segments = [make_segment(0, 60), make_segment(60, 90, is_sealed=False)]

    async def main() -> None:
        async with bench(site) as b:
            await b.catalog.take_journal("j", 1, segments, [])
            await b.catalog.put_analysis([make_frame(second, second) for second in range(90)], [])
            view = await b.open(ViewKind.STILL)
            job = await b.job()
            assert (await job.expect(ViewTask)).segments == tuple(segments)
            await view.seek(at(50), 7)
            masks = await job.expect(MaskFacts)
            assert {fact.frame.seq for fact in masks.frames} == set(range(39, 62))
            assert await job.expect(SeekTo) == SeekTo(utc_ns=at(50), request_id=7)
            still = StillRendered(request_id=7, utc_ns=at(50), is_fully_masked=False, payload=b"jpeg")
            await job.channel.send(still)
            assert await take(view, 1) == [still]
            await view.seek(at(101), 8)
            (note,) = await take(view, 1)
            assert isinstance(note, ViewNote)
            assert (note.code, note.request_id) == ("outside", 8)
            await job.channel.close()  # answered wishes are not repeated to the next job
            again = await b.job(1)
            await again.expect(ViewTask)
            await view.seek(at(51), 9)
            assert (await again.expect(SeekTo)).request_id == 9

    asyncio.run(main())


def test_playback_when_a_segment_grows_is_told(site: Site) -> None:
    async def main() -> None:
        async with bench(site) as b:
            view = await b.open(ViewKind.PLAYBACK)
            job = await b.job()
            await job.expect(ViewTask)
            grown = make_segment(60, 95, is_sealed=False)
            b.broker.on_segment(make_segment(200, 260))
            b.broker.on_segment(make_segment(60, 95, camera_id="yard"))
            b.broker.on_segment(grown)
            assert await job.expect(MoreSegments) == MoreSegments(segments=(grown,))
            await view.stop()
            other = await b.open(ViewKind.PLAYBACK)
            task = await (await b.job(1)).expect(ViewTask)
            assert task.segments == (grown,)
            await other.stop()

    asyncio.run(main())


def test_spare_job_when_it_speaks_before_its_task_is_hung_up_on(site: Site) -> None:
    async def main() -> None:
        async with bench(site) as b:
            job = await b.job()
            await job.channel.send(chunk(1))
            await until(lambda: job.is_gone)
            stranger = await AsyncChannel.connect(site.paths.socket("server-jobs"))
            await stranger.send(StopView())
            assert await stranger.receive() is None
            await stranger.close()

    asyncio.run(main())


def test_view_when_warden_and_job_are_gone_for_a_moment_waits_for_both(site: Site) -> None:
    async def main() -> None:
        async with site.catalog() as catalog:
            await catalog.put_cameras([make_spec()], is_exclusive=False)
            clock = SystemClock()
            path = site.paths.socket("server-jobs")
            supervisor = ScriptedSupervisor(path)
            warden = WardenClient(site.paths.socket("warden-server"))
            pool = JobPool(supervisor, clock, spare=0)
            broker = ServerViewBroker(catalog=catalog, warden=warden, jobs=pool, clock=clock, config=SiteConfig())
            b = Bench(site, catalog, warden, supervisor, broker)
            async with listening(path, pool.serve_peer):
                async with site.warden():
                    view = await b.open()
                    job = await b.job()
                first = await job.expect(ViewTask)
                await job.channel.send(ViewEnded(frames_shown=1, error="nobody answers at warden-jobs.sock"))
                await job.channel.close()
                async with site.warden():
                    again = await b.job(1)
                    second = await again.expect(ViewTask)
                    assert second.session_id == first.session_id
                    (note,) = await take(view, 1)
                    assert isinstance(note, ViewNote)
                    answer = asyncio.create_task(end_when_told(again, 0))
                    await view.stop()
                    await answer
            await warden.close()

    asyncio.run(main())
