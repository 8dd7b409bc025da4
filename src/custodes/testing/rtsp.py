"""A real RTSP server on loopback for tests: demo/rtsp_server.py under Debian's python3. Needs a source checkout."""

import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from custodes.errors import FailedPrecondition
from custodes.testing.ending import first_line, kill

PACKAGES = (
    "python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-base gstreamer1.0-plugins-good "
    "gstreamer1.0-plugins-bad"
)
_DEMO = Path(__file__).parents[3] / "demo"
_SYSTEM_PYTHON = "/usr/bin/python3"
_STOP_S = 5.0


class RtspServer:
    """Context manager: serves prepared clips on a free port. `url(name)` is where."""

    def __init__(
        self, mounts: Mapping[str, Path | str], *, login: str = "", is_digest: bool = False, port: int = 0
    ) -> None:
        """
        Args:
            mounts: name to a clip of `prepare_clip`, to "audio:" for a tone, "jpeg:" or "h265:" for a test picture.
            login: USER:PASSWORD to ask for.
        """
        self._arguments = [f"--login={login}"] if login else []
        self._arguments += [f"--port={port}"]
        self._arguments += ["--digest"] if is_digest else []
        self._arguments += [f"{name}={clip}" for name, clip in mounts.items()]
        self._process: subprocess.Popen[str] | None = None
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - nobody reads a pipe, and a full one would stop it
        self.port = 0

    def __enter__(self) -> Self:
        """Start and wait until it listens. Raises: FailedPrecondition that names the Debian packages if it cannot."""
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own script, fixed interpreter
                [_SYSTEM_PYTHON, str(_DEMO / "rtsp_server.py"), "--until-eof", *self._arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                text=True,
            )
        except OSError as error:
            raise FailedPrecondition(f"{_SYSTEM_PYTHON} cannot run: {error}; apt-get install {PACKAGES}") from error
        first = first_line(self._process).split()
        if first[:1] != ["READY"]:
            self.stop()
            self._errors.seek(0)
            reason = self._errors.read().strip()
            raise FailedPrecondition(f"RTSP server does not start: {reason}; apt-get install {PACKAGES}")
        self.port = int(first[1])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def url(self, name: str) -> str:
        """Address of a mount, without credentials."""
        return f"rtsp://127.0.0.1:{self.port}/{name}"

    def stop(self) -> None:
        """End it, as a camera that loses power; idempotent."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_S)
        kill(process)


def prepare_clip(source: Path, target: Path, *, fps: float | None = None, seconds: float | None = None) -> Path:
    """Run demo/prepare.py. Raises: FailedPrecondition with its one sentence."""
    options = [*(["--fps", str(fps)] if fps else []), *(["--seconds", str(seconds)] if seconds else [])]
    done = subprocess.run(  # noqa: S603 - our own script
        [sys.executable, str(_DEMO / "prepare.py"), str(source), str(target), *options],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    if done.returncode:
        raise FailedPrecondition(done.stderr.strip())
    return target
