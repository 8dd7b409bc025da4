"""Forks of one warm process: the wire between the supervisor and the process that is copied.

A view job spends its first second on imports, and a wall of sixteen starts sixteen. So one process imports what a job
needs, waits, and is copied: a copy is there in milliseconds and shares the memory it does not change (ADR 119).
It is copied twice, so that the second copy is nobody's child: the kernel gives it to the supervisor, which waits for
it, and with which it ends, as if it had been spawned.
"""

import asyncio
import contextlib
import ctypes
import json
import os
import socket
import struct
import time
from dataclasses import dataclass
from pathlib import Path

from custodes.errors import ProtocolError, Unavailable

REPLY_TIMEOUT_S = 5.0
_MAX_REQUEST_BYTES = 1 << 16
_ADOPTED_S = 5.0
_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h


def adopt_orphans() -> bool:
    """Become the parent of processes below whose parent ends; False where the kernel does not do that."""
    return bool(ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)


def reap_orphans(known: frozenset[int]) -> None:
    """Wait for adopted processes that have ended and are not `known`: whoever started them does not wait any more."""
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) is not None:
            if ended.si_pid in known:
                return  # its own waiter comes; the kernel shows the others after that
            os.waitpid(ended.si_pid, 0)


@dataclass(slots=True)
class Forked:
    """What `subprocess.Popen` is for a spawned process: a pid that is ours to wait for."""

    pid: int
    returncode: int | None = None

    def wait(self) -> int:
        """Until it has ended; the exit code, negative for a signal."""
        if self.returncode is None:
            _, status = os.waitpid(self.pid, 0)
            self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode


async def ask_fork(address: Path, arguments: tuple[str, ...], output: int) -> Forked:
    """A copy of the process that listens at `address`, with `arguments`; it prints to the descriptor `output`.

    The caller's process must have called `adopt_orphans`. Raises: Unavailable when there is none that can be copied.
    """
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        line.setblocking(False)
        try:
            async with asyncio.timeout(REPLY_TIMEOUT_S):
                await loop.sock_connect(line, str(address))
                # Who refuses answers and closes before it has read: the answer is there though sending fails.
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    socket.send_fds(line, [json.dumps(arguments).encode()], [output])
                    line.shutdown(socket.SHUT_WR)
                answer = await loop.sock_recv(line, _MAX_REQUEST_BYTES)
        except (OSError, TimeoutError) as error:
            raise Unavailable(f"nothing to fork at {address.name}: {error or 'no answer'}") from error
    if not answer.isdigit():
        raise Unavailable(
            f"the process at {address.name} is not forked: {answer.decode(errors='replace') or 'it ended'}"
        )
    return Forked(int(answer))


def wait_to_be_forked(listener: socket.socket, owner: int) -> tuple[str, ...]:
    """Answer for ever; returns in each copy alone, with its arguments and its own session, input and output.

    Args:
        listener: a unix socket; closed in the copies.
        owner: pid of the supervisor. Nobody else is served, and a copy goes on only as its child.
    """
    listener.setblocking(True)
    while True:
        connection, _ = listener.accept()
        with connection:
            try:
                arguments, output = _read_request(connection, owner)
            except (OSError, ProtocolError, ValueError) as error:
                _reply(connection, str(error).encode() or b"bad request")
                continue
            try:
                pid = _fork_twice()
            except OSError as error:
                _reply(connection, f"cannot fork: {error.strerror or error}".encode())
                os.close(output)
                continue
            if pid:
                os.close(output)
                _reply(connection, str(pid).encode())
                continue
        listener.close()
        _become(output, owner)
        return arguments


def _reply(connection: socket.socket, answer: bytes) -> None:
    with contextlib.suppress(OSError):  # who asked is gone: nothing to tell
        connection.sendall(answer)


def _read_request(connection: socket.socket, owner: int) -> tuple[tuple[str, ...], int]:
    """Arguments and output of one request. Raises: ProtocolError, OSError, ValueError."""
    asker = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))[0]
    if asker != owner:
        raise ProtocolError(f"process {asker} is not the supervisor ({owner})")
    threads = sum(1 for _ in Path("/proc/self/task").iterdir())
    if threads != 1:
        raise ProtocolError(f"{threads} threads run here; a copy would have one of them and the locks of all")
    connection.settimeout(REPLY_TIMEOUT_S)
    raw, descriptors, _, _ = socket.recv_fds(connection, _MAX_REQUEST_BYTES, 1)
    try:
        while chunk := connection.recv(_MAX_REQUEST_BYTES):
            raw += chunk
        arguments = json.loads(raw)
        if len(descriptors) != 1 or not isinstance(arguments, list):
            raise ProtocolError("a request is a list of arguments, and one descriptor beside it")
        return tuple(str(one) for one in arguments), descriptors[0]
    except BaseException:
        for descriptor in descriptors:
            os.close(descriptor)
        raise


def _fork_twice() -> int:
    """The grandchild's pid in this process, 0 in the grandchild, once nobody but the kernel's choice is its parent."""
    read_end, write_end = os.pipe()
    middle = os.fork()
    if middle == 0:
        try:
            pid = os.fork()
        except OSError:
            os._exit(1)
        if pid:
            os.write(write_end, str(pid).encode())
            os._exit(0)
        os.close(read_end)
        os.close(write_end)
        return 0
    os.close(write_end)
    try:
        told = os.read(read_end, 32)
    finally:
        os.close(read_end)
        os.waitpid(middle, 0)
    if not told:
        raise OSError("no process could be made")
    return int(told)


def _become(output: int, owner: int) -> None:
    """A process of its own: session, input, output, and the supervisor as its parent; ends when that does not come."""
    os.setsid()
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(null)
    os.close(output)
    deadline = time.monotonic() + _ADOPTED_S
    while os.getppid() != owner:
        if time.monotonic() > deadline:
            os._exit(1)
        time.sleep(0.001)
