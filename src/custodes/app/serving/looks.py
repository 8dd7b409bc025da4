"""The looks socket: what tracks look like at this moment, checked, handed on at once, overwritten (ADR 132).

Nothing here waits, is stored or is passed on to another process. Facts take another way (`facts`); no look is on it.
"""

import asyncio
from collections.abc import Callable, Sequence

import numpy as np
import structlog

from custodes.adapters.ipc.framing import AsyncChannel
from custodes.errors import CustodesError, ProtocolError
from custodes.journey.wanted import NONE, cameras_with_looks
from custodes.ports.catalog_async import AsyncCatalog
from custodes.ports.clock import Clock
from custodes.track.colours import SIZE
from custodes.types.looks import MAX_LOOKS, LooksSeen
from custodes.types.message import CameraSpec
from custodes.units import NS_PER_S, CameraId

RELOAD_S = 5.0
OLD_NS = 30 * NS_PER_S
"""An analyser that is so far behind helps nobody on the map."""
AHEAD_NS = 5 * NS_PER_S

OnLooks = Callable[[LooksSeen], None]
"""Called on the loop, must not block. The arrays are overwritten when it returns: copy what is kept, and overwrite
that copy, too."""


class LooksService:
    """Serves `server-looks.sock`."""

    def __init__(self, *, catalog: AsyncCatalog, clock: Clock, wish: str, on_looks: Sequence[OnLooks]) -> None:
        """`wish`: `privacy.looks`; with `none` nothing is taken, whoever sends it."""
        self._catalog = catalog
        self._clock = clock
        self._wish = wish
        self._on_looks = tuple(on_looks)
        self._cameras: frozenset[CameraId] = frozenset()
        self.taken = 0
        """Looks, since the start; and messages that were refused."""
        self.refused = 0

    @property
    def is_on(self) -> bool:
        """Whether to listen at all."""
        return self._wish != NONE

    async def run(self) -> None:
        """Keep knowing whose looks are wanted, for ever."""
        while True:
            try:
                self.set_cameras(await self._catalog.cameras())
            except CustodesError as error:
                structlog.get_logger().warning("whose looks are wanted is not known anew", error=str(error))
            await asyncio.sleep(RELOAD_S)

    def set_cameras(self, cameras: Sequence[CameraSpec]) -> None:
        """All of the site's."""
        self._cameras = cameras_with_looks(cameras, self._wish)

    async def serve_peer(self, channel: AsyncChannel) -> None:
        """One analyser, until it goes. No answer: nobody waits for one, and nothing is sent again."""
        while (message := await channel.receive()) is not None:
            if not isinstance(message, LooksSeen):
                raise ProtocolError("the looks socket takes LooksSeen")
            self.take(message)

    def take(self, message: LooksSeen) -> None:
        """Hand on what is sound; count what is not."""
        try:
            seen = checked_looks(message, self._cameras, self._clock.now_ns())
        except ProtocolError as error:
            self.refused += 1
            if self.refused & (self.refused - 1) == 0:  # powers of two: a sender gone wrong must not fill the log
                structlog.get_logger().warning("looks refused", reason=str(error), refused=self.refused)
            return
        self.taken += len(seen.track_ids)
        try:
            for each in self._on_looks:
                each(seen)
        finally:
            seen.looks[:] = 0


def checked_looks(message: LooksSeen, cameras: frozenset[CameraId], now_ns: int) -> LooksSeen:
    """A copy of what came that may be written to. Raises: ProtocolError."""
    if message.camera_id not in cameras:
        raise ProtocolError("of a camera whose looks nobody asked for")
    ids, looks = message.track_ids, message.looks
    count = len(ids) if ids.ndim == 1 else -1
    if ids.dtype != np.int64 or looks.dtype != np.uint8 or looks.shape != (count, SIZE):
        raise ProtocolError(f"looks of {message.camera_id} are (n, {SIZE}) uint8 with (n,) int64 tracks")
    if not 1 <= count <= MAX_LOOKS:
        raise ProtocolError(f"{count} looks of {message.camera_id} in a frame, which has 1 to {MAX_LOOKS}")
    if ids.min() < 0 or len(np.unique(ids)) != count:
        raise ProtocolError(f"looks of {message.camera_id} of no track, or of one twice")
    if not looks.any(axis=1).all():
        raise ProtocolError(f"an empty look of {message.camera_id}")
    if not now_ns - OLD_NS <= message.utc_ns <= now_ns + AHEAD_NS:
        raise ProtocolError(f"looks of {message.camera_id} that are not of now")
    return LooksSeen(
        camera_id=message.camera_id, run=message.run, utc_ns=message.utc_ns, track_ids=ids.copy(), looks=looks.copy()
    )
