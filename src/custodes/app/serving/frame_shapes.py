"""How wide cameras' pictures are: told by analysers each second, kept by the catalog, used where shares of a picture
become metres or solids (`geometry.pose`).
"""

import asyncio
from collections.abc import Mapping
from dataclasses import replace

import structlog

from custodes.errors import CustodesError
from custodes.ports.catalog_async import AsyncCatalog
from custodes.types.event import AnalyserStatus
from custodes.types.media import FrameShape
from custodes.units import CameraId

EVERY_S = 5.0
"""A camera that changes its mind with every picture costs one write in so long."""
ASSUMED_ASPECT = 16 / 9
"""Of a camera that nobody has seen yet, and of which it is said that this is assumed: what most cameras send."""
MAX_SIDE_PX = 65_535
"""What H.265 and H.264 can announce is less."""
_PIXELS = (0.25, 4.0)
"""Shapes beyond are a camera's mistake: the widest of H.264's table is 160:99, and 4 fits an anamorphic half frame."""

Shapes = Mapping[CameraId, FrameShape]


def shape_of(status: AnalyserStatus) -> FrameShape | None:
    """What an analyser's word says of the picture; None while it does not know, or for what cannot be."""
    shape = status.shape
    if shape is None or not all(0 < side <= MAX_SIDE_PX for side in (shape.width_px, shape.height_px)):
        return None
    # Not a number is in no interval either.
    is_possible = _PIXELS[0] <= shape.pixel_aspect <= _PIXELS[1]
    return replace(shape, camera_id=status.camera_id, pixel_aspect=shape.pixel_aspect if is_possible else 1.0)


def aspect_of(shapes: Shapes, camera_id: CameraId) -> float:
    """Width over height of its pictures: as they were last, else `ASSUMED_ASPECT`."""
    known = shapes.get(camera_id)
    return ASSUMED_ASPECT if known is None else known.aspect


class FrameShapes:
    """Keeps the newest of each camera in the catalog. Used on the event loop only."""

    def __init__(self, catalog: AsyncCatalog) -> None:
        self._catalog = catalog
        self._told: dict[CameraId, FrameShape] = {}

    def take(self, status: AnalyserStatus) -> None:
        """An analyser's newest word; one that does not know the picture changes nothing."""
        shape = shape_of(status)
        if shape is not None:
            self._told[status.camera_id] = shape

    async def run(self) -> None:
        """Write for ever. What cannot be written now is written the next time."""
        while True:
            await asyncio.sleep(EVERY_S)
            try:
                await self.write()
            except CustodesError as error:
                structlog.get_logger().warning("sizes of pictures cannot be stored", error=str(error))

    async def write(self) -> None:
        """What changed, in one transaction; of cameras that are there and not removed since."""
        cameras = {spec.camera_id for spec in await self._catalog.cameras()}
        before = await self._catalog.frame_shapes()
        self._told = {camera_id: one for camera_id, one in self._told.items() if camera_id in cameras}
        changed = [one for one in self._told.values() if before.get(one.camera_id) != one]
        if changed:
            await self._catalog.put_frame_shapes(changed)
        for one in changed:
            structlog.get_logger().info(
                "picture", camera_id=one.camera_id, width=one.width_px, height=one.height_px, aspect=one.aspect
            )
