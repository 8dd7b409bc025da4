"""Tells people's devices that something waits for them: requests of others, the answer to their own, a break-glass.

Nothing but ids and plain words leaves. What cannot be told is dropped: the request stands on its page all the same.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

import structlog

from custodes.access.requests import phase
from custodes.adapters.notify.webpush import PushSender, new_device_id
from custodes.errors import CustodesError, InvalidArgument, NotFound, ResourceExhausted, Unavailable
from custodes.ports.catalog import Account
from custodes.ports.catalog_async import AsyncCatalog
from custodes.ports.clock import Clock
from custodes.ports.warden import Warden
from custodes.types.access import Action, Principal, Role
from custodes.types.approval import ReadRequests, RequestPhase, RequestRecord, RequestTable
from custodes.types.push import PushDevice, PushNote
from custodes.units import CameraId
from custodes.web.auth.people import principal_of

EVERY_S = 5.0
MAX_DEVICES = 10
"""Of one person."""

MAX_ENDPOINT_CHARS = 1024
_READ = 200
ALARM_BOUND_S = 120.0
"""A push service that is slow for each of some devices; the rule is tried again then."""


class PushFeed:
    """`ports.push.PushDesk`, and the loop that looks for what is new. Used on the event loop only."""

    def __init__(
        self,
        *,
        sender: PushSender,
        catalog: AsyncCatalog,
        warden: Warden,
        clock: Clock,
        may: Callable[[Principal, Action], bool],
    ) -> None:
        self._sender = sender
        self._catalog = catalog
        self._warden = warden
        self._clock = clock
        self._may = may
        self._loop: asyncio.AbstractEventLoop | None = None
        self._phases: dict[str, RequestPhase] | None = None
        """Where each request stood at the last look. None before the first look: what waits already is no news."""

    @property
    def public_key(self) -> str:
        """See `PushDesk`."""
        return self._sender.public_key

    async def add(self, user_id: str, name: str, endpoint: str, p256dh: bytes, auth: bytes) -> PushDevice:
        """See `PushDesk`."""
        if len(endpoint) > MAX_ENDPOINT_CHARS:
            raise InvalidArgument(f"a push address has at most {MAX_ENDPOINT_CHARS} characters")
        device = PushDevice(
            device_id=new_device_id(),
            user_id=user_id,
            name=name,
            endpoint=endpoint,
            p256dh=p256dh,
            auth=auth,
            created_ns=self._clock.now_ns(),
        )
        self._sender.check(device)
        known = await self._catalog.push_devices()
        for one in known:
            if one.endpoint == endpoint:  # a browser has one per site, whoever sits before it
                await self._catalog.remove_push_device(one.device_id)
        own = [one for one in known if one.user_id == user_id and one.endpoint != endpoint]
        if len(own) >= MAX_DEVICES:
            raise ResourceExhausted(f"you have {MAX_DEVICES} devices; take one away first")
        await self._catalog.put_push_device(device)
        return device

    async def of_person(self, user_id: str) -> list[PushDevice]:
        """See `PushDesk`."""
        return [one for one in await self._catalog.push_devices() if one.user_id == user_id]

    async def remove(self, device_id: str, user_id: str) -> PushDevice:
        """See `PushDesk`."""
        device = await self._own(device_id, user_id)
        await self._catalog.remove_push_device(device_id)
        return device

    async def try_out(self, device_id: str, user_id: str) -> None:
        """See `PushDesk`."""
        device = await self._own(device_id, user_id)
        note = PushNote(text="This device will be told when something waits for you.", path="/me", tag="trial")
        try:
            await asyncio.to_thread(self._sender.send, device, note)
        except NotFound:
            await self._catalog.remove_push_device(device_id)
            raise

    async def run(self) -> None:
        """Look for news for ever."""
        self._loop = asyncio.get_running_loop()
        while True:
            try:
                await self.look()
            except CustodesError as error:
                structlog.get_logger().warning("nobody is pushed anything yet", error=str(error))
            await asyncio.sleep(EVERY_S)

    def to_roles(self, roles: tuple[Role, ...]) -> Callable[[Mapping[str, object]], None]:
        """For rules: tells the devices of people with one of these roles who may see the camera. Called in a thread.

        Raises (when called): Unavailable before `run`.
        """

        def send(told: Mapping[str, object]) -> None:
            if self._loop is None:
                raise Unavailable("the server is starting")
            camera = str(told.get("camera", ""))
            note = PushNote(
                text="An alarm went off. Open it to see which.",
                path=f"/cameras/{camera}" if camera else "/system",
                tag=f"alarm-{camera}",
                is_urgent=True,
            )
            work = self._tell_people(frozenset(roles), CameraId(camera), note)
            try:
                asyncio.run_coroutine_threadsafe(work, self._loop).result(ALARM_BOUND_S)
            except TimeoutError as error:
                raise Unavailable(f"devices were not told within {ALARM_BOUND_S:.0f} s") from error

        return send

    async def _tell_people(self, roles: frozenset[Role], camera_id: CameraId, note: PushNote) -> int:
        people = {
            one.user_id
            for one in await self._catalog.accounts()
            if not one.is_disabled and one.roles & roles and (not camera_id or one.cameras.covers(camera_id))
        }
        return await self._tell(note, [one for one in await self._catalog.push_devices() if one.user_id in people])

    async def look(self) -> int:
        """Compare with the last look, and tell; returns how many devices were told. Raises: Unavailable."""
        table = await self._warden.about_requests(ReadRequests(limit=_READ))
        assert isinstance(table, RequestTable)
        now_ns = self._clock.now_ns()
        phases = {one.request.request_id: phase(one, now_ns) for one in table.records}
        before, self._phases = self._phases, phases
        if before is None:
            return 0
        news = [
            (record, known, now)
            for record in table.records
            if (known := before.get(record.request.request_id)) != (now := phases[record.request.request_id])
        ]
        if not news:
            return 0
        accounts = [one for one in await self._catalog.accounts() if not one.is_disabled]
        devices = await self._catalog.push_devices()
        told = 0
        for record, known, now in news:
            for user_id, note in self._notes(record, known, now, accounts):
                told += await self._tell(note, [one for one in devices if one.user_id == user_id])
        return told

    def _notes(
        self, record: RequestRecord, known: RequestPhase | None, now: RequestPhase, accounts: Iterable[Account]
    ) -> Iterable[tuple[str, PushNote]]:
        """Whom this piece of news is for."""
        request, path = record.request, f"/requests/{record.request.request_id}"
        note = PushNote(text="", path=path, tag=f"request-{request.request_id}")
        people = [(one.user_id, principal_of(one)) for one in accounts if one.user_id != request.requester_id]
        if known is None and now is RequestPhase.WAITING:
            asked = replace(note, text="A request waits for your approval.")
            yield from ((user_id, asked) for user_id, who in people if self._may(who, Action.APPROVE))
        if known is None and request.is_break_glass:
            alarm = replace(note, text="A break-glass was used. It has to be reviewed.", is_urgent=True)
            yield from ((user_id, alarm) for user_id, who in people if self._may(who, Action.REVIEW))
        if known is RequestPhase.WAITING:
            words = {
                RequestPhase.IN_FORCE: "Your request was approved.",
                RequestPhase.REFUSED: "Your request was refused.",
                RequestPhase.LAPSED: "Your request was not decided in time.",
            }
            if now in words:
                yield request.requester_id, replace(note, text=words[now])

    async def _tell(self, note: PushNote, devices: Iterable[PushDevice]) -> int:
        told = 0
        for device in devices:
            try:
                await asyncio.to_thread(self._sender.send, device, note)
                told += 1
            except NotFound:
                await self._catalog.remove_push_device(device.device_id)
            except (Unavailable, InvalidArgument) as error:
                structlog.get_logger().warning("device not told", device=device.device_id, error=str(error))
        return told

    async def _own(self, device_id: str, user_id: str) -> PushDevice:
        for one in await self._catalog.push_devices():
            if one.device_id == device_id and one.user_id == user_id:
                return one
        raise NotFound("There is no such device of yours.")
