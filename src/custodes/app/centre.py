"""The centre: takes what sites tell, exactly once, witnesses their logs, and answers with receipts.

It believes a parcel by its site's key, not by the way it came: whoever runs the NATS server can hold facts back, and
can neither make nor change one. What it may ask a site is in `types.question`, and how in `centre_asking`.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from custodes.adapters.nats import NatsLink
from custodes.adapters.sql.centre import CentreStore
from custodes.adapters.sql.sqlite import sqlite_store
from custodes.app.centre_asking import Asking
from custodes.app.centre_log import centre_log
from custodes.app.witness import read_logs, read_receipt_key, read_witness
from custodes.audit.note import NoteVerifier, parse_vkey
from custodes.audit.witness import Witness, request_body
from custodes.config.centre import CentreConfig
from custodes.errors import CustodesError, ProtocolError
from custodes.federation.parcel import Parcel, open_parcel, seal_receipt
from custodes.federation.sequence import Fit, place
from custodes.federation.sites import SiteRow
from custodes.ports.clock import Clock
from custodes.types.federation import MAX_NOTE_CHARS, LogGrew, Receipt, Shared
from custodes.units import NS_PER_DAY, NS_PER_S

IDLE_S = 0.2
TELL_S = 5.0
"""Every site is told so often what it was told already: a receipt may be lost, and a site may have just come."""
ASK_S = 2.0
PARCELS_AT_ONCE = 32
"""Then receipts go out and the stream is emptied."""
RETRY_S = 2.0
FORGET_S = 3600.0
_OLD = re.compile(r"old ([0-9]{1,18})\n", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownSite:
    """Whom the centre believes."""

    key: NoteVerifier
    origin: str = ""
    """Of its log; empty when the centre is no witness of it."""


class Centre:
    """All facts of all sites. One thread at a time."""

    def __init__(
        self,
        *,
        store: CentreStore,
        witness: Witness,
        key: Ed25519PrivateKey,
        sites: dict[str, KnownSite],
        clock: Clock,
    ) -> None:
        self._store = store
        self._witness = witness
        self._key = key
        self._sites = sites
        self._clock = clock

    def take(self, site_id: str, sealed: bytes) -> None:
        """One parcel as it came, under the name that it came by. Whatever it holds, nothing is raised for it.

        Raises: what database and witness raise when they cannot remember; then it is to be taken again.
        """
        site = self._sites.get(site_id)
        if site is None:
            return
        row = self._store.site(site_id)
        try:
            parcel = open_parcel(sealed, site_id=site_id, key=site.key)
        except ProtocolError as error:
            self._refuse(row, str(error))
            return
        placed = place(parcel, seq=row.seq, tip=row.tip)
        if placed.fit is Fit.FORK:
            self._refuse(row, f"facts {parcel.first} to {parcel.last} do not go on from fact {row.seq} that is here")
        if placed.fit is not Fit.NEW:
            return
        if placed.lost:
            structlog.get_logger().warning("facts are lost", site=site_id, count=placed.lost)
            row = replace(row, lost=row.lost + placed.lost)
        for first, facts in _stretches(parcel, placed.skip):
            last = first + len(facts) - 1
            row = replace(row, seq=last, tip=parcel.tips[last - parcel.first], heard_ns=self._clock.now_ns())
            if isinstance(facts[-1], LogGrew) and site.origin:
                row = self._witnessed(row, facts[-1])
            self._store.take(row, facts)

    def _refuse(self, row: SiteRow, why: str) -> None:
        structlog.get_logger().warning("a parcel is refused", site=row.site_id, why=why)
        self._store.take(replace(row, refused=row.refused + 1, refusal=why[:300]), [])

    def _witnessed(self, row: SiteRow, fact: LogGrew) -> SiteRow:
        """Signed, or an alarm with what was sent: the log did not simply grow."""
        now_s = self._clock.now_ns() // NS_PER_S
        old, note = _OLD.match(fact.request), fact.request.partition("\n\n")[2]
        size = note.split("\n")[1] if note.count("\n") > 2 else ""
        if old is None or not size.isascii() or not size.isdecimal() or len(size) > 18:
            return replace(row, refused=row.refused + 1, refusal="a checkpoint that is none")
        answer = self._witness.add_checkpoint(fact.request.encode(), now_s)
        if answer.status == 409 and answer.body.strip() == size:
            # We were killed after the witness had remembered it, or it is another log of the same size.
            answer = self._witness.add_checkpoint(request_body(int(size), (), note), now_s)
        if answer.status == 200:
            return replace(row, log_size=int(size), log_ns=self._clock.now_ns(), cosigned=note + answer.body)
        has_shrunk = answer.status == 400 and int(old[1]) > int(size)
        if row.alarm or not (has_shrunk or answer.status in (403, 422) or answer.body.strip() == size):
            return row  # an old checkpoint of a log that grew: the receipt says what is remembered
        why = (
            f"its log has {size} entries; {old[1]} were witnessed"
            if has_shrunk
            else f"its log of {size} entries does not contain the one that was witnessed: {answer.body.strip()[:200]}"
        )
        structlog.get_logger().error("a site's log did not simply grow", site=row.site_id, why=why)
        return replace(row, alarm=why, alarm_ns=self._clock.now_ns(), evidence=fact.request)

    def receipt(self, site_id: str) -> bytes:
        """How far the centre is with a site, signed."""
        row, origin = self._store.site(site_id), self._sites[site_id].origin
        sizes = {one.origin: one.size for one in self._witness.seen()} if origin else {}
        size = sizes.get(origin, 0)
        cosigned = row.cosigned if row.log_size == size and len(row.cosigned) <= MAX_NOTE_CHARS else ""
        receipt = Receipt(site_id=site_id, seq=row.seq, tip=row.tip, log_size=size, cosigned=cosigned)
        return seal_receipt(self._key, receipt)

    @property
    def sites(self) -> Sequence[str]:
        """Ids of all."""
        return tuple(self._sites)


def _stretches(parcel: Parcel, skip: int) -> Iterator[tuple[int, list[Shared]]]:
    """Numbers and facts, cut behind each checkpoint: the witness remembers in a file of its own, so that after a kill
    at most the newest that it knows is taken twice."""
    first, some = parcel.first + skip, list[Shared]()
    for fact in parcel.facts[skip:]:
        some.append(fact)
        if isinstance(fact, LogGrew):
            yield first, some
            first, some = first + len(some), []
    if some:
        yield first, some


Connect = Callable[[], AbstractAsyncContextManager[NatsLink]]


async def follow(centre: Centre, store: CentreStore, connect: Connect, asking: Asking | None = None) -> None:
    """Read the stream for ever; send what `asking` has."""
    is_told = False
    while True:
        try:
            async with connect() as link:
                stream = await link.make_stream()
                is_told = False
                await _read(centre, store, link, stream, asking)
        except CustodesError as error:
            if not is_told:
                structlog.get_logger().warning("sites are not heard now", error=str(error))
            is_told = True
        await asyncio.sleep(RETRY_S)


async def _read(centre: Centre, store: CentreStore, link: NatsLink, stream: str, asking: Asking | None) -> None:
    position = await asyncio.to_thread(store.position, stream)
    kept, told_s, asked_s = position, 0.0, 0.0
    news: set[str] = set()
    while link.is_up:
        found = await link.next_after(position)
        if found is not None:
            position, site_id, sealed = found
            await asyncio.to_thread(centre.take, site_id, sealed)
            news.add(site_id)
        if position > kept and (found is None or position - kept >= PARCELS_AT_ONCE):
            await asyncio.to_thread(store.move_to, stream, position)
            await _tell(centre, link, news)
            await link.drop_up_to(position)
            kept, news = position, set()
        if time.monotonic() - told_s > TELL_S:
            told_s = time.monotonic()
            await _tell(centre, link, centre.sites)
        if asking is not None and time.monotonic() - asked_s > ASK_S:
            asked_s = time.monotonic()
            for site_id, sealed in await asyncio.to_thread(asking.due):
                await link.ask(site_id, sealed)
        if found is None:
            await asyncio.sleep(IDLE_S)


async def _tell(centre: Centre, link: NatsLink, sites: Sequence[str] | set[str]) -> None:
    for site_id in set(sites) & set(centre.sites):
        await link.tell(site_id, await asyncio.to_thread(centre.receipt, site_id))


async def forget_old(store: CentreStore, clock: Clock, days: int) -> None:
    """Once an hour, for ever."""
    while True:
        with suppress(CustodesError):  # the database is away: an hour later is early enough
            await asyncio.to_thread(store.forget, clock.now_ns() - days * NS_PER_DAY)
        await asyncio.sleep(FORGET_S)


def known_sites(config: CentreConfig) -> dict[str, KnownSite]:
    """By id. Raises: InvalidArgument for a malformed key or policy."""
    found = {}
    for one in config.sites:
        origin = next(iter(read_logs([one.log]))) if one.log is not None else ""
        found[one.id] = KnownSite(key=parse_vkey(one.key), origin=origin)
    return found


def centre_store(folder: Path) -> CentreStore:
    """The database in the centre's folder."""
    return CentreStore(sqlite_store(folder / "centre.db"))


@asynccontextmanager
async def opened(config: CentreConfig, clock: Clock) -> AsyncIterator[tuple[Centre, CentreStore, Asking]]:
    """Keys, memory, database and log of a centre.

    Raises: KeyMissing, FailedPrecondition, InvalidArgument, LogCorrupt, Unavailable.
    """
    cosigners = read_witness(config.data_dir)
    key, _ = read_receipt_key(config.data_dir)
    sites = known_sites(config)
    policies = [one.log for one in config.sites if one.log is not None]
    store = centre_store(config.data_dir)
    try:
        logs = read_logs(policies) if policies else {}
        witness = Witness.open(config.data_dir / "witness.db", cosigners, logs)
        try:
            with centre_log(config.data_dir) as log:
                centre = Centre(store=store, witness=witness, key=key, sites=sites, clock=clock)
                yield centre, store, Asking(store, log, key, clock)
        finally:
            witness.close()
    finally:
        store.close()
