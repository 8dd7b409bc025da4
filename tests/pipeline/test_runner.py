"""The inline runner: order, containment, flushing through; and that the stage suite catches what it should."""

import pytest

from custodes.errors import DataLoss
from custodes.runtime.stage import InlineRunner
from custodes.testing.stage import check_stage


class Pairs:
    """Adds up two numbers at a time; an odd one out is given at the end."""

    def __init__(self):
        self._held = None

    def process(self, item):
        if item < 0:
            raise ValueError(f"{item} is negative")
        if self._held is None:
            self._held = item
            return []
        total, self._held = self._held + item, None
        return [total]

    def flush(self):
        rest, self._held = ([] if self._held is None else [self._held]), None
        return rest

    def snapshot(self):
        return b"n" if self._held is None else b"%d" % self._held

    def restore(self, state):
        if state != b"n" and not state.isdigit():
            raise DataLoss("not a number")
        self._held = None if state == b"n" else int(state)


def test_items_go_through_all_stages_in_order_and_the_rest_at_the_end():
    runner = InlineRunner([Pairs(), Pairs()], on_failure=pytest.fail)
    assert [runner.feed(n) for n in (1, 2, 3, 4)] == [[], [], [], [10]]
    assert runner.feed(5) == []
    assert runner.end() == [5]
    assert runner.end() == []


def test_a_failing_item_is_reported_and_the_next_one_goes_on():
    failures = []
    runner = InlineRunner([Pairs()], on_failure=failures.append)
    assert [runner.feed(n) for n in (1, -1, 2)] == [[], [], [3]]
    assert runner.failures == 1
    assert [str(f) for f in failures] == ["-1 is negative"]


def test_a_stage_that_fails_at_the_end_does_not_keep_the_others_from_ending():
    class Broken(Pairs):
        def flush(self):
            raise RuntimeError("cannot end")

    failures = []
    runner = InlineRunner([Broken(), Pairs()], on_failure=failures.append)
    for n in (1, 2):
        runner.feed(n)
    assert runner.end() == [3]
    assert len(failures) == 1


def test_the_suite_passes_a_good_stage():
    check_stage(Pairs, list(range(7)), cuts=[1, 2, 5])


@pytest.mark.parametrize("broken", ["forgets", "random", "shares", "accepts junk"])
def test_the_suite_fails_a_stage_that(broken):
    shared = []

    class Wrong(Pairs):
        def snapshot(self):
            return b"n" if broken == "forgets" else super().snapshot()

        def process(self, item):
            shared.append(item)
            extra = len(shared) if broken in ("random", "shares") else 0
            return [out + extra for out in super().process(item)]

        def restore(self, state):
            if broken == "accepts junk" and state != b"n" and not state.isdigit():
                return
            super().restore(state)

    with pytest.raises((AssertionError, pytest.fail.Exception)):
        check_stage(Wrong, list(range(7)), cuts=[1, 2, 5])
