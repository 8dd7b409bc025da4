"""C2SP tlog-proof: one entry with its path and a checkpoint, to keep and to check without us.

The `extra` line carries the leaf, and what opens its commitment while that is kept: JSON, unauthenticated by itself;
the leaf is proven by its hash, the personal part by the leaf's commitment.
Source: https://c2sp.org/tlog-proof
"""

import base64
import json
import sqlite3
from collections.abc import Sequence

from custodes.audit.checkpoint import LogKeys, open_published
from custodes.audit.log import AuditLog
from custodes.audit.log_tables import published_notes, translated
from custodes.audit.tree import StoredTree
from custodes.errors import InvalidArgument
from custodes.types.access import Checkpoint

MAX_PROOFS = 64
HEADER = "c2sp.org/tlog-proof@v1"


def proof_text(
    *, index: int, path: tuple[bytes, ...], checkpoint: Checkpoint, leaf: bytes, blind: bytes, personal: bytes
) -> str:
    """The `.tlog-proof` file of one entry."""
    extra = {"leaf": leaf.decode()}
    if blind:
        extra |= {"blind": blind.hex(), "personal": personal.decode()}
    encoded = base64.b64encode(json.dumps(extra).encode()).decode()
    lines = [HEADER, f"extra {encoded}", f"index {index}", *(base64.b64encode(node).decode() for node in path)]
    return "\n".join(lines) + "\n\n" + checkpoint.note


def best_checkpoint(connection: sqlite3.Connection, keys: LogKeys, index: int) -> Checkpoint:
    """Of the checkpoints that were published, the one that covers entry `index` with the most signatures, then the
    newest. Raises: InvalidArgument when none covers it yet; LogCorrupt."""
    known = [open_published(note, keys) for note in published_notes(connection)]
    covering = [each for each in known if each.size > index]
    if not covering:
        largest = max((each.size for each in known), default=0)
        raise InvalidArgument(f"entry {index} is under no published checkpoint yet; the newest covers {largest}")
    return max(covering, key=lambda each: (each.note.count("\n— "), each.size))


def prove_entry(connection: sqlite3.Connection, keys: LogKeys, index: int) -> str:
    """The proof file of one entry, against `best_checkpoint`. Raises: InvalidArgument, LogCorrupt, Unavailable."""
    checkpoint = best_checkpoint(connection, keys, index)
    try:
        row = connection.execute(
            "SELECT e.leaf, coalesce(p.blind, x''), coalesce(p.data, x'') FROM entries e"
            " LEFT JOIN personal p ON p.idx = e.idx WHERE e.idx = ?",
            (index,),
        ).fetchone()
    except sqlite3.Error as error:
        raise translated(error) from error
    if row is None:
        raise InvalidArgument(f"the log has no entry {index}")
    path = StoredTree(connection, checkpoint.size).prove_inclusion(index)
    return proof_text(index=index, path=path, checkpoint=checkpoint, leaf=row[0], blind=row[1], personal=row[2])


def prove_entries(log: AuditLog, indices: Sequence[int], time_s: int) -> tuple[str, ...]:
    """Proof files of some entries of the open log, the newest head published first. Raises as `prove_entry`."""
    if not 0 < len(indices) <= MAX_PROOFS:
        raise InvalidArgument(f"{len(indices)} proofs at once; expected 1 to {MAX_PROOFS}")
    log.publish(time_s)
    return log.ask(lambda connection, keys: tuple(prove_entry(connection, keys, index) for index in indices))
