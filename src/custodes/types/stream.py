"""The two video streams of a camera, and what each is called where it is recorded.

A camera's first stream has the camera's id. Its second has an id of its own, `<camera>.second`, under which it is
recorded, sealed, kept and deleted like a camera's: keys, folders, retention and runs of the two never mix. Who may see
it is decided for the camera.
"""

from dataclasses import dataclass
from enum import StrEnum

from custodes.types.scene import Point
from custodes.units import CameraId

_SUFFIX = ".second"
"""No camera's id has a full stop in it."""


class WallStream(StrEnum):
    """Which stream of a camera the live wall shows."""

    AUTO = "auto"
    """The second where it has masks of its own and the smaller picture, which is cheaper to show; else the first."""
    FIRST = "first"
    SECOND = "second"


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondStream:
    """A second stream of a camera: larger, for evidence, or smaller, to be kept longer."""

    url: str
    """Like the camera's; the login is the camera's."""
    retention_h: float = 0.0
    """Hours after which it is deleted; 0: when the first is."""
    is_analysed: bool = False
    """While it is recorded, for masks of its own. Else somebody has it analysed later, or nobody sees it masked."""
    has_same_view: bool = False
    """It shows what the first stream shows: privacy zones drawn there hold here, and so does that nobody was there."""
    privacy: tuple[tuple[Point, ...], ...] = ()
    """Zones drawn in its own picture."""
    wall: WallStream = WallStream.AUTO

    def is_for_wall(self, first_px: int, second_px: int) -> bool:
        """Whether the wall shows it rather than the first.

        Args:
            first_px: pixels of the first stream's picture; 0 while they are not known.
            second_px: of this stream's picture.
        """
        if self.wall is WallStream.AUTO:
            return self.is_analysed and 0 < second_px < first_px
        return self.wall is WallStream.SECOND


WHOLE_PICTURE: tuple[Point, ...] = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))


def second_of(camera_id: CameraId) -> CameraId:
    """What a camera's second stream is recorded as."""
    return CameraId(camera_id + _SUFFIX)


def camera_of(stream_id: CameraId) -> CameraId:
    """Whose stream it is; a camera's own id for its first."""
    return CameraId(stream_id.removesuffix(_SUFFIX))


def is_second(stream_id: CameraId) -> bool:
    """Whether it is a second stream."""
    return stream_id.endswith(_SUFFIX)
