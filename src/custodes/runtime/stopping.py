"""SIGTERM and SIGINT for processes without an event loop: told to a thread, never to what they interrupt.

A handler in Python runs in the main thread, between any two of its steps. Should it set an `Event` whose lock the main
thread holds just then, because it waits for it or sets it, then it waits for itself for ever, and no second signal
helps. So handlers do nothing here; the interpreter writes the signal's number into a socket, and a thread reads it.
"""

import signal
import socket
import threading
from collections.abc import Callable

_NUMBERS = (signal.SIGTERM, signal.SIGINT)


class StopSignals:
    """Calls `act` in a thread of its own for each SIGTERM and SIGINT from now on. Made in the main thread, once."""

    def __init__(self, act: Callable[[], object]) -> None:
        self._act = act
        self._told, self._tell = socket.socketpair()
        self._tell.setblocking(False)
        signal.set_wakeup_fd(self._tell.fileno(), warn_on_full_buffer=False)
        self.listen()
        threading.Thread(target=self._heed, name="stop-signals", daemon=True).start()

    def listen(self) -> None:
        """Again, after a library took the signals for itself."""
        for number in _NUMBERS:
            signal.signal(number, _nothing)

    def _heed(self) -> None:
        while numbers := self._told.recv(64):
            if not frozenset(map(int, _NUMBERS)).isdisjoint(numbers):
                self._act()


def _nothing(*_: object) -> None:
    """A signal without a handler of Python's own would not be told."""
