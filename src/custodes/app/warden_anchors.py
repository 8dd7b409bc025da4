"""The warden's side of witnesses: proofs for them, and keeping what they signed. Nothing here reaches a network."""

from custodes.audit.cosignature import open_cosignatures
from custodes.audit.log import AuditLog
from custodes.audit.note import NoteVerifier, parse_vkey
from custodes.config import SiteConfig
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


def witness_keys(config: SiteConfig) -> tuple[NoteVerifier, ...]:
    """Keys of all configured witnesses. Raises: InvalidArgument for a malformed one."""
    return tuple(parse_vkey(key) for witness in config.audit.witnesses for key in witness.keys)


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
