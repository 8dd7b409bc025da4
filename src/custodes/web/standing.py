"""Which of several servers leads, and how far the warden's replicas are, for the page System and for monitoring."""

from custodes.types.replica import ReplicaRow, ReplicaTable
from custodes.web.deps import WebDeps
from custodes.web.language.reported import reported


def lag_of(table: ReplicaTable | None, row: ReplicaRow) -> int | None:
    """Log entries that a replica lacks; None while it is away."""
    return max(0, table.size - row.size) if table is not None and row.is_connected else None


async def standing_row(deps: WebDeps) -> dict[str, object] | None:
    """Who leads and how far replicas are, as JSON; None where there is one server and no replica."""
    found = await deps.standing() if deps.standing is not None else None
    if found is None or not (found.leader or found.replicas or found.trouble):
        return None
    table = found.replicas
    return {
        "leader": found.leader,
        "epoch": found.epoch,
        "trouble": reported(found.trouble),
        "is_synchronous": table is not None and table.is_synchronous,
        "replicas": [
            {
                "name": one.name,
                "is_connected": one.is_connected,
                "behind": lag_of(table, one),
                "seen_ns": one.seen_ns,
                "trouble": reported(one.trouble),
            }
            for one in (table.rows if table is not None else ())
        ],
    }
