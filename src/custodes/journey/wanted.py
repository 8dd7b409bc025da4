"""Of which cameras' tracks a look is of any use; of no others is one made (ADR 132). Pure."""

from collections import Counter
from collections.abc import Sequence

from custodes.types.message import CameraSpec
from custodes.types.scene import MIN_GROUND_POINTS
from custodes.types.stream import is_second
from custodes.units import CameraId

NONE, DOTS, LINKS = "none", "dots", "links"
"""Values of `privacy.looks`; each includes the one before."""


def cameras_with_looks(cameras: Sequence[CameraSpec], wish: str) -> frozenset[CameraId]:
    """Streams whose tracks get a look, of all streams of the site. `wish`: `privacy.looks`."""
    if wish == NONE:
        return frozenset()
    if wish == LINKS:
        all_of = frozenset(
            one.camera_id for one in cameras if one.is_enabled and one.is_analysed and not is_second(one.camera_id)
        )
        return all_of if len(all_of) > 1 else frozenset()
    return _sharing_a_floor(cameras)


def _sharing_a_floor(cameras: Sequence[CameraSpec]) -> frozenset[CameraId]:
    """Cameras with a ground whose floor another one with a ground is on, too: alone, nobody is to be told apart."""
    floors = {
        camera.camera_id: camera.scene.floor
        for camera in cameras
        if camera.is_enabled
        and camera.is_analysed
        and camera.scene.floor
        and len(camera.scene.ground) >= MIN_GROUND_POINTS
        and not is_second(camera.camera_id)
    }
    count = Counter(floors.values())
    return frozenset(camera_id for camera_id, floor in floors.items() if count[floor] > 1)
