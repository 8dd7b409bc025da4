"""The map: one person in two cameras is one dot, on its floor, for those whose cameras see it, and for seconds
only."""

from dataclasses import replace

import numpy as np

from custodes.app.serving.site_map import LAG_NS, SHOWN_NS, MapService
from custodes.testing.catalog import make_spec
from custodes.testing.clock import ManualClock
from custodes.types.access import ALL_CAMERAS, CameraScope
from custodes.types.scene import CameraScene, GroundPoint
from custodes.types.vision import ObjectClass
from custodes.units import NS_PER_S, CameraId
from eval.pinhole import T0_NS, Mover, Noise, Pinhole, look

EAST = Pinhole((14.0, -4.0, 4.0), (0.0, 8.0), focal_px=900, name="east")
WEST = Pinhole((-14.0, -4.0, 4.0), (0.0, 8.0), focal_px=900, name="west")
MEASURED = [(-4.0, 4.0), (4.0, 4.0), (4.0, 14.0), (-4.0, 14.0)]


def spec_of(camera, floor="hall"):
    shares = camera.project(np.column_stack([np.array(MEASURED), np.zeros(4)]))
    points = tuple(
        GroundPoint(at=(float(x), float(y)), place_m=place) for (x, y), place in zip(shares, MEASURED, strict=True)
    )
    return replace(make_spec(camera.name), scene=CameraScene(ground=points, floor=floor))


def walker(number, x, seconds=8.0):
    return Mover(
        number,
        ObjectClass.PERSON,
        (0.4, 0.5, 1.7),
        lambda second: (np.array([x, 5.0 + 1.1 * second]), np.pi / 2) if second < seconds else None,
    )


def test_people_are_one_dot_each_whichever_cameras_see_them_and_vanish_when_they_are_gone():
    clock = ManualClock()
    service = MapService(catalog=None, clock=clock)
    service.set_cameras([spec_of(EAST), spec_of(WEST), make_spec("yard")])
    for camera in (EAST, WEST):
        rng = np.random.default_rng(3)
        ground = camera.homography()
        people = [walker(1, -2.0), walker(2, 2.5)]
        seen = look(camera, people, (0, 6.0), fps=5, noise=Noise(), rng=rng, homography=ground)
        service.take(CameraId(camera.name), seen.frames)
        service.take(CameraId("yard"), seen.frames)
    clock.advance(T0_NS + 6 * NS_PER_S + LAG_NS - clock.now_ns())
    service.fuse()
    (hall,) = service.floors(ALL_CAMERAS)
    assert [one.camera_id for one in hall.cameras] == ["east", "west"]
    assert abs(hall.cameras[0].place_m[0] - 14.0) < 0.5
    assert len(hall.dots) == 2
    places = sorted((dot.x_m, dot.y_m) for dot in hall.dots)
    assert abs(places[0][0] + 2.0) < 0.8
    assert abs(places[1][0] - 2.5) < 0.8
    assert all(dot.is_person and set(dot.cameras) == {"east", "west"} for dot in hall.dots)
    (narrow,) = service.floors(CameraScope(is_all=False, camera_ids=frozenset({CameraId("east")})))
    assert [one.camera_id for one in narrow.cameras] == ["east"]
    assert {dot.cameras for dot in narrow.dots} == {("east",)}
    assert service.floors(CameraScope(is_all=False, camera_ids=frozenset())) == []
    clock.advance(SHOWN_NS + NS_PER_S)
    service.fuse()
    assert service.floors(ALL_CAMERAS)[0].dots == ()
