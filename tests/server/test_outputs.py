"""The queue between job and viewer, on fragments that the real encoder made."""

import asyncio

import numpy as np
import pytest

from custodes.app.serving.fragments import starts_with_keyframe
from custodes.app.serving.outputs import MAX_CHUNKS, MAX_NOTES, OutputQueue
from custodes.media.encode import LiveEncoder
from custodes.ports.views import ViewOutput
from custodes.types.media import Frame
from custodes.types.message import MediaChunk, MediaInit, StillRendered, ViewEnded, ViewNote
from custodes.units import CameraId, Ns, RunId

INIT = MediaInit(mime="video/mp4", payload=b"init")


def frame(number: int) -> Frame:
    return Frame(
        camera_id=CameraId("gate"),
        run=RunId("0123456789ab"),
        seq=number,
        utc_ns=Ns(number * 100_000_000),
        y=np.full((96, 128), 16 + number % 200, np.uint8),
        u=np.full((48, 64), 128, np.uint8),
        v=np.full((48, 64), 128, np.uint8),
        is_keyframe=False,
        is_corrupt=False,
    )


@pytest.fixture(scope="module")
def payloads() -> list[bytes]:
    """One fragment or more per frame, 10 fps, 20 s."""
    encoder = LiveEncoder(128, 96, 28)
    encoder.init()
    made = [encoder.encode(frame(number), number * 100_000_000) for number in range(200)]
    return [payload for payload in [*made, encoder.flush()] if payload]


def chunk(payload: bytes, number: int = 0) -> MediaChunk:
    return MediaChunk(utc_ns=Ns(number), age_ns=Ns(0), frames=1, is_fully_masked=False, payload=payload)


def drain(queue: OutputQueue) -> list[ViewOutput]:
    async def main() -> list[ViewOutput]:
        outputs = []
        while True:
            try:
                async with asyncio.timeout(0.01):
                    outputs.append(await queue.get())
            except TimeoutError:
                return outputs

    return asyncio.run(main())


def test_keyframes_when_the_real_encoder_makes_fragments_are_told_apart(payloads: list[bytes]) -> None:
    starts = [starts_with_keyframe(payload) for payload in payloads]
    assert starts[0]
    assert 5 <= sum(starts) <= 25  # one every one to two seconds of twenty


@pytest.mark.parametrize("payload", [b"", b"moof", b"\0\0\0\x08moof", b"\0\0\0\x10moof\0\0\0\x08traf", b"\xff" * 64])
def test_keyframes_when_the_payload_is_broken_are_not_claimed(payload: bytes) -> None:
    assert not starts_with_keyframe(payload)


def test_keyframes_when_a_fragment_is_cut_anywhere_raise_nothing(payloads: list[bytes]) -> None:
    for end in range(len(payloads[0])):
        starts_with_keyframe(payloads[0][:end])


def test_queue_when_the_viewer_is_slow_goes_on_at_a_keyframe(payloads: list[bytes]) -> None:
    queue = OutputQueue()
    queue.put(INIT)
    for number, payload in enumerate(payloads):
        queue.put(chunk(payload, number))
    outputs = drain(queue)
    chunks = [output for output in outputs if isinstance(output, MediaChunk)]
    assert outputs[0] == INIT
    assert len(chunks) <= MAX_CHUNKS
    assert starts_with_keyframe(chunks[0].payload)
    assert [one.utc_ns for one in chunks] == list(range(chunks[0].utc_ns, len(payloads)))
    assert queue.dropped_chunks == len(payloads) - len(chunks)


def test_queue_when_a_new_stream_begins_drops_the_old_one(payloads: list[bytes]) -> None:
    queue = OutputQueue()
    again = MediaInit(mime="video/mp4", payload=b"again")
    for output in (INIT, chunk(payloads[0], 1), ViewNote(code="a", message="", request_id=0), again):
        queue.put(output)
    queue.put(chunk(payloads[0], 2))
    kinds = [output for output in drain(queue) if not isinstance(output, ViewNote)]
    assert kinds == [again, chunk(payloads[0], 2)]


def test_queue_when_ended_takes_nothing_more_and_keeps_the_end() -> None:
    queue = OutputQueue()
    for number in range(200):
        queue.put(ViewNote(code=str(number), message="", request_id=0))
        queue.put(StillRendered(request_id=number, utc_ns=Ns(number), is_fully_masked=False, payload=b"jpeg"))
    end = ViewEnded(frames_shown=3, error="")
    queue.put(end)
    queue.put(INIT)
    outputs = drain(queue)
    assert outputs[-1] == end
    assert len(outputs) <= MAX_NOTES + 8 + 1
    stills = [output for output in outputs if isinstance(output, StillRendered)]
    assert stills[-1].request_id == 199  # the newest picture is the one that is wanted
