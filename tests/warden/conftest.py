"""A real gate over real files, on a clock that tests move."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest

from custodes.app.warden import open_gate
from custodes.app.warden_gate import Gate, day_of
from custodes.audit.checkpoint import log_keys
from custodes.audit.log_tables import read_entries
from custodes.audit.note import NoteVerifier
from custodes.audit.verify import LogReport, open_readonly, verify_log
from custodes.config import SiteIdentity, SitePaths, write_identity
from custodes.sealing.published import latest_usable, read_pinned
from custodes.sealing.wrap import new_segment
from custodes.testing.clock import ManualClock
from custodes.testing.keys import SITE_ID
from custodes.types.access import (
    AccessRequest,
    Action,
    AuditKind,
    Fidelity,
    LogEntry,
    Principal,
    Purpose,
    PurposeKind,
    Role,
)
from custodes.types.media import SegmentHeader
from custodes.units import CameraId, Ns, RunId, SegmentId, SessionId

T = TypeVar("T")
HOUR = 3600 * 10**9
GATE, VAULT = CameraId("gate"), CameraId("vault")


class Site:
    """A data directory with a warden in this process."""

    def __init__(self, data_dir: Path) -> None:
        self.paths = SitePaths(data_dir)
        self.clock = ManualClock()
        self.identity = SiteIdentity(site_id=SITE_ID, name="Test", created_ns=Ns(1))
        if not self.paths.identity.exists():
            write_identity(self.paths.identity, self.identity)
        self._segments = 0

    @asynccontextmanager
    async def warden(
        self, passphrase: str | None = None, witnesses: tuple[NoteVerifier, ...] = ()
    ) -> AsyncIterator[Gate]:
        async with open_gate(
            self.paths, self.identity, passphrase=passphrase, clock=self.clock, witnesses=witnesses
        ) as gate:
            await gate.publish((GATE, VAULT))
            yield gate

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        return asyncio.run(main)

    def segment(self, camera_id: CameraId = GATE, *, start_ns: int | None = None) -> tuple[SegmentHeader, bytes]:
        """As the recorder makes it: from the published key, without any secret."""
        pinned = read_pinned(self.paths.warden_key)
        at = Ns(self.clock.now_ns() if start_ns is None else start_ns)
        key = latest_usable(self.paths.public_keys, camera_id, day_of(at), pinned)
        self._segments += 1
        run = RunId("0123456789ab")
        return new_segment(
            public_key=key.public_key,
            key_id=key.key_id,
            site_id=SITE_ID,
            camera_id=camera_id,
            run=run,
            segment_id=SegmentId(f"{at}-{run}-{self._segments}"),
            start_ns=at,
        )

    def request(
        self,
        action: Action = Action.WATCH_LIVE,
        *,
        role: Role = Role.OPERATOR,
        camera_id: CameraId = GATE,
        session: str = "s1",
        fidelity: Fidelity = Fidelity.MASKED,
        lasts_ns: int = HOUR,
    ) -> AccessRequest:
        live = action is Action.WATCH_LIVE
        now = self.clock.now_ns()
        masked = PurposeKind.LIVE_DUTY if live else PurposeKind.MAINTENANCE
        kind = masked if fidelity is Fidelity.MASKED else PurposeKind.CASE
        return AccessRequest(
            principal=Principal(user_id="u1", name="Ann Miller", roles=frozenset({role})),
            action=action,
            purpose=Purpose(kind=kind, reference="" if live else "7"),
            camera_id=camera_id,
            start_ns=now,
            end_ns=Ns(now + lasts_ns),
            fidelity=fidelity,
            session_id=SessionId(session),
        )

    def entries(self) -> list[LogEntry]:
        """What is durable, read from the file by another connection."""
        connection = open_readonly(self.paths.warden_dir / "log.db")
        try:
            return list(read_entries(connection, 0, 100_000))
        finally:
            connection.close()

    def kinds(self) -> list[AuditKind]:
        return [entry.record.kind for entry in self.entries()]

    def verify(self) -> LogReport:
        pinned = read_pinned(self.paths.warden_key)
        trusted = log_keys(pinned.log_origin, pinned.log_key, pinned.log_mldsa_key)
        return verify_log(self.paths.warden_dir / "log.db", trusted)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)
