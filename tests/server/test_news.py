"""What the server that leads tells those that follow: all of them, in order, and never waiting for one."""

import asyncio

from tests.server.conftest import Site, listening, until

from custodes.adapters.ipc.framing import AsyncChannel
from custodes.app.serving.news import MAX_WAITING, NewsDesk
from custodes.testing.catalog import make_segment
from custodes.types.servers import FactsTold, SegmentsTold


def test_news_reach_every_server_that_follows_in_their_order(site: Site) -> None:
    async def main() -> None:
        desk, path = NewsDesk(), site.paths.socket("server-news")
        async with listening(path, desk.serve_peer):
            readers = [await AsyncChannel.connect(path) for _ in range(2)]
            await until(lambda: len(desk._readers) == 2)
            desk.tell_facts([])  # nothing is no news
            desk.tell_facts([b"one", b"two"])
            desk.tell_segments([make_segment(1, 2)])
            for reader in readers:
                assert await reader.receive() == FactsTold(facts=(b"one", b"two"))
                assert await reader.receive() == SegmentsTold(segments=(make_segment(1, 2),))
                await reader.close()
            await until(lambda: not desk._readers)

    asyncio.run(main())


def test_server_that_does_not_read_loses_the_oldest_and_nobody_waits(site: Site) -> None:
    async def main() -> None:
        desk, path = NewsDesk(), site.paths.socket("server-news")
        async with listening(path, desk.serve_peer):
            slow = await AsyncChannel.connect(path)
            await until(lambda: len(desk._readers) == 1)
            for number in range(MAX_WAITING + 10):  # at once: nothing is sent in between
                desk.tell_facts([str(number).encode()])
            assert desk.lost == 10
            assert await slow.receive() == FactsTold(facts=(b"10",))
            await slow.close()

    asyncio.run(main())
