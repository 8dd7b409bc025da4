"""Stretches of time: a sorted, disjoint set that merges and forgets. What they mean is `redact.timeline`'s."""

from bisect import bisect_left, bisect_right


class Stretches:
    """Closed intervals in ns. A look-up costs O(log n)."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []

    def __bool__(self) -> bool:
        return bool(self._ends)

    @property
    def end_ns(self) -> int:
        """The newest moment; 0 when there is none."""
        return self._ends[-1] if self._ends else 0

    def add(self, start_ns: int, end_ns: int) -> None:
        """Merge [start, end] with what it touches."""
        first = bisect_left(self._ends, start_ns)
        last = bisect_right(self._starts, end_ns)
        if first < last:
            start_ns = min(start_ns, self._starts[first])
            end_ns = max(end_ns, self._ends[last - 1])
        self._starts[first:last] = [start_ns]
        self._ends[first:last] = [end_ns]

    def covers(self, start_ns: int, end_ns: int, *, slack_ns: int) -> bool:
        """Whether one stretch holds [start, end], up to `slack_ns` at either end."""
        at = bisect_left(self._ends, end_ns - slack_ns)
        return at < len(self._ends) and self._starts[at] <= start_ns + slack_ns

    def forget_before(self, utc_ns: int) -> None:
        """Cut off what lies before a moment."""
        done = bisect_right(self._ends, utc_ns - 1)
        del self._starts[:done], self._ends[:done]
        if self._starts and self._starts[0] < utc_ns:
            self._starts[0] = utc_ns
