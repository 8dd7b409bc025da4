"""Facts reach the server once it is there, in order, bounded, whatever breaks in between."""

import threading
from dataclasses import MISSING, fields

import numpy as np
import pytest

from custodes.adapters.ipc.facts import BATCH_MAX, FactSender
from custodes.errors import ProtocolError
from custodes.types.event import AnalyserStatus, FrameAnalysed
from custodes.types.vision import TrackedFrame
from custodes.units import CameraId, Ns, RunId


def fact(seq):
    empty = np.zeros(0, np.float32)
    return FrameAnalysed(
        frame=TrackedFrame(
            camera_id=CameraId("a"), run=RunId("r"), seq=seq, utc_ns=Ns(seq), track_ids=np.zeros(0, np.int64),
            class_ids=np.zeros(0, np.int16), boxes_norm=np.zeros((0, 4), np.float32), scores=empty,
            is_measured=np.zeros(0, bool),
        ),
        valid_from_ns=Ns(seq),
    )  # fmt: skip


def status(camera, packets):
    numbers = {f.name: 0 for f in fields(AnalyserStatus) if f.default is MISSING} | {"packets": packets}
    return AnalyserStatus(**numbers | {"camera_id": CameraId(camera), "run": RunId("r")})


def seqs(facts):
    return [f.frame.seq for f in facts if isinstance(f, FrameAnalysed)]


@pytest.fixture
def start(tmp_path):
    started = []

    def make(**options):
        sender = FactSender(tmp_path / "facts.sock", "analyser-0", **options)
        thread = threading.Thread(target=sender.run, daemon=True)
        started.append((sender, thread))
        return sender, thread

    yield make
    for sender, thread in started:
        sender.stop()
        if thread.is_alive():
            thread.join(15)


def test_what_was_put_before_the_server_came_is_delivered_in_order(tmp_path, start, fact_server):
    sender, thread = start()
    for seq in range(1500):
        sender.put(fact(seq))
    thread.start()
    with fact_server(tmp_path / "facts.sock") as server:
        facts = server.wait_for(lambda got: len(got) >= 1500)
    assert seqs(facts) == list(range(1500))
    assert max(server.batches) <= BATCH_MAX


def test_a_batch_that_was_not_acknowledged_is_sent_again(tmp_path, start, fact_server):
    sender, thread = start()
    with fact_server(tmp_path / "facts.sock", refuse=2) as server:
        for seq in range(10):
            sender.put(fact(seq))
        thread.start()
        assert seqs(server.wait_for(lambda got: len(got) >= 10)) == list(range(10))
    assert sender.dropped == 0


def test_a_server_that_comes_back_gets_what_is_missing(tmp_path, start, fact_server):
    sender, thread = start()
    thread.start()
    with fact_server(tmp_path / "facts.sock") as first:
        sender.put(fact(0))
        first.wait_for(lambda got: len(got) == 1)
    for seq in range(1, 5):
        sender.put(fact(seq))
    with fact_server(tmp_path / "facts.sock") as second:
        got = seqs(second.wait_for(lambda got: seqs(got)[-1:] == [4]))
    assert set(range(1, 5)) <= set(got)


def test_beyond_the_bound_the_oldest_are_dropped_and_counted(tmp_path, start, fact_server):
    sender, thread = start(max_bytes=5_000)
    for seq in range(200):
        sender.put(fact(seq))
    kept = 200 - sender.dropped
    assert 0 < kept < 200
    assert sender.waiting == kept
    thread.start()
    with fact_server(tmp_path / "facts.sock") as server:
        assert seqs(server.wait_for(lambda got: len(got) >= kept)) == list(range(200 - kept, 200))


def test_of_statuses_only_the_newest_of_each_camera_waits(tmp_path, start, fact_server):
    sender, thread = start()
    for packets in range(50):
        sender.put(status("a", packets))
        sender.put(status("b", packets))
    assert sender.waiting == 2
    thread.start()
    with fact_server(tmp_path / "facts.sock") as server:
        facts = server.wait_for(lambda got: len(got) >= 2)
    assert {(f.camera_id, f.packets) for f in facts} == {("a", 49), ("b", 49)}


def test_stopping_delivers_what_waits_and_ends(tmp_path, start, fact_server):
    sender, thread = start()
    with fact_server(tmp_path / "facts.sock") as server:
        for seq in range(5):
            sender.put(fact(seq))
        sender.stop()
        thread.start()
        thread.join(15)
        assert not thread.is_alive()
        assert seqs(server.facts) == list(range(5))


def test_stopping_without_a_server_ends_too(start):
    sender, thread = start()
    sender.put(fact(0))
    thread.start()
    sender.stop()
    thread.join(15)
    assert not thread.is_alive()
    assert sender.waiting == 1


def test_something_that_does_not_travel_is_refused_at_once(start):
    sender, _ = start()
    with pytest.raises(ProtocolError):
        sender.put("not a fact")
