"""Changing cameras over the control socket, with a real warden."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial

import pytest
from tests.server.conftest import ScriptedSupervisor, Site, listening

from custodes.adapters.ipc import control
from custodes.adapters.ipc.framing import answer_requests
from custodes.adapters.ipc.warden import WardenClient
from custodes.app.serving.cameras import CameraService
from custodes.app.serving.live_state import ServerLiveState
from custodes.config import read_assignment
from custodes.errors import InvalidArgument, NotFound, Unavailable
from custodes.runtime.clock import SystemClock
from custodes.testing.catalog import make_spec
from custodes.types.access import AuditKind
from custodes.types.scene import CameraScene, CountLine, GroundPoint
from custodes.types.stream import SecondStream
from custodes.types.vision import DetectArea
from custodes.units import CameraId


@asynccontextmanager
async def service(site: Site, warden: WardenClient) -> AsyncIterator[CameraService]:
    async with site.catalog() as catalog:
        live = ServerLiveState(catalog, ScriptedSupervisor(site.paths.socket("x")), SystemClock())
        cameras = CameraService(catalog=catalog, warden=warden, live=live, assignment=site.paths.assignment)
        async with listening(site.paths.socket("server-control"), partial(answer_requests, respond=cameras.respond)):
            yield cameras


def test_retention_when_changed_gives_the_recorder_no_reason_to_reconnect(site: Site) -> None:
    async def main() -> None:
        async with site.warden() as warden, service(site, warden) as cameras:
            await cameras.put([make_spec()], is_exclusive=False, actor="Ada")
            before = read_assignment(site.paths.assignment)
            await cameras.put([replace(make_spec(), retention_h=99.0)], is_exclusive=False, actor="Ada")
            assert read_assignment(site.paths.assignment) == before
            assert (await site.log(warden))[-1].record.details["change"] == "changed"

    asyncio.run(main())


def test_ground_that_fixes_no_plane_is_refused_before_anything_changes(site: Site) -> None:
    points = tuple(GroundPoint(at=(n / 10, n / 10), place_m=(float(n), 0.0)) for n in range(4))

    async def main() -> None:
        async with site.warden() as warden, service(site, warden) as cameras:
            before = await site.log(warden)
            with pytest.raises(InvalidArgument, match="one line"):
                await cameras.put(
                    [replace(make_spec(), scene=CameraScene(ground=points))], is_exclusive=False, actor="Ada"
                )
            assert await site.log(warden) == before

    asyncio.run(main())


def test_another_device_in_the_same_place_keeps_what_was_said_about_the_place(site: Site) -> None:
    corners = ((0.1, 0.1), (0.9, 0.1), (0.9, 0.9), (0.1, 0.9))
    scene = CameraScene(
        ground=tuple(GroundPoint(at=one, place_m=(one[0] * 10, one[1] * 20)) for one in corners),
        lines=(CountLine(name="door", start=(0.1, 0.5), end=(0.9, 0.5)),),
    )
    area = DetectArea(polygon=((0.0, 0.0), (1.0, 0.0), (1.0, 1.0)), is_mask=True)
    old = replace(make_spec(), name="Main gate", retention_h=99.0, scene=scene, detect_areas=(area,))
    new = replace(make_spec(), url="onvif://192.0.2.77", username="other", password_ref="env:OTHER")

    async def main() -> None:
        async with site.warden() as warden, service(site, warden) as cameras:
            await cameras.put([old], is_exclusive=False, actor="Ada")
            socket = site.paths.socket("server-control")
            await asyncio.to_thread(control.put_cameras, socket, [new], is_exclusive=False, keeps_rest=True)
            (assigned,) = read_assignment(site.paths.assignment).cameras
            wanted = replace(old, url=new.url, username="other", password_ref="env:OTHER", retention_h=0.0)
            assert assigned == wanted
            assert (await site.log(warden))[-1].record.details["url"] == "onvif://192.0.2.77"
            await asyncio.to_thread(control.put_cameras, socket, [new], is_exclusive=False)
            assert read_assignment(site.paths.assignment).cameras[0].scene == CameraScene()

    asyncio.run(main())


def test_cameras_when_put_and_removed_are_logged_keyed_and_assigned(site: Site) -> None:
    socket = site.paths.socket("server-control")

    async def main() -> None:
        async with site.warden() as warden, service(site, warden):
            put = [make_spec("gate"), make_spec("yard")]
            await asyncio.to_thread(control.put_cameras, socket, put, is_exclusive=False)
            assert read_assignment(site.paths.assignment).cameras == tuple(put)
            version = read_assignment(site.paths.assignment).version
            assert list((site.paths.public_keys / "yard").glob("*.json"))
            table = await asyncio.to_thread(control.read_cameras, socket)
            assert [row.camera_id for row in table.cameras] == ["gate", "yard"]
            assert table.log_size == (await warden.read_checkpoint()).size
            assert table.checkpoint

            await asyncio.to_thread(control.put_cameras, socket, put, is_exclusive=False)
            assert read_assignment(site.paths.assignment).version == version
            await asyncio.to_thread(control.put_cameras, socket, put[:1], is_exclusive=True)
            await asyncio.to_thread(control.remove_camera, socket, CameraId("gate"))
            with pytest.raises(NotFound):
                await asyncio.to_thread(control.remove_camera, socket, CameraId("gate"))
            left = read_assignment(site.paths.assignment).cameras
            assert [(spec.camera_id, spec.is_enabled) for spec in left] == [("yard", False)]
            changes = [
                (entry.record.subject, entry.record.details["change"])
                for entry in await site.log(warden)
                if entry.record.kind is AuditKind.CAMERA_CHANGED
            ]
            assert changes == [("gate", "added"), ("yard", "added"), ("yard", "disabled"), ("gate", "removed")]

    asyncio.run(main())


def test_camera_with_two_streams_when_put_has_keys_and_an_assignment_for_each(site: Site) -> None:
    spec = replace(make_spec("gate"), second=SecondStream(url="rtsp://192.0.2.1/2", retention_h=9.0))

    async def main() -> None:
        async with site.warden() as warden, service(site, warden) as cameras:
            await cameras.put([spec], is_exclusive=False, actor="Ada")
            first, second = read_assignment(site.paths.assignment).cameras
            assert (first.camera_id, first.second) == ("gate", None)
            assert (second.camera_id, second.url, second.is_analysed) == ("gate.second", "rtsp://192.0.2.1/2", False)
            assert second.retention_h == 0.0
            for stream_id in ("gate", "gate.second"):
                assert list((site.paths.public_keys / stream_id).glob("*.json"))
            assert (await site.log(warden))[-1].record.details["second_url"] == "rtsp://192.0.2.1/2"
            # Another device in the same place, of which nobody said that it has one stream only.
            other = replace(make_spec("gate"), url="rtsp://192.0.2.9/1")
            await cameras.put([other], is_exclusive=False, keeps_rest=True, actor="Ada")
            assert len(read_assignment(site.paths.assignment).cameras) == 2

    asyncio.run(main())


def test_cameras_when_the_warden_is_down_do_not_change(site: Site) -> None:
    socket = site.paths.socket("server-control")

    async def main() -> None:
        async with service(site, WardenClient(site.paths.socket("warden-server"))):
            with pytest.raises(Unavailable):
                await asyncio.to_thread(control.put_cameras, socket, [make_spec()], is_exclusive=False)
            table = await asyncio.to_thread(control.read_cameras, socket)
            assert (table.cameras, table.log_size, table.checkpoint) == ((), 0, "")
            assert read_assignment(site.paths.assignment).cameras == ()

    asyncio.run(main())


def test_configured_cameras_when_the_warden_comes_late_are_put_then(site: Site) -> None:
    async def main() -> None:
        warden = WardenClient(site.paths.socket("warden-server"))
        async with service(site, warden) as cameras:
            start = asyncio.create_task(cameras.start((make_spec(),)))
            async with site.warden():
                await start
                assert read_assignment(site.paths.assignment).cameras == (make_spec(),)
            await warden.close()

    asyncio.run(main())


def test_assignment_when_it_is_damaged_is_written_anew_from_the_catalog(site: Site) -> None:
    async def main() -> None:
        async with site.warden() as warden, service(site, warden) as cameras:
            await cameras.put([make_spec("gate")], is_exclusive=False, actor="process:cli")
            site.paths.assignment.write_bytes(b"{ not json")
            await cameras.put([make_spec("gate")], is_exclusive=False, actor="process:cli")
            assert [spec.camera_id for spec in read_assignment(site.paths.assignment).cameras] == ["gate"]

    asyncio.run(main())
