"""How wide pictures are: as analysers tell it, kept over restarts, changed when the camera changes."""

import asyncio
from dataclasses import replace

import numpy as np
import pytest
from tests.server.test_live_state import analyser_status

from custodes.adapters.sql import sqlite_catalog
from custodes.app.serving.frame_shapes import ASSUMED_ASPECT, FrameShapes, aspect_of, shape_of
from custodes.app.serving.traffic import TrafficService
from custodes.testing.catalog import CAMERA, make_spec
from custodes.testing.clock import ManualClock
from custodes.testing.web import InlineCatalog
from custodes.traffic.quarter import QUARTER_NS
from custodes.types.media import FrameShape
from custodes.types.scene import CameraScene, CountLine, GroundPoint
from custodes.types.traffic import Quarter
from custodes.types.vision import ObjectClass
from custodes.units import NS_PER_S, CameraId, Ns
from eval.pinhole import T0_NS, Mover, Noise, Pinhole, look


def told(width, height, pixel=1.0, camera_id=CAMERA):
    shape = FrameShape(camera_id=CAMERA, width_px=width, height_px=height, pixel_aspect=pixel)
    return replace(analyser_status(ManualClock(), 10), camera_id=CameraId(camera_id), shape=shape)


@pytest.fixture
def catalog(tmp_path):
    catalog = sqlite_catalog(tmp_path / "catalog.db", site_id="ab" * 8, clock=ManualClock())
    catalog.put_cameras([make_spec()], is_exclusive=True)
    yield catalog
    catalog.close()


@pytest.mark.parametrize(
    ("status", "aspect"),
    [
        (told(1920, 1080), 16 / 9),
        (told(768, 576), 4 / 3),
        (told(704, 576, 16 / 11), 16 / 9),
        (told(360, 288), 5 / 4),
        (told(1088, 1920), 1088 / 1920),
        (told(640, 480, float("nan")), 4 / 3),
        (told(640, 480, float("inf")), 4 / 3),
        (told(640, 480, 0.0), 4 / 3),
        (told(640, 480, -1.0), 4 / 3),
        (told(640, 480, 1000.0), 4 / 3),
    ],
)
def test_a_pictures_shape_is_that_of_what_the_lens_saw(status, aspect):
    shape = shape_of(status)
    assert shape is not None
    assert shape.aspect == pytest.approx(aspect)


@pytest.mark.parametrize("sides", [(0, 0), (640, 0), (-640, 480), (2**70, 480)])
def test_a_picture_that_is_not_known_or_cannot_be_has_no_shape(sides):
    assert shape_of(told(*sides)) is None


def test_a_shape_outlives_the_server_and_a_camera_that_goes_down_and_follows_one_that_changes(catalog):
    inline = InlineCatalog.over(catalog)
    shapes = FrameShapes(inline)
    assert aspect_of(catalog.frame_shapes(), CAMERA) == ASSUMED_ASPECT
    shapes.take(told(768, 576))
    asyncio.run(shapes.write())
    shapes.take(analyser_status(ManualClock(), 0))
    asyncio.run(shapes.write())
    again = FrameShapes(inline)
    asyncio.run(again.write())
    assert aspect_of(catalog.frame_shapes(), CAMERA) == pytest.approx(4 / 3)
    again.take(told(1280, 720))
    asyncio.run(again.write())
    assert catalog.frame_shapes() == {CAMERA: FrameShape(camera_id=CAMERA, width_px=1280, height_px=720)}


def test_a_camera_that_was_removed_leaves_no_shape_and_one_that_comes_back_has_its_own(catalog):
    shapes = FrameShapes(InlineCatalog.over(catalog))
    shapes.take(told(768, 576))
    shapes.take(told(768, 576, camera_id="stranger"))
    asyncio.run(shapes.write())
    assert set(catalog.frame_shapes()) == {CAMERA}
    catalog.remove_camera(CAMERA)
    asyncio.run(shapes.write())
    assert catalog.frame_shapes() == {}
    catalog.put_cameras([make_spec()], is_exclusive=True)
    shapes.take(told(768, 576))
    asyncio.run(shapes.write())
    assert set(catalog.frame_shapes()) == {CAMERA}


@pytest.mark.parametrize(
    ("size", "pixel"),
    [((960, 720), 1.0), ((1280, 720), 1.0), ((704, 576), 16 / 11), ((720, 1280), 1.0)],
    ids=["4:3", "16:9", "anamorphic", "upright"],
)
def test_a_van_is_as_long_as_it_is_whatever_the_pictures_shape(catalog, size, pixel):
    """7.2 m at 36 km/h, which is of the medium class by half a metre; at 4:3 it was told as short."""
    wide = round(size[0] * pixel), size[1]
    lens = Pinhole((-14.0, 4.0, 6.0), (1.0, 20.0), focal_px=0.55 * max(wide[0], 0.8 * wide[1]), size=wide, name="road")
    places = [(-4.0, 8.0), (5.0, 8.0), (5.0, 32.0), (-4.0, 32.0)]
    shares = lens.project(np.column_stack([np.array(places), np.zeros(4)])).tolist()
    ends = lens.project(np.array([[-4.0, 20.0, 0.0], [6.0, 20.0, 0.0]])).tolist()
    scene = CameraScene(
        ground=tuple(GroundPoint(at=(x, y), place_m=at) for (x, y), at in zip(shares, places, strict=True)),
        lines=(CountLine(name="gate", start=tuple(ends[0]), end=tuple(ends[1])),),
    )
    catalog.put_cameras([replace(make_spec("road"), scene=scene)], is_exclusive=True)
    catalog.put_frame_shapes(
        [FrameShape(camera_id=CameraId("road"), width_px=size[0], height_px=size[1], pixel_aspect=pixel)]
    )
    van = Mover(1, ObjectClass.TRUCK, (7.2, 2.25, 2.9), lambda s: (np.array([1.0, 4.0 + 10.0 * s]), np.pi / 2))
    rng, exact = np.random.default_rng(1), Noise(edge_px=0.0)
    seen = look(lens, [van], (0, 3.4), fps=10, noise=exact, rng=rng, scene=scene, homography=lens.homography())
    catalog.put_analysis(seen.frames, [])
    catalog.put_crossings(seen.crossings)
    clock = ManualClock(T0_NS + QUARTER_NS + 300 * NS_PER_S)
    asyncio.run(TrafficService(catalog=InlineCatalog.over(catalog), clock=clock).sweep())
    quarter = catalog.figures(Quarter, CameraId("road"), Ns(T0_NS - 1), Ns(T0_NS + QUARTER_NS), 9)[0]
    (line,) = (one for one in quarter.lines if one.vehicles)
    assert line.lengths == (0, 0, 1, 0)
