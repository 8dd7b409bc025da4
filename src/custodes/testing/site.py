"""A whole site as its users start it, for end-to-end tests and benches: `custodes up` in a child process.

Only public doors are used: the terminal's output, the CLI, HTTP and WebSocket.
"""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil
import yaml

from custodes.errors import DeadlineExceeded, Unavailable
from custodes.testing.ending import LIMIT_S, ended

START_TIMEOUT_S = 180.0
"""A cold start imports everything seven times on two busy cores."""

_ADDRESS = re.compile(r"https?://[\w.:\[\]-]+")
_TOKEN = re.compile(r"(?<![\w-])[\w-]{43}(?![\w-])", re.ASCII)
"""32 bytes in URL-safe base64."""


class RunningSite:
    """Context manager around `python -m custodes.cli.main up`. Attributes: data_dir, address, token."""

    def __init__(
        self, data_dir: Path, config: dict[str, Any], *, env: dict[str, str] | None = None, wrapper: Sequence[str] = ()
    ) -> None:
        """`wrapper`: a command that runs the site's, in a jail for instance."""
        self.data_dir = data_dir
        self.address = ""
        self.token = ""
        self.lines: list[str] = []
        self._config_path = data_dir.parent / f"{data_dir.name}.yaml"
        tree = {"server": {"port": 0}, **config, "data_dir": str(data_dir)}
        self._text = yaml.safe_dump(tree)
        self._config_path.write_text(self._text, encoding="utf-8")
        self._env = {**os.environ, **(env or {})}
        self._wrapper = wrapper
        self._options: tuple[str, ...] = ()
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(  # noqa: S603 - our own program, fixed arguments
            [
                *self._wrapper,
                sys.executable,
                "-m",
                "custodes.cli.main",
                "up",
                "--config",
                str(self._config_path),
                *self._options,
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**self._env, "PYTHONUNBUFFERED": "1"},
            start_new_session=True,
        )
        threading.Thread(target=self._read_output, daemon=True).start()
        if not self._options:
            try:
                self.wait_for(lambda: bool(self.address), "the address on the terminal", START_TIMEOUT_S)
            except BaseException:
                self._kill()  # nobody else would: what fails here is not left
                raise
        return self

    @contextmanager
    def standby(self) -> Iterator["RunningSite"]:
        """A second supervisor of the same site, that waits for the first to be gone."""
        other = RunningSite(self.data_dir, {}, env=self._env)
        self._config_path.write_text(self._text, encoding="utf-8")
        other._options = ("--standby",)
        with other:
            yield other

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _read_output(self) -> None:
        assert self._process is not None and self._process.stdout is not None
        for line in self._process.stdout:
            self.lines.append(line.rstrip())
            if not self.address and (found := _ADDRESS.search(line)):
                self.address = found.group().rstrip("/")
            if not self.token and (found := _TOKEN.search(line)):
                self.token = found.group()

    def stop(self, *, timeout_s: float = LIMIT_S) -> int:
        """Ctrl-C, as a person does; returns the exit code."""
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._kill()
            raise DeadlineExceeded(f"site did not stop within {timeout_s:.0f} s:\n" + self.tail()) from None

    def _kill(self) -> None:
        """The supervisor; the kernel ends its processes with it."""
        assert self._process is not None
        with suppress(ProcessLookupError):  # it ended by itself
            os.killpg(self._process.pid, signal.SIGKILL)
        ended(self._process)

    def tail(self, count: int = 30) -> str:
        """The last lines the terminal showed."""
        return "\n".join(self.lines[-count:])

    def cli(self, *arguments: str, timeout_s: float = 120.0) -> subprocess.CompletedProcess[str]:
        """Run `custodes <arguments>` against this site."""
        return subprocess.run(  # noqa: S603 - our own program
            [sys.executable, "-m", "custodes.cli.main", *arguments],
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
            env={**self._env, "CUSTODES_DATA": str(self.data_dir)},
        )

    def status(self) -> dict[str, Any]:
        """`custodes status --json`. Raises: Unavailable with the command's own words."""
        done = self.cli("status", "--json")
        if done.returncode != 0:
            raise Unavailable(f"status failed ({done.returncode}): {done.stderr.strip()}")
        parsed: dict[str, Any] = json.loads(done.stdout)
        return parsed

    def camera(self, camera_id: str) -> dict[str, Any]:
        """One camera's row of the status."""
        rows = [row for row in self.status()["cameras"] or [] if row["camera_id"] == camera_id]
        return rows[0] if rows else {}

    def wait_for(self, is_so: Callable[[], object], what: str, timeout_s: float = 120.0) -> None:
        """Poll until `is_so()` is true. Raises: DeadlineExceeded naming `what`, with the terminal's last lines."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if self._process is not None and self._process.poll() is not None:
                raise Unavailable(f"site ended ({self._process.returncode}) before {what}:\n{self.tail()}")
            try:
                if is_so():
                    return
            except Unavailable:
                pass  # parts of a starting or killed site are away for a moment; the deadline bounds it
            time.sleep(0.2)
        raise DeadlineExceeded(f"no {what} within {timeout_s:.0f} s:\n{self.tail()}")

    def pids(self, kind: str) -> list[int]:
        """Process ids of one kind, found by their command line, not by asking the site."""
        assert self._process is not None
        found = []
        for child in psutil.Process(self._process.pid).children(recursive=True):
            try:
                if f"custodes.app.{kind}" in " ".join(child.cmdline()):
                    found.append(child.pid)
            except psutil.Error:
                continue  # it ended while we looked
        return found

    def cpu_s(self) -> float:
        """Of all its processes, and of those that have ended."""
        assert self._process is not None
        supervisor = psutil.Process(self._process.pid)
        total = 0.0
        for one in (supervisor, *supervisor.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                times = one.cpu_times()
                total += times.user + times.system + times.children_user + times.children_system
        return total

    def kill(self, kind: str) -> int:
        """`kill -9` the first process of a kind; returns its pid."""
        pid = self.pids(kind)[0]
        os.kill(pid, signal.SIGKILL)
        return pid
