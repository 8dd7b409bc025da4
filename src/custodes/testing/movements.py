"""What every `ports.movements.Movements` must do, as a pytest class to inherit, and makers of synthetic rows.

class TestMine(MovementsSuite):
    @pytest.fixture
    def movements(self): ...
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from custodes.errors import InvalidArgument
from custodes.ports.movements import Movements
from custodes.types.access import ALL_CAMERAS, CameraScope
from custodes.types.movement import Crossings, Flows, Passages, Sighting, Streams
from custodes.units import NS_PER_S, CameraId, Ns, RunId

START_NS = 1_699_999_200 * NS_PER_S
"""An hour's beginning."""
SHARE = 1 / 255


def at(seconds: float) -> Ns:
    """A moment of the synthetic day, on a whole millisecond."""
    return Ns(START_NS + round(seconds * 1000) * 1_000_000)


def make_passages(
    count: int, *, cameras: int = 3, span_s: float = 3600.0, seed: int = 7, first_id: int = 1
) -> Passages:
    """Random stays of 0.2 to 60 s, begun within `span_s`, in order of their beginning. Each camera has one run."""
    rng = np.random.default_rng(seed)
    starts = START_NS + np.sort(rng.integers(0, round(span_s * 1000), count)) * 1_000_000
    return Passages(
        streams=Streams(
            codes=rng.integers(0, cameras, count),
            camera_ids=tuple(CameraId(f"camera-{n}") for n in range(cameras)),
            runs=tuple(RunId(f"{n:012x}") for n in range(cameras)),
        ),
        track_ids=first_id + np.arange(count),
        classes=rng.choice([0, 1, 2, 4, 5], count, p=[0.5, 0.1, 0.3, 0.05, 0.05]),
        start_ns=starts,
        end_ns=starts + rng.integers(200, 60_000, count) * 1_000_000,
        frames=rng.integers(1, 300, count),
        mean_scores=rng.random(count, np.float32),
        qualities=rng.random(count, np.float32),
        first_feet=rng.random((count, 2), np.float32),
        last_feet=rng.random((count, 2), np.float32),
    )


def take_passages(passages: Passages, which: slice | np.ndarray) -> Passages:
    """Some of them."""
    return Passages(
        streams=replace(passages.streams, codes=passages.streams.codes[which]),
        track_ids=passages.track_ids[which],
        classes=passages.classes[which],
        start_ns=passages.start_ns[which],
        end_ns=passages.end_ns[which],
        frames=passages.frames[which],
        mean_scores=passages.mean_scores[which],
        qualities=passages.qualities[which],
        first_feet=passages.first_feet[which],
        last_feet=passages.last_feet[which],
    )


def make_crossings(times_s: Sequence[float], *, camera: str = "camera-0", line: str = "door") -> Crossings:
    """One track each, every second one forward."""
    count = len(times_s)
    return Crossings(
        streams=Streams(codes=np.zeros(count, np.int64), camera_ids=(CameraId(camera),), runs=(RunId("0" * 12),)),
        lines=np.zeros(count, np.int64),
        line_names=(line,),
        track_ids=1 + np.arange(count),
        classes=np.zeros(count, np.int64),
        utc_ns=np.array([at(one) for one in times_s], np.int64),
        is_forward=np.arange(count) % 2 == 0,
    )


def make_flows(pairs: Sequence[tuple[str, str, int]]) -> Flows:
    """Origin, destination, count; people, ten seconds each."""
    names = sorted({name for origin, destination, _ in pairs for name in (origin, destination)})
    counts = np.array([count for *_, count in pairs], np.int64)
    return Flows(
        camera_ids=tuple(CameraId(name) for name in names),
        origins=np.array([names.index(origin) for origin, _, _ in pairs], np.int64),
        destinations=np.array([names.index(destination) for _, destination, _ in pairs], np.int64),
        classes=np.zeros(len(pairs), np.int64),
        counts=counts,
        transit_ms_sums=counts * 10_000,
    )


def only(*cameras: str) -> CameraScope:
    """These cameras."""
    return CameraScope(is_all=False, camera_ids=frozenset(map(CameraId, cameras)))


def keys(passages: Passages) -> list[tuple[str, int, int, int]]:
    """Camera, track, start, end of each."""
    cameras = [passages.streams.camera_ids[code] for code in passages.streams.codes.tolist()]
    numbers = (passages.track_ids.tolist(), passages.start_ns.tolist(), passages.end_ns.tolist())
    return list(zip(cameras, *numbers, strict=True))


SIGHTING = Sighting(
    subject="p1", camera_id=CameraId("camera-0"), run=RunId("0" * 12), track_id=5, start_ns=at(10), end_ns=at(20),
    probability=0.75,
)  # fmt: skip

EVER = (Ns(0), at(10**7))


class MovementsSuite:
    """`lot`: how many rows; few and many may be kept in different ways, so an adapter may parametrise it."""

    @pytest.fixture
    def lot(self) -> int:
        """How many rows."""
        return 500

    @pytest.fixture
    def reopened(self, movements: Movements) -> Callable[[], Movements]:
        """The same rows after the process was started anew; an adapter overrides it."""
        return lambda: movements

    def test_passages_come_back_by_start_but_for_rounding(self, movements: Movements, lot: int) -> None:
        """Round trip."""
        put = make_passages(lot)
        assert movements.put_passages(put) == lot
        got = movements.passages(ALL_CAMERAS, *EVER, limit=lot)
        assert sorted(keys(got)) == sorted(keys(put))
        assert np.all(np.diff(got.start_ns) >= 0)
        order = np.argsort(got.track_ids)
        for name, error in (("frames", 0), ("classes", 0), ("mean_scores", SHARE), ("qualities", SHARE),
                            ("first_feet", SHARE), ("last_feet", SHARE)):  # fmt: skip
            assert np.abs(getattr(got, name)[order] - getattr(put, name)).max() <= error, name

    def test_passages_put_again_change_nothing(self, movements: Movements, lot: int) -> None:
        """Also where another column differs."""
        put = make_passages(lot)
        movements.put_passages(put)
        before = keys(movements.passages(ALL_CAMERAS, *EVER, limit=10 * lot))
        assert movements.put_passages(take_passages(put, slice(lot // 3, None))) == 0
        other = replace(put, frames=put.frames + 1)
        assert movements.put_passages(other) == 0
        assert keys(movements.passages(ALL_CAMERAS, *EVER, limit=10 * lot)) == before
        assert movements.rows()["passages"] == lot

    def test_a_key_twice_in_one_lot_is_one_row(self, movements: Movements, lot: int) -> None:
        """The first counts."""
        put = make_passages(lot)
        doubled = np.concatenate([np.arange(lot), np.arange(lot // 2)])
        assert movements.put_passages(take_passages(put, doubled)) == lot

    def test_passages_in_lots_of_any_order_are_those_of_one_lot(self, movements: Movements, lot: int) -> None:
        """Late rows too."""
        put = make_passages(lot)
        order = np.random.default_rng(3).permutation(lot)
        for part in np.array_split(order, 7):
            movements.put_passages(take_passages(put, part))
        assert sorted(keys(movements.passages(ALL_CAMERAS, *EVER, limit=lot))) == sorted(keys(put))

    def test_what_touches_the_interval_is_found_and_nothing_else(self, movements: Movements, lot: int) -> None:
        """Closed intervals."""
        put = make_passages(lot)
        movements.put_passages(put)
        for low_s, high_s in ((0, 1), (600, 900), (3599, 3700), (1800, 1800)):
            low, high = at(low_s), at(high_s)
            expected = take_passages(put, (put.start_ns <= high) & (put.end_ns >= low))
            got = movements.passages(ALL_CAMERAS, low, high, limit=lot)
            assert sorted(keys(got)) == sorted(keys(expected)), (low_s, high_s)

    def test_a_limit_keeps_the_newest(self, movements: Movements, lot: int) -> None:
        """In order."""
        put = make_passages(lot)
        movements.put_passages(put)
        got = movements.passages(ALL_CAMERAS, *EVER, limit=9)
        assert got.start_ns.tolist() == sorted(put.start_ns.tolist())[-9:]

    def test_a_scope_is_part_of_the_question(self, movements: Movements, lot: int) -> None:
        """An empty one shows nothing."""
        movements.put_passages(make_passages(lot))
        got = movements.passages(only("camera-1", "nowhere"), *EVER, limit=lot)
        assert len(got)
        assert {one[0] for one in keys(got)} == {"camera-1"}
        assert not len(movements.passages(only(), *EVER, limit=lot))

    def test_what_was_put_is_there_after_a_new_start(
        self, movements: Movements, reopened: Callable[[], Movements], lot: int
    ) -> None:
        """And is known as such."""
        put = make_passages(lot)
        movements.put_passages(put)
        movements.put_crossings(make_crossings([1, 2]))
        again = reopened()
        assert sorted(keys(again.passages(ALL_CAMERAS, *EVER, limit=lot))) == sorted(keys(put))
        assert again.put_passages(put) == 0
        assert len(again.crossings(ALL_CAMERAS, *EVER, limit=9)) == 2

    def test_replacing_a_stretch_changes_one_camera_in_it_alone(self, movements: Movements, lot: int) -> None:
        """What began in it goes."""
        put = make_passages(lot)
        movements.put_passages(put)
        movements.put_crossings(make_crossings([500, 1000, 1999, 2000, 2500]))
        new = replace(make_passages(5, cameras=1, span_s=100, first_id=10**6), start_ns=np.full(5, at(1500)),
                      end_ns=np.full(5, at(1510)))  # fmt: skip
        movements.replace(CameraId("camera-0"), at(1000), at(2000), new, make_crossings([1234], line="gate"))
        codes = put.streams.codes
        is_gone = (codes == 0) & (put.start_ns >= at(1000)) & (put.start_ns < at(2000))
        expected = keys(take_passages(put, ~is_gone)) + keys(new)
        assert sorted(keys(movements.passages(ALL_CAMERAS, *EVER, limit=2 * lot))) == sorted(expected)
        assert movements.crossings(ALL_CAMERAS, *EVER, limit=9).utc_ns.tolist() == [
            at(500), at(1234), at(2000), at(2500)
        ]  # fmt: skip

    def test_forgetting_spares_what_a_kept_stretch_touches(self, movements: Movements, lot: int) -> None:
        """Retention, with a hold."""
        put = make_passages(lot)
        movements.put_passages(put)
        movements.put_sightings([SIGHTING, replace(SIGHTING, start_ns=at(1100), end_ns=at(1110))])
        movements.forget(CameraId("camera-0"), at(1800), [(at(1000), at(1200))])
        codes, starts, ends = put.streams.codes, put.start_ns, put.end_ns
        is_gone = (codes == 0) & (ends <= at(1800)) & ((ends < at(1000)) | (starts > at(1200)))
        assert is_gone.any()
        got = movements.passages(ALL_CAMERAS, *EVER, limit=lot)
        assert sorted(keys(got)) == sorted(keys(take_passages(put, ~is_gone)))
        assert [one.start_ns for one in movements.journey("p1", *EVER)] == [at(1100)]

    def test_crossings_come_back_and_are_counted_by_bin(self, movements: Movements) -> None:
        """Bins are counted from the interval's beginning."""
        put = make_crossings([0, 10, 899, 900, 901.5])
        assert movements.put_crossings(put) == 5
        assert movements.put_crossings(put) == 0
        movements.put_crossings(make_crossings([30], camera="camera-1", line="gate"))
        got = movements.crossings(only("camera-0"), at(5), at(900), limit=10)
        assert (got.utc_ns.tolist(), got.is_forward.tolist()) == ([at(10), at(899), at(900)], [False, True, False])
        assert got.line_names == ("door",)
        counts = movements.crossing_counts(ALL_CAMERAS, at(0), at(1800), bin_ns=900 * NS_PER_S)
        found = {(one.line, one.is_forward, (one.bin_start_ns - START_NS) // NS_PER_S): one.count for one in counts}
        assert found == {
            ("door", True, 0): 2, ("door", False, 0): 1, ("door", True, 900): 1, ("door", False, 900): 1,
            ("gate", True, 0): 1,
        }  # fmt: skip
        with pytest.raises(InvalidArgument):
            movements.crossing_counts(ALL_CAMERAS, at(0), at(1), bin_ns=0)

    def test_a_journey_is_one_persons_and_a_withdrawal_ends_it(self, movements: Movements) -> None:
        """By subject."""
        other = replace(SIGHTING, subject="p2")
        later = replace(SIGHTING, camera_id=CameraId("camera-1"), start_ns=at(40), end_ns=at(50))
        movements.put_sightings([later, SIGHTING, other])
        assert movements.journey("p1", at(20), at(40)) == [SIGHTING, later]
        assert movements.journey("p1", at(21), at(39)) == []
        surer = replace(SIGHTING, probability=0.5)
        movements.put_sightings([surer])
        assert movements.journey("p1", *EVER) == [surer, later]
        movements.forget_subject("p1")
        movements.forget_subject("p1")
        assert movements.journey("p1", *EVER) == []
        assert movements.journey("p2", *EVER) == [other]

    def test_flows_sum_over_hours_within_the_scope(self, movements: Movements) -> None:
        """An hour put again replaces."""
        movements.put_flows(at(0), make_flows([("a", "b", 99)]))
        movements.put_flows(at(0), make_flows([("a", "b", 3), ("b", "c", 1)]))  # replaces
        movements.put_flows(at(3600), make_flows([("a", "b", 4), ("c", "a", 2)]))
        movements.put_flows(at(7200), make_flows([("a", "b", 50)]))
        assert cells(movements.flow_matrix(ALL_CAMERAS, at(0), at(7200))) == {
            ("a", "b"): (7, 70_000), ("b", "c"): (1, 10_000), ("c", "a"): (2, 20_000)
        }  # fmt: skip
        assert cells(movements.flow_matrix(only("a", "b"), at(1), at(7200))) == {("a", "b"): (4, 40_000)}
        assert cells(movements.flow_matrix(ALL_CAMERAS, at(10**6), at(10**7))) == {}
        movements.put_flows(at(7200), make_flows([]))
        assert movements.rows()["flow_hours"] == 2
        with pytest.raises(InvalidArgument):
            movements.put_flows(at(1), make_flows([("a", "b", 1)]))

    def test_bad_columns_are_refused_and_change_nothing(self, movements: Movements) -> None:
        """Lengths, order, numbers that are none."""
        put = make_passages(10)
        for bad in (
            replace(put, frames=put.frames[1:]),
            replace(put, end_ns=put.start_ns - NS_PER_S),
            replace(put, mean_scores=np.full(10, np.nan, np.float32)),
            replace(put, first_feet=put.first_feet[:, :1]),
            replace(put, streams=replace(put.streams, codes=put.streams.codes + 3)),
            replace(put, track_ids=put.track_ids + 2**62),
        ):
            with pytest.raises(InvalidArgument):
                movements.put_passages(bad)
        assert movements.rows()["passages"] == 0


def cells(flows: Flows) -> dict[tuple[str, str], tuple[int, int]]:
    """Origin and destination → count and sum of transit in ms."""
    return {
        (flows.camera_ids[origin], flows.camera_ids[destination]): (int(count), int(transit))
        for origin, destination, count, transit in zip(
            flows.origins, flows.destinations, flows.counts, flows.transit_ms_sums, strict=True
        )
    }
