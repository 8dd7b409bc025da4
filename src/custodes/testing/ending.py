"""Ends of what a test started: each wait has a limit, and one in vain says what was waited for.

A test that fails is to fail, and not to wait for ever for a process or a thread that its failure left running.
"""

import asyncio
import contextlib
import io
import select
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from custodes.errors import DeadlineExceeded

LIMIT_S = 180.0
"""No machine is so slow, and no test so long, that an end takes longer."""

_LAST_BYTES = 4000


def stop(process: "subprocess.Popen[Any]", number: int = signal.SIGTERM) -> int:
    """Ask it to end, unless it has; its exit code.

    Raises: DeadlineExceeded when it lives on for `LIMIT_S`, with what it said last into its pipes; then it is killed.
    """
    if process.poll() is None:
        process.send_signal(number)
    return ended(process, f"after {signal.Signals(number).name}")


def ended(process: "subprocess.Popen[Any]", when: str = "by itself") -> int:
    """The exit code of a process that ends. Raises: as `stop`."""
    try:
        return process.wait(LIMIT_S)
    except subprocess.TimeoutExpired:
        doing = _doing(process.pid)
        process.kill()
        said = _said(process)
        raise DeadlineExceeded(f"{_name(process)} did not end {when} ({doing}); it said: {said}") from None


def kill(process: "subprocess.Popen[Any]") -> None:
    """SIGKILL and wait, and close its pipes; again is harmless. Raises: DeadlineExceeded."""
    process.kill()
    try:
        process.wait(LIMIT_S)
    except subprocess.TimeoutExpired:
        raise DeadlineExceeded(f"{_name(process)} outlives SIGKILL ({_doing(process.pid)})") from None
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            with contextlib.suppress(OSError):  # what was never written into it cannot be now
                pipe.close()


@contextmanager
def killed_after(process: "subprocess.Popen[Any]") -> Iterator["subprocess.Popen[Any]"]:
    """The process for the time of the block, however that ends; `with Popen(…)` waits for it when a test failed."""
    try:
        yield process
    finally:
        kill(process)


def first_line(process: "subprocess.Popen[Any]") -> Any:
    """What it says first on its output, a pipe that nobody read yet; empty when it ended. Raises: DeadlineExceeded."""
    assert process.stdout is not None
    if not select.select([process.stdout], [], [], LIMIT_S)[0]:
        doing = _doing(process.pid)
        process.kill()
        raise DeadlineExceeded(f"{_name(process)} says nothing ({doing}); {_said(process)}")
    return process.stdout.readline()


def joined(*threads: threading.Thread) -> None:
    """Wait for threads that end. Raises: DeadlineExceeded with what one of them does instead."""
    for thread in threads:
        thread.join(LIMIT_S)
        if thread.is_alive():
            frame = sys._current_frames().get(thread.ident or 0)
            stack = "".join(traceback.format_stack(frame)) if frame is not None else "?"
            raise DeadlineExceeded(f"thread {thread.name} does not end; it is at\n{stack}")


async def cancelled(*tasks: "asyncio.Task[Any]") -> None:
    """Cancel them, and wait; how they end is not asked. Raises: DeadlineExceeded with where one goes on instead."""
    for task in tasks:
        task.cancel()
    if not tasks:
        return
    _, left = await asyncio.wait(tasks, timeout=LIMIT_S)
    for task in left:
        where = io.StringIO()
        task.print_stack(file=where)
        raise DeadlineExceeded(f"{task.get_name()} goes on after it was cancelled:\n{where.getvalue()}")
    await asyncio.gather(*tasks, return_exceptions=True)


def _name(process: "subprocess.Popen[Any]") -> str:
    words = process.args if isinstance(process.args, list | tuple) else [process.args]
    return f"process {process.pid} ({' '.join(map(str, words))[:300]})"


def _doing(pid: int) -> str:
    """Its state and where in the kernel it waits, as far as the kernel tells."""
    with contextlib.suppress(OSError, IndexError):
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]
        return f"state {state}, waits in {Path(f'/proc/{pid}/wchan').read_text() or '?'}"
    return "gone"


def _said(process: "subprocess.Popen[Any]") -> str:
    """The end of what it wrote into its pipes; others may hold them open, so nobody waits for their end."""
    try:
        out, err = process.communicate(timeout=5)
    except subprocess.TimeoutExpired as error:
        out, err = error.stdout, error.stderr
    except ValueError:  # a pipe was closed before
        return "nothing"
    said = [one.decode(errors="replace") if isinstance(one, bytes) else str(one) for one in (out, err) if one]
    return "\n".join(said)[-_LAST_BYTES:] or "nothing"
