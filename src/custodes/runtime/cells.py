"""The runner of analysis cells: feeds a replica somewhere, and carries its work on in a new one when it is lost.

Where replicas run is a `Host`'s affair: in this process (`InlineHost`, here), in one beside it (`cell_process`), on
another machine (`ray_cells`). Contract of all (suite: `testing.cells`): same outputs for the same items; order kept;
at most `IN_FLIGHT` lots under way; `flush` gives the rest once; a replica that is killed is rebuilt from its newest
snapshots and the items since, so that nothing is lost and nothing given twice.

What a cell does is not known here: items and outputs are bytes under a key (a camera).
"""

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol

import msgspec
import structlog

from custodes.errors import CustodesError, DeadlineExceeded, ResourceExhausted, Unavailable

IN_FLIGHT = 2
"""Lots: one is worked on while the next one is on its way; more would only wait where nobody can shed it."""

LOT_BYTES = 4 << 20
SNAPSHOT_ITEMS = 100
"""A key's items between two snapshots, at least: four seconds of 25 frames, which is what is worked on twice after a
loss."""

LOG_BYTES = 256 << 20
"""Of items since the snapshots of all keys: 32 cameras of 4 Mbit/s with a keyframe every ten seconds take 160 MB."""

RETRY_S = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Between losses without an answer in between."""

SKIP_AFTER, FORGET_AFTER = 2, 4
"""Losses without an answer: the lot that was under way is left out; then everything that is known is forgotten."""


class CellBody(Protocol):
    """What a replica does. One thread; outputs depend on the items so far and on nothing else."""

    def process(self, key: str, item: bytes) -> Sequence[bytes]:
        """Take one item of a key. When it raises, the item is lost and the body goes on with the next one."""
        ...

    def flush(self) -> Sequence[tuple[str, bytes]]:
        """What is still held, of all keys, which are then as new."""
        ...

    def snapshot(self, key: str) -> bytes:
        """The key's whole state."""
        ...

    def restore(self, key: str, state: bytes) -> None:
        """Go on as whoever wrote `state`. Raises: DataLoss."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CellPlan:
    """How a replica makes its body: `factory` is `package.module:name`, called with `settings`. `snapshot_items`: of a
    key, between two snapshots."""

    factory: str
    settings: bytes
    snapshot_items: int = SNAPSHOT_ITEMS

    def make(self) -> CellBody:
        """Raises: whatever the factory raises."""
        module, _, name = self.factory.partition(":")
        body: CellBody = getattr(import_module(module), name)(self.settings)
        return body


class Item(msgspec.Struct, frozen=True, array_like=True):
    """`is_cut`: the key's state may be kept just before it. `is_silent`: its outputs were given already."""

    seq: int
    key: str
    payload: bytes
    is_cut: bool = False
    is_silent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Fed:
    """What a cell is fed. `is_cut`: the key's state may be kept just before it. `is_kept`: it is worked on again after
    a loss; what is not may be lost with a replica (questions, whose answers are old by then)."""

    key: str
    payload: bytes
    is_cut: bool = False
    is_kept: bool = True


class Lot(msgspec.Struct, frozen=True, array_like=True):
    """What travels to a replica. `states`: to be restored first. `is_last`: flush after it."""

    items: list[Item]
    states: list[tuple[str, bytes]] = []
    is_last: bool = False


class Answer(msgspec.Struct, frozen=True, array_like=True):
    """What comes back of a lot. `states`: key, the item before which it was taken, the state."""

    outputs: list[tuple[str, bytes]]
    states: list[tuple[str, int, bytes]]
    failures: list[tuple[str, str]]
    busy_ns: int
    cpu_ns: int


_LOTS = msgspec.msgpack.Decoder(Lot)
_ANSWERS = msgspec.msgpack.Decoder(Answer)


class Replica:
    """The far side: owns the body, in whatever process a host made."""

    def __init__(self, plan: CellPlan) -> None:
        self._body = plan.make()
        self._snapshot_items = plan.snapshot_items
        self._since: dict[str, int] = {}

    def take(self, packed: bytes) -> bytes:
        """A packed `Lot` → a packed `Answer`."""
        lot = _LOTS.decode(packed)
        started_ns, cpu_ns = time.monotonic_ns(), time.process_time_ns()
        answer = Answer([], [], [], 0, 0)
        for key, state in lot.states:
            try:
                self._body.restore(key, state)
            except Exception as error:  # noqa: BLE001 - the runner's loop (STYLE 21)
                answer.failures.append((key, f"its state cannot be restored: {error!r}"))
        for item in lot.items:
            try:
                self._take(item, answer)
            except Exception as error:  # noqa: BLE001 - as above
                answer.failures.append((item.key, repr(error)))
        if lot.is_last:
            answer.outputs.extend(self._body.flush())
        done = msgspec.structs.replace(
            answer, busy_ns=time.monotonic_ns() - started_ns, cpu_ns=time.process_time_ns() - cpu_ns
        )
        return msgspec.msgpack.encode(done)

    def _take(self, item: Item, answer: Answer) -> None:
        since = self._since.get(item.key, 0)
        if item.is_cut and since >= self._snapshot_items:
            answer.states.append((item.key, item.seq, self._body.snapshot(item.key)))
            since = 0
        self._since[item.key] = since + 1
        outputs = self._body.process(item.key, item.payload)
        if not item.is_silent:
            answer.outputs.extend((item.key, output) for output in outputs)


class ReplicaHandle(Protocol):
    """The near side of one replica. Lots are answered in the order they were sent."""

    @property
    def where(self) -> str:
        """The machine or process it runs in, for people."""
        ...

    @property
    def place(self) -> str:
        """The machine's id, for whoever drains machines."""
        ...

    def send(self, lot: bytes) -> None:
        """Raises: Unavailable when the replica is lost."""
        ...

    def receive(self, timeout_s: float) -> bytes | None:
        """The next answer; None when there is none in time. Raises: Unavailable when the replica is lost."""
        ...

    def kill(self) -> None:
        """End it at once; idempotent."""
        ...


class Host(Protocol):
    """Where replicas are made."""

    def start(self, name: str, plan: CellPlan) -> ReplicaHandle:
        """A new replica; it need not run yet. Raises: Unavailable."""
        ...


class CellRunner:
    """One cell, wherever its replica is. Owned by one thread."""

    def __init__(self, host: Host, name: str, plan: CellPlan, *, now_s: Callable[[], float] = time.monotonic) -> None:
        self._host, self._name, self._plan, self._now_s = host, name, plan, now_s
        self._replica: ReplicaHandle | None = None
        self._log: deque[Item] = deque()
        """What a new replica would need after its states, in order."""
        self._log_bytes = 0
        self._states: dict[str, tuple[int, bytes]] = {}
        self._waiting: deque[Lot] = deque()
        """Lots for the replica that are not sent."""
        self._under_way: deque[Lot] = deque()
        self._seq = 0
        self._ends: deque[int] = deque()
        """Last items of the lots that are not answered."""
        self._answered = 0
        """All items up to here: their outputs were given."""
        self._is_last = False
        self._is_begun = False
        self._retry_at = 0.0
        self._losses_in_row = 0
        self.losses = 0
        self.skipped = 0
        """Items that killed replicas, or that were older than what is kept."""
        self.failures = 0
        self.busy_ns = 0
        self.cpu_ns = 0

    @property
    def name(self) -> str:
        """Of the cell."""
        return self._name

    @property
    def where(self) -> str:
        """The machine its replica runs on; empty while it has none."""
        return self._replica.where if self._replica is not None else ""

    @property
    def place(self) -> str:
        """The id of that machine; empty while it has none."""
        return self._replica.place if self._replica is not None else ""

    @property
    def is_full(self) -> bool:
        """Nothing can be fed until something was taken."""
        return len(self._waiting) + len(self._under_way) >= IN_FLIGHT

    @property
    def is_idle(self) -> bool:
        """Everything that was fed was answered."""
        return not self._waiting and not self._under_way

    def feed(self, items: Sequence[Fed]) -> None:
        """The next items, in order.

        Raises: ResourceExhausted when it `is_full`; ask first.
        """
        if self.is_full:
            raise ResourceExhausted(f"cell {self._name} has {IN_FLIGHT} lots under way")
        assert not self._is_last, "fed after flush"
        lot = []
        for fed in items:
            self._seq += 1
            item = Item(self._seq, fed.key, fed.payload, fed.is_cut)
            lot.append(item)
            if fed.is_kept:
                self._log.append(item)
                self._log_bytes += len(item.payload)
        while self._log_bytes > LOG_BYTES and len(self._log) > 1:
            self._log_bytes -= len(self._log.popleft().payload)
            self.skipped += 1
        self._ends.append(self._seq)
        self._waiting.append(Lot(lot))
        self._push()

    def take(self, timeout_s: float = 0.0) -> list[tuple[str, bytes]]:
        """Key and output, in order, of what was worked on meanwhile; a lost replica is replaced here."""
        self._push()
        outputs: list[tuple[str, bytes]] = []
        while self._replica is not None and self._under_way:
            try:
                packed = self._replica.receive(0.0 if outputs else timeout_s)
            except Unavailable as error:
                self._lost(str(error))
                break
            if packed is None:
                break
            outputs += self._answer(_ANSWERS.decode(packed))
            self._push()
        return outputs

    def flush(self, timeout_s: float) -> list[tuple[str, bytes]]:
        """Work on what was fed, then end all keys. Once: the second call gives nothing. Raises: DeadlineExceeded."""
        until, outputs = self._now_s() + timeout_s, list[tuple[str, bytes]]()
        if not self._is_last:
            self._is_last = True
            self._waiting.append(Lot([], is_last=True))
        while not self.is_idle:
            outputs += self.take(0.05)
            if self._replica is None:
                time.sleep(0.01)
            if self._now_s() > until:
                raise DeadlineExceeded(f"cell {self._name} did not end within {timeout_s:g} s")
        return outputs

    def move(self) -> None:
        """Go on in another replica, wherever the host finds room: for drained machines, and lost ones."""
        if self._replica is not None:
            self._lost("moved", is_wanted=True)
        self._push()

    def forget(self, key: str) -> None:
        """A key whose work is over: a new replica is told nothing of it."""
        self._states.pop(key, None)
        self._log = deque(item for item in self._log if item.key != key)
        self._log_bytes = sum(len(item.payload) for item in self._log)

    def close(self) -> None:
        """Idempotent; what is under way is lost."""
        if self._replica is not None:
            self._replica.kill()
            self._replica = None

    def _answer(self, answer: Answer) -> list[tuple[str, bytes]]:
        lot = self._under_way.popleft()
        if lot.is_last or (lot.items and lot.items[-1].seq > self._answered):
            self._losses_in_row = 0  # what was worked on before proves nothing
        if lot.items:
            self._answer_up_to(lot.items[-1].seq)
        for key, seq, state in answer.states:
            self._states[key] = (seq, state)
        if answer.states:
            self._log = deque(item for item in self._log if item.seq >= self._states.get(item.key, (0, b""))[0])
            self._log_bytes = sum(len(item.payload) for item in self._log)
        for key, reason in answer.failures:
            self.failures += 1
            if self.failures & (self.failures - 1) == 0:  # powers of two: one bad camera does not fill the log
                structlog.get_logger().error("analysis failed", cell=self._name, camera_id=key, reason=reason)
        self.busy_ns += answer.busy_ns
        self.cpu_ns += answer.cpu_ns
        return answer.outputs

    def _answer_up_to(self, seq: int) -> None:
        self._answered = max(self._answered, seq)
        while self._ends and self._ends[0] <= self._answered:
            self._ends.popleft()

    def _push(self) -> None:
        """Send what may be sent; make a replica when there is none and it is time."""
        try:
            if self._replica is None:
                if self._now_s() < self._retry_at:
                    return
                self._start()
            # After a loss one at a time: the first that is not answered is then the one to blame.
            room = IN_FLIGHT if self._losses_in_row == 0 else 1
            while self._replica is not None and self._waiting and len(self._under_way) < room:
                self._replica.send(msgspec.msgpack.encode(self._waiting[0]))
                self._under_way.append(self._waiting.popleft())
        except CustodesError as error:
            self._lost(str(error))

    def _start(self) -> None:
        try:
            self._replica = self._host.start(self._name, self._plan)
        except Unavailable as error:
            self._retry_at = self._now_s() + RETRY_S[-2]
            structlog.get_logger().warning("an analysis cell has no place", cell=self._name, reason=str(error))
            return
        if self._is_begun:
            self._replay()
        self._is_begun = True

    def _replay(self) -> None:
        """A new replica gets the states, then everything since, in lots."""
        self._waiting.clear()
        lots: list[list[Item]] = []
        size, end = 0, 0
        for item in self._log:
            # Lots that were not answered stay as they were: leaving one out leaves out nothing that was good.
            is_silent = item.seq <= self._answered
            if not lots or item.seq > end or size + len(item.payload) > LOT_BYTES:
                lots.append([])
                size, end = 0, self._answered if is_silent else next(one for one in self._ends if one >= item.seq)
            lots[-1].append(msgspec.structs.replace(item, is_silent=is_silent))
            size += len(item.payload)
        states = [(key, state) for key, (_, state) in self._states.items()]
        if states:
            self._waiting.append(Lot([], states))
        self._waiting.extend(Lot(one) for one in lots)
        if self._is_last:
            self._waiting.append(Lot([], is_last=True))

    def _lost(self, reason: str, *, is_wanted: bool = False) -> None:
        if self._replica is not None:
            self._replica.kill()
            self._replica = None
        self._under_way.clear()
        self._waiting.clear()
        if not is_wanted:
            self.losses += 1
            self._retry_at = self._now_s() + RETRY_S[min(self._losses_in_row, len(RETRY_S) - 1)]
            self._losses_in_row += 1
            structlog.get_logger().warning("an analysis cell is lost", cell=self._name, reason=reason)
        # What no replica survives is left out: the items' numbers then have a hole, which a camera's pipeline notices.
        if self._losses_in_row == SKIP_AFTER and self._ends:
            before, last = self._answered, self._ends[0]
            self._forget(lambda item: not before < item.seq <= last)
            self._answer_up_to(last)
        elif self._losses_in_row >= FORGET_AFTER:
            self._states.clear()
            self._forget(lambda _: False)
            self._answer_up_to(self._seq)
        if self._log or self._is_last:
            # Holds the place of what is to be sent again, so that nothing is fed meanwhile beyond the bound.
            self._waiting.extend([Lot([])] * IN_FLIGHT)

    def _forget(self, is_kept: Callable[[Item], bool]) -> None:
        kept = deque(item for item in self._log if is_kept(item))
        self.skipped += len(self._log) - len(kept)
        self._log, self._log_bytes = kept, sum(len(item.payload) for item in kept)


class InlineHost:
    """Replicas in the caller's thread; a lot is worked on when its answer is asked for."""

    def start(self, name: str, plan: CellPlan) -> "InlineReplica":
        """See `Host`."""
        return InlineReplica(plan)


class InlineReplica:
    """See `ReplicaHandle`."""

    where = place = "this process"

    def __init__(self, plan: CellPlan) -> None:
        self._replica: Replica | None = Replica(plan)
        self._lots: deque[bytes] = deque()

    def send(self, lot: bytes) -> None:
        """See `ReplicaHandle`."""
        if self._replica is None:
            raise Unavailable("the replica was ended")
        self._lots.append(lot)

    def receive(self, timeout_s: float) -> bytes | None:
        """See `ReplicaHandle`."""
        if self._replica is None:
            raise Unavailable("the replica was ended")
        return self._replica.take(self._lots.popleft()) if self._lots else None

    def kill(self) -> None:
        """See `ReplicaHandle`."""
        self._replica = None
