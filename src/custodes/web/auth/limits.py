"""Slows down guessing: a bounded table of failures per address, per name, and per both. Pure but for the clock."""

from collections import OrderedDict
from dataclasses import dataclass

from custodes.ports.clock import Clock
from custodes.units import NS_PER_S

MAX_ROWS = 10_000
"""About 2 MB. When full, the row that failed longest ago goes: an attacker with more addresses than that is slowed
by the per-name row, which every new failure keeps young."""
_FORGET_NS = 15 * 60 * NS_PER_S
_MAX_WAIT_NS = 15 * 60 * NS_PER_S
_FREE_TRIES = {"pair": 4, "address": 19, "name": 49}
"""Failures within 15 minutes before waiting begins. Names get more, so that a stranger cannot lock a person out of
their own account from one address."""
_FIRST_WAIT_NS = {"pair": 5 * NS_PER_S, "address": 10 * NS_PER_S, "name": 1 * NS_PER_S}


@dataclass(slots=True)
class _Row:
    failures: int
    last_ns: int


class FailureLimits:
    """Counts failures; says how long to wait."""

    def __init__(self, clock: Clock, *, max_rows: int = MAX_ROWS) -> None:
        self._clock = clock
        self._max_rows = max_rows
        self._rows: OrderedDict[tuple[str, str], _Row] = OrderedDict()

    def __len__(self) -> int:
        return len(self._rows)

    def wait_s(self, *, address: str, name: str) -> int:
        """Whole seconds until the next try is looked at; 0 = now."""
        now_ns = self._clock.monotonic_ns()
        wait_ns = 0
        for key in _keys(address, name):
            row = self._rows.get(key)
            if row is None or now_ns - row.last_ns > _FORGET_NS:
                continue
            over = row.failures - _FREE_TRIES[key[0]]
            if over > 0:
                step = min(_FIRST_WAIT_NS[key[0]] * 2 ** min(over - 1, 20), _MAX_WAIT_NS)
                wait_ns = max(wait_ns, row.last_ns + step - now_ns)
        return -(-wait_ns // NS_PER_S)

    def failed(self, *, address: str, name: str) -> None:
        """Count one failure."""
        now_ns = self._clock.monotonic_ns()
        for key in _keys(address, name):
            row = self._rows.pop(key, None)
            if row is None or now_ns - row.last_ns > _FORGET_NS:
                row = _Row(0, now_ns)
            row.failures += 1
            row.last_ns = now_ns
            self._rows[key] = row
        while len(self._rows) > self._max_rows:
            self._rows.popitem(last=False)

    def succeeded(self, *, address: str, name: str) -> None:
        """Take back the try that `failed` counted beforehand; forget this person's failures at this address."""
        for key in _keys(address, name):
            row = self._rows.get(key)
            if row is not None:
                row.failures -= 1
        self._rows.pop(("pair", f"{address}\0{name}"), None)


def _keys(address: str, name: str) -> tuple[tuple[str, str], ...]:
    return ("pair", f"{address}\0{name}"), ("address", address), ("name", name)
