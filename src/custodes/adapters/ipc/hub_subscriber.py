"""The reading end of a hub, for analysers and view jobs."""

import select
from collections.abc import Sequence
from pathlib import Path

from custodes.adapters.ipc.framing import Channel
from custodes.errors import DeadlineExceeded, ProtocolError, Unavailable
from custodes.types.media import Packet
from custodes.types.message import (
    CameraWatched,
    SealedPacket,
    SealedStreamOpened,
    StreamClosed,
    StreamOpened,
    Subscribe,
)
from custodes.units import CameraId

HubMessage = StreamOpened | Packet | StreamClosed | CameraWatched | SealedStreamOpened | SealedPacket


class HubSubscriber:
    """A blocking reader of a hub, owned by one thread. Reconnecting is the caller's affair: make a new one."""

    def __init__(self, path: Path, camera_ids: Sequence[CameraId]) -> None:
        """Connect and subscribe. Raises: Unavailable when no recorder listens at `path`."""
        self._channel = Channel.connect(path)
        self._channel.send(Subscribe(camera_ids=tuple(camera_ids)))

    def receive(self, *, timeout_s: float | None = None) -> HubMessage:
        """The next message.

        Raises: DeadlineExceeded when nothing came within `timeout_s` (go on receiving), Unavailable when the
            recorder is gone, ProtocolError when it sends what no hub sends.
        """
        poll = select.poll()
        poll.register(self._channel, select.POLLIN)
        if not poll.poll(None if timeout_s is None else timeout_s * 1000):
            raise DeadlineExceeded(f"no packet within {timeout_s} s")
        message = self._channel.receive()
        if message is None:
            raise Unavailable("the recorder closed the hub")
        if not isinstance(message, HubMessage):
            raise ProtocolError(f"a hub does not send {type(message).__name__}")
        return message

    def fileno(self) -> int:
        """For select."""
        return self._channel.fileno()

    def close(self) -> None:
        """Idempotent; wakes a `receive` in another thread."""
        self._channel.close()
