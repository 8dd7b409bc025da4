"""For tests of the view job: a data directory with a real warden process; the test itself plays the server."""

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from custodes.adapters.ipc.framing import Channel, listening_socket
from custodes.adapters.ipc.warden import WardenClient
from custodes.config import SiteConfig, SiteIdentity, SitePaths, write_effective, write_identity
from custodes.sealing.published import PublishedKey, latest_usable, read_pinned
from custodes.types.access import (
    AccessRequest,
    Action,
    AuditKind,
    Fidelity,
    Grant,
    LogEntry,
    Principal,
    Purpose,
    PurposeKind,
    Role,
)
from custodes.types.media import Segment
from custodes.types.message import JobReady, ViewEnded, ViewKind, ViewNote, ViewTask
from custodes.units import NS_PER_S, CameraId, Ns, SessionId

CAMERA = CameraId("cam")
SITE_ID = "0" * 16
WAIT_S = 180.0
"""Bound of every wait; a loaded two-core machine starts a process in seconds."""


class JobProcess:
    """One job with its connection to us."""

    def __init__(self, process: subprocess.Popen[bytes], channel: Channel) -> None:
        self.process = process
        self.channel = channel

    def until(self, *kinds: type, limit: int = 10_000) -> list[object]:
        """Receive up to and with the first message of one of these kinds."""
        seen: list[object] = []
        for _ in range(limit):
            message = self.channel.receive()
            assert message is not None, f"the job closed after {[type(m).__name__ for m in seen[-5:]]}"
            seen.append(message)
            if isinstance(message, kinds):
                return seen
        raise AssertionError(f"no {kinds} in {limit} messages")

    def until_note(self, code: str) -> list[object]:
        """Receive up to and with the first note of this code; the view may not end before it."""
        seen: list[object] = []
        while True:
            seen += self.until(ViewNote, ViewEnded)
            match seen[-1]:
                case ViewNote(code=told) if told == code:
                    return seen
                case ViewEnded(error=error):
                    raise AssertionError(f"the view ended without a note {code!r}: {error!r}")

    def wait(self) -> int:
        """Exit code."""
        return self.process.wait(timeout=WAIT_S)


class JobSite:
    """Data directory, warden, and the server's end of `server-jobs.sock`."""

    def __init__(self, data_dir: Path) -> None:
        self.paths = SitePaths(data_dir)
        write_identity(self.paths.identity, SiteIdentity(site_id=SITE_ID, name="Test", created_ns=Ns(1)))
        write_effective(SiteConfig(data_dir=data_dir), self.paths.effective_config)
        self.paths.run_dir.mkdir(mode=0o700)
        self._listener = listening_socket(self.paths.socket("server-jobs"))
        self._listener.settimeout(WAIT_S)

    def start(self, kind: str, name: str) -> subprocess.Popen[bytes]:
        """A process of ours."""
        arguments = [sys.executable, "-m", f"custodes.app.{kind}", "--data", str(self.paths.data_dir), "--name", name]
        return subprocess.Popen(arguments, stdin=subprocess.DEVNULL)  # noqa: S603 - our own program

    @contextmanager
    def warden(self) -> Iterator[None]:
        """A warden that serves."""
        process = self.start("warden", "warden")
        try:
            deadline = time.monotonic() + WAIT_S
            while not self.paths.socket("warden-server").exists():
                assert process.poll() is None, "the warden ended"
                assert time.monotonic() < deadline, "the warden does not come up"
                time.sleep(0.02)
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=WAIT_S)

    @contextmanager
    def job(self, name: str = "job-1") -> Iterator[JobProcess]:
        """A spare job that has said JobReady."""
        process = self.start("job", name)
        try:
            connection, _ = self._listener.accept()
            connection.settimeout(WAIT_S)
            channel = Channel(connection)
            ready = channel.receive()
            assert ready == JobReady(job_id=name, pid=process.pid)
            yield JobProcess(process, channel)
            channel.close()
        finally:
            if process.poll() is None:
                process.kill()
            process.wait(timeout=WAIT_S)

    def published_key(self) -> PublishedKey:
        """Today's key of the camera."""

        async def publish() -> None:
            client = WardenClient(self.paths.socket("warden-server"))
            await client.publish_keys((CAMERA,))
            await client.close()

        asyncio.run(publish())
        day = time.strftime("%Y%m%d", time.gmtime())
        return latest_usable(self.paths.public_keys, CAMERA, day, read_pinned(self.paths.warden_key))

    def grant(self, *, live: bool, start_ns: int, end_ns: int, session: str) -> Grant:
        """What the warden gives an operator."""
        purpose = (
            Purpose(kind=PurposeKind.LIVE_DUTY, reference="")
            if live
            else Purpose(kind=PurposeKind.MAINTENANCE, reference="ticket 7")
        )
        request = AccessRequest(
            principal=Principal(user_id="u1", name="ada", roles=frozenset({Role.OPERATOR})),
            action=Action.WATCH_LIVE if live else Action.PLAY_BACK,
            purpose=purpose,
            camera_id=CAMERA,
            start_ns=Ns(start_ns),
            end_ns=Ns(end_ns),
            fidelity=Fidelity.MASKED,
            session_id=SessionId(session),
        )

        async def ask() -> Grant:
            client = WardenClient(self.paths.socket("warden-server"))
            answer = await client.authorise(request)
            await client.close()
            assert answer.grant is not None, answer.decision.reasons
            return answer.grant

        return asyncio.run(ask())

    def released_segments(self) -> list[LogEntry]:
        """KEYS_RELEASED entries of the audit log."""

        async def read() -> list[LogEntry]:
            client = WardenClient(self.paths.socket("warden-server"))
            page = await client.read_log(0, 1000)
            await client.close()
            return [entry for entry in page.entries if entry.record.kind is AuditKind.KEYS_RELEASED]

        return asyncio.run(read())

    def task(
        self, grant: Grant, kind: ViewKind, *segments: Segment, start_ns: int = 0, deadline_s: float = 600
    ) -> ViewTask:
        """What the server would send under this grant."""
        return ViewTask(
            kind=kind,
            camera_id=CAMERA,
            session_id=grant.request.session_id,
            grant_token=grant.token,
            fidelity=Fidelity.MASKED,
            deadline_ns=Ns(time.time_ns() + int(deadline_s * NS_PER_S)),
            start_ns=Ns(start_ns),
            speed=1.0,
            max_height_px=720,
            segments=tuple(segments),
        )

    def close(self) -> None:
        """Stop listening."""
        self._listener.close()
