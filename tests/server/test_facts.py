"""Facts over the real socket into a real catalog, sent by the analyser's own sender."""

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import replace

import pytest
from tests.server.conftest import ScriptedSupervisor, Site, listening, running, until

from custodes.adapters.ipc.facts import FactSender
from custodes.adapters.ipc.framing import AsyncChannel
from custodes.app.serving.facts import FactsService, checked
from custodes.app.serving.live_state import ServerLiveState
from custodes.errors import ProtocolError
from custodes.runtime.clock import SystemClock
from custodes.testing.catalog import ALL, CAMERA, make_crossing, make_frame, make_segment, make_track, same_frames
from custodes.testing.ending import joined
from custodes.types.codec import encode
from custodes.types.event import FrameAnalysed, OpenSegment
from custodes.types.media import Segment
from custodes.types.message import FactBatch, FactsStored, Ok
from custodes.types.stream import second_of
from custodes.units import CameraId


class Bench:
    """The service with what it calls recorded."""

    def __init__(self, site: Site, catalog: object) -> None:
        self.frames: list[tuple[CameraId, list[FrameAnalysed]]] = []
        self.segments: list[Segment] = []
        self.live = ServerLiveState(catalog, ScriptedSupervisor(site.paths.socket("x")), SystemClock())
        self.service = FactsService(
            catalog=catalog, live=self.live, on_frames=self.on_frames, on_segment=self.segments.append
        )

    def on_frames(self, camera_id: CameraId, frames: Sequence[FrameAnalysed]) -> None:
        self.frames.append((camera_id, list(frames)))


def test_facts_when_acknowledged_are_in_the_file(site: Site) -> None:
    frames = [make_frame(seq, seq / 5) for seq in range(700)]
    tracks = [make_track(number, number, number + 1) for number in range(5)]
    crossed = [make_crossing(number, number) for number in range(3)]

    async def main() -> None:
        async with site.catalog() as catalog:
            bench = Bench(site, catalog)
            path = site.paths.socket("server-facts")
            async with listening(path, bench.service.serve_peer), running(bench.service.store.run()):
                sender = FactSender(path, "analyser-0")
                for fact in (*frames, *tracks, *crossed):
                    sender.put(fact)
                thread = threading.Thread(target=sender.run, daemon=True)
                thread.start()
                await until(lambda: sender.acknowledged == 708)
                sender.stop()
                await asyncio.to_thread(joined, thread)
            assert [fact.frame.seq for _, news in bench.frames for fact in news] == list(range(700))
            assert bench.service.store.commits <= 4  # two batches, not seven hundred

    asyncio.run(main())
    catalog = site.open_catalog()
    assert same_frames(catalog.analysed(CAMERA, *ALL), frames)
    assert catalog.totals()[CAMERA].people == 5
    assert catalog.crossings(CAMERA, *ALL, 9) == crossed
    catalog.close()


def test_tracks_and_crossings_of_a_second_stream_are_not_counted_and_its_masks_are_its_own(site: Site) -> None:
    stream_id = second_of(CAMERA)
    track = make_track(1, 1, 2)
    facts = [
        make_frame(1, 1, camera_id=stream_id),
        replace(track, tracklet=replace(track.tracklet, camera_id=stream_id)),
        replace(make_crossing(1, 1), camera_id=stream_id),
    ]

    async def main() -> None:
        async with site.catalog() as catalog:
            bench = Bench(site, catalog)
            path = site.paths.socket("server-facts")
            async with listening(path, bench.service.serve_peer), running(bench.service.store.run()):
                channel = await AsyncChannel.connect(path)
                await channel.send(FactBatch(sender="a", batch=1, facts=tuple(map(encode, facts))))
                assert await channel.receive() == FactsStored(batch=1)
                await channel.close()
            assert [camera_id for camera_id, _ in bench.frames] == [stream_id]
            assert len(await catalog.analysed(stream_id, *ALL)) == 1
            assert await catalog.analysed(CAMERA, *ALL) == []
            assert await catalog.tracks(stream_id, *ALL, 9) == []
            assert await catalog.crossings(stream_id, *ALL, 9) == []

    asyncio.run(main())


def test_batch_when_facts_in_it_are_broken_keeps_the_others(site: Site) -> None:
    good = make_frame(1, 1)
    lengths = make_frame(2, 2)
    object.__setattr__(lengths.frame, "scores", lengths.frame.scores[:1])
    huge = make_frame(3, 3)
    object.__setattr__(huge.frame, "utc_ns", 2**63)
    facts = (b"no message", encode(Ok()), encode(lengths), encode(huge), encode(good))

    async def main() -> None:
        async with site.catalog() as catalog:
            bench = Bench(site, catalog)
            path = site.paths.socket("server-facts")
            async with listening(path, bench.service.serve_peer), running(bench.service.store.run()):
                channel = await AsyncChannel.connect(path)
                await channel.send(FactBatch(sender="x", batch=7, facts=facts))
                assert await channel.receive() == FactsStored(batch=7)
                await channel.send(Ok())
                assert await channel.receive() is None  # who breaks the protocol is hung up on
                await channel.close()
            assert bench.service.refused == 4
            assert same_frames(await catalog.analysed(CAMERA, *ALL), [good])

    asyncio.run(main())


def test_frames_when_the_store_is_slow_reach_live_views_first(site: Site) -> None:
    async def main() -> None:
        async with site.catalog() as catalog:
            bench = Bench(site, catalog)
            path = site.paths.socket("server-facts")
            async with listening(path, bench.service.serve_peer):  # nobody commits
                channel = await AsyncChannel.connect(path)
                await channel.send(FactBatch(sender="x", batch=1, facts=(encode(make_frame(1, 1)),)))
                await until(lambda: len(bench.frames) == 1)
                assert await catalog.analysed(CAMERA, *ALL) == []
                await channel.close()

    asyncio.run(main())


def test_open_segment_when_told_grows_in_the_catalog(site: Site) -> None:
    segment = make_segment(0, 7, is_sealed=False)

    async def main() -> None:
        async with site.catalog() as catalog:
            bench = Bench(site, catalog)
            path = site.paths.socket("server-facts")
            async with listening(path, bench.service.serve_peer), running(bench.service.grow_forever()):
                channel = await AsyncChannel.connect(path)
                await channel.send(FactBatch(sender="x", batch=1, facts=(encode(OpenSegment(segment=segment)),)))
                assert await channel.receive() == FactsStored(batch=1)
                assert bench.segments == [segment]

                async def has_grown() -> bool:
                    return await catalog.segments(CAMERA, *ALL, 9) == [segment]

                await until(has_grown)
                await channel.close()

    asyncio.run(main())


def test_checked_when_it_is_no_fact_refuses() -> None:
    with pytest.raises(ProtocolError, match="no fact"):
        checked(Ok())
