"""Evidence holds: logged first, then in the catalog, which retention asks in each of its transactions.

Fails closed: without the warden no hold is placed or released, because it could not be logged. That an expired hold
holds nothing is `record.retention`'s and the catalog's.
"""

import secrets

from custodes.errors import InvalidArgument, NotFound, ResourceExhausted
from custodes.ports.catalog import Hold
from custodes.ports.catalog_async import AsyncCatalog
from custodes.ports.clock import Clock
from custodes.ports.warden import Warden
from custodes.types.access import AuditKind, AuditRecord
from custodes.types.hold import HoldPlaced, HoldRow, HoldTable, PlaceHold, ReleaseHold
from custodes.types.stream import second_of
from custodes.units import NS_PER_S, Ns

MAX_HOLDS = 10_000
"""Each is looked at for each candidate of a deletion; a site with a thousand cases has some thousand."""
MAX_HOLD_NS = 10 * 366 * 86_400 * NS_PER_S
"""Ten years: beyond it somebody mistook the unit, and footage kept for ever was never meant by anybody."""
MAX_TEXT = 200
_MAX_SEGMENTS = 100_000


class HoldService:
    """Places, releases and lists holds. Actors: the CLI of the site's own user."""

    def __init__(self, *, catalog: AsyncCatalog, warden: Warden, clock: Clock) -> None:
        self._catalog = catalog
        self._warden = warden
        self._clock = clock

    async def place(self, asked: PlaceHold, *, actor: str) -> HoldPlaced:
        """Log, then hold.

        Raises: InvalidArgument; NotFound for a camera that never recorded; ResourceExhausted; Unavailable when the
            warden is down, and then nothing is held.
        """
        now_ns = self._clock.now_ns()
        _check(asked, now_ns)
        known = {spec.camera_id for spec in await self._catalog.cameras()} | set(await self._catalog.totals())
        if asked.camera_id not in known:
            raise NotFound(f"no camera {asked.camera_id!r} is configured, nor ever recorded here")
        if len(await self._catalog.holds(now_ns)) >= MAX_HOLDS:
            raise ResourceExhausted(f"there are {MAX_HOLDS} holds already; release some")
        hold = Hold(
            hold_id=secrets.token_hex(4),
            owner=asked.owner.strip(),
            reason=asked.reason.strip(),
            camera_id=asked.camera_id,
            start_ns=asked.start_ns,
            end_ns=asked.end_ns,
            expires_ns=asked.expires_ns,
        )
        await self._log(AuditKind.HOLD_PLACED, hold, actor, hold.reason)
        await self._catalog.put_hold(hold)
        # After it holds: what is counted now can no longer be deleted.
        touched = await self._catalog.segments(hold.camera_id, hold.start_ns, hold.end_ns, _MAX_SEGMENTS)
        second_id = second_of(hold.camera_id)
        touched += await self._catalog.segments(second_id, hold.start_ns, hold.end_ns, _MAX_SEGMENTS)
        return HoldPlaced(
            hold_id=hold.hold_id, segments=len(touched), bytes_on_disk=sum(one.bytes_on_disk for one in touched)
        )

    async def release(self, asked: ReleaseHold, *, actor: str) -> None:
        """Log, then let go. Raises: NotFound (also for one that has expired), InvalidArgument, Unavailable."""
        hold = next((one for one in await self._unexpired() if one.hold_id == asked.hold_id), None)
        if hold is None:
            raise NotFound(f"no hold {asked.hold_id!r}; see: custodes hold list")
        if not asked.by.strip() or not asked.reason.strip() or max(len(asked.by), len(asked.reason)) > MAX_TEXT:
            raise InvalidArgument(f"who releases a hold and why are said in 1 to {MAX_TEXT} characters each")
        await self._log(AuditKind.HOLD_RELEASED, hold, actor, asked.reason.strip(), by=asked.by.strip())
        await self._catalog.end_hold(hold.hold_id)

    async def table(self) -> HoldTable:
        """All that have not expired."""
        rows = [
            HoldRow(
                hold_id=hold.hold_id,
                owner=hold.owner,
                reason=hold.reason,
                camera_id=hold.camera_id,
                start_ns=hold.start_ns,
                end_ns=hold.end_ns,
                expires_ns=hold.expires_ns,
            )
            for hold in await self._unexpired()
        ]
        return HoldTable(holds=tuple(sorted(rows, key=lambda row: (row.camera_id, row.start_ns, row.hold_id))))

    async def _unexpired(self) -> list[Hold]:
        return await self._catalog.holds(self._clock.now_ns())

    async def _log(self, kind: AuditKind, hold: Hold, actor: str, reason: str, *, by: str = "") -> None:
        details = {
            "hold": hold.hold_id,
            "owner": hold.owner,
            "reason": reason,
            "start_ns": str(hold.start_ns),
            "end_ns": str(hold.end_ns),
            "expires_ns": str(hold.expires_ns),
        }
        if by:
            details["by"] = by
        await self._warden.append(AuditRecord(kind=kind, actor=actor, subject=hold.camera_id, details=details))


def _check(asked: PlaceHold, now_ns: Ns) -> None:
    for name, text in (("owner", asked.owner), ("reason", asked.reason)):
        if not text.strip() or len(text) > MAX_TEXT:
            raise InvalidArgument(f"a hold's {name} has 1 to {MAX_TEXT} characters; {len(text.strip())} were given")
    if not 0 <= asked.start_ns < asked.end_ns:
        raise InvalidArgument("a hold begins before it ends")
    if not now_ns < asked.expires_ns <= now_ns + MAX_HOLD_NS:
        raise InvalidArgument("a hold expires in the future, within ten years")
