"""The warden process: opens keys and log, listens on its two sockets, renews camera-day keys.

`python -m custodes.app.warden --data DIR [--name NAME]`. What it answers is in `app.warden_gate`.
"""

import asyncio
import contextlib
import os
import pwd
from collections.abc import AsyncIterator
from pathlib import Path

import structlog

from custodes.access.policy import load_policies
from custodes.adapters.ipc.connections import Connections
from custodes.adapters.ipc.framing import AsyncChannel, answer_requests, serve
from custodes.adapters.keys.cases import CaseStore
from custodes.adapters.keys.choose import open_provider
from custodes.adapters.keys.faces import FaceStore
from custodes.adapters.keys.file import read_passphrase
from custodes.adapters.keys.requests import RequestStore
from custodes.adapters.keys.store import KeyStore
from custodes.app.process import run_process
from custodes.app.warden_anchors import BelievedClock, witness_keys
from custodes.app.warden_cases import CaseDesk
from custodes.app.warden_faces import FaceDesk
from custodes.app.warden_gate import Gate, GateIdentity
from custodes.app.warden_log import LogWriter
from custodes.app.warden_office import Office
from custodes.app.warden_reign import Reign
from custodes.app.warden_replication import SOCKET, ReplicaRules, Replication, settling
from custodes.app.warden_requests import RequestDesk
from custodes.audit.checkpoint import LogSigner, origin_of
from custodes.audit.log import AuditLog
from custodes.audit.note import NoteVerifier, parse_vkey
from custodes.config import AccessConfig, KeyConfig, SiteConfig, SiteIdentity, SitePaths, read_identity
from custodes.config.durable import sync_folder
from custodes.errors import CustodesError, FailedPrecondition, KeyMissing, LogCorrupt, SiteMismatch
from custodes.ports.clock import Clock
from custodes.runtime.clock import SystemClock
from custodes.runtime.data_dir import GENERATION_VARIABLE, read_generation
from custodes.sealing.published import PinnedKeys, write_pinned
from custodes.types.access import AuditKind, AuditRecord

RENEW_S = 600.0
"""How often to look whether a new day needs keys; seven days lie ahead, so lateness costs nothing."""

_STOP_S = 3.0
"""What requests in flight get at SIGTERM; the process is to be gone within five seconds."""


@contextlib.asynccontextmanager
async def open_gate(
    paths: SitePaths,
    identity: SiteIdentity,
    *,
    passphrase: str | None,
    clock: Clock,
    rules: AccessConfig | None = None,
    witnesses: tuple[NoteVerifier, ...] = (),
    keys_config: KeyConfig | None = None,
    generation: int = 0,
    replicas: ReplicaRules | None = None,
) -> AsyncIterator[Gate]:
    """Open keys and log, write the start into the log, and yield the gate that answers.

    `replicas`: who follows the log. `generation`: of the supervisor; no warden of an earlier one appends from here on
    (`audit.log`).

    Raises: FailedPrecondition when this one is of an earlier one; KeyMissing, LogCorrupt, SiteMismatch, Unavailable:
        the warden must not start then.
    """
    note = structlog.get_logger()
    folder = paths.warden_dir
    log_path = folder / "log.db"
    _require_whole(paths, log_path)
    provider, guarded_by = open_provider(
        folder, keys_config or KeyConfig(), passphrase=passphrase, site_id=identity.site_id, environment=os.environ
    )
    note.info("key provider", provider=guarded_by)
    keys = KeyStore.open(
        folder / "keys.db", provider, context=identity.site_id.encode(), is_new_allowed=not log_path.exists()
    )
    signer = LogSigner(origin_of(identity.site_id), keys.log_key(), keys.log_mldsa_key())
    log = AuditLog.open(log_path, signer, generation=generation)
    log_path.chmod(0o600)
    # SQLite syncs the folder for its journals, not for a new database itself.
    sync_folder(folder)
    sync_folder(paths.data_dir)
    # After the log exists: from here on a missing log is a lost one (`_require_whole`).
    write_pinned(
        paths.warden_key,
        PinnedKeys(
            site_id=identity.site_id,
            site_key=keys.site_key().public_key().public_bytes_raw(),
            log_origin=signer.keys.ed25519.name,
            log_key=signer.keys.ed25519.public_key,
            log_mldsa_key=keys.log_mldsa_key().public_key().public_bytes_raw(),
        ),
    )
    async with LogWriter(log, clock) as writer, _replicated(paths, writer, replicas, clock) as replication:
        await _write_start(writer, log, identity, guarded_by)
        policies = load_policies()

        async def append(record: AuditRecord) -> int:
            return (await writer.append(record)).index

        requests, rules = RequestStore(folder / "requests.db"), rules or AccessConfig()
        secrets = keys.face_secrets()
        office = Office(
            site_id=identity.site_id,
            store=FaceStore(folder / "faces.db", secrets.person_kek),
            keys=requests,
            append=append,
            policies=policies,
            clock=clock,
            lock=asyncio.Lock(),
        )
        faces = FaceDesk(office, keys.site_key(), secrets, paths, rules.timezone)
        desk = RequestDesk(
            store=requests,
            cases=CaseDesk(store=CaseStore(folder / "cases.db"), append=append, policies=policies, clock=clock),
            append=append,
            policies=policies,
            clock=clock,
            rules=rules,
            protection=faces.protection,
        )
        faces.know(desk)
        gate = Gate(
            site=GateIdentity(site_id=identity.site_id, created_ns=identity.created_ns, public_keys=paths.public_keys),
            policies=policies,
            keys=keys,
            log=writer,
            clock=clock,
            witnesses=witnesses,
            desk=desk,
            faces=faces,
            replication=replication,
        )
        try:
            await gate.remember_quotas()
            await gate.heed_withdrawals()
            yield gate
        finally:
            gate.close()


@contextlib.asynccontextmanager
async def _replicated(
    paths: SitePaths, writer: LogWriter, rules: ReplicaRules | None, clock: Clock
) -> AsyncIterator[Replication | None]:
    """Replicas can connect, and have what there is where they are waited for, before anything is written.

    Raises: Unavailable, FailedPrecondition.
    """
    if rules is None:
        yield None
        return
    replication = Replication(
        writer, paths.warden_dir, rules.verifiers, is_synchronous=rules.is_synchronous, clock=clock
    )
    connections = Connections()
    socket = await serve(paths.socket(SOCKET), connections.tracked(replication.serve_peer))
    try:
        replication.look()
        await replication.wait_for_all()
        writer.replicated = replication.committed
        yield replication
    finally:
        socket.close()
        await connections.end()
        replication.close()


def _require_whole(paths: SitePaths, log_path: Path) -> None:
    """An established site never gets a new log or new keys: a deleted log would begin again as if nothing had been.

    Raises: LogCorrupt, KeyMissing.
    """
    if not paths.warden_key.exists():
        return
    remedy = f"restore the whole of {paths.warden_dir} from a backup"
    if not (paths.warden_dir / "keys.db").exists():
        raise KeyMissing(f"the site's root secret is not in {paths.warden_dir}; {remedy}")
    if not log_path.exists():
        raise LogCorrupt(f"the site's audit log {log_path} is gone; {remedy}")


def _site_user(paths: SitePaths, keys_config: KeyConfig) -> int | None:
    """Who else may connect: the user of the site's other processes, where the warden has one of its own.

    Raises: FailedPrecondition when the warden is not the user it was configured to be.
    """
    if not keys_config.user:
        return None
    try:
        configured = pwd.getpwnam(keys_config.user).pw_uid
    except KeyError as error:
        raise FailedPrecondition(f"there is no user {keys_config.user}, who `keys: user:` names") from error
    if os.getuid() != configured:
        raise FailedPrecondition(f"`keys: user:` names {keys_config.user}; the warden was started as {os.getuid()}")
    owner = paths.data_dir.stat().st_uid
    if owner in (configured, 0):
        raise FailedPrecondition(f"{paths.data_dir} belongs to user {owner}; it is to be the site's, not the warden's")
    os.umask(0o007)
    return owner


async def _write_start(writer: LogWriter, log: AuditLog, identity: SiteIdentity, provider: str) -> None:
    if log.size == 0:
        details = {"name": identity.name, "created_ns": str(identity.created_ns)}
        await writer.append(
            AuditRecord(kind=AuditKind.SITE_CREATED, actor="process:warden", subject=identity.site_id, details=details)
        )
    started = AuditRecord(
        kind=AuditKind.WARDEN_STARTED, actor="process:warden", subject="", details={"key_provider": provider}
    )
    await writer.append(started)


async def _renew_forever(gate: Gate, clock: BelievedClock, personal_days: int | None) -> None:
    note = structlog.get_logger()
    while True:
        try:
            await gate.renew()
            await gate.forget_cases(clock.now_ns())
            if personal_days is not None:
                await gate.forget_people(clock.now_ns(), personal_days)
            if gate.replication is not None:
                await gate.replication.settled()
        except CustodesError as error:
            note.error("camera-day keys or the log's personal parts could not be seen to", error=str(error))
        await asyncio.sleep(RENEW_S)


async def run(
    paths: SitePaths,
    *,
    passphrase: str | None,
    stop: asyncio.Event,
    rules: AccessConfig | None = None,
    witnesses: tuple[NoteVerifier, ...] = (),
    keys_config: KeyConfig | None = None,
    personal_days: int | None = None,
    generation: int = 0,
    replicas: ReplicaRules | None = None,
) -> None:
    """Serve until `stop`. Raises: what `open_gate` raises; SiteMismatch without `site.json`."""
    identity = read_identity(paths.identity)
    if identity is None:
        raise SiteMismatch(f"{paths.data_dir} has no site.json; start the site with `custodes up`")
    note = structlog.get_logger()
    guest = _site_user(paths, keys_config or KeyConfig())
    async with open_gate(
        paths,
        identity,
        passphrase=passphrase,
        clock=SystemClock(),
        rules=rules,
        witnesses=witnesses,
        keys_config=keys_config,
        generation=generation,
        replicas=replicas,
    ) as gate:
        renewal = asyncio.get_running_loop().create_task(
            _renew_forever(gate, BelievedClock(SystemClock()), personal_days), name="renew-keys"
        )
        connections, reign = Connections(), Reign()

        async def to_job(channel: AsyncChannel) -> None:
            await answer_requests(channel, settling(gate.answer_job, gate.replication))

        async def to_matcher(channel: AsyncChannel) -> None:
            await answer_requests(channel, settling(gate.faces.answer_process, gate.replication))

        async def to_analyser(channel: AsyncChannel) -> None:
            await answer_requests(channel, settling(gate.faces.plates.answer_analyser, gate.replication))

        async def to_server(channel: AsyncChannel) -> None:
            await answer_requests(channel, reign.heeding(settling(gate.answer_server, gate.replication)))

        # The server's socket comes last: its file tells the supervisor that the warden serves.
        jobs = await serve(paths.socket("warden-jobs"), connections.tracked(to_job), guest=guest)
        matcher = await serve(paths.socket("warden-faces"), connections.tracked(to_matcher), guest=guest)
        plates = await serve(paths.socket("warden-plates"), connections.tracked(to_analyser), guest=guest)
        recognition = asyncio.get_running_loop().create_task(gate.faces.run(), name="recognition")
        server = await serve(paths.socket("warden-server"), connections.tracked(to_server), guest=guest)
        note.info("warden serves", site_id=identity.site_id)
        await stop.wait()
        server.close()
        jobs.close()
        matcher.close()
        plates.close()
        renewal.cancel()
        recognition.cancel()
        await connections.end(timeout_s=_STOP_S)
    note.info("warden stopped")


def _replica_rules(config: SiteConfig) -> ReplicaRules | None:
    """Raises: InvalidArgument for a malformed key."""
    if not config.audit.replicas:
        return None
    verifiers = tuple(parse_vkey(key) for key in config.audit.replicas)
    return ReplicaRules(verifiers=verifiers, is_synchronous=config.audit.synchronous)


async def _serve(paths: SitePaths, config: SiteConfig, stop: asyncio.Event, _name: str) -> None:
    await run(
        paths,
        passphrase=read_passphrase(os.environ),
        stop=stop,
        rules=config.access,
        witnesses=witness_keys(config),
        keys_config=config.keys,
        personal_days=config.audit.personal_days,
        generation=int(os.environ.get(GENERATION_VARIABLE) or read_generation(paths)),
        replicas=_replica_rules(config),
    )


def main() -> None:
    """Entry point of the process."""
    run_process("warden", _serve)


if __name__ == "__main__":
    main()
