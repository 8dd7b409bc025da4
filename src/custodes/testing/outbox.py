"""What every `ports.outbox.Outbox` must do, as a pytest class to inherit, and facts to put into one.

class TestMine(OutboxSuite):
    @pytest.fixture
    def catalog(self): ...  # a catalog with `outbox`
"""

import pytest

from custodes.adapters.sql import SqlCatalog
from custodes.federation.parcel import NO_TIP, encode_fact, link
from custodes.testing.catalog import at, make_quarter
from custodes.types.federation import CountsOfQuarter, LineCount, Shared
from custodes.types.traffic import Quarter
from custodes.units import CameraId


def make_counts(number: int, *, camera: str = "gate", count: int = 20) -> CountsOfQuarter:
    """The `number`-th quarter of an hour of a camera."""
    line = LineCount(line="gate", is_forward=True, object_class="car", count=count)
    return CountsOfQuarter(
        camera_id=camera,
        start_ns=at(900 * number),
        end_ns=at(900 * number + 900),
        coverage=1.0,
        min_group=10,
        counts=(line,),
    )


def encoded(*facts: Shared) -> list[bytes]:
    """As an outbox takes them."""
    return [encode_fact(one) for one in facts]


class OutboxSuite:
    """Inherit and provide `catalog`."""

    @pytest.fixture
    def catalog(self) -> SqlCatalog:
        """An empty one."""
        raise NotImplementedError

    def test_facts_when_put_are_one_chain_that_goes_on_after_forgetting(self, catalog: SqlCatalog) -> None:
        """Numbers are dense, and each value follows from all before."""
        outbox = catalog.outbox
        first = encoded(*map(make_counts, range(5)))
        outbox.put(first[:2])
        outbox.put(first[2:])
        tips = [NO_TIP]
        for seq, one in enumerate(first, 1):
            tips.append(link(tips[-1], seq, one))
        waiting = outbox.read(0, 99)
        assert [(one.seq, one.encoded, one.tip) for one in waiting] == [
            (seq, one, tip) for seq, (one, tip) in enumerate(zip(first, tips[1:], strict=True), 1)
        ]
        assert [one.seq for one in outbox.read(2, 2)] == [3, 4]
        outbox.forget(3)
        outbox.forget(3)
        outbox.forget(99)
        state = outbox.state()
        assert (state.newest, state.floor, state.floor_tip, state.newest_tip) == (5, 3, tips[3], tips[5])
        assert (outbox.tip_at(2), outbox.tip_at(3), outbox.tip_at(5), outbox.tip_at(6)) == (
            None,
            tips[3],
            tips[5],
            None,
        )
        outbox.forget(5)
        outbox.put(encoded(make_counts(5)))
        (last,) = outbox.read(0, 99)
        assert (last.seq, last.tip) == (6, link(tips[5], 6, last.encoded))

    def test_what_waits_when_restarted_is_numbered_after_what_the_centre_has(self, catalog: SqlCatalog) -> None:
        """Upwards and downwards, without meeting itself."""
        outbox = catalog.outbox
        facts = encoded(*map(make_counts, range(6)))
        outbox.put(facts)
        outbox.forget(2)
        for seq in (100, 3):  # further on, and back among numbers that are in use
            tip = bytes([seq]) * 32
            outbox.restart(seq, tip)
            waiting = outbox.read(seq, 99)
            assert [(one.seq, one.encoded) for one in waiting] == list(enumerate(facts[2:], seq + 1))
            for one in waiting:
                tip = link(tip, one.seq, one.encoded)
                assert one.tip == tip
            state = outbox.state()
            assert (state.floor, state.newest, state.newest_tip) == (seq, seq + 4, tip)

    def test_figure_when_stored_is_in_the_outbox_only_while_shared_and_only_as_a_whole(
        self, catalog: SqlCatalog
    ) -> None:
        """One transaction: both or neither."""
        catalog.put_figures([make_quarter("gate", 0)])
        assert catalog.outbox.state().newest == 0
        catalog.outbox.share(lambda figure: [figure.camera_id.encode()])
        catalog.put_figures([make_quarter("gate", 900), make_quarter("yard", 900)])
        assert [one.encoded for one in catalog.outbox.read(0, 9)] == [b"gate", b"yard"]

        def failing(figure: object) -> list[bytes]:
            raise OSError

        catalog.outbox.share(failing)
        with pytest.raises(OSError):
            catalog.put_figures([make_quarter("gate", 1800)])
        assert catalog.outbox.state().newest == 2
        assert len(catalog.figures(Quarter, CameraId("gate"), at(0), at(9000), 9)) == 2

    def test_full_outbox_when_more_is_put_counts_what_it_dropped_and_stores_the_figure(
        self, catalog: SqlCatalog
    ) -> None:
        """The site's own figures never wait for a centre."""
        outbox = catalog.outbox
        outbox.limit(3)
        outbox.share(lambda figure: [b"one", b"two"])
        catalog.put_figures([make_quarter("gate", 0), make_quarter("gate", 900)])
        assert (outbox.state().newest, outbox.state().dropped) == (3, 1)
        assert len(catalog.figures(Quarter, None, at(0), at(9000), 9)) == 2
        outbox.forget(3)
        catalog.put_figures([make_quarter("gate", 1800)])
        assert (outbox.state().newest, outbox.state().dropped) == (5, 1)
