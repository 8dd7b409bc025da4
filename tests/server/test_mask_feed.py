"""What a playback is sent, and when."""

import asyncio

from tests.server.conftest import Site

from custodes.app.serving.mask_feed import HIGH_NS, MARGIN_NS, MaskFeed
from custodes.testing.catalog import CAMERA, at, make_frame, make_segment
from custodes.testing.clock import ManualClock
from custodes.units import NS_PER_S


def test_feed_when_played_through_a_gap_sends_everything_once_and_ahead(site: Site) -> None:
    frames = [make_frame(second, second) for second in [*range(100), *range(5000, 5100)]]

    async def main() -> None:
        async with site.catalog() as catalog:
            await catalog.put_analysis(frames, [])
            feed = MaskFeed(catalog, ManualClock(at(10_000)), CAMERA, speed=1.0)
            feed.add_segments([make_segment(0, 60), make_segment(60, 100), make_segment(5000, 5100)])
            feed.begin_at(at(0))
            sent: list[int] = []
            for second in [*range(100), *range(5000, 5100)]:
                sent += [fact.frame.seq for fact in await feed.advance(at(second))]
                # All that decides about this moment and the seconds that follow it has been sent.
                needed = [s for s in [*range(100), *range(5000, 5100)] if s <= second + MARGIN_NS // NS_PER_S]
                assert set(needed) <= set(sent)
                assert len(sent) == len(set(sent))
            assert len(sent) == 200

    asyncio.run(main())


def test_feed_when_enough_lies_ahead_reads_nothing(site: Site) -> None:
    async def main() -> None:
        async with site.catalog() as catalog:
            await catalog.put_analysis([make_frame(second, second) for second in range(200)], [])
            feed = MaskFeed(catalog, ManualClock(at(10_000)), CAMERA, speed=1.0)
            feed.add_segments([make_segment(0, 200)])
            feed.begin_at(at(50))
            first = await feed.advance(at(50))
            assert first[0].frame.utc_ns <= at(50) - MARGIN_NS + NS_PER_S
            assert first[-1].frame.utc_ns >= at(50) + HIGH_NS
            assert await feed.advance(at(60)) == []

    asyncio.run(main())


def test_feed_when_at_the_edge_asks_again_for_what_is_not_settled(site: Site) -> None:
    async def main() -> None:
        async with site.catalog() as catalog:
            clock = ManualClock(at(100))
            feed = MaskFeed(catalog, clock, CAMERA, speed=4.0)
            feed.add_segments([make_segment(0, 100, is_sealed=False)])
            feed.begin_at(at(98))
            await catalog.put_analysis([make_frame(97, 97)], [])
            assert [fact.frame.seq for fact in await feed.advance(at(98))] == [97]
            assert await feed.advance(at(98)) == []
            await catalog.put_analysis([make_frame(99, 99)], [])
            assert [fact.frame.seq for fact in await feed.advance(at(98))] == [99]

    asyncio.run(main())
