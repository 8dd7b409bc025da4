"""RTP packets that never came are counted by each camera's thread, and a flood of complaints is cut off."""

import logging
import threading
import time
from collections.abc import Iterator

import av.logging
import pytest
from tests.recorder.test_vendors import access_units, clips, play

from custodes.media.losses import LOSSES, MAX_MESSAGES_PER_S, MAX_MISSED
from custodes.testing.rtsp_script import Camera

__all__ = ["clips"]


@pytest.fixture(autouse=True)
def _counting() -> Iterator[None]:
    LOSSES.start()
    yield
    LOSSES.stop()


def in_thread(work):
    """The count of a thread of its own, which begins with none."""
    counts = []
    thread = threading.Thread(target=lambda: (work(), counts.append(LOSSES.lost())))
    thread.start()
    thread.join(120)
    return counts[0]


def say(message, times=1):
    for _ in range(times):
        av.logging.log(av.logging.WARNING, "rtsp", message)


def test_packets_that_never_came_over_udp_are_counted_and_over_tcp_none_is(clips):
    def over(transport, every):
        return lambda: play(
            Camera(units=access_units(clips["h264"]), fps=50, loses_every=every), transport=transport, packets=60
        )

    assert in_thread(over("udp", 5)) > 5
    assert in_thread(over("udp", 0)) == 0
    assert in_thread(over("tcp", 5)) == 0


def test_each_thread_has_its_own_count_and_only_one_kind_of_message_counts():
    assert in_thread(lambda: say("RTP: missed 3 packets", 2)) == 6
    assert in_thread(lambda: say("RTP: missed 99999999 packets")) == MAX_MISSED
    assert in_thread(lambda: say("rtsp://u:secret@h/ RTP: missed 3 packets")) == 0
    assert in_thread(lambda: say("RTP: missed -3 packets")) == 0


def test_what_ffmpeg_says_reaches_no_log(capfd):
    root, seen = logging.getLogger(), []  # not caplog: pytest listens to loggers that hand nothing on, too
    handler = logging.Handler()
    handler.emit = lambda record: seen.append(record.getMessage())
    root.addHandler(handler)
    try:
        in_thread(lambda: say("rtsp://u:secret@h/ failed"))
        logging.getLogger("x").warning("heard")
    finally:
        root.removeHandler(handler)
    assert seen == ["heard"]
    assert "secret" not in "".join(capfd.readouterr())


def test_a_flood_is_cut_off_for_a_second_and_then_counted_again():
    counted = in_thread(lambda: say("RTP: missed 1 packets", 20 * MAX_MESSAGES_PER_S))
    assert counted < 20 * MAX_MESSAGES_PER_S
    deadline = time.monotonic() + 60
    while LOSSES.lost() or LOSSES.is_muted:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert in_thread(lambda: say("RTP: missed 1 packets", 3)) == 3
