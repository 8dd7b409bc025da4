"""Waiting packets: bounded, whole GOPs dropped, oldest first, and said."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from custodes.pipeline import gops as gops_module
from custodes.pipeline.gops import GopQueue
from custodes.types.media import Packet, StreamInfo
from custodes.types.message import StreamClosed, StreamOpened
from custodes.units import NS_PER_S, CameraId, Ns, RunId

OPENED = StreamOpened(
    info=StreamInfo(
        camera_id=CameraId("a"), run=RunId("r"), codec="h264", width_px=16, height_px=16, extradata=b"",
        time_base_num=1, time_base_den=90000, fps=10.0,
    )
)  # fmt: skip
CLOSED = StreamClosed(camera_id=CameraId("a"), run=RunId("r"))


def packet(seq, *, gop=10, bytes_=100, fps=10):
    return Packet(
        camera_id=CameraId("a"), run=RunId("r"), seq=seq, payload=b"x" * bytes_, pts=0, dts=0, duration=0,
        is_keyframe=seq % gop == 0, is_corrupt=False, utc_ns=Ns(seq * NS_PER_S // fps),
    )  # fmt: skip


def drain(queue):
    items, shed = [], 0
    while len(queue):
        item, lost = queue.pop()
        items.append(item)
        shed += lost
    return items, shed


def test_within_the_bounds_everything_comes_out_in_order():
    queue = GopQueue()
    items = [OPENED, *(packet(n) for n in range(35)), CLOSED]
    for item in items:
        queue.push(item)
    assert queue.span_ns() == 3.4 * NS_PER_S
    assert drain(queue) == (items, 0)
    assert queue.span_ns() == 0


def test_what_is_too_old_goes_by_whole_gops_and_is_counted():
    queue = GopQueue()
    for item in [OPENED, *(packet(n) for n in range(100))]:
        queue.push(item)
    items, shed = drain(queue)
    assert items[0] == OPENED
    assert [p.seq for p in items[1:]] == list(range(60, 100))
    assert shed == 6


def test_the_rest_of_a_gop_in_work_is_dropped_up_to_the_next_keyframe():
    queue = GopQueue()
    for n in range(10):
        queue.push(packet(n))
    for n in range(5):
        assert queue.pop() == (packet(n), 0)
    for n in range(10, 60):
        queue.push(packet(n))
    (first, lost), _ = queue.pop(), None
    assert first.is_keyframe
    assert lost >= 1


def test_one_gop_longer_than_the_span_is_kept_whole():
    queue = GopQueue()
    for n in range(100):
        queue.push(packet(n, gop=1000))
    assert len(drain(queue)[0]) == 100


@pytest.mark.parametrize(("limit", "value"), [("MAX_PACKETS", 30), ("MAX_BYTES", 3000)])
def test_a_single_gop_beyond_the_hard_bounds_is_dropped_with_its_rest(monkeypatch, limit, value):
    monkeypatch.setattr(gops_module, limit, value)
    queue = GopQueue()
    for n in range(100):
        queue.push(packet(n, gop=90))
        assert len(queue) <= 30
    items, shed = drain(queue)
    assert [p.seq for p in items] == list(range(90, 100))
    assert shed == 1


def test_streams_are_never_dropped(monkeypatch):
    monkeypatch.setattr(gops_module, "MAX_PACKETS", 5)
    queue = GopQueue()
    for n in range(40):
        if n % 20 == 10:
            queue.push(CLOSED)
            queue.push(OPENED)
        queue.push(packet(n))
    items, _ = drain(queue)
    assert [i for i in items if not isinstance(i, Packet)] == [CLOSED, OPENED, CLOSED, OPENED]


@given(st.lists(st.tuples(st.integers(1, 12), st.integers(0, 15)), max_size=30), st.integers(3, 20))
@settings(max_examples=150, deadline=None)
def test_a_gop_comes_out_whole_from_its_keyframe_or_cut_at_its_end_only(gops, limit):
    """gops: (length, how many items are popped after it)."""
    original, gops_module.MAX_PACKETS = gops_module.MAX_PACKETS, limit
    try:
        queue, out, seq = GopQueue(), [], 0
        for length, pops in gops:
            for n in range(length):
                p = packet(seq, gop=10**9)
                queue.push(Packet(**{f: getattr(p, f) for f in p.__slots__} | {"is_keyframe": n == 0}))
                seq += 1
            for _ in range(min(pops, len(queue))):
                item, lost = queue.pop()
                out.append((item, lost))
        while len(queue):
            item, lost = queue.pop()
            out.append((item, lost))
    finally:
        gops_module.MAX_PACKETS = original
    last = -1
    for item, lost in out:
        assert item.seq > last
        if item.seq != last + 1:  # something is missing: it goes on with a keyframe, and the loss was told
            assert item.is_keyframe
            assert lost > 0
        last = item.seq
