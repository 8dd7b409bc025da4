"""The warden's side of witnesses, and what the log forgets about people. Nothing here reaches a network."""

from functools import partial

from custodes.app.warden_log import LogWriter
from custodes.audit.cosignature import open_cosignatures
from custodes.audit.log import AuditLog
from custodes.audit.note import KeyType, NoteVerifier, parse_vkey
from custodes.config import SiteConfig
from custodes.ports.clock import Clock
from custodes.types.access import AuditKind, AuditRecord
from custodes.types.message import (
    ConsistencyProof,
    CosignedCheckpoint,
    CosignedCheckpoints,
    Ok,
    ProveConsistency,
    ReadCosigned,
    StoreCosigned,
    StoreTimestamp,
)
from custodes.units import NS_PER_DAY, NS_PER_S, Ns

_STEP_NS = 300 * NS_PER_S
_ERASED_AT_ONCE = 1000


def witness_keys(config: SiteConfig) -> tuple[NoteVerifier, ...]:
    """Keys of all configured witnesses, the centre's included. Raises: InvalidArgument for a malformed one."""
    centre = config.federation.centre if config.federation is not None else ()
    found = [parse_vkey(key) for key in (*(key for each in config.audit.witnesses for key in each.keys), *centre)]
    return tuple(one for one in found if one.key_type is not KeyType.ED25519)


class BelievedClock:
    """The wall clock, but never ahead of the time that has passed: a clock set ahead by years erases nothing.

    A step that is right after all is believed from the next start on, as in `app.serving.retention`.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._wall_at_start_ns = clock.now_ns() - clock.monotonic_ns()

    def now_ns(self) -> Ns:
        """UTC, at most what was and what has passed since."""
        return Ns(min(self._clock.now_ns(), self._wall_at_start_ns + self._clock.monotonic_ns() + _STEP_NS))


async def erase_old(writer: LogWriter, now_ns: Ns, days: int) -> int:
    """Erase personal parts older than `days`: log how many and which, then erase. Returns how many.

    Raises: errors of the disk; what was logged and not erased is erased, and logged, the next time.
    """
    before_ns = Ns(now_ns - days * NS_PER_DAY)
    erased = 0
    while indices := await writer.ask(lambda log: log.personal_before(before_ns, _ERASED_AT_ONCE)):
        details = {"count": str(len(indices)), "first": str(indices[0]), "last": str(indices[-1]), "days": str(days)}
        await writer.append(
            AuditRecord(kind=AuditKind.PERSONAL_ERASED, actor="process:warden", subject="", details=details)
        )
        chosen = tuple(indices)
        await writer.ask(partial(_erase, chosen))
        erased += len(indices)
    return erased


def _erase(indices: tuple[int, ...], log: AuditLog) -> None:
    log.erase(indices)


def answer_about_witnesses(
    log: AuditLog,
    message: ProveConsistency | StoreCosigned | StoreTimestamp | ReadCosigned,
    witnesses: tuple[NoteVerifier, ...],
) -> ConsistencyProof | CosignedCheckpoints | Ok:
    """Runs on the log's thread. Raises: InvalidArgument, LogCorrupt; errors of the disk."""
    match message:
        case ProveConsistency():
            return ConsistencyProof(path=log.prove_consistency(message.old_size, message.new_size))
        case StoreCosigned():
            log.store_cosigned(message.note, witnesses)
            return Ok()
        case StoreTimestamp():
            log.store_timestamp(message.note, message.token)
            return Ok()
        case ReadCosigned():
            return CosignedCheckpoints(
                checkpoints=tuple(
                    CosignedCheckpoint(
                        witness=name,
                        size=checkpoint.size,
                        time_s=max((each.time_s for each in open_cosignatures(checkpoint, witnesses)), default=0),
                        note=checkpoint.note,
                    )
                    for name, checkpoint in log.cosigned()
                )
            )
