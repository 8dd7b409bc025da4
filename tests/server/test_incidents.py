"""Roads of the catalog's cameras are watched; what is found is stored, and told at once."""

import asyncio
from dataclasses import replace

import numpy as np

from custodes.adapters.sql import sqlite_catalog
from custodes.app.serving.incidents import IncidentService
from custodes.testing.catalog import make_spec
from custodes.testing.clock import ManualClock
from custodes.testing.web import InlineCatalog
from custodes.types.scene import CameraScene
from custodes.types.traffic import Incident, IncidentKind
from custodes.units import CameraId, Ns
from eval import road
from eval.pinhole import Noise, look


def test_an_incident_is_told_and_stored_and_a_camera_without_roads_has_none(tmp_path):
    catalog = sqlite_catalog(tmp_path / "catalog.db", site_id="ab" * 8, clock=ManualClock())
    scene = CameraScene(roads=road.scene().roads)
    catalog.put_cameras([replace(make_spec("road"), scene=scene), make_spec("yard")], is_exclusive=True)
    mover, _ = road.staged(IncidentKind.WRONG_WAY, 1.0, np.random.default_rng(8), 1)
    frames = look(road.CAMERA, [mover], (0, 12.0), fps=5, noise=Noise(), rng=np.random.default_rng(1)).frames
    told = []
    service = IncidentService(catalog=InlineCatalog.over(catalog), on_incident=told.append)

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
