"""Conformance suite of `runtime.cells.Host`: every place where analysis cells run keeps it.

Its cell adds numbers up, and answers each with the sum so far: a lost, doubled or reordered item changes every later
output.
"""

import os
import signal
from collections.abc import Callable, Sequence

from custodes.errors import DataLoss, ResourceExhausted
from custodes.runtime.cells import IN_FLIGHT, SNAPSHOT_ITEMS, CellBody, CellPlan, CellRunner, Fed, Host

DEADLINE_S = 120.0
"""For machines that are busy; nothing is measured."""


class Sums:
    """A `CellBody`. `die` ends its process, `fail` raises, `pid` says where it is."""

    def __init__(self, settings: bytes) -> None:
        self._step = int(settings)
        self._sums: dict[str, int] = {}

    def process(self, key: str, item: bytes) -> Sequence[bytes]:
        """See `CellBody`."""
        if item == b"die":
            os.kill(os.getpid(), signal.SIGKILL)
        if item == b"pid":
            return [b"%d" % os.getpid()]
        self._sums[key] = self._sums.get(key, 0) + int(item) * self._step
        return [b"%d" % self._sums[key]]

    def flush(self) -> Sequence[tuple[str, bytes]]:
        """See `CellBody`."""
        rest = [(key, b"end %d" % total) for key, total in self._sums.items()]
        self._sums.clear()
        return rest

    def snapshot(self, key: str) -> bytes:
        """See `CellBody`."""
        return b"%d" % self._sums[key]

    def restore(self, key: str, state: bytes) -> None:
        """See `CellBody`."""
        if not state.isdigit():
            raise DataLoss("not a number")
        self._sums[key] = int(state)


class Echo:
    """A `CellBody` that answers what it is given."""

    def process(self, key: str, item: bytes) -> Sequence[bytes]:
        """See `CellBody`."""
        return [item]

    def flush(self) -> Sequence[tuple[str, bytes]]:
        """See `CellBody`."""
        return []

    def snapshot(self, key: str) -> bytes:
        """See `CellBody`."""
        return b""

    def restore(self, key: str, state: bytes) -> None:
        """See `CellBody`."""


def echo(_settings: bytes) -> Echo:
    """Factory of one."""
    return Echo()


PLAN = CellPlan(factory="custodes.testing.cells:Sums", settings=b"3")
ECHO = CellPlan(factory="custodes.testing.cells:echo", settings=b"")


def items_of(keys: Sequence[str], count: int) -> list[Fed]:
    """`count` items of each key, in turn; every tenth one is a place to cut."""
    return [
        Fed(key=key, payload=b"%d" % (number * 7 + len(key)), is_cut=number % 10 == 0)
        for number in range(count)
        for key in keys
    ]


def expected(items: Sequence[Fed]) -> list[tuple[str, bytes]]:
    """What the suite's cell gives for them, and at the end."""
    body = PLAN.make()
    outputs = [(item.key, out) for item in items for out in body.process(item.key, item.payload)]
    return outputs + list(body.flush())


def run(runner: CellRunner, items: Sequence[Fed], *, lot: int = 16, at: dict[int, Callable[[], None]] | None = None
        ) -> list[tuple[str, bytes]]:  # fmt: skip
    """All outputs. `at`: what is done after so many lots were fed."""
    outputs: list[tuple[str, bytes]] = []
    for number, first in enumerate(range(0, len(items), lot)):
        while runner.is_full:
            outputs += runner.take(0.2)
        runner.feed(items[first : first + lot])
        if at and number in at:
            at[number]()
    return outputs + runner.flush(DEADLINE_S)


def check_host(host: Host, *, kills: bool = True) -> None:
    """Assert the contract. `kills`: replicas have processes of their own, one of which this kills."""
    items = items_of(["a", "bb", "ccc"], 3 * SNAPSHOT_ITEMS)
    runner = CellRunner(host, "suite", PLAN)
    runner.feed([Fed(key="pid", payload=b"pid", is_kept=False)])
    pid = int(runner.take(DEADLINE_S)[0][1])
    for item in items[:IN_FLIGHT]:
        runner.feed([item])
    try:
        runner.feed([items[IN_FLIGHT]])
    except ResourceExhausted:
        pass
    else:
        raise AssertionError(f"more than {IN_FLIGHT} lots are under way")
    outputs: list[tuple[str, bytes]] = []
    while not runner.is_idle:
        outputs += runner.take(0.2)
    rest = [*items[IN_FLIGHT:99], Fed(key="a", payload=b"no number"), *items[99:]]
    at = {40: (lambda: os.kill(pid, signal.SIGKILL)) if kills else runner.move}
    outputs += run(runner, rest, at=at)
    assert outputs == expected(items), "its replica ended in between, and it gave something else"
    assert runner.flush(DEADLINE_S) == [], "a second flush gave something"
    assert (runner.losses, runner.skipped) == (int(kills), 0)
    assert runner.failures >= 1
    runner.close()


def check_large(host: Host) -> None:
    """Assert that lots and answers that no pipe has room for pass each other."""
    items = [Fed(key="a", payload=bytes([number]) * (4 << 20)) for number in range(4)]
    runner = CellRunner(host, "large", ECHO)
    assert [out for _, out in run(runner, items, lot=1)] == [item.payload for item in items]
    runner.close()


def check_poison(host: Host) -> None:
    """Assert that an item that kills every replica is left out, and nothing before it."""
    items = items_of(["a", "bb"], 64)
    runner = CellRunner(host, "poisoned", PLAN)
    outputs = run(runner, [*items[:64], Fed(key="a", payload=b"die"), *items[64:66]], lot=64)
    assert outputs == expected(items[:64]), "more than the lot that killed it was left out"
    assert runner.losses == 2, "what kills a replica twice is left out"
    assert runner.skipped == 3
    runner.close()


def figure_cell(settings: bytes) -> CellBody:
    """`CellPlan.factory` of an analysis cell with the detector for painted figures."""
    from custodes.app.analysis_cell import AnalysisCell
    from custodes.testing.looking import make_looking

    return AnalysisCell(make_looking())


FIGURES = CellPlan(factory="custodes.testing.cells:figure_cell", settings=b"")


def figure_pieces(settings: bytes) -> CellBody:
    """The same of a cell for pieces of a back-fill."""
    from custodes.app.backfill_cell import BackfillCell
    from custodes.testing.figures import FigureDetector
    from custodes.testing.looking import make_looking

    return BackfillCell(make_looking(FigureDetector(min_pixels=30)))


FIGURE_PIECES = CellPlan(factory="custodes.testing.cells:figure_pieces", settings=b"", snapshot_items=3)
