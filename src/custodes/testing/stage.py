"""Conformance suite of `runtime.stage.Stage`: any stage with its recorded inputs runs it."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import pytest

from custodes.errors import DataLoss
from custodes.runtime.stage import Stage

In = TypeVar("In")


def check_stage(
    make: Callable[[], Stage[In, Any]],
    items: Sequence[In],
    *,
    as_value: Callable[[Any], object] = repr,
    cuts: Sequence[int] | None = None,
) -> None:
    """Assert the contract of `Stage` on a stream of at least three items.

    Args: make: builds an equal stage each time; as_value: makes outputs comparable (arrays are not); cuts: after how
    many items a snapshot is tried (a stage with a decoder allows it before keyframes only).
    """
    assert len(items) >= 3
    whole = _values(make(), items, as_value)
    assert _values(make(), items, as_value) == whole, "the same inputs gave other outputs"
    for cut in cuts or (1, len(items) // 2, len(items) - 1):
        first, second = make(), make()
        head = [as_value(out) for item in items[:cut] for out in first.process(item)]
        state = first.snapshot()
        assert first.snapshot() == state, "snapshot() changed the stage"
        second.restore(state)
        assert head + _values(second, items[cut:], as_value) == whole, (
            f"restored after {cut} items it went on otherwise"
        )
    _check_bad_state(make, items, as_value)
    stage = make()
    _values(stage, items, as_value)
    assert list(stage.flush()) == [], "a second flush gave something"
    assert _values(stage, items, as_value) == whole, "after flush it is not as new"


def _check_bad_state(
    make: Callable[[], Stage[In, Any]], items: Sequence[In], as_value: Callable[[Any], object]
) -> None:
    broken, untouched = make(), make()
    head = [[as_value(out) for out in stage.process(items[0])] for stage in (broken, untouched)]
    assert head[0] == head[1]
    for state in (b"", b"\x00", broken.snapshot()[:-1], b"\xff" * 64):
        with pytest.raises(DataLoss):
            broken.restore(state)
    rest = items[1:]
    assert _values(broken, rest, as_value) == _values(untouched, rest, as_value), "a refused restore changed it"


def _values(stage: Stage[In, Any], items: Sequence[In], as_value: Callable[[Any], object]) -> list[object]:
    outputs = [as_value(out) for item in items for out in stage.process(item)]
    return outputs + [as_value(out) for out in stage.flush()]
