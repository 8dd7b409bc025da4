"""Facts to the server: sent in batches, kept until acknowledged, sent again after a break. Blocking, one thread sends.

What a fact means is not known here; a fact has a key, so that sending it twice is harmless.
"""

import threading
from collections import deque
from pathlib import Path

import structlog

from custodes.adapters.ipc.framing import Channel
from custodes.errors import CustodesError, ProtocolError, Unavailable
from custodes.types.codec import encode
from custodes.types.event import AnalyserStatus, CameraStatus, Fact
from custodes.types.message import FactBatch, FactsStored

MAX_WAITING_BYTES = 64 * 1024 * 1024
"""Facts kept while the server is away; one of 10 people is about 0.6 kB, so five hours of 4 cameras at 5 fps."""

BATCH_MAX = 512
"""`FactBatch`."""

_BATCH_BYTES_MAX = 16 * 1024 * 1024
_StatusKey = tuple[str, str]
"""Class name and camera."""
_Batch = tuple[list[bytes], dict[_StatusKey, bytes]]

_RETRY_FIRST_S = 0.2
_RETRY_LAST_S = 3.0
_REPLY_S = 10.0


class FactSender:
    """Bounded buffer and connection. `put` may be called by any thread and never blocks on the server.

    FrameAnalysed, TrackEnded and OpenSegment are kept in order and the oldest are dropped (and counted) beyond
    `max_bytes`; of CameraStatus and AnalyserStatus only the newest per camera waits.
    """

    def __init__(self, path: Path, sender: str, *, max_bytes: int = MAX_WAITING_BYTES) -> None:
        self._path = path
        self._sender = sender
        self._max_bytes = max_bytes
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._newest: dict[_StatusKey, bytes] = {}
        self._changed = threading.Condition()
        self._is_stopping = False
        self._batch = 0
        self._channel: Channel | None = None
        self.dropped = 0
        self.acknowledged = 0

    def put(self, fact: Fact) -> None:
        """Take a fact over. Raises: ProtocolError for one that does not travel, and for what is no fact: it might wait
        here for hours."""
        if not isinstance(fact, Fact):
            raise ProtocolError(f"a {type(fact).__name__} is no fact")
        wire = encode(fact)
        with self._changed:
            if isinstance(fact, CameraStatus | AnalyserStatus):
                self._newest[type(fact).__name__, fact.camera_id] = wire
            else:
                self._waiting.append(wire)
                self._waiting_bytes += len(wire)
                while self._waiting_bytes > self._max_bytes:
                    self._waiting_bytes -= len(self._waiting.popleft())
                    self.dropped += 1
            self._changed.notify_all()

    def run(self) -> None:
        """Send until `stop`; what waits then is tried once more on an open connection. The sender thread's body."""
        log = structlog.get_logger()
        pause_s, is_told = _RETRY_FIRST_S, False
        while (batch := self._next()) is not None:
            facts, statuses = batch
            try:
                self._deliver([*facts, *statuses.values()])
                pause_s, is_told = _RETRY_FIRST_S, False
            except CustodesError as error:
                self._give_back(facts, statuses)
                if not is_told:
                    log.warning("facts wait for the server", reason=str(error), waiting=len(self._waiting))
                    is_told = True
                with self._changed:
                    if self._is_stopping:
                        break
                    self._changed.wait_for(lambda: self._is_stopping, pause_s)
                pause_s = min(2 * pause_s, _RETRY_LAST_S)
        self._disconnect()

    def stop(self) -> None:
        """Let `run` end once what waits is delivered, or at the first failure."""
        with self._changed:
            self._is_stopping = True
            self._changed.notify_all()

    @property
    def waiting(self) -> int:
        """Facts that the server has not acknowledged and nobody is sending."""
        with self._changed:
            return len(self._waiting) + len(self._newest)

    def _next(self) -> _Batch | None:
        """The next batch, facts oldest first, then statuses; None when stopping and nothing waits."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._newest or self._is_stopping)
            facts: list[bytes] = []
            size = 0
            while self._waiting and len(facts) < BATCH_MAX and size < _BATCH_BYTES_MAX:
                facts.append(self._waiting.popleft())
                size += len(facts[-1])
            self._waiting_bytes -= size
            keys = list(self._newest)[: BATCH_MAX - len(facts)]
            statuses = {key: self._newest.pop(key) for key in keys}
            return (facts, statuses) if facts or statuses else None

    def _give_back(self, facts: list[bytes], statuses: dict[_StatusKey, bytes]) -> None:
        with self._changed:
            for key, wire in statuses.items():
                self._newest.setdefault(key, wire)  # unless a newer one came meanwhile
            self._waiting.extendleft(reversed(facts))
            self._waiting_bytes += sum(map(len, facts))
            while self._waiting_bytes > self._max_bytes:
                self._waiting_bytes -= len(self._waiting.popleft())
                self.dropped += 1

    def _deliver(self, batch: list[bytes]) -> None:
        if self._channel is None:
            self._channel = Channel.connect(self._path, timeout_s=_REPLY_S)
        self._batch += 1
        try:
            reply = self._channel.request(
                FactBatch(sender=self._sender, batch=self._batch, facts=tuple(batch)), FactsStored
            )
        except (Unavailable, ProtocolError):
            self._disconnect()
            raise
        if reply.batch != self._batch:
            self._disconnect()
            raise ProtocolError(f"batch {self._batch} was answered as {reply.batch}")
        self.acknowledged += len(batch)

    def _disconnect(self) -> None:
        if self._channel is not None:
            self._channel.close()
            self._channel = None
