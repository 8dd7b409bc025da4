"""The one gate: decide, log durably, only then grant or release. Answers every message the warden's sockets carry.

**Invariant:** nothing that opens footage leaves a method here before the entry that names it is durable. When the log
fails, the method fails. Sockets and start-up are in `app.warden`.
"""

import asyncio
import hashlib
import re
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TypeVar

import structlog

from custodes.access.policy import Policies, decide, decide_list
from custodes.access.quotas import WINDOW_NS, QuotaBook
from custodes.access.release import LiveGrant, check_erasure, check_release, expiry_of, remember, token_hash
from custodes.adapters.keys.store import KeyStore
from custodes.app.warden_anchors import answer_about_witnesses, erase_old
from custodes.app.warden_faces import FaceDesk
from custodes.app.warden_factors import FactorDesk
from custodes.app.warden_log import LogWriter
from custodes.app.warden_marks import check_marks, marks_record, who_was_shown
from custodes.app.warden_protection import ALLOWED as CHECK_ALLOWED
from custodes.app.warden_protection import CHECKER
from custodes.app.warden_records import (
    CHARGED,
    OWN_KINDS,
    access_record,
    erasure_record,
    is_charged,
    person_record,
    refusal,
    release_record,
    who_opened,
)
from custodes.app.warden_replication import Replication
from custodes.app.warden_requests import RequestDesk
from custodes.audit.log import AuditLog
from custodes.audit.note import NoteVerifier
from custodes.audit.proof import prove_entries
from custodes.errors import (
    CustodesError,
    FailedPrecondition,
    InvalidArgument,
    KeyMissing,
    PermissionDenied,
    ProtocolError,
    ResourceExhausted,
    SealBroken,
    Unavailable,
)
from custodes.ports.clock import Clock
from custodes.sealing.claims import claim_signer
from custodes.sealing.published import (
    background_key_id,
    is_background_key,
    is_key_id,
    key_id_of,
    published_path,
    read_published,
    sign_published,
    write_published,
)
from custodes.sealing.unwrap import unwrap_data_key
from custodes.types.access import AccessRequest, AuditKind, AuditRecord, Checkpoint, Decision, Grant, LogEntry
from custodes.types.journey_job import BeginLooks, LooksBegun
from custodes.types.leak import MarksReleased, ReleaseMarks
from custodes.types.message import (
    Append,
    Appended,
    Authorise,
    Authorised,
    ClaimSigned,
    DestroyKeys,
    EndGrant,
    EntryProofs,
    EraseSegments,
    InclusionProof,
    KeysReleased,
    LogPage,
    Ok,
    Ping,
    ProveConsistency,
    ProveEntries,
    ProveInclusion,
    PublishKeys,
    ReadCheckpoint,
    ReadCosigned,
    ReadLog,
    ReleaseKeys,
    SignClaim,
    StoreCosigned,
    StoreTimestamp,
)
from custodes.types.protection import BeginCheck, CheckBegun
from custodes.units import NS_PER_S, CameraId, KeyId, Ns

T = TypeVar("T")

DAYS_AHEAD = 7
"""A recorder whose warden is down finds a key of its own for a week; after that it falls back to the newest."""

MAX_CLAIM_BYTES = 64 * 1024
"""A claim's bytes to be signed are some 1.3 kB."""
MAX_CAMERAS = 4096
MAX_GRANTS = 100_000
"""Live grants in memory; a site with a thousand viewers has some thousand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateIdentity:
    """What the gate is told of its site."""

    site_id: str
    created_ns: Ns
    public_keys: Path
    """Folder of the published keys."""


_ENDS = (AuditKind.ENROLMENT_ENDED, AuditKind.VOLUNTEER_LEFT)
_ENTRIES_READ = 1000
"""At once, when the quotas are counted again."""


def _read_ends(log: AuditLog, *, start: int, count: int) -> set[str]:
    """Who was ended in these entries; no other entry is opened."""
    return {one.record.subject for kind in _ENDS for one in log.read_of_kind(kind, start, count)}


def _read_releases(log: AuditLog, *, start: int, count: int) -> tuple[Ns, tuple[LogEntry, ...]]:
    """When the first of these entries was written, and the releases among them; no other is opened."""
    return log.read(start, 1)[0].utc_ns, log.read_of_kind(AuditKind.KEYS_RELEASED, start, count)


def day_of(utc_ns: Ns, *, days_later: int = 0) -> str:
    """yyyymmdd, UTC."""
    return (datetime.fromtimestamp(utc_ns // NS_PER_S, UTC) + timedelta(days=days_later)).strftime("%Y%m%d")


class Gate:
    """State: the live grants, by the hash of their token. Lost at a restart on purpose; viewers ask again."""

    def __init__(
        self,
        *,
        site: GateIdentity,
        policies: Policies,
        keys: KeyStore,
        log: LogWriter,
        clock: Clock,
        desk: RequestDesk,
        faces: FaceDesk,
        witnesses: tuple[NoteVerifier, ...] = (),
        replication: Replication | None = None,
    ) -> None:
        self._desk = desk
        self.faces = faces
        self.replication = replication
        """Whoever follows the log; None where nobody does."""
        self._quotas = QuotaBook()
        self._site = site
        self._policies = policies
        self._keys = keys
        self._log = log
        self._clock = clock
        self._witnesses = witnesses
        self._site_key = keys.site_key()
        self._factors = FactorDesk(keys.factor_key(), clock)
        self._claims = claim_signer(keys.claim_seed(), site_id=site.site_id, created_ns=site.created_ns)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="key-store")
        self._grants: dict[bytes, LiveGrant] = {}
        self._note = structlog.get_logger()

    def close(self) -> None:
        """Wait for the key store's thread and close the store."""
        self._thread.shutdown()
        self._keys.close()
        self._desk.close()
        self.faces.close()

    async def answer_server(self, message: object) -> object:
        """Every request of `warden-server.sock`."""
        match message:
            case Authorise():
                return await self.authorise(message.request)
            case EndGrant():
                return await self.end_grant(message)
            case BeginCheck() | BeginLooks():
                return await self._begin_job(message)
            case Append():
                return await self.append(message.record)
            case EraseSegments():
                return await self.erase(message)
            case PublishKeys():
                await self.publish(message.camera_ids)
                return Ok()
            case DestroyKeys():
                return await self.destroy(message.camera_id, message.day)
            case SignClaim():
                return await self.sign_claim(message)
            case Ping():
                return Ok()
        for answer in (self._answer_about_log, self.faces.answer_server, self._factors.answer):
            reply = await answer(message)
            if reply is not None:
                return reply
        return await self._desk.answer(message)

    async def _answer_about_log(self, message: object) -> object:
        """The answer, or None for what is not about the log."""
        match message:
            case ReadLog():
                return await self.read_log(message.start, message.limit)
            case ReadCheckpoint():
                return await self.read_checkpoint()
            case ProveInclusion():
                path = await self._log.ask(lambda log: log.prove_inclusion(message.index, message.size))
                return InclusionProof(index=message.index, size=message.size, path=path)
            case ProveEntries():
                time_s = self._clock.now_ns() // NS_PER_S
                return EntryProofs(proofs=await self._log.ask(lambda log: prove_entries(log, message.indices, time_s)))
            case ProveConsistency() | StoreCosigned() | StoreTimestamp() | ReadCosigned():
                return await self._log.ask(lambda log: answer_about_witnesses(log, message, self._witnesses))
        return None

    async def answer_job(self, message: object) -> object:
        """Every request of `warden-jobs.sock`."""
        match message:
            case ReleaseKeys():
                return await self.release(message)
            case ReleaseMarks():
                return await self.release_marks(message)
            case Ping():
                return Ok()
        reply = await self.faces.protection.answer_job(message)
        if reply is None:
            raise ProtocolError(f"the warden does not answer {type(message).__name__} from a job")
        return reply

    # -- looking ---------------------------------------------------------------------------------------------

    async def authorise(self, request: AccessRequest) -> Authorised:
        """Decide, log, then grant. Raises: InvalidArgument for a malformed request; log errors."""
        now_ns = self._clock.now_ns()
        around = self._desk.around(request)
        camera_ids: tuple[CameraId, ...] = ()
        if request.camera_ids:
            decision, camera_ids = decide_list(request, self._policies, around)
        else:
            decision = decide(request, self._policies, around)
        if not decision.is_allowed:
            entry = await self._log.append(access_record(AuditKind.ACCESS_DENIED, request, decision, ""))
            return Authorised(decision=decision, grant=None, log_index=entry.index)
        self._forget_expired(now_ns)
        if len(self._grants) >= MAX_GRANTS:
            raise ResourceExhausted(f"{len(self._grants)} grants are open")
        expires_ns = expiry_of(request, now_ns)
        latest_ns = self._desk.latest_use_ns(request)
        if latest_ns is not None:
            expires_ns = min(expires_ns, latest_ns)
        grant = await self._grant(request, decision, expires_ns, camera_ids)
        return Authorised(decision=decision, grant=grant, log_index=grant.log_index)

    async def _begin_job(self, message: BeginCheck | BeginLooks) -> CheckBegun | LooksBegun:
        """A grant for a job that shows nothing."""
        return await (self.begin_check(message) if isinstance(message, BeginCheck) else self.begin_looks(message))

    async def begin_check(self, message: BeginCheck) -> CheckBegun:
        """A grant for a job that compares what somebody asks for with the protected. It shows nothing to anybody.

        Raises: FailedPrecondition for what does not wait; ResourceExhausted; log errors.
        """
        request = self.faces.protection.begin(message.piece)
        now_ns = self._clock.now_ns()
        self._forget_expired(now_ns)
        if len(self._grants) >= MAX_GRANTS:
            raise ResourceExhausted(f"{len(self._grants)} grants are open")
        grant = await self._grant(request, CHECK_ALLOWED, expiry_of(request, now_ns), ())
        self.faces.protection.began(message.piece, token_hash(grant.token))
        return CheckBegun(grant=grant)

    async def begin_looks(self, message: BeginLooks) -> LooksBegun:
        """A grant for the job of a journey that was opened: it shows nothing to anybody, and carries no mark.

        Raises: NotFound, PermissionDenied, InvalidArgument; ResourceExhausted; log errors.
        """
        request, decision = self.faces.journeys.begin_looks(message)
        if not decision.is_allowed:
            await self._log.append(access_record(AuditKind.ACCESS_DENIED, request, decision, ""))
            raise PermissionDenied(" ".join(decision.reasons))
        now_ns = self._clock.now_ns()
        self._forget_expired(now_ns)
        if len(self._grants) >= MAX_GRANTS:
            raise ResourceExhausted(f"{len(self._grants)} grants are open")
        latest_ns = self._desk.latest_use_ns(request) or now_ns
        expires_ns = Ns(min(expiry_of(request, now_ns), latest_ns))
        return LooksBegun(grant=await self._grant(request, decision, expires_ns, (), is_for_looks=True))

    async def _grant(
        self,
        request: AccessRequest,
        decision: Decision,
        expires_ns: Ns,
        camera_ids: tuple[CameraId, ...],
        *,
        is_for_looks: bool = False,
    ) -> Grant:
        """Log, then give."""
        grant_id = secrets.token_hex(8)
        entry = await self._log.append(access_record(AuditKind.ACCESS_GRANTED, request, decision, grant_id))
        grant = Grant(
            grant_id=grant_id,
            token=secrets.token_urlsafe(32),
            request=request,
            expires_ns=expires_ns,
            log_index=entry.index,
            camera_ids=camera_ids,
        )
        live = remember(grant, is_for_looks=is_for_looks)
        self._grants[live.token_hash] = live
        return grant

    async def remember_quotas(self) -> int:
        """Count again what the log says was opened within the last hour, so that a restart begins no new one.

        Returns how many releases were counted. Called once, before the sockets are there. Raises: LogCorrupt.
        """
        now_ns = self._clock.now_ns()
        found: list[LogEntry] = []
        end = await self._log.ask(lambda log: log.size)
        while end > 0:
            start = max(0, end - _ENTRIES_READ)
            first_ns, entries = await self._log.ask(partial(_read_releases, start=start, count=end - start))
            found += [one for one in entries if is_charged(one.record) and now_ns - one.utc_ns < WINDOW_NS]
            end = start
            if now_ns - first_ns >= WINDOW_NS:
                break
        for entry in sorted(found, key=lambda one: one.index):
            user_id, segment_ids = who_opened(entry.record)
            self._quotas.restore(user_id, CameraId(entry.record.subject), segment_ids, entry.utc_ns)
        return len(found)

    async def heed_withdrawals(self) -> int:
        """Destroy again what the log says was destroyed: a gallery that was put back from a copy forgets nobody's no.

        Returns how many people were ended. Called once, before the sockets are there. Raises: LogCorrupt, Unavailable.
        """
        store = self.faces.store
        start, end = store.heeded, await self._log.ask(lambda log: log.size)
        ended: set[str] = set()
        while start < end:
            ended |= await self._log.ask(partial(_read_ends, start=start, count=_ENTRIES_READ))
            start += _ENTRIES_READ
        again = await self.faces.heed(frozenset(ended))
        store.heed(end)
        return again

    async def end_grant(self, message: EndGrant) -> Ok:
        """The token stops working at once; the end is logged. A grant of an earlier run is gone already."""
        live = next((grant for grant in self._grants.values() if grant.grant_id == message.grant_id), None)
        if live is None:
            return Ok()
        del self._grants[live.token_hash]
        details = {
            "grant_id": live.grant_id,
            "session": live.request.session_id,
            "frames_shown": str(message.frames_shown),
        }
        await self._log.append(person_record(AuditKind.VIEW_ENDED, live.request, details))
        return Ok()

    async def release(self, message: ReleaseKeys) -> KeysReleased:
        """Check, log, unwrap. Raises: PermissionDenied, KeyMissing, SealBroken, InvalidArgument; log errors.

        A refusal is logged too, whatever its reason; if even that fails, the refusal stands.
        """
        live = None
        try:
            live = self._grants.get(token_hash(message.grant_token))
            if live is None:
                raise PermissionDenied("no such grant, or it has ended")
            now_ns = self._clock.now_ns()
            check_release(live, message.grant_token, message.headers, now_ns=now_ns, site_id=self._site.site_id)
            self._check_still(live, message)
            if live.request.action in CHARGED:
                segment_ids = tuple(header.segment_id for header in message.headers)
                self._quotas.charge(live.request.principal, live.request.camera_id, segment_ids, now_ns)
            return await self._release_checked(live, message)
        except (PermissionDenied, InvalidArgument, KeyMissing, SealBroken, ResourceExhausted, Unavailable) as error:
            await self._log.append(refusal(live, message, error))
            raise

    def _check_still(self, live: LiveGrant, message: ReleaseKeys) -> None:
        """What can change while a grant lives: what it rests on, and what there still is to see."""
        if live.request.principal != CHECKER:
            self._desk.check_still(live.request)
        if live.is_for_looks:
            self.faces.journeys.check_still(live.request)
        self._desk.check_not_erased(tuple(header.segment_id for header in message.headers))

    async def erase(self, message: EraseSegments) -> Appended:
        """Check, log the list's hash, then remember each: from here on no key of them is released.

        Raises: PermissionDenied, InvalidArgument; StorageFailed; log errors. Asked again it logs again.
        """
        live = self._grants.get(token_hash(message.grant_token))
        if live is None:
            raise PermissionDenied("no such grant, or it has ended")
        check_erasure(live, message.segment_ids, now_ns=self._clock.now_ns())
        self._desk.check_still(live.request)
        entry = await self._log.append(erasure_record(live, message))
        self._desk.put_erased(message.segment_ids, entry.index)
        return Appended(index=entry.index)

    async def release_marks(self, message: ReleaseMarks) -> MarksReleased:
        """Find out who was given these segments, log the list's hash, then hand out their mark keys.

        Raises: PermissionDenied for another grant than a trace's; InvalidArgument; ResourceExhausted; log errors.
        """
        live = self._grants.get(token_hash(message.grant_token))
        if live is None:
            raise PermissionDenied("no such grant, or it has ended")
        check_marks(live, message, self._clock.now_ns())
        self._desk.check_still(live.request)
        shown = await self._log.ask(lambda log: who_was_shown(log, live.request, message.segment_ids))
        entry = await self._log.append(marks_record(live, message, shown))
        camera_id = live.request.camera_id
        return MarksReleased(
            candidates=tuple(one.with_key(self._keys.mark_key(camera_id, one.session_id)) for one in shown),
            log_index=entry.index,
        )

    async def _release_checked(self, live: LiveGrant, message: ReleaseKeys) -> KeysReleased:
        key_ids = {header.key_id for header in message.headers}
        privates = await self._with_keys(lambda keys: {key_id: keys.private(key_id) for key_id in key_ids})
        entry = await self._log.append(release_record(live, message))
        # While the disk worked the view may have been ended, its request vetoed, what it shows given up.
        if live.token_hash not in self._grants:
            raise PermissionDenied("no such grant, or it has ended")
        self._check_still(live, message)
        data_keys = tuple(unwrap_data_key(privates[header.key_id], header) for header in message.headers)
        # Without one no view makes a picture: whoever gives a view job this grant gets nothing out of it.
        no_mark = live.is_for_looks
        mark_key = b"" if no_mark else self._keys.mark_key(live.request.camera_id, live.request.session_id)
        protection = self.faces.protection
        hides = protection.hides_in(live.request)
        return KeysReleased(
            data_keys=data_keys,
            mark_key=mark_key,
            log_index=entry.index,
            fidelity=live.request.fidelity,
            shown=live.request.shown,
            hides=hides,
            covered=protection.covered(live.request) if hides else (),
        )

    def _forget_expired(self, now_ns: Ns) -> None:
        for hashed in [hashed for hashed, grant in self._grants.items() if grant.expires_ns <= now_ns]:
            del self._grants[hashed]

    # -- the log ---------------------------------------------------------------------------------------------

    async def append(self, record: AuditRecord) -> Appended:
        """A record of the server's. Raises: PermissionDenied for a kind that is the warden's own."""
        if record.kind in OWN_KINDS:
            raise PermissionDenied(f"{record.kind.value} is the warden's own word")
        if record.kind is AuditKind.ANALYSIS_REPLACED:
            self.faces.protection.forget_camera(CameraId(record.subject))
        return Appended(index=(await self._log.append(record)).index)

    async def read_checkpoint(self) -> Checkpoint:
        """The newest tree head, with both signatures of the log."""
        time_s = self._clock.now_ns() // NS_PER_S
        return await self._log.ask(lambda log: log.publish(time_s))

    async def read_log(self, start: int, limit: int) -> LogPage:
        """Entries and the newest checkpoint, of one moment."""
        time_s = self._clock.now_ns() // NS_PER_S
        return await self._log.ask(lambda log: LogPage(entries=log.read(start, limit), checkpoint=log.publish(time_s)))

    async def sign_claim(self, message: SignClaim) -> ClaimSigned:
        """Log, then sign. Raises: InvalidArgument; log errors."""
        if len(message.claim) > MAX_CLAIM_BYTES or not re.fullmatch(r"[0-9a-f]{16}", message.export_id):
            raise InvalidArgument(f"a claim has at most {MAX_CLAIM_BYTES} bytes and names its export")
        if not message.claim:
            return ClaimSigned(signature=b"", chain_pem=self._claims.chain_pem)
        details = {"export_id": message.export_id, "sha256": hashlib.sha256(message.claim).hexdigest()}
        await self._log.append(
            AuditRecord(kind=AuditKind.CLAIM_SIGNED, actor="process:server", subject="", details=details)
        )
        return ClaimSigned(signature=self._claims.sign(message.claim), chain_pem=self._claims.chain_pem)

    # -- camera-day keys -------------------------------------------------------------------------------------

    async def publish(self, camera_ids: tuple[CameraId, ...]) -> None:
        """Keys of these cameras for today and `DAYS_AHEAD` days, durable in store and folder.

        Raises: InvalidArgument for a malformed id or too many.
        """
        if len(camera_ids) > MAX_CAMERAS:
            raise InvalidArgument(f"{len(camera_ids)} cameras; at most {MAX_CAMERAS}")
        now_ns = self._clock.now_ns()
        days = [day_of(now_ns, days_later=n) for n in range(DAYS_AHEAD + 1)]
        for camera_id in camera_ids:
            if not is_key_id(key_id_of(camera_id, days[0])):
                raise InvalidArgument("that is not a camera id")
        for camera_id in camera_ids:
            # One camera at a time, so that a release need not wait for a hundred key generations.
            await self._with_keys(partial(self._publish_one, camera_id=camera_id, days=days, now_ns=now_ns))

    def _publish_one(self, keys: KeyStore, camera_id: CameraId, days: list[str], now_ns: Ns) -> None:
        keys.add_camera(camera_id)
        key_ids = [key_id_of(camera_id, day) for day in days]
        key_ids += [background_key_id(camera_id, year) for year in sorted({day[:4] for day in days})]
        for key_id, public_key in zip(key_ids, keys.ensure(key_ids, now_ns), strict=True):
            wanted = sign_published(self._site_key, site_id=self._site.site_id, key_id=key_id, public_key=public_key)
            try:
                is_there = read_published(published_path(self._site.public_keys, key_id)) == wanted
            except (KeyMissing, SealBroken):
                is_there = False
            if not is_there:
                write_published(self._site.public_keys, wanted)

    async def forget_people(self, now_ns: Ns, days: int) -> int:
        """Erase names and reasons of entries older than `days`; returns how many. Raises: errors of the disk."""
        return await erase_old(self._log, now_ns, days)

    async def forget_cases(self, now_ns: Ns) -> int:
        """Erase what closed cases collected when their time is over. Raises: errors of the disk."""
        return await self._desk.erase_due_cases(now_ns)

    async def renew(self) -> None:
        """Publish for every camera that ever asked; called at start and every few minutes. Never raises for one."""
        for camera_id in await self._with_keys(lambda keys: keys.cameras()):
            try:
                await self.publish((camera_id,))
            except CustodesError as error:
                self._note.error("camera-day keys could not be renewed", camera_id=camera_id, error=str(error))

    async def destroy(self, camera_id: CameraId, day: str) -> Appended:
        """Crypto-shred one past camera-day: log, destroy, unpublish.

        Raises: InvalidArgument; FailedPrecondition for today or later, to which the recorder still seals; KeyMissing.
        """
        key_id = key_id_of(camera_id, day)
        if not is_key_id(key_id):
            raise InvalidArgument("that is not a camera id and a day (yyyymmdd)")
        now_ns = self._clock.now_ns()
        # A year's key, `<yyyy>0000`, is in use until the year is over.
        if day >= day_of(now_ns) or (is_background_key(key_id) and day[:4] >= day_of(now_ns)[:4]):
            raise FailedPrecondition(f"camera-day {day} is not over; the recorder may be sealing to its key")
        record = AuditRecord(
            kind=AuditKind.KEYS_DESTROYED, actor="process:warden", subject=camera_id, details={"day": day}
        )
        entry = await self._log.append(record)
        await self._with_keys(lambda keys: self._destroy_one(keys, key_id, now_ns))
        return Appended(index=entry.index)

    def _destroy_one(self, keys: KeyStore, key_id: KeyId, now_ns: Ns) -> None:
        keys.destroy(key_id, now_ns)
        published_path(self._site.public_keys, key_id).unlink(missing_ok=True)

    async def _with_keys(self, act: Callable[[KeyStore], T]) -> T:
        """Run on the key store's own thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, act, self._keys)
