"""The recorder's news for the server: camera status and open segments. Bounded, the latest wins, nobody waits.

Durable news is in the journal; what is lost here is said again within a second.
"""

import threading
from pathlib import Path

import structlog

from custodes.adapters.ipc.framing import Channel
from custodes.errors import CustodesError
from custodes.types.codec import encode
from custodes.types.event import CameraStatus, OpenSegment
from custodes.types.message import FactBatch, FactsStored

MAX_BATCH = 512
"""types.message.FactBatch."""

RETRY_S = 1.0
SERVER_TIMEOUT_S = 5.0


class LatestFacts:
    """Keeps the newest fact per key and sends it when the server is there. Thread-safe; one sending thread."""

    def __init__(self, path: Path, *, sender: str) -> None:
        self._path = path
        self._sender = sender
        self._changed = threading.Condition()
        self._waiting: dict[str, CameraStatus | OpenSegment] = {}
        self._is_stopping = False
        self._thread = threading.Thread(target=self._run, name="facts", daemon=True)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def put(self, *facts: CameraStatus | OpenSegment) -> None:
        """Replace the facts of the same cameras; never blocks on the server.

        A camera has one open segment at a time and one status, so the number of facts is bounded by the cameras.
        """
        with self._changed:
            for fact in facts:
                if isinstance(fact, CameraStatus):
                    self._waiting[f"status {fact.camera_id}"] = fact
                else:
                    self._waiting[f"segment {fact.segment.header.camera_id}"] = fact
            self._changed.notify()

    def stop(self) -> None:
        """Give up what waits."""
        with self._changed:
            self._is_stopping = True
            self._changed.notify()
        self._thread.join(timeout=0.5)

    def _run(self) -> None:
        log, is_told, batch = structlog.get_logger(), False, 0
        channel: Channel | None = None
        while not self._is_stopping:
            facts = self._take()
            if not facts:
                continue
            try:
                if channel is None:
                    channel = Channel.connect(self._path, timeout_s=SERVER_TIMEOUT_S)
                    is_told = False
                batch += 1
                encoded = tuple(encode(fact) for fact in facts.values())
                channel.request(FactBatch(sender=self._sender, batch=batch, facts=encoded), FactsStored)
            except CustodesError as error:
                if channel is not None:
                    channel.close()
                    channel = None
                if not is_told:
                    log.warning("server does not take facts; recording goes on", reason=str(error))
                    is_told = True
                with self._changed:
                    self._waiting = facts | self._waiting
                    self._changed.wait_for(lambda: self._is_stopping, RETRY_S)
        if channel is not None:
            channel.close()

    def _take(self) -> dict[str, CameraStatus | OpenSegment]:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_stopping, 1.0)
            keys = list(self._waiting)[:MAX_BATCH]
            return {key: self._waiting.pop(key) for key in keys}
