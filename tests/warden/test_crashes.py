"""The warden as a process, killed at random moments: whatever key anybody ever got is in the log that is left.

In CI some hundred operations; `make crashes` does 100,000.
"""

import contextlib
import os
import random
import select
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Self

import pytest
from tests.warden.conftest import GATE, VAULT, Site

from custodes.adapters.ipc.framing import Channel
from custodes.audit.log_tables import read_entries
from custodes.audit.verify import open_readonly
from custodes.config import SiteConfig, write_effective
from custodes.errors import CustodesError, ProtocolError, Unavailable
from custodes.testing.ending import kill as end
from custodes.types.access import Action, AuditKind, Checkpoint, Grant
from custodes.types.media import SegmentHeader
from custodes.types.message import (
    Authorise,
    Authorised,
    EndGrant,
    KeysReleased,
    Ok,
    PublishKeys,
    ReadCheckpoint,
    ReleaseKeys,
)

NURSERY = """
import os, sys
from custodes.app import warden
for folder in sys.stdin:
    pid = os.fork()
    if pid == 0:
        sys.argv = ["custodes.app.warden", "--data", folder.strip()]
        warden.main()
        os._exit(0)
    print(pid, flush=True)
    os.waitpid(pid, 0)
    print("gone", flush=True)
"""
"""Forks wardens that import nothing again: their start is most of what a kill costs, and nothing of what is tried."""

OPERATIONS = int(os.environ.get("CUSTODES_CRASH_OPERATIONS", "100000"))


class Crowd:
    """Asks one warden process after the other, and remembers what it got."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.site = Site(folder)
        self.site.clock.advance(time.time_ns() - self.site.clock.now_ns())
        self.site.paths.run_dir.mkdir(mode=0o700, exist_ok=True)
        write_effective(SiteConfig(data_dir=folder), self.site.paths.effective_config)
        self.chance = random.Random(seed)
        self.got: list[tuple[int, str]] = []
        self.sizes: list[int] = []
        self.done = 0
        self.released = 0
        self.kills = 0
        self.nursery = subprocess.Popen(
            [sys.executable, "-c", NURSERY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        end(self.nursery)

    def start(self) -> int:
        """A file descriptor of a new warden's process, once it serves."""
        for name in ("warden-server", "warden-jobs"):
            self.site.paths.socket(name).unlink(missing_ok=True)
        stdin, stdout = self.nursery.stdin, self.nursery.stdout
        assert stdin is not None and stdout is not None
        print(self.site.paths.data_dir, file=stdin, flush=True)
        process = os.pidfd_open(int(stdout.readline()))
        deadline = time.monotonic() + 600  # at nice 19 beside others a second of work took two minutes
        while not self.site.paths.socket("warden-server").exists():
            is_dead = bool(select.select([process], [], [], 0.005)[0])
            assert not is_dead and time.monotonic() < deadline, "the warden does not come up"
        return process

    def round(self, count: int) -> None:
        """At most `count` operations, then SIGKILL in the middle of one, then the log is read."""
        process = self.start()
        killer = threading.Timer(self.chance.uniform(0.0, 0.01), kill, (process,))
        try:
            server = Channel.connect(self.site.paths.socket("warden-server"), timeout_s=60)
            server.request(PublishKeys(camera_ids=(GATE, VAULT)), Ok)
            segments = [self.site.segment(camera) for camera in (GATE, GATE, VAULT)]
            self.ask(server, segments, killer, self.chance.randrange(count))
        finally:
            killer.cancel()
            kill(process)
            os.close(process)
            assert self.nursery.stdout is not None and self.nursery.stdout.readline() == "gone\n"
        self.kills += 1
        self.check()

    def ask(
        self, server: Channel, segments: list[tuple[SegmentHeader, bytes]], killer: threading.Timer, count: int
    ) -> None:
        """Until the connection breaks: death comes at some moment of the operations after `count`."""
        grants: list[Grant] = []
        last = self.done + count
        while True:
            self.done += 1
            if self.done == last + 1:
                killer.start()
            try:
                self.act(server, grants, segments)
            except (Unavailable, ProtocolError, OSError):
                return
            except CustodesError:
                grants.clear()  # a quota is used up: go on as somebody else

    def act(self, server: Channel, grants: list[Grant], segments: list[tuple[SegmentHeader, bytes]]) -> None:
        match self.chance.randrange(8):
            case 0 | 1:
                request = self.site.request(Action.PLAY_BACK, camera_id=self.chance.choice([GATE, VAULT]))
                somebody = replace(request.principal, user_id=f"u{self.done}")
                answer = server.request(Authorise(request=replace(request, principal=somebody)), Authorised)
                grants += [answer.grant] if answer.grant else []
            case 2 if grants:
                ended = grants.pop(self.chance.randrange(len(grants)))
                server.request(EndGrant(grant_id=ended.grant_id, frames_shown=1), Ok)
            case 3:
                self.sizes.append(server.request(ReadCheckpoint(), Checkpoint).size)
            case _ if grants:
                self.release(self.chance.choice(grants), segments)

    def release(self, grant: Grant, segments: list[tuple[SegmentHeader, bytes]]) -> None:
        fitting = [one for one in segments if one[0].camera_id == grant.request.camera_id]
        header, data_key = self.chance.choice(fitting)
        channel = Channel.connect(self.site.paths.socket("warden-jobs"), timeout_s=60)
        try:
            released = channel.request(ReleaseKeys(grant_token=grant.token, headers=(header,)), KeysReleased)
        finally:
            channel.close()
        assert released.data_keys == (data_key,)
        self.got.append((released.log_index, header.segment_id))

    def check(self) -> None:
        """Everything got is logged; every published size is still there; the whole log verifies."""
        report = self.site.verify()
        assert report.size >= max(self.sizes, default=0)
        connection = open_readonly(self.site.paths.warden_dir / "log.db")
        for index, segment_id in self.got:
            (entry,) = read_entries(connection, index, 1)
            assert (entry.index, entry.record.kind) == (index, AuditKind.KEYS_RELEASED)
            assert segment_id in entry.record.details.values()
        connection.close()
        self.released += len(self.got)
        self.got.clear()


def kill(process: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(process, signal.SIGKILL)


def test_released_keys_are_logged_when_the_warden_is_killed_at_any_moment(tmp_path: Path) -> None:
    with Crowd(tmp_path, seed=1) as crowd:
        while crowd.kills < 5:
            crowd.round(60)
        assert crowd.released > 0


@pytest.mark.slow
def test_released_keys_are_logged_over_a_hundred_thousand_operations_with_kills(tmp_path: Path) -> None:
    with Crowd(tmp_path, seed=2) as crowd:
        while crowd.done < OPERATIONS:
            crowd.round(1000)
            if crowd.kills % 10 == 0 or crowd.done >= OPERATIONS:
                size = crowd.site.verify().size
                print(f"{crowd.done} operations, {crowd.kills} kills, {crowd.released} releases, {size} entries")
