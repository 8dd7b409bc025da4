"""The map: one person in two cameras is one dot, on its floor, for those whose cameras see it, and for seconds
only."""

from dataclasses import replace

import numpy as np
import pytest

from custodes.app.serving.site_map import LAG_NS, LOOK_KEPT_NS, MAX_ERROR_M, SHOWN_NS, MapService
from custodes.testing.catalog import make_spec
from custodes.testing.clock import ManualClock
from custodes.track.colours import SIZE
from custodes.types.access import ALL_CAMERAS, CameraScope
from custodes.types.looks import Drops, LooksSeen
from custodes.types.media import FrameShape
from custodes.types.scene import CameraScene, GroundPoint
from custodes.types.vision import ObjectClass
from custodes.units import NS_PER_S, CameraId, RunId
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
    service.set_cameras([spec_of(EAST), spec_of(WEST), make_spec("yard")], {})
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


@pytest.mark.parametrize(
    ("camera", "shape"),
    [
        (Pinhole((6.0, -9.0, 5.0), (0.0, 8.0), focal_px=800, size=(1280, 720)), (1280, 720, 1.0)),
        (Pinhole((6.0, -9.0, 5.0), (0.0, 8.0), focal_px=700, size=(768, 576)), (768, 576, 1.0)),
        # 16:9 of a lens, told in a PAL picture's 704 × 576: its pixels are 16:11.
        (Pinhole((6.0, -9.0, 5.0), (0.0, 8.0), focal_px=800, size=(1024, 576)), (704, 576, 16 / 11)),
        (Pinhole((6.0, -9.0, 5.0), (0.0, 8.0), focal_px=1700, size=(1088, 1920)), (1088, 1920, 1.0)),
    ],
    ids=["16:9", "4:3", "anamorphic", "upright"],
)
def test_a_camera_hangs_where_it_hangs_whatever_its_pictures_shape(camera, shape):
    spec = spec_of(camera)
    known = FrameShape(camera_id=spec.camera_id, width_px=shape[0], height_px=shape[1], pixel_aspect=shape[2])
    service = MapService(catalog=None, clock=ManualClock())
    service.set_cameras([spec], {spec.camera_id: known})
    ((seen,),) = (floor.cameras for floor in service.floors(ALL_CAMERAS))
    assert seen.is_shape_known
    assert np.allclose([*seen.place_m, seen.height_m], camera.place, atol=0.02)
    service.set_cameras([spec], {})
    ((unseen,),) = (floor.cameras for floor in service.floors(ALL_CAMERAS))
    assert not unseen.is_shape_known
    is_as_assumed = unseen.height_m is not None and np.allclose(unseen.height_m, camera.place[2], atol=0.1)
    assert is_as_assumed == (abs(known.aspect - 16 / 9) < 0.01)


def looks_of(frame, value=200):
    ids = frame.track_ids[frame.is_measured & (frame.track_ids >= 0)]
    looks = np.full((len(ids), SIZE), value, np.uint8)
    return LooksSeen(camera_id=frame.camera_id, run=frame.run, utc_ns=frame.utc_ns, track_ids=ids, looks=looks)


def test_a_look_is_kept_with_its_dot_for_seconds_and_then_overwritten():
    clock = ManualClock(T0_NS)
    service = MapService(catalog=None, clock=clock)
    service.set_cameras([spec_of(EAST), spec_of(WEST)], {})
    seen = look(
        EAST, [walker(1, -2.0)], (0, 3.0), fps=5, noise=Noise(), rng=np.random.default_rng(3),
        homography=EAST.homography(),
    )  # fmt: skip
    (floor,) = service._floors.values()
    waiting = []
    for fact in seen.frames:
        service.take_looks(looks_of(fact.frame))
        service.take(CameraId("east"), [fact])
        waiting += [packed for packed, _ in floor.looks.values()]
        clock.advance(NS_PER_S // 5)
        service.fuse()
    clock.advance(LAG_NS)
    service.fuse()
    assert len(waiting) >= 10
    assert floor.looks == {}
    assert not any(packed.any() for packed in waiting)
    assert service.looks_dropped == 0
    (dot,) = floor.fusion._dots.values()
    (kept,) = dot.looks.values()
    assert kept.any()
    clock.advance(7 * NS_PER_S)
    service.fuse()
    assert kept.any()
    clock.advance(3 * NS_PER_S // 2)
    service.fuse()  # nothing is seen, and it goes all the same
    assert not kept.any()


def test_looks_that_fit_no_measurement_or_are_too_many_are_overwritten_and_counted(monkeypatch):
    monkeypatch.setattr("custodes.app.serving.site_map.MAX_LOOKS_WAITING", 3)
    clock = ManualClock(T0_NS)
    service = MapService(catalog=None, clock=clock)
    service.set_cameras([spec_of(EAST), spec_of(WEST)], {})
    many = LooksSeen(
        camera_id=CameraId("east"), run=RunId("r"), utc_ns=clock.now_ns(), track_ids=np.arange(5),
        looks=np.full((5, SIZE), 7, np.uint8),
    )  # fmt: skip
    service.take_looks(many)
    service.take_looks(replace(many, camera_id=CameraId("yard")))
    (floor,) = service._floors.values()
    kept = [packed for packed, _ in floor.looks.values()]
    assert (len(kept), service.looks_dropped) == (3, 2)
    clock.advance(LOOK_KEPT_NS - 1)
    service.fuse()
    assert len(floor.looks) == 3
    clock.advance(1)
    service.fuse()
    assert floor.looks == {}
    assert service.drops(links=7) == Drops(map_looks=5, links=7)
    assert not any(packed.any() for packed in kept)


def test_looks_go_with_their_floor_with_the_process_and_with_a_clock_that_was_set():
    clock = ManualClock(T0_NS)
    service = MapService(catalog=None, clock=clock)
    service.set_cameras([spec_of(EAST), spec_of(WEST)], {})
    one = LooksSeen(
        camera_id=CameraId("east"), run=RunId("r"), utc_ns=clock.now_ns(), track_ids=np.arange(1),
        looks=np.full((1, SIZE), 7, np.uint8),
    )  # fmt: skip

    def set_clock_back():
        clock.jump(-3600 * NS_PER_S)
        service.fuse()

    for end in (lambda: service.set_cameras([], {}), service.forget_looks, set_clock_back):
        service.set_cameras([spec_of(EAST), spec_of(WEST)], {})
        service.take_looks(one)
        (floor,) = service._floors.values()
        (kept,) = [packed for packed, _ in floor.looks.values()]
        end()
        assert not kept.any()


def test_whoever_is_too_far_from_the_measured_ground_is_no_dot_however_long_they_are_seen():
    clock = ManualClock(T0_NS)
    service = MapService(catalog=None, clock=clock)
    service.set_cameras([spec_of(EAST), spec_of(WEST)], {})
    away = (EAST.target - np.array(EAST.place[:2])) / np.hypot(*(EAST.target - np.array(EAST.place[:2])))
    people = [
        Mover(
            number, ObjectClass.PERSON, (0.4, 0.5, 1.7), lambda _, m=metres: (np.array(EAST.place[:2]) + m * away, 0.0)
        )
        for number, metres in ((1, 20.0), (2, 75.0))
    ]
    seen = look(EAST, people, (0, 8.0), fps=5, noise=Noise(edge_px=0.5), rng=np.random.default_rng(3))
    service.take(CameraId("east"), seen.frames)
    clock.advance(8 * NS_PER_S + LAG_NS)
    service.fuse()
    (floor,) = service._floors.values()
    errors = sorted(dot.error_m for dot, _ in floor.dots.values())
    assert len(errors) == 2
    assert errors[1] > 2 * MAX_ERROR_M
    (hall,) = service.floors(ALL_CAMERAS)
    assert [dot.error_m < 1.0 for dot in hall.dots] == [True]
