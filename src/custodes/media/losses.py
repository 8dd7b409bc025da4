"""RTP packets that never came, by the word of FFmpeg's RTSP client, which says so in its log and nowhere else.

Over UDP alone: over TCP none is lost on the way. FFmpeg's messages may hold URLs with credentials; here a number is
read out of one kind of them, and all end here. Each costs some 15 µs and the interpreter's lock, so that a camera
that makes FFmpeg complain without end is cut off for a second: what is counted then is the least that was lost.
"""

import logging
import re
import threading
import time

import av.logging

MAX_MESSAGES_PER_S = 2000
"""Of the whole process: 3 % of a core."""
_MISSED = re.compile(r"RTP: missed (\d{1,9}) packets")
MAX_MISSED = 65_535
"""Of one message: RTP numbers its packets with 16 bits."""


class _OfThread(threading.local):
    lost = 0


class LossCounter(logging.Handler):
    """Takes all that FFmpeg says. It says it in the thread that reads, so that each camera's thread has its count."""

    def __init__(self) -> None:
        super().__init__()
        self._of_thread = _OfThread()
        self._budget = threading.Lock()
        self._second = 0
        self._messages = 0
        self.is_muted = False

    def start(self) -> None:
        """Have FFmpeg's warnings brought here, for the rest of this process."""
        logger = logging.getLogger("libav")
        logger.propagate = False
        logger.handlers = [self]
        av.logging.set_skip_repeated(False)  # "missed 1 packets" twice is two
        av.logging.set_level(av.logging.WARNING)

    def stop(self) -> None:
        """Have FFmpeg silent again."""
        av.logging.set_level(None)
        av.logging.set_skip_repeated(True)
        logging.getLogger("libav").removeHandler(self)

    def handle(self, record: logging.LogRecord) -> bool:
        """Count; nothing of the message is kept."""
        self._spend()
        found = _MISSED.match(str(record.msg))
        if found is not None:
            self._of_thread.lost += min(int(found[1]), MAX_MISSED)
        return True

    def lost(self) -> int:
        """Of the calling thread, since it began. Ask it now and then: it also ends the pause after a flood."""
        if self.is_muted and int(time.monotonic()) != self._second:
            with self._budget:
                self.is_muted = False
                av.logging.set_level(av.logging.WARNING)
        return self._of_thread.lost

    def _spend(self) -> None:
        with self._budget:
            second = int(time.monotonic())
            if second != self._second:
                self._second, self._messages = second, 0
            self._messages += 1
            if self._messages > MAX_MESSAGES_PER_S and not self.is_muted:
                self.is_muted = True
                av.logging.set_level(None)


LOSSES = LossCounter()
"""Of this process: FFmpeg has one log. It counts nothing before `start`."""
