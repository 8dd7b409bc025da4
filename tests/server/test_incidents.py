"""Roads of the catalog's cameras are watched; what is found is stored, and told at once."""

import asyncio
from dataclasses import replace

import numpy as np

from custodes.adapters.sql import sqlite_catalog
from custodes.app.serving.incidents import IncidentService
from custodes.testing.catalog import make_spec
from custodes.testing.clock import ManualClock
from custodes.testing.web import InlineCatalog
from custodes.types.event import FrameAnalysed
from custodes.types.scene import CameraScene
from custodes.types.traffic import Incident, IncidentKind
from custodes.types.vision import ObjectClass, TrackedFrame
from custodes.units import NS_PER_S, CameraId, Ns
from eval import road
from eval.pinhole import RUN, T0_NS, Noise, look


def test_an_incident_is_told_and_stored_and_a_camera_without_roads_has_none(tmp_path):
    catalog = sqlite_catalog(tmp_path / "catalog.db", site_id="ab" * 8, clock=ManualClock())
    scene = CameraScene(roads=road.scene().roads)
    catalog.put_cameras([replace(make_spec("road"), scene=scene), make_spec("yard")], is_exclusive=True)
    mover, _ = road.staged(IncidentKind.WRONG_WAY, 1.0, np.random.default_rng(8), 1)
    frames = look(road.CAMERA, [mover], (0, 12.0), fps=5, noise=Noise(), rng=np.random.default_rng(1)).frames
    told = []
    service = IncidentService(catalog=InlineCatalog.over(catalog), clock=ManualClock(), on_incident=told.append)

    async def serve():
        running = asyncio.create_task(service.run())
        await asyncio.sleep(0)
        service.take(CameraId("yard"), frames)
        service.take(CameraId("road"), frames)
        for _ in range(100):
            await asyncio.sleep(0)
        running.cancel()

    asyncio.run(serve())
    assert [one.kind for one in told] == [IncidentKind.WRONG_WAY]
    assert catalog.figures(Incident, CameraId("road"), Ns(0), Ns(2**62), 9) == told
    catalog.close()


def test_a_car_that_stands_is_told_once_though_the_server_begins_anew(tmp_path):
    clock = ManualClock(T0_NS + 60 * NS_PER_S)
    catalog = sqlite_catalog(tmp_path / "catalog.db", site_id="ab" * 8, clock=clock)
    scene = CameraScene(roads=road.scene().roads)
    catalog.put_cameras([replace(make_spec("road"), scene=scene)], is_exclusive=True)
    box = road.CAMERA.box(np.array([1.75, 30.0]), np.pi / 2, (4.4, 1.8, 1.5))
    frames = [standing(box, 0.2 * number) for number in range(60)]
    told = []

    async def serve(frames):
        service = IncidentService(catalog=InlineCatalog.over(catalog), clock=clock, on_incident=told.append)
        running = asyncio.create_task(service.run())
        for _ in range(20):
            await asyncio.sleep(0)
        service.take(CameraId("road"), frames)
        for _ in range(100):
            await asyncio.sleep(0)
        running.cancel()

    for _ in range(2):
        asyncio.run(serve(frames))
    assert [one.kind for one in told] == [IncidentKind.STOPPED]
    assert told[0].at is not None
    # A third server sees the place empty: what the first one told of is over.
    asyncio.run(serve([standing(None, second) for second in (70.0, 100.0)]))
    assert [(one.kind, one.start_ns, one.is_over) for one in told[1:]] == [
        (IncidentKind.STOPPED, told[0].start_ns, True)
    ]
    assert catalog.figures(Incident, CameraId("road"), Ns(0), Ns(2**62), 9) == told[1:]
    catalog.close()


def standing(box, second):
    """One look at one car; None: at none."""
    count = int(box is not None)
    frame = TrackedFrame(
        camera_id=CameraId("road"),
        run=RUN,
        seq=round(second * 5),
        utc_ns=Ns(T0_NS + round(second * NS_PER_S)),
        track_ids=np.full(count, 7, np.int64),
        class_ids=np.full(count, int(ObjectClass.CAR), np.int16),
        boxes_norm=np.array([box] * count, np.float32).reshape(-1, 4),
        scores=np.full(count, 0.9, np.float32),
        is_measured=np.ones(count, bool),
    )
    return FrameAnalysed(frame=frame, valid_from_ns=frame.utc_ns)
