"""The seam of the hot path: `Stage`, and the runner that calls stages one after the other in the caller's thread.

Runners know no slice. Runners with processes or other machines are siblings of this file.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

In = TypeVar("In", contravariant=True)
Out = TypeVar("Out", covariant=True)


class Stage(Protocol[In, Out]):
    """A step from items to items, driven by a runner.

    Contract (suite: `testing.stage`): outputs depend on the inputs so far and on nothing else, no clock, no thread, no
    sleep, no lock; owned by one thread at a time; when `process` raises, the item is lost and the stage is usable for
    the next one; a fact that a lost item would have made true is not claimed by a later output.
    """

    def process(self, item: In) -> Sequence[Out]:
        """Take one item, give what it completes."""
        ...

    def flush(self) -> Sequence[Out]:
        """The stream is over: give what is still held. Afterwards the stage is as new; a second call gives nothing."""
        ...

    def snapshot(self) -> bytes:
        """All state, at most a few hundred kilobytes; changes nothing."""
        ...

    def restore(self, state: bytes) -> None:
        """Go on as the stage that wrote `state` (of the same construction): later outputs are equal; a stage that
        decodes goes on at the next keyframe.

        Raises: DataLoss, and is unchanged then, when `state` cannot be read.
        """
        ...


class InlineRunner:
    """Runs stages in the caller's thread. A failing item is counted and reported, the stream goes on."""

    def __init__(self, stages: Sequence[Stage[Any, Any]], *, on_failure: Callable[[Exception], None]) -> None:
        """`on_failure` is told of each item that a stage raised on; it must not raise."""
        self._stages = tuple(stages)
        self._on_failure = on_failure
        self.failures = 0

    def feed(self, item: object) -> list[Any]:
        """What comes out at the end for one item; nothing when a stage failed on it."""
        try:
            return self._through([item], 0)
        except Exception as error:  # noqa: BLE001 - the runner's loop is one of the three legal places (STYLE 21)
            self.failures += 1
            self._on_failure(error)
            return []

    def end(self) -> list[Any]:
        """Flush all stages in order, each one's rest through the ones after it."""
        rest: list[Any] = []
        for number, stage in enumerate(self._stages):
            try:
                rest += self._through(stage.flush(), number + 1)
            except Exception as error:  # noqa: BLE001 - as above
                self.failures += 1
                self._on_failure(error)
        return rest

    def _through(self, items: Sequence[Any], first: int) -> list[Any]:
        for stage in self._stages[first:]:
            items = [out for item in items for out in stage.process(item)]
        return list(items)
