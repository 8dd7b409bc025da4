"""What every `ports.leases.Leases` must do, and what a catalog makes of segments written under one, as a pytest class.

class TestMine(LeasesSuite):
    @pytest.fixture
    def catalog(self): ...  # an empty SqlCatalog
"""

import time
from collections.abc import Sequence
from dataclasses import replace

import pytest

from custodes.adapters.sql import SqlCatalog
from custodes.errors import ResourceExhausted
from custodes.ports.leases import MAX_LEASES, Lease, LeaseState
from custodes.testing.catalog import ALL, CAMERA, at, make_segment
from custodes.types.media import Gap, GapCause, Segment
from custodes.units import NS_PER_HOUR, NS_PER_S, CameraId

TTL_NS = 5 * NS_PER_S


class FakeDatabaseClock:
    """What the database says that the time is."""

    def __init__(self, catalog: SqlCatalog) -> None:
        self.now_ns = 1_000 * NS_PER_HOUR
        catalog.leases.clock = lambda _connection: self.now_ns


def written_under(epoch: int, start_s: float, end_s: float, *, run: str, is_sealed: bool = True) -> Segment:
    """A segment of the camera by the tenure's recorder."""
    return replace(make_segment(start_s, end_s, run=run, is_sealed=is_sealed), lease_epoch=epoch)


class LeasesSuite:
    """Inherit and provide `catalog`."""

    @pytest.fixture
    def catalog(self) -> SqlCatalog:
        """An empty one."""
        raise NotImplementedError

    @pytest.fixture
    def clock(self, catalog: SqlCatalog) -> FakeDatabaseClock:
        """Set by the test."""
        return FakeDatabaseClock(catalog)

    def test_lease_when_held_is_nobody_elses_until_it_runs_out(
        self, catalog: SqlCatalog, clock: FakeDatabaseClock
    ) -> None:
        """And its number grows when it changes hands."""
        leases = catalog.leases
        assert leases.take(["b", "a", "a"], "one", TTL_NS) == [_lease("a", "one", 1), _lease("b", "one", 1)]
        clock.now_ns += TTL_NS - 1
        assert leases.take(["a", "c"], "two", TTL_NS) == [_lease("c", "two", 1)]
        clock.now_ns += 1
        assert leases.take(["a"], "two", TTL_NS) == [_lease("a", "two", 2)]
        assert leases.take(["a", "b"], "one", TTL_NS) == [_lease("b", "one", 1)]

    def test_lease_when_renewed_late_and_untaken_goes_on_under_its_number(
        self, catalog: SqlCatalog, clock: FakeDatabaseClock
    ) -> None:
        """Nobody was in between."""
        leases = catalog.leases
        leases.take(["a"], "one", TTL_NS)
        clock.now_ns += 100 * TTL_NS
        assert leases.leases("a") == [LeaseState(name="a", holder="one", epoch=1, is_held=False)]
        assert leases.take(["a"], "one", TTL_NS) == [_lease("a", "one", 1)]
        assert leases.leases("a") == [LeaseState(name="a", holder="one", epoch=1, is_held=True)]

    def test_lease_when_let_go_is_free_at_once_and_begins_anew(
        self, catalog: SqlCatalog, clock: FakeDatabaseClock
    ) -> None:
        """Also for who had it: what its last tenure still writes is late."""
        leases = catalog.leases
        leases.take(["a", "b", "c"], "one", TTL_NS)
        leases.let_go(["a", "b"], "two")  # not its to let go
        assert leases.take(["a"], "two", TTL_NS) == []
        leases.let_go(["a"], "one")
        leases.let_go(["a"], "one")
        assert leases.take(["a"], "one", TTL_NS) == [_lease("a", "one", 2)]
        leases.let_go(None, "one")
        assert leases.leases("") == [
            LeaseState(name=name, holder="", epoch=epoch, is_held=False)
            for name, epoch in [("a", 2), ("b", 1), ("c", 1)]
        ]
        assert leases.take(["a", "b"], "two", TTL_NS) == [_lease("a", "two", 3), _lease("b", "two", 2)]

    @pytest.mark.parametrize("step_ns", [NS_PER_HOUR, -NS_PER_HOUR], ids=["forward", "back"])
    def test_lease_when_the_clock_is_set_ends_at_most_early(
        self, catalog: SqlCatalog, clock: FakeDatabaseClock, step_ns: int
    ) -> None:
        """A dead holder's lease does not last an hour longer; a living one renews, and keeps number and camera."""
        leases = catalog.leases
        leases.take(["a", "b"], "one", TTL_NS)
        clock.now_ns += step_ns
        assert leases.take(["a"], "one", TTL_NS) == [_lease("a", "one", 1)]
        assert leases.take(["a", "b"], "two", TTL_NS) == [_lease("b", "two", 2)]

    def test_names_when_looked_for_by_beginning_are_literal(self, catalog: SqlCatalog) -> None:
        """No wildcard of SQL is one here; and nobody asks for any number of them."""
        leases = catalog.leases
        leases.take(["camera/a", "camera%b", "chore/a"], "one", TTL_NS)
        assert [one.name for one in leases.leases("camera/")] == ["camera/a"]
        assert [one.name for one in leases.leases("camera%")] == ["camera%b"]
        assert leases.take([], "one", TTL_NS) == []
        with pytest.raises(ResourceExhausted):
            leases.take(["x"] * (MAX_LEASES + 1), "one", TTL_NS)

    def test_clock_is_the_databases_and_goes_on(self, catalog: SqlCatalog) -> None:
        """Not the process's, which may be set: `catalog`'s own never moves here."""
        leases = catalog.leases
        leases.take(["a"], "one", 1_000_000)  # one millisecond
        deadline = time.monotonic() + 60
        while not leases.take(["a"], "two", NS_PER_HOUR) and time.monotonic() < deadline:
            pass
        assert leases.leases("a") == [LeaseState(name="a", holder="two", epoch=2, is_held=True)]

    # what was written under one
    def test_segment_when_its_owner_changed_before_the_row_came_is_kept(self, catalog: SqlCatalog) -> None:
        """A journal is read after a takeover: nothing of the first owner's is lost, nor counted twice."""
        before = [written_under(1, 0, 60, run="aa"), written_under(1, 60, 75, run="aa")]
        after = [written_under(2, 80, 140, run="bb")]
        catalog.take_journal("two", 9, after, [])
        catalog.take_journal("one", 9, before, [])
        assert catalog.segments(CAMERA, *ALL, 9) == before + after
        assert catalog.totals()[CAMERA].recorded_ns == 135 * NS_PER_S

    @pytest.mark.parametrize("order", [("late", "newer"), ("newer", "late")], ids="-".join)
    def test_segment_when_written_late_is_kept_once_and_shown_never(
        self, catalog: SqlCatalog, order: Sequence[str]
    ) -> None:
        """In whichever order they come: two recorders of one time are one recording, and a spare."""
        batches = {
            "late": [written_under(1, 0, 60, run="aa"), written_under(1, 62, 110, run="aa")],
            "newer": [written_under(2, 64, 124, run="bb")],
        }
        for name in order:
            catalog.take_journal(name, 9, batches[name], [])
        rightful = [batches["late"][0], *batches["newer"]]
        for _ in range(2):
            assert catalog.segments(CAMERA, *ALL, 9) == rightful
            assert catalog.segments(CAMERA, *ALL, 9, with_spares=True) == [*batches["late"], *batches["newer"]]
            assert catalog.totals()[CAMERA].recorded_ns == 120 * NS_PER_S
            catalog.take_journal("late", 10, batches["late"], [])  # read again
        late_id = batches["late"][1].header.segment_id
        assert [one.header.segment_id for one in catalog.unlogged_segments(9)].count(late_id) == 1
        assert late_id in catalog.condemn({late_id: "age"}, {}, at(900))[0].path

    def test_segment_when_a_newer_owner_overlaps_little_of_it_stays(self, catalog: SqlCatalog) -> None:
        """Most of it is nowhere else."""
        segments = [written_under(1, 0, 60, run="aa"), written_under(2, 55, 115, run="bb")]
        catalog.take_journal("both", 9, segments, [])
        assert catalog.segments(CAMERA, *ALL, 9) == segments

    def test_spare_when_it_grows_changes_no_sum(self, catalog: SqlCatalog) -> None:
        """Open, growing, sealed: only what a newer owner wrote counts."""
        catalog.take_journal("two", 9, [written_under(2, 0, 120, run="bb")], [])
        catalog.take_journal("one", 9, [written_under(1, 10, 12, run="aa", is_sealed=False)], [])
        catalog.grow_segments([written_under(1, 10, 40, run="aa", is_sealed=False)])
        catalog.take_journal("one", 10, [written_under(1, 10, 50, run="aa")], [])
        assert catalog.totals()[CAMERA].recorded_ns == 120 * NS_PER_S
        assert [one.lease_epoch for one in catalog.segments(CAMERA, *ALL, 9)] == [2]

    def test_story_when_asked_for_ends_with_the_newest_row(self, catalog: SqlCatalog) -> None:
        """Segment or gap; of a camera never recorded nothing is said."""
        catalog.take_journal("one", 9, [written_under(1, 0, 60, run="aa")], [])
        assert catalog.story_ends([CAMERA, CameraId("yard")]) == {CAMERA: at(60)}
        gap = Gap(camera_id=CAMERA, start_ns=at(60), end_ns=at(75), cause=GapCause.RECORDER_DOWN)
        catalog.take_journal("one", 10, [], [gap])
        assert catalog.story_ends([CAMERA]) == {CAMERA: at(75)}


def _lease(name: str, holder: str, epoch: int) -> Lease:
    return Lease(name=name, holder=holder, epoch=epoch)
