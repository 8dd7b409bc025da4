"""Property: whatever happens in whatever order, the data keys released are a subset of the releases logged.

Steps: authorise, release, end, let time pass, restart, a disk that fills at any moment and becomes free again.
"""

import asyncio
import contextlib
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.warden.conftest import GATE, VAULT, Site

from custodes.errors import CustodesError, ResourceExhausted
from custodes.types.access import Action, AuditKind, AuditRecord, Fidelity, Grant, Role
from custodes.types.media import SegmentHeader
from custodes.types.message import EndGrant, ReleaseKeys


class WardenMachine(RuleBasedStateMachine):
    """Drives a real gate over real files; the model is only what the outside has seen."""

    def __init__(self) -> None:
        super().__init__()
        # In memory when there is such a disk: thousands of fsyncs are not what is tested here.
        self.folder = tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None)
        self.loop = asyncio.new_event_loop()
        self.site = Site(Path(self.folder.name))
        self.stack = AsyncExitStack()
        self.grants: list[Grant] = []
        self.segments: list[tuple[SegmentHeader, bytes]] = []
        self.seen: list[tuple[int, str, bool]] = []
        self.granted: list[tuple[int, str]] = []

    @initialize()
    def start(self) -> None:
        self.gate = self.loop.run_until_complete(self.stack.enter_async_context(self.site.warden()))
        self.segments = [self.site.segment(camera) for camera in (GATE, GATE, VAULT)]

    @rule(
        action=st.sampled_from([Action.WATCH_LIVE, Action.PLAY_BACK, Action.READ_METADATA]),
        role=st.sampled_from([Role.OPERATOR, Role.OPERATOR, Role.INVESTIGATOR, Role.ADMINISTRATOR]),
        camera=st.sampled_from([GATE, VAULT]),
        fidelity=st.sampled_from([Fidelity.MASKED, Fidelity.MASKED, Fidelity.UNMASKED]),
    )
    def authorise(self, action: Action, role: Role, camera: str, fidelity: Fidelity) -> None:
        request = self.site.request(action, role=role, camera_id=camera, fidelity=fidelity)  # type: ignore[arg-type]
        try:
            answer = self.loop.run_until_complete(self.gate.authorise(request))
        except CustodesError:
            return
        if answer.grant is not None:
            assert (role, fidelity) != (Role.ADMINISTRATOR, Fidelity.UNMASKED)
            self.grants.append(answer.grant)
            self.granted.append((answer.log_index, answer.grant.grant_id))

    @precondition(lambda self: self.grants)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        grant = data.draw(st.sampled_from(self.grants))
        camera = data.draw(st.sampled_from([grant.request.camera_id] * 4 + [GATE, VAULT]))
        fitting = [segment for segment in self.segments if segment[0].camera_id == camera]
        chosen = data.draw(st.lists(st.sampled_from(fitting), min_size=1, max_size=3))
        self.ask_for(grant, chosen)

    @rule()
    def look_while_the_disk_fills(self) -> None:
        """A grant from just before, a release from just after."""
        self.authorise(Action.PLAY_BACK, Role.OPERATOR, GATE, Fidelity.MASKED)
        self.fill_disk(0)
        if self.grants:
            self.ask_for(self.grants[-1], [s for s in self.segments if s[0].camera_id == GATE])
        self.free_disk()

    def ask_for(self, grant: Grant, chosen: list[tuple[SegmentHeader, bytes]]) -> None:
        request = ReleaseKeys(grant_token=grant.token, headers=tuple(header for header, _ in chosen))
        try:
            answer = self.loop.run_until_complete(self.gate.release(request))
        except CustodesError:
            return
        assert all(header.camera_id == grant.request.camera_id for header, _ in chosen)
        for (header, data_key), released in zip(chosen, answer.data_keys, strict=True):
            self.seen.append((answer.log_index, header.segment_id, released == data_key))

    @precondition(lambda self: self.grants)
    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        grant = data.draw(st.sampled_from(self.grants))
        try:
            self.loop.run_until_complete(self.gate.end_grant(EndGrant(grant_id=grant.grant_id, frames_shown=1)))
        except CustodesError:
            return

    @rule(minutes=st.sampled_from([1, 50, 800]))
    def wait(self, minutes: int) -> None:
        self.site.clock.advance(minutes * 60 * 10**9)

    @rule(spare=st.integers(0, 2))
    def fill_disk(self, spare: int) -> None:
        database = self.gate._log._log._db
        (pages,) = database.execute("PRAGMA page_count").fetchone()
        database.execute(f"PRAGMA max_page_count={pages + spare}")
        self.loop.run_until_complete(self.use_up())

    async def use_up(self) -> None:
        """Fill the last page too, with the smallest record there is."""
        record = AuditRecord(kind=AuditKind.PROCESS_EVENT, actor="process:x", subject="", details={})
        with contextlib.suppress(ResourceExhausted):
            while True:
                await asyncio.gather(*(self.gate.append(record) for _ in range(4)))

    @rule()
    def free_disk(self) -> None:
        self.gate._log._log._db.execute("PRAGMA max_page_count=1000000")

    @rule()
    def restart(self) -> None:
        self.loop.run_until_complete(self.stack.aclose())
        self.gate = self.loop.run_until_complete(self.stack.enter_async_context(self.site.warden()))

    @invariant()
    def everything_released_is_logged(self) -> None:
        entries = self.site.entries()
        for index, segment_id, is_right in self.seen:
            record = entries[index].record
            assert is_right
            assert record.kind is AuditKind.KEYS_RELEASED
            assert segment_id in record.details.values()
        for index, grant_id in self.granted:
            assert entries[index].record.kind is AuditKind.ACCESS_GRANTED
            assert entries[index].record.details["grant_id"] == grant_id

    def teardown(self) -> None:
        self.loop.run_until_complete(self.stack.aclose())
        self.loop.close()
        if self.site.paths.warden_key.exists():
            self.site.verify()
        self.folder.cleanup()


WardenMachine.TestCase.settings = settings(
    max_examples=10, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
TestWarden = WardenMachine.TestCase
