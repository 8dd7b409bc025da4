"""Replicas of analysis cells in processes beside the caller's, over a pipe. See `cells`."""

import multiprocessing
import os
import queue
import threading
from multiprocessing.connection import Connection

from custodes.errors import Unavailable
from custodes.runtime.cells import CellPlan, Replica
from custodes.runtime.memory import hide_memory

_END_S = 5.0


class ProcessHost:
    """Spawns, never forks: the caller has threads."""

    def start(self, name: str, plan: CellPlan) -> "ProcessReplica":
        """See `Host`."""
        return ProcessReplica(name, plan)


class ProcessReplica:
    """See `ReplicaHandle`."""

    def __init__(self, name: str, plan: CellPlan) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, far = context.Pipe()
        self._process = context.Process(target=_work, args=(far, plan), name=name, daemon=True)
        self._process.start()
        far.close()

    @property
    def where(self) -> str:
        """See `ReplicaHandle`."""
        return f"process {self._process.pid}"

    @property
    def place(self) -> str:
        """See `ReplicaHandle`."""
        return self.where

    def send(self, lot: bytes) -> None:
        """See `ReplicaHandle`."""
        try:
            self._pipe.send_bytes(lot)
        except OSError as error:
            raise self._gone() from error

    def receive(self, timeout_s: float) -> bytes | None:
        """See `ReplicaHandle`."""
        try:
            return self._pipe.recv_bytes() if self._pipe.poll(timeout_s) else None
        except (OSError, EOFError) as error:
            raise self._gone() from error

    def kill(self) -> None:
        """See `ReplicaHandle`."""
        self._process.kill()
        self._process.join(_END_S)
        self._pipe.close()

    def _gone(self) -> Unavailable:
        self._process.join(_END_S)
        return Unavailable(f"{self.where} ended with {self._process.exitcode}")


def _work(pipe: Connection, plan: CellPlan) -> None:
    """The process's body: until the other end of the pipe is gone."""
    hide_memory()
    lots: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(pipe, lots), name="lots", daemon=True).start()
    replica = Replica(plan)
    while True:
        try:
            pipe.send_bytes(replica.take(lots.get()))
        except (EOFError, OSError):
            os._exit(0)  # whoever fed it is gone: nothing of it is wanted


def _read(pipe: Connection, lots: "queue.SimpleQueue[bytes]") -> None:
    """Also while an answer is on its way: a lot and an answer that the pipe has no room for would wait for each other
    for ever. The runner bounds how many there are."""
    while True:
        try:
            lots.put(pipe.recv_bytes())
        except (EOFError, OSError):
            os._exit(0)
