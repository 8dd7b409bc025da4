"""One of the site's processes without its supervisor, with an environment of the test's choice."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from custodes.testing.ending import kill


class Process:
    """`python -m <module> --data DIR` as a context manager; killed at its end if it still runs."""

    def __init__(self, module: str, data_dir: Path, *, env: Mapping[str, str] | None = None) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-m", module, "--data", str(data_dir)], env={**os.environ, **(env or {})}
        )

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def kill(self) -> None:
        """kill -9; again is harmless."""
        kill(self._process)

    def terminate(self, timeout_s: float = 60.0) -> int:
        """SIGTERM; returns the exit code. Raises: subprocess.TimeoutExpired."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        return self._process.wait(timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
