"""Who records what: the desk at which recorders ask every second, and what people are told of it.

The catalog's leases decide (`ports.leases`); what is kept here is a copy for a page, and for telling a camera's owner
from a recorder that speaks late. A site of one recorder has no use for any of it.
"""

import asyncio
import fcntl
import os
from collections.abc import Callable, Mapping

import structlog

from custodes.adapters.ipc.framing import AsyncChannel, answer_requests
from custodes.app.serving.placement import Place, place
from custodes.config import SitePaths
from custodes.config.recorders import RecorderConfig
from custodes.errors import NotFound, ProtocolError
from custodes.ports.catalog_async import AsyncCatalog
from custodes.ports.clock import Clock
from custodes.ports.leases import Leases, LeaseState
from custodes.ports.warden import Warden
from custodes.types.access import AuditKind, AuditRecord
from custodes.types.message import CameraSpec, Ok
from custodes.types.recorders import (
    AskCameras,
    CamerasGiven,
    DrainRecorder,
    GivenCamera,
    ReadRecorders,
    RecorderRow,
    RecorderTable,
)
from custodes.types.stream import camera_of
from custodes.units import NS_PER_S, CameraId

CAMERA, MEMBER, DRAIN = "camera/", "recorder/", "drain/"
"""What leases are of. A recorder's own says that it answers; one of a draining, held by `PEOPLE`, has no end."""

PEOPLE = "people"
FOREVER_NS = 2**62

SECOND_LOOK_NS = NS_PER_S // 2
"""A lease that ran out is taken when it still had at the next look: this server may have been the one that was slow,
and the holder's question may lie right behind the one that is being answered."""

MOVE_EVERY_NS = 30 * NS_PER_S
"""At most one camera in twenty moves for the load's sake in this time."""

START_NS = 5 * NS_PER_S
"""After this server's start cameras that nobody has wait so long for a recorder that has not asked yet: else the first
to ask would take all of them, and give them back one after the other."""

SPECS_NS = NS_PER_S
"""How late a new camera may be noticed; recorders hear of it from the assignment's file as soon."""

Load = Callable[[CameraId], float | None]


class RecorderDesk:
    """Serves `server-leases.sock`. Used on the event loop; what asks the database runs on threads."""

    def __init__(
        self,
        *,
        catalog: AsyncCatalog,
        leases: Leases,
        warden: Warden,
        paths: SitePaths,
        config: RecorderConfig,
        clock: Clock,
        load: Load = lambda _stream: None,
    ) -> None:
        """`load`: packets per second of a stream, as last measured; None where nobody measured it."""
        self._catalog = catalog
        self._leases = leases
        self._warden = warden
        self._paths = paths
        self._config = config
        self._clock = clock
        self._load = load
        self._ttl_ns = int(config.lease_s * NS_PER_S)
        self._lock = asyncio.Lock()
        self._owned: dict[CameraId, LeaseState] = {}
        self._ran_out: dict[tuple[str, int], int] = {}
        """Lease and epoch: when it was first seen to have run out."""
        self._specs: tuple[int, Mapping[CameraId, CameraSpec]] | None = None
        self._started_ns = clock.monotonic_ns()
        self._move_ns = self._started_ns + MOVE_EVERY_NS

    async def serve_peer(self, channel: AsyncChannel) -> None:
        """One recorder, until it goes."""
        await answer_requests(channel, self.respond)

    async def respond(self, request: object) -> object:
        """Raises: ProtocolError, NotFound, and what catalog and warden raise."""
        match request:
            case AskCameras():
                return await self._answer(request)
            case ReadRecorders():
                return await self.table()
            case DrainRecorder():
                await self.drain(request.recorder, actor="process:cli", is_over=request.is_over)
                return Ok()
            case _:
                raise ProtocolError(f"nobody asks for {type(request).__name__} here")

    def is_owner(self, recorder: str, stream: CameraId, epoch: int = 0) -> bool:
        """Whether news of this stream are this recorder's to tell; also when nobody is known to own it.

        `epoch`: under which they were written; 0 where they say nothing of it.
        """
        state = self._owned.get(camera_of(stream))
        if state is None or not state.holder:
            return True
        return state.holder == recorder and (epoch == 0 or epoch == state.epoch)

    async def drain(self, recorder: str, *, actor: str, is_over: bool = False) -> None:
        """Log it, then let its cameras go to the others one after the other, or let it have some again.

        Raises: NotFound for a recorder that is not configured.
        """
        if recorder not in self._config.names or self._config.processes == 1:
            raise NotFound(f"no recorder {recorder!r} among several; there are {', '.join(self._config.names)}")
        details = {"change": "taken back into work" if is_over else "drained"}
        await self._warden.append(
            AuditRecord(kind=AuditKind.CONFIG_CHANGED, actor=actor, subject=recorder, details=details)
        )
        if is_over:
            await asyncio.to_thread(self._leases.let_go, [DRAIN + recorder], PEOPLE)
        else:
            await asyncio.to_thread(self._leases.take, [DRAIN + recorder], PEOPLE, FOREVER_NS)

    async def table(self) -> RecorderTable:
        """For people. Empty for a site of one recorder."""
        if self._config.processes == 1:
            return RecorderTable(recorders=(), unowned=())
        states = await asyncio.to_thread(self._read)
        owners = _owners(states)
        enabled = [spec.camera_id for spec in await self._catalog.cameras() if spec.is_enabled]
        rows = []
        for name in self._config.names:
            cameras = tuple(camera_id for camera_id in enabled if owners.get(camera_id) == name)
            rows.append(
                RecorderRow(
                    name=name,
                    state=_word(states, name, has_cameras=bool(cameras)),
                    cameras=cameras,
                    packets_per_s=sum(self._load(camera_id) or 0.0 for camera_id in cameras),
                )
            )
        return RecorderTable(
            recorders=tuple(rows), unowned=tuple(camera_id for camera_id in enabled if camera_id not in owners)
        )

    async def _answer(self, asked: AskCameras) -> CamerasGiven:
        if asked.recorder not in self._config.names:
            raise ProtocolError(f"no recorder {asked.recorder!r} is configured")
        async with self._lock:  # one after the other: each answer counts on what the one before it gave
            return await self._give(asked, await self._enabled())

    async def _enabled(self) -> Mapping[CameraId, CameraSpec]:
        """Cameras to be recorded, read once a second for all recorders: a thousand take 30 ms."""
        now_ns = self._clock.monotonic_ns()
        if self._specs is None or now_ns - self._specs[0] >= SPECS_NS:
            found = {spec.camera_id: spec for spec in await self._catalog.cameras() if spec.is_enabled}
            self._specs = (now_ns, found)
        return self._specs[1]

    async def _give(self, asked: AskCameras, specs: Mapping[CameraId, CameraSpec]) -> CamerasGiven:
        me = asked.recorder
        held = {one.camera_id for one in asked.holds}
        states = await asyncio.to_thread(self._settled, me, held, asked.is_leaving)
        before = {_camera(name): one.epoch for name, one in states.items() if name.startswith(CAMERA)}
        if asked.is_leaving:
            self._note(states)
            return CamerasGiven(cameras=(), ttl_ns=self._ttl_ns)
        owners, now_ns = _owners(states), self._clock.monotonic_ns()
        # Its own that ran out and that nobody took are its own still.
        owners |= {one: me for one in held if _holder(states, CAMERA + one) == me}
        is_starting = now_ns - self._started_ns < START_NS
        moves = max(len(specs) // 20, 1) if now_ns >= self._move_ns else 0
        wanted = place(
            {camera_id: self._load_of(spec) for camera_id, spec in specs.items()},
            [
                Place(name=name, is_draining=bool(_holder(states, DRAIN + name)))
                for name in self._config.names
                if name == me or is_starting or _is_held(states, MEMBER + name)
            ],
            owners,
            self._config.groups,
            moves=moves,
        )
        # Spent by who gives something up: the idle one, which may ask first each time, changes nothing by asking.
        if moves and any(owners.get(one) == me != to for one, to in wanted.items()):
            self._move_ns = now_ns + MOVE_EVERY_NS
        # What somebody else still has is theirs until they let go of it or fall silent.
        mine = [
            one
            for one, to in wanted.items()
            if to == me and owners.get(one, me) == me and self._is_free(states.get(CAMERA + one), me)
        ]
        given = await asyncio.to_thread(self._leases.take, [CAMERA + one for one in mine], me, self._ttl_ns)
        streams = {
            _camera(one.name): [stream.camera_id for stream in specs[_camera(one.name)].streams()]
            for one in given
            if one.epoch != before.get(_camera(one.name))
        }
        story = await self._catalog.story_ends([stream for some in streams.values() for stream in some])
        self._note(
            states | {one.name: LeaseState(name=one.name, holder=me, epoch=one.epoch, is_held=True) for one in given}
        )
        cameras = [
            GivenCamera(
                camera_id=_camera(one.name),
                epoch=one.epoch,
                story=tuple((known, story[known]) for known in streams.get(_camera(one.name), ()) if known in story),
            )
            for one in given
        ]
        return CamerasGiven(cameras=tuple(cameras), ttl_ns=self._ttl_ns)

    def _settled(self, me: str, held: set[CameraId], is_leaving: bool) -> dict[str, LeaseState]:
        """Leases after those were freed that nobody works under: what the asker gave up, and what the dead had."""
        states = self._read()
        let_go = [
            name
            for name, one in states.items()
            if name.startswith(CAMERA) and one.holder == me and (is_leaving or _camera(name) not in held)
        ]
        is_other = bool(let_go) or is_leaving
        if let_go:
            self._leases.let_go(let_go, me)
        for name in self._config.names:
            if name != me and _is_held(states, MEMBER + name) and not is_running(self._paths, name):
                structlog.get_logger().warning("recorder is gone; its cameras go to others", recorder=name)
                self._leases.let_go(None, name)
                is_other = True
        if is_leaving:
            self._leases.let_go(None, me)
        else:
            self._leases.take([MEMBER + me], me, self._ttl_ns)
        return self._read() if is_other else states

    def _is_free(self, state: LeaseState | None, me: str) -> bool:
        """Whether the lease may be taken now: it is mine or nobody's, or its holder was silent at two looks."""
        if state is None or state.holder in ("", me):
            return True
        now_ns = self._clock.monotonic_ns()
        return now_ns - self._ran_out.setdefault((state.name, state.epoch), now_ns) >= SECOND_LOOK_NS

    def _note(self, states: Mapping[str, LeaseState]) -> None:
        owned = {_camera(name): one for name, one in states.items() if name.startswith(CAMERA)}
        for camera_id, state in owned.items():
            known = self._owned.get(camera_id)
            if state.holder and (known is None or known.epoch != state.epoch):
                structlog.get_logger().info(
                    "camera has a recorder", camera=camera_id, recorder=state.holder, epoch=state.epoch
                )
        self._owned = owned
        silent = {(one.name, one.epoch) for one in states.values() if not one.is_held}
        self._ran_out = {key: since for key, since in self._ran_out.items() if key in silent}

    def _read(self) -> dict[str, LeaseState]:
        return {one.name: one for prefix in (CAMERA, MEMBER, DRAIN) for one in self._leases.leases(prefix)}

    def _load_of(self, spec: CameraSpec) -> float | None:
        loads = [load for stream in spec.streams() if (load := self._load(stream.camera_id))]
        return sum(loads) if loads else None


def is_running(paths: SitePaths, recorder: str) -> bool:
    """Whether a process holds the recorder's lock; also True where that cannot be told."""
    try:
        lock = os.open(paths.recorder_lock(recorder), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return True
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(lock)
    return False


def _camera(name: str) -> CameraId:
    return CameraId(name.removeprefix(CAMERA))


def _owners(states: Mapping[str, LeaseState]) -> dict[CameraId, str]:
    return {_camera(name): one.holder for name, one in states.items() if name.startswith(CAMERA) and one.is_held}


def _is_held(states: Mapping[str, LeaseState], name: str) -> bool:
    return name in states and states[name].is_held


def _holder(states: Mapping[str, LeaseState], name: str) -> str:
    return states[name].holder if name in states else ""


def _word(states: Mapping[str, LeaseState], recorder: str, *, has_cameras: bool) -> str:
    state = states.get(MEMBER + recorder)
    if state is None or not state.holder:
        return "stopped"
    if not state.is_held:
        return "silent"
    if _holder(states, DRAIN + recorder):
        return "draining" if has_cameras else "drained"
    return "recording"
