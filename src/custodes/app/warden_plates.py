"""The warden's desk for the operator's own allow-list of vehicles: listings with consent and an end, and the answer to
"is this plate listed here?".

The key of the hashes never leaves this process. A no is logged nowhere and kept nowhere; a yes is in the log before it
is answered. How often an analyser may ask is bounded, so that nobody tries plates out through it.
"""

import secrets
from collections import deque
from dataclasses import replace

from custodes.access import plates as rules
from custodes.app.warden_office import Office
from custodes.app.warden_zones import ZoneDesk
from custodes.errors import FailedPrecondition, NotFound, ProtocolError, ResourceExhausted
from custodes.types.access import Action, AuditKind
from custodes.types.face import ZoneKind
from custodes.types.message import Ok, Ping
from custodes.types.plate import (
    MAX_CHARS,
    AskPlate,
    EndListing,
    ListingTable,
    ListVehicle,
    Passage,
    PassageList,
    PlateAnswer,
    PlateListing,
    ReadListings,
    ReadPassages,
)
from custodes.units import NS_PER_S, Ns

MAX_LISTINGS = 10_000
ASKS_PER_MINUTE = 120
"""Of one zone: two vehicles a second. A table of all plates of a small country would take years."""
AGAIN_NS = Ns(10 * NS_PER_S)
"""A vehicle that an analyser takes for another come is no new passage within so long: a barrier is still open then."""
MAX_TEXTS = 3
PASSAGES_KEPT = 500
LATE_NS = Ns(30 * NS_PER_S)
"""A picture older than that opens no gate any more."""


class PlateDesk:
    """State besides the store: how often was asked, and the passages of the last while."""

    def __init__(self, office: Office, zones: ZoneDesk, key: bytes) -> None:
        self._office = office
        self._zones = zones
        self._key = key
        self._asked: dict[str, deque[Ns]] = {}
        self._seen_ns: dict[tuple[str, str], Ns] = {}
        """Of vehicle and zone, by the pictures' time."""
        self._passages: deque[Passage] = deque(maxlen=PASSAGES_KEPT)
        self._number = 0

    async def answer(self, message: object) -> object:
        """The server's requests; None for what is not about the list."""
        match message:
            case ListVehicle():
                async with self._office.lock:
                    return await self._list(message)
            case EndListing():
                async with self._office.lock:
                    return await self._end(message)
            case ReadListings():
                await self._office.require(message.principal, Action.ENROL, Action.READ_PRIVACY)
                return ListingTable(listings=tuple(_without_hash(one) for one in self._all()[::-1]))
            case ReadPassages():
                new = tuple(one for one in self._passages if one.number > message.after)
                return PassageList(passages=new, last=self._number)
        return None

    async def answer_analyser(self, message: object) -> object:
        """Every request of `warden-plates.sock`. Raises: ProtocolError for what is not served there."""
        match message:
            case Ping():
                return Ok()
            case AskPlate():
                return await self._ask(message)
        raise ProtocolError(f"the warden does not answer {type(message).__name__} there")

    async def sweep(self) -> None:
        """Hashes of what is over are overwritten; called every few seconds."""
        now_ns = self._office.now_ns()
        for one in self._all():
            if one.ended_ns is None and not rules.counts(one, now_ns):
                async with self._office.lock:
                    await self._office.log(
                        AuditKind.VEHICLE_UNLISTED,
                        "process:warden",
                        one.vehicle_id,
                        {"why": "it is over", "label": one.label},
                    )
                    self._office.store.put(one.vehicle_id, rules.ended(one, now_ns))

    async def _list(self, message: ListVehicle) -> PlateListing:
        office, who = self._office, message.principal
        await office.require(who, Action.ENROL)
        for zone_id in message.zone_ids:
            self._zones.require_active(zone_id, ZoneKind.PLATES)
        now_ns = office.now_ns()
        listing = PlateListing(
            vehicle_id=secrets.token_hex(8),
            label=message.label.strip(),
            plate_hash=rules.plate_hash(self._key, message.plate),
            zone_ids=message.zone_ids,
            agreement=message.agreement.strip(),
            listed_by=who.name,
            listed_ns=now_ns,
            expires_ns=message.expires_ns,
        )
        rules.check_listing(listing, message.plate)
        known = [one for one in self._all() if rules.counts(one, now_ns)]
        if len(known) >= MAX_LISTINGS:
            raise ResourceExhausted(f"A site lists at most {MAX_LISTINGS} vehicles.")
        if any(secrets.compare_digest(one.plate_hash, listing.plate_hash) for one in known):
            raise FailedPrecondition("This vehicle is listed already; end that listing first.")
        details = {"label": listing.label, "agreement": listing.agreement, "zones": ",".join(listing.zone_ids)}
        await office.log(AuditKind.VEHICLE_LISTED, who, listing.vehicle_id, details)
        office.store.put(listing.vehicle_id, listing)
        return _without_hash(listing)

    async def _end(self, message: EndListing) -> PlateListing:
        office, who = self._office, message.principal
        await office.require(who, Action.ENROL)
        found = office.store.get(PlateListing, message.vehicle_id)
        if found is None:
            raise NotFound("There is no such vehicle on the list.")
        over = rules.ended(found, office.now_ns())
        office.store.put(found.vehicle_id, over)  # first: of all acts this one fails towards not recognising
        await office.log(AuditKind.VEHICLE_UNLISTED, who, found.vehicle_id, {"why": "ended", "label": found.label})
        return over

    async def _ask(self, message: AskPlate) -> PlateAnswer:
        now_ns = self._office.now_ns()
        zone = self._zones.find(message.zone_id)
        draft = zone.draft
        if draft.kind is not ZoneKind.PLATES or draft.camera_id != message.camera_id:
            raise FailedPrecondition("No plates are read there.")
        if not self._zones.is_on(zone, now_ns):
            raise FailedPrecondition("The zone is not on.")
        if not 1 <= len(message.texts) <= MAX_TEXTS or any(len(one) > 2 * MAX_CHARS for one in message.texts):
            raise ProtocolError(f"a plate is asked for by 1 to {MAX_TEXTS} short texts")
        self._bound(message.zone_id, now_ns)
        found = rules.listed(self._all(), self._key, message.texts, message.zone_id, now_ns)
        if found is None:
            return PlateAnswer(is_listed=False)
        if abs(now_ns - message.utc_ns) > LATE_NS:
            return PlateAnswer(is_listed=True)
        key = (found.vehicle_id, message.zone_id)
        before_ns = self._seen_ns.get(key)
        # Who stands before the gate is one passage however long; who left and came back is another, however soon.
        if before_ns is None or (message.since_ns > before_ns and message.utc_ns - before_ns >= AGAIN_NS):
            await self._pass(found, message, draft.name)
        self._seen_ns[key] = max(before_ns or message.utc_ns, message.utc_ns)
        return PlateAnswer(is_listed=True)

    async def _pass(self, found: PlateListing, message: AskPlate, zone: str) -> None:
        details = {"label": found.label, "zone": message.zone_id, "zone_name": zone, "camera": message.camera_id}
        await self._office.log(AuditKind.VEHICLE_PASSED, "process:analyser", found.vehicle_id, details)
        self._number += 1
        self._passages.append(
            Passage(
                number=self._number,
                vehicle_id=found.vehicle_id,
                label=found.label,
                zone_id=message.zone_id,
                zone=zone,
                camera_id=message.camera_id,
                utc_ns=message.utc_ns,
            )
        )

    def _bound(self, zone_id: str, now_ns: Ns) -> None:
        asked = self._asked.setdefault(zone_id, deque())
        while asked and now_ns - asked[0] > 60 * NS_PER_S:
            asked.popleft()
        if len(asked) >= ASKS_PER_MINUTE:
            raise ResourceExhausted("More plates are asked for than vehicles can pass.")
        asked.append(now_ns)

    def _all(self) -> list[PlateListing]:
        return self._office.store.all(PlateListing)


def _without_hash(listing: PlateListing) -> PlateListing:
    return replace(listing, plate_hash=b"")
