"""Looks over their own socket: what is sound is handed on and overwritten, what is not is counted and goes nowhere."""

import asyncio
from dataclasses import replace

import numpy as np
import pytest
from tests.server.conftest import Site, listening, until

from custodes.adapters.ipc.framing import AsyncChannel
from custodes.app.serving.looks import AHEAD_NS, OLD_NS, LooksService
from custodes.journey.wanted import cameras_with_looks
from custodes.testing.catalog import make_frame, make_spec
from custodes.testing.clock import ManualClock
from custodes.track.colours import SIZE
from custodes.types.looks import MAX_LOOKS, LooksSeen
from custodes.types.scene import CameraScene, GroundPoint
from custodes.types.stream import second_of
from custodes.units import CameraId, Ns, RunId

CLOCK = ManualClock()
GROUND = tuple(GroundPoint(at=at, place_m=at) for at in ((0.1, 0.5), (0.9, 0.5), (0.9, 0.9), (0.1, 0.9)))


def camera(name, floor="hall", ground=GROUND):
    return replace(make_spec(name), scene=CameraScene(ground=ground, floor=floor))


def seen(camera_id="east", ids=(3, 8), looks=None, **others):
    """Two tracks' looks of now."""
    values = np.arange(1, 1 + len(ids) * SIZE).reshape(len(ids), SIZE) % 251 + 1
    return LooksSeen(
        camera_id=CameraId(camera_id), run=RunId("r"), track_ids=np.array(ids, np.int64),
        looks=np.asarray(values, np.uint8) if looks is None else looks,
        **{"utc_ns": Ns(CLOCK.now_ns()), **others},
    )  # fmt: skip


def service(on_looks, wish="dots"):
    made = LooksService(catalog=None, clock=CLOCK, wish=wish, on_looks=(on_looks,))
    made.set_cameras([camera("east"), camera("west"), camera("yard", floor="yard")])
    return made


def test_looks_when_they_come_are_handed_on_and_overwritten_without_an_answer(site: Site) -> None:
    during, after = [], []

    def take(message):
        during.append(message.looks.copy())
        after.append(message.looks)

    async def main() -> None:
        made, path = service(take), site.paths.socket("server-looks")
        async with listening(path, made.serve_peer):
            channel = await AsyncChannel.connect(path)
            await channel.send(seen())
            await until(lambda: made.taken == 2)
            await channel.send(make_frame(1, 1))
            assert await channel.receive() is None  # nothing was said before it hung up on what is no look
            await channel.close()

    asyncio.run(main())
    assert np.array_equal(during[0], seen().looks)
    assert not after[0].any()


BROKEN = {
    "of no camera": seen("nobody"),
    "of a camera that is alone": seen("yard"),
    "without rows": seen(ids=()),
    "of a track twice": seen(ids=(3, 3)),
    "of no track": seen(ids=(3, -1)),
    "of more than a frame has": seen(ids=tuple(range(MAX_LOOKS + 1))),
    "of another width": seen(looks=np.ones((2, SIZE - 1), np.uint8)),
    "of another count": seen(looks=np.ones((3, SIZE), np.uint8)),
    "of another kind": seen(looks=np.full((2, SIZE), np.nan, np.float32)),
    "flat": seen(looks=np.ones(2 * SIZE, np.uint8)),
    "with tracks of another kind": replace(seen(), track_ids=np.ones(2, np.float32)),
    "with tracks in a table": replace(seen(), track_ids=np.ones((2, 1), np.int64)),
    "empty": seen(looks=np.zeros((2, SIZE), np.uint8)),
    "of long ago": seen(utc_ns=Ns(CLOCK.now_ns() - OLD_NS - 1)),
    "of the future": seen(utc_ns=Ns(CLOCK.now_ns() + AHEAD_NS + 1)),
}


@pytest.mark.parametrize("message", BROKEN.values(), ids=BROKEN.keys())
def test_looks_that_are_not_sound_are_counted_and_go_nowhere(message: LooksSeen) -> None:
    taken = []
    made = service(taken.append)
    made.take(message)
    assert (made.refused, made.taken, taken) == (1, 0, [])


def test_a_wish_for_none_takes_nothing_and_does_not_listen() -> None:
    taken = []
    made = service(taken.append, wish="none")
    made.take(seen())
    assert not made.is_on
    assert (made.refused, taken) == (1, [])


def test_looks_are_wanted_only_where_two_cameras_share_a_measured_floor() -> None:
    east, west = camera("east"), camera("west")
    alone, bare = camera("yard", floor="yard"), camera("gate", ground=())
    second = replace(west, camera_id=second_of(west.camera_id))
    assert cameras_with_looks([east, west, alone, bare, second], "dots") == {"east", "west"}
    assert cameras_with_looks([east, second, alone, bare], "dots") == frozenset()
    assert cameras_with_looks([east, replace(west, is_enabled=False)], "dots") == frozenset()
    assert cameras_with_looks([east, replace(west, is_analysed=False)], "dots") == frozenset()
    assert cameras_with_looks([east, west], "none") == frozenset()
    assert cameras_with_looks([east, west], "links") >= {"east", "west"}
