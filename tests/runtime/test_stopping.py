"""Signals that end a process without an event loop: also when they come while it waits for what they set."""

import signal
import subprocess
import sys

import pytest

from custodes.testing.ending import ended, first_line, killed_after

WAITER = """
import os, signal, sys, threading
from custodes.runtime.stopping import StopSignals
stopped, news = threading.Event(), threading.Event()
def stop():
    stopped.set()
    news.set()
signals = StopSignals(stop)
if "library" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signals.listen()
print("waits", flush=True)
with news._cond:  # as in the middle of `wait`, `set` or `clear`
    for _ in range(3):
        os.kill(os.getpid(), int(sys.argv[1]))
while not stopped.is_set():
    news.wait(600)
    news.clear()
sys.exit(7)
"""


@pytest.mark.parametrize("words", [(signal.SIGTERM,), (signal.SIGINT,), (signal.SIGTERM, "library")])
def test_process_ends_that_holds_the_lock_of_what_its_signal_sets(words: tuple[object, ...]) -> None:
    arguments = [str(int(one)) if isinstance(one, int) else str(one) for one in words]
    process = subprocess.Popen([sys.executable, "-c", WAITER, *arguments], stdout=subprocess.PIPE)
    with killed_after(process):
        assert first_line(process) == b"waits\n"
        assert ended(process) == 7
