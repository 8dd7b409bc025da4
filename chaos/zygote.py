"""Starts a recorder or a warden in milliseconds: a process that has imported everything forks one for each line.

`python -m chaos.zygote custodes.app.recorder`; a line is a data directory, the answer its process id. The product
spawns and never forks; here a thousand starts must not spend a quarter of an hour on imports. The child runs the very
`main` of the module.
"""

import importlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path


class Zygote:
    """One warm process; owned by one thread."""

    def __init__(self, module: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "chaos.zygote", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        )

    def start(self, data_dir: Path) -> int:
        """Fork one process on that directory; returns its process id."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(f"{data_dir}\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def reap(self, pid: int) -> None:
        """Wait until that process is gone for good."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(f"reap {pid}\n")
        self._process.stdin.flush()
        assert int(self._process.stdout.readline()) == pid

    def kill(self, pid: int) -> None:
        """kill -9, and wait."""
        os.kill(pid, signal.SIGKILL)
        self.reap(pid)

    def close(self) -> None:
        """Ends the warm process."""
        self._process.kill()
        self._process.wait()


def _child(main: Callable[[], None], data_dir: str) -> None:
    sys.argv = ["chaos", "--data", data_dir]
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1):
        os.dup2(null, fd)  # our answers are not the child's output; errors it may tell
    try:
        main()
    except SystemExit as end:
        os._exit(end.code if isinstance(end.code, int) else 1)
    finally:
        os._exit(2)


def _serve(module: str) -> None:
    main = importlib.import_module(module).main
    for line in sys.stdin:
        command, _, argument = line.strip().partition(" ")
        if command == "reap":
            os.waitpid(int(argument), 0)
            pid = int(argument)
        elif not (pid := os.fork()):
            _child(main, line.strip())
        print(pid, flush=True)


if __name__ == "__main__":
    _serve(sys.argv[1])
