"""All recorders' hubs as one: a camera changes hands, a paused recorder wakes up, a hub dies."""

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.recorder.test_hub import CAM, INFO, publish, take

from custodes.adapters.ipc.hub import Hub, PlainForm
from custodes.adapters.ipc.hubs import HubsSubscriber
from custodes.errors import DeadlineExceeded, Unavailable
from custodes.testing.camera import stream_info
from custodes.types.media import Packet
from custodes.types.message import StreamClosed, StreamOpened
from custodes.units import RunId

OTHER = replace(stream_info(codec="mjpeg"), run=RunId("other"))


@pytest.fixture
def paths() -> Iterator[list[Path]]:
    with tempfile.TemporaryDirectory(prefix="hubs") as folder:
        yield [Path(folder) / "one.sock", Path(folder) / "two.sock"]


@pytest.fixture
def hubs(paths: list[Path]) -> Iterator[list[Hub]]:
    made = [Hub(path) for path in paths]
    for one in made:
        one.start()
    yield made
    for one in made:
        one.stop()


def test_camera_when_another_recorder_opens_it_is_read_from_there_alone(paths: list[Path], hubs: list[Hub]) -> None:
    first, second = hubs
    first.open_stream(CAM, PlainForm(INFO))
    publish(first, range(3))
    reader = HubsSubscriber(paths, [CAM])
    assert [type(one) for one in take(reader, 4)] == [StreamOpened, Packet, Packet, Packet]
    second.open_stream(CAM, PlainForm(OTHER))
    assert take(reader, 2) == [StreamClosed(camera_id=CAM, run=INFO.run), StreamOpened(info=OTHER)]
    publish(first, range(10, 13))  # it was paused, and wakes up
    first.close_stream(CAM)
    publish(second, range(2), size=7)
    found = take(reader, 2)
    assert [(one.seq, len(one.payload)) for one in found if isinstance(one, Packet)] == [(0, 7), (1, 7)]
    reader.close()


def test_camera_when_the_believed_recorder_closes_it_is_read_from_who_else_has_it(
    paths: list[Path], hubs: list[Hub]
) -> None:
    first, second = hubs
    reader = HubsSubscriber(paths, [CAM])
    second.open_stream(CAM, PlainForm(OTHER))
    assert take(reader, 1) == [StreamOpened(info=OTHER)]
    first.open_stream(CAM, PlainForm(INFO))
    assert take(reader, 2) == [StreamClosed(camera_id=CAM, run=RunId("other")), StreamOpened(info=INFO)]
    publish(second, range(1, 3))  # whether they are read before or after that, no keyframe was
    first.close_stream(CAM)
    assert take(reader, 2) == [StreamClosed(camera_id=CAM, run=INFO.run), StreamOpened(info=OTHER)]
    publish(second, range(3, 12))  # the next keyframe is 10
    found = [one.seq for one in take(reader, 2) if isinstance(one, Packet)]
    assert found == [10, 11]
    reader.close()


def test_hub_when_it_dies_ends_its_streams_and_is_heard_again_when_it_is_back(
    paths: list[Path], hubs: list[Hub]
) -> None:
    first, second = hubs
    first.open_stream(CAM, PlainForm(INFO))
    reader = HubsSubscriber(paths, [CAM])
    take(reader, 1)
    first.stop()
    assert take(reader, 1) == [StreamClosed(camera_id=CAM, run=INFO.run)]
    with pytest.raises(DeadlineExceeded):
        reader.receive(timeout_s=0.01)
    hubs[0] = Hub(paths[0])
    hubs[0].start()
    hubs[0].open_stream(CAM, PlainForm(OTHER))
    assert take(reader, 1) == [StreamOpened(info=OTHER)]
    hubs[0].stop()
    second.stop()
    assert take(reader, 1) == [StreamClosed(camera_id=CAM, run=RunId("other"))]
    with pytest.raises(Unavailable):
        reader.receive(timeout_s=60)
    with pytest.raises(Unavailable, match=r"one\.sock, two\.sock"):
        HubsSubscriber(paths, [CAM])
