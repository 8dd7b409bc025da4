"""Where packets come from."""

from collections.abc import Iterator
from typing import Protocol

from custodes.types.media import ClockReading, Packet, StreamInfo


class CameraSource(Protocol):
    """One connection to one camera. Owned, used and closed by a single thread.

    Every failure is a `CameraError` subclass; no method blocks longer than the source's own timeouts. Payloads are
    hostile: bounded in size, never interpreted beyond demuxing.
    """

    def open(self) -> StreamInfo:
        """Connect and inspect. Raises: CameraUnreachable, CameraUnauthorized, CameraGarbage, CameraNoVideo."""
        ...

    def packets(self) -> Iterator[Packet]:
        """Packets of the first video stream in decode order, `seq` from 0, from the first keyframe on.

        Raises: CameraStalled, CameraGarbage; CameraEnded when the source is over or its parameters change or the
        machine's clock was set (the caller then opens a new run). UTC never goes back within a run.
        """
        ...

    def clock(self) -> ClockReading:
        """How well the time of the last packet is known; unknown before the first."""
        ...

    def close(self) -> None:
        """Release the connection; idempotent."""
        ...
