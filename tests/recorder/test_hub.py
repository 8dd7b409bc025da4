"""The hub: late subscribers, slow ones, dead ones, and none of them in the way of recording."""

import socket
import struct
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from custodes.adapters.ipc import hub_queue
from custodes.adapters.ipc.hub import Hub, PlainForm
from custodes.adapters.ipc.hub_subscriber import HubSubscriber
from custodes.errors import DeadlineExceeded, Unavailable
from custodes.testing.camera import packet, stream_info
from custodes.types.media import Packet
from custodes.types.message import CameraWatched, StreamClosed, StreamOpened
from custodes.units import CameraId

CAM = CameraId("cam")
INFO = stream_info(codec="mjpeg")


@pytest.fixture
def path() -> Iterator[Path]:
    # Not tmp_path: a socket's path has at most 107 bytes.
    import tempfile

    with tempfile.TemporaryDirectory(prefix="hub") as folder:
        yield Path(folder) / "hub.sock"


@pytest.fixture
def hub(path: Path) -> Iterator[Hub]:
    made = Hub(path)
    made.start()
    yield made
    made.stop()


def publish(hub: Hub, seqs: range, *, gop: int = 10, size: int = 100) -> None:
    for seq in seqs:
        hub.publish(packet(seq, is_keyframe=seq % gop == 0, payload=bytes(size)))


def take(subscriber: HubSubscriber, count: int) -> list[object]:
    return [subscriber.receive(timeout_s=60) for _ in range(count)]


def drain(subscriber: HubSubscriber) -> list[object]:
    """All that comes until the hub has nothing more."""
    found: list[object] = []
    while True:
        try:
            found.append(subscriber.receive(timeout_s=1.0))
        except DeadlineExceeded:
            return found


def seqs(messages: list[object]) -> list[int]:
    return [message.seq for message in messages if isinstance(message, Packet)]


def test_subscribe_when_late_then_begins_at_the_current_gop_s_keyframe(hub: Hub, path: Path) -> None:
    hub.open_stream(CAM, PlainForm(INFO))
    publish(hub, range(25))
    subscriber = HubSubscriber(path, [CAM])
    assert take(subscriber, 6) == [StreamOpened(info=INFO)] + [
        packet(seq, is_keyframe=seq == 20, payload=bytes(100)) for seq in range(20, 25)
    ]
    publish(hub, range(25, 28))
    assert seqs(take(subscriber, 3)) == [25, 26, 27]
    subscriber.close()


def test_subscribe_when_early_then_gets_the_stream_as_it_opens_and_closes(hub: Hub, path: Path) -> None:
    subscriber = HubSubscriber(path, [CAM, CameraId("other")])
    with pytest.raises(DeadlineExceeded):
        subscriber.receive(timeout_s=0.2)
    hub.open_stream(CAM, PlainForm(INFO))
    publish(hub, range(2))
    hub.close_stream(CAM)
    hub.close_stream(CAM)
    messages = take(subscriber, 4)
    assert messages[0] == StreamOpened(info=INFO)
    assert seqs(messages) == [0, 1]
    assert messages[3] == StreamClosed(camera_id=CAM, run=INFO.run)
    subscriber.close()


def test_publish_when_two_cameras_then_each_subscriber_gets_its_own(hub: Hub, path: Path) -> None:
    hub.open_stream(CAM, PlainForm(INFO))
    stranger = HubSubscriber(path, [CameraId("other")])
    reader = HubSubscriber(path, [CAM])
    take(reader, 1)
    publish(hub, range(3))
    assert seqs(take(reader, 3)) == [0, 1, 2]
    with pytest.raises(DeadlineExceeded):
        stranger.receive(timeout_s=0.2)
    reader.close()
    stranger.close()


def test_publish_when_a_subscriber_does_not_read_then_whole_gops_are_dropped_and_others_lose_nothing(
    hub: Hub, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_queue, "MAX_QUEUED_PACKETS", 40)
    hub.open_stream(CAM, PlainForm(INFO))
    slow, quick = HubSubscriber(path, [CAM]), HubSubscriber(path, [CAM])
    take(slow, 1)
    take(quick, 1)
    got: list[int] = []
    for start in range(0, 600, 10):
        publish(hub, range(start, start + 10), size=20_000)
        got += seqs(take(quick, 10))
    assert got == list(range(600))
    assert hub.dropped_gops(CAM) > 0
    publish(hub, range(600, 620))
    seen = seqs(drain(slow))  # what the queue and the socket still held; where it ends depends on their sizes
    publish(hub, range(620, 640))
    seen += seqs(take(slow, 20))
    assert len(seen) < 640
    assert seen == sorted(set(seen))
    holes = [after for before, after in pairwise(seen) if after != before + 1]
    assert holes
    assert all(after % 10 == 0 for after in holes), "after a hole it goes on at a keyframe"
    slow.close()
    quick.close()


def test_publish_when_the_only_subscriber_is_stuck_then_returns_at_once_and_memory_is_bounded(
    hub: Hub, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_queue, "MAX_QUEUED_BYTES", 1_000_000)
    hub.open_stream(CAM, PlainForm(INFO))
    stuck = HubSubscriber(path, [CAM])
    take(stuck, 1)
    publish(hub, range(3000), size=10_000)  # 30 MB, for a queue of 1 MB
    (queued,) = [sum(len(entry[2]) for entry in sub.queue) for sub in hub._subscribers.values()]
    assert queued <= 1_000_000 + 20_000
    assert hub.dropped_gops(CAM) > 100
    stuck.close()


def test_open_stream_when_a_subscriber_never_reads_then_it_is_cut_off_and_others_go_on(
    hub: Hub, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_queue, "MAX_QUEUED_CONTROLS", 50)
    hub.open_stream(CAM, PlainForm(INFO))
    stuck, quick = HubSubscriber(path, [CAM]), HubSubscriber(path, [CAM])
    take(stuck, 1)
    take(quick, 1)
    for _ in range(5000):  # more than the socket's own buffer takes
        hub.open_stream(CAM, PlainForm(INFO))
        take(quick, 1)
    with pytest.raises(Unavailable):
        while True:
            stuck.receive(timeout_s=60)
    publish(hub, range(5))
    assert seqs(take(quick, 5)) == list(range(5))
    quick.close()


def test_hub_when_peers_talk_rubbish_or_die_then_goes_on_serving(hub: Hub, path: Path) -> None:
    hub.open_stream(CAM, PlainForm(INFO))
    for rubbish in (b"", b"\x00", b"\xff" * 100, struct.pack(">I", 5) + b"hello", b"GET / HTTP/1.1\r\n\r\n"):
        with socket.socket(socket.AF_UNIX) as peer:
            peer.connect(str(path))
            peer.sendall(rubbish)
    dead = HubSubscriber(path, [CAM])
    dead.close()
    reader = HubSubscriber(path, [CAM])
    take(reader, 1)
    publish(hub, range(5))
    assert seqs(take(reader, 5)) == list(range(5))
    end = time.monotonic() + 10
    while len(hub._subscribers) > 1 and time.monotonic() < end:
        time.sleep(0.01)
    assert len(hub._subscribers) == 1
    reader.close()


def test_receive_when_the_hub_stops_then_unavailable(path: Path) -> None:
    made = Hub(path)
    made.start()
    made.open_stream(CAM, PlainForm(INFO))
    subscriber = HubSubscriber(path, [CAM])
    take(subscriber, 1)
    made.stop()
    with pytest.raises(Unavailable):
        subscriber.receive(timeout_s=60)
    with pytest.raises(Unavailable):
        HubSubscriber(path, [CAM])


class Interrupted:
    """The hub's own end of its wake-up pipe; a publisher gets between the hub's two steps of waking up."""

    def __init__(self, hub: Hub) -> None:
        self._hub, self._real = hub, hub._wake_read

    def recv(self, count: int) -> bytes:
        self._hub._wake()
        return self._real.recv(count)

    def fileno(self) -> int:
        return self._real.fileno()

    def close(self) -> None:
        self._real.close()


def test_publish_when_it_comes_while_the_hub_wakes_up_then_later_ones_wake_it_too(path: Path) -> None:
    hub = Hub(path)
    hub._wake_read = Interrupted(hub)  # type: ignore[assignment]
    hub.start()
    subscriber = HubSubscriber(path, [CAM])
    hub.open_stream(CAM, PlainForm(INFO))
    take(subscriber, 1)
    for seq in range(3):
        publish(hub, range(seq, seq + 1))
        assert seqs(take(subscriber, 1)) == [seq]
    subscriber.close()
    hub.stop()


def watched(messages: list[object]) -> list[bool]:
    return [message.is_watched for message in messages if isinstance(message, CameraWatched)]


def test_analysers_are_told_whether_a_camera_is_watched_at_first_and_on_each_change(path: Path) -> None:
    analysis = Hub(path, tells_watched=True)
    live = Hub(path.with_name("live.sock"), on_watched=analysis.set_watched)
    analysis.start()
    live.start()
    analyser = HubSubscriber(path, [CAM])
    assert watched(take(analyser, 1)) == [False]
    viewers = [HubSubscriber(path.with_name("live.sock"), [CAM]) for _ in range(2)]
    assert watched(take(analyser, 1)) == [True]
    late = HubSubscriber(path, [CAM])
    assert watched(take(late, 1)) == [True]
    for viewer in viewers:
        viewer.close()
    assert watched(take(analyser, 1)) == [False]
    for subscriber in (analyser, late):
        subscriber.close()
    live.stop()
    analysis.stop()
