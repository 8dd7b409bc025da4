"""What a recorder may record, of several: asked every second, and what holds while nobody answers.

A thread asks the server; the main thread carries out what it says; camera threads write no packet without a current
tenure. A recorder that was paused finds its tenure over when it wakes, and writes nothing before it has asked.

**Nobody answers** is another thing than *it is another's*: without a server nobody can have been given the cameras, so
recording goes on, in new segments under the old epoch, and the server judges later what of it is a second copy.
"""

import fcntl
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
import structlog

from custodes.adapters.ipc.framing import Channel
from custodes.config.durable import replace_file
from custodes.errors import AlreadyExists, CustodesError, StorageFailed
from custodes.types.recorders import AskCameras, CamerasGiven, GivenCamera, HeldCamera
from custodes.units import NS_PER_S, CameraId

ASK_S = 1.0
ANSWER_SHARE = 4
"""A server that takes longer than this part of a lease did not answer; two such tries fit well into one lease."""

LEAVE_S = 1.0

LOCK_S = 10.0
"""For an earlier process of the same name to end."""


def boot_ns() -> int:
    """CLOCK_BOOTTIME: goes on while the machine sleeps, and nobody sets it."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def take_lock(path: Path, *, patience_s: float = LOCK_S) -> int:
    """Hold the recorder's lock for the life of this process; returns its descriptor.

    Raises: AlreadyExists when another process of the name keeps it, StorageFailed.
    """
    try:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StorageFailed(f"cannot open {path.name}: {error.strerror}") from error
    deadline = time.monotonic() + patience_s
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() > deadline:
                os.close(lock)
                raise AlreadyExists(f"a recorder holds {path.name} already") from error
            time.sleep(0.05)
        else:
            return lock


class Tenure:
    """Until when this recorder may write. Thread-safe; read for every packet."""

    def __init__(self, clock: Callable[[], int] = boot_ns) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._until_ns = 0
        self.is_in_doubt = False
        """Nobody answers."""

    @property
    def is_current(self) -> bool:
        """Whether a packet may be written now."""
        return self._clock() < self._until_ns

    def extend(self, until_ns: int, *, is_in_doubt: bool = False) -> None:
        """`until_ns`: by this object's clock; never earlier than before."""
        with self._changed:
            self._until_ns = max(until_ns, self._until_ns)
            self.is_in_doubt = is_in_doubt
            self._changed.notify_all()

    def wait(self, timeout_s: float) -> bool:
        """Until it is current, at most so long; returns whether it is."""
        with self._changed:
            return self._changed.wait_for(lambda: self.is_current, timeout_s)


class TenureKeeper:
    """Asks for ever. `given` is what the main thread is to carry out; it says with `held` what it did."""

    def __init__(
        self,
        socket: Path,
        memory: Path,
        *,
        recorder: str,
        lease_ns: int,
        tenure: Tenure,
        news: threading.Event,
        clock: Callable[[], int] = boot_ns,
    ) -> None:
        """`memory`: file of what was last given, for a start while no server answers. `news`: set when it changed."""
        self._socket = socket
        self._memory = memory
        self._recorder = recorder
        self._lease_ns = lease_ns
        self._answer_s = lease_ns / ANSWER_SHARE / NS_PER_S
        self._failed_ns: deque[int] = deque(maxlen=2)
        """When the newest tries began that nobody answered; none after an answer."""
        self._tenure = tenure
        self._news = news
        self._clock = clock
        self._lock = threading.Lock()
        self._held: dict[CameraId, int] = {}
        self._given: dict[CameraId, GivenCamera] | None = None
        self._carried_out: dict[CameraId, GivenCamera] | None = None
        """The `given` that `hold` was told after; until then a camera that was just given counts as held, too."""
        self._is_stopping = threading.Event()
        self._ask_now = threading.Event()
        self._channel: Channel | None = None
        self._answered_ns = clock()
        self._log = structlog.get_logger()
        self._thread = threading.Thread(target=self._run, name="tenure", daemon=True)

    def start(self) -> None:
        """Begin to ask."""
        self._thread.start()

    @property
    def given(self) -> dict[CameraId, GivenCamera] | None:
        """All that is to be recorded here; None before anything is known."""
        with self._lock:
            return self._given

    def hold(self, epochs: dict[CameraId, int], given: Mapping[CameraId, GivenCamera] | None) -> None:
        """What is being recorded from now on; what is not in it was sealed before. Remembered when it changed.

        `given`: what was carried out by it.
        """
        with self._lock:
            if self._given is given:
                self._carried_out = self._given
            is_less, is_other = bool(self._held.keys() - epochs.keys()), self._held != epochs
            self._held = dict(epochs)
        if is_other:
            try:
                replace_file(self._memory, msgspec.json.encode(epochs))
            except OSError as error:
                self._log.warning("what is held cannot be remembered", reason=str(error))
        if is_less:
            self._ask_now.set()  # somebody waits for what was given up

    def leave(self) -> None:
        """Everything is sealed: others may take it at once, if a server hears it."""
        self._is_stopping.set()
        self._ask_now.set()
        self._thread.join(timeout=LEAVE_S)
        if self._thread.is_alive():
            return
        try:
            self._request(AskCameras(recorder=self._recorder, holds=(), is_leaving=True))
        except CustodesError as error:
            self._log.info("leases are left to run out", reason=str(error))

    def _run(self) -> None:
        while not self._is_stopping.is_set():
            self._ask()
            self._ask_now.wait(ASK_S if self._tenure.is_current else ASK_S / 4)
            self._ask_now.clear()

    def _ask(self) -> None:
        asked_ns = self._clock()
        with self._lock:
            held = dict(self._held)
            if self._carried_out is not self._given and self._given is not None:
                held = {one.camera_id: one.epoch for one in self._given.values()} | held
        holds = tuple(HeldCamera(camera_id=one, epoch=epoch) for one, epoch in sorted(held.items()))
        try:
            answer = self._request(AskCameras(recorder=self._recorder, holds=holds))
        except CustodesError as error:
            self._failed_ns.append(asked_ns)
            self._doubt(error)
            return
        self._answered_ns = asked_ns
        self._failed_ns.clear()
        with self._lock:
            known = None if self._given is None else {one: given.epoch for one, given in self._given.items()}
            if known != {one.camera_id: one.epoch for one in answer.cameras}:
                self._given = {one.camera_id: one for one in answer.cameras}
        if self._tenure.is_in_doubt:
            self._log.info("the server answers again")
        # First what is given: a camera thread that waits must find itself stopped, not free, if its camera is gone.
        self._news.set()
        self._until(asked_ns + answer.ttl_ns)

    def _until(self, until_ns: int) -> None:
        """Free the camera threads once the main thread has carried out what was given."""
        if not self._tenure.is_current:
            deadline = time.monotonic() + self._answer_s
            while not self._is_carried_out() and time.monotonic() < deadline and not self._is_stopping.is_set():
                time.sleep(0.01)
            if not self._is_carried_out():
                return  # asked again
        self._tenure.extend(until_ns)

    def _is_carried_out(self) -> bool:
        with self._lock:
            given = self._given or {}
            return all(
                camera_id in given and given[camera_id].epoch == epoch for camera_id, epoch in self._held.items()
            )

    def _doubt(self, error: CustodesError) -> None:
        """Nobody answered: after a whole lease of silence recording goes on without.

        Two tries must have failed within the last lease: one alone is what a process finds that was paused in it.
        """
        now_ns = self._clock()
        is_silent = now_ns - self._answered_ns >= self._lease_ns
        if not is_silent or len(self._failed_ns) < 2 or now_ns - self._failed_ns[0] > self._lease_ns:
            return
        with self._lock:
            if self._given is None:
                self._given = {
                    one: GivenCamera(camera_id=one, epoch=epoch) for one, epoch in self._remembered().items()
                }
        if not self._tenure.is_in_doubt:
            self._log.warning("nobody says what is to be recorded here; what was given goes on", reason=str(error))
        self._tenure.extend(now_ns + self._lease_ns, is_in_doubt=True)
        self._news.set()

    def _remembered(self) -> dict[CameraId, int]:
        try:
            return msgspec.json.decode(self._memory.read_bytes(), type=dict[CameraId, int])
        except FileNotFoundError:
            return {}
        except (OSError, msgspec.MsgspecError) as error:
            self._log.error("what was held cannot be read", reason=str(error))
            return {}

    def _request(self, asked: AskCameras) -> CamerasGiven:
        try:
            if self._channel is None:
                self._channel = Channel.connect(self._socket, timeout_s=self._answer_s)
            return self._channel.request(asked, CamerasGiven)
        except CustodesError:
            if self._channel is not None:
                self._channel.close()
                self._channel = None
            raise
