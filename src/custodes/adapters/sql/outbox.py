"""`ports.outbox.Outbox` in the catalog's database: a figure and the fact about it are one transaction."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from sqlalchemy import Connection, delete, insert, select, update

from custodes.adapters.sql.statements import insert_into
from custodes.adapters.sql.tables import META, OUTBOX
from custodes.federation.parcel import NO_TIP, link
from custodes.ports.outbox import OutboxState, Waiting
from custodes.types.traffic import Figure

MAX_WAITING = 5_000_000
"""About 2 GB. A thousand cameras make some 120,000 facts a day: six weeks without a centre."""
_AT_ONCE = 5_000

Opening = Callable[[], AbstractContextManager[Connection]]


class SqlOutbox:
    """Owned by the catalog, whose transactions it uses."""

    def __init__(self, write: Opening, read: Opening) -> None:
        self._write = write
        self._read = read
        self._max_waiting = MAX_WAITING
        self._shared: Callable[[Figure], Sequence[bytes]] | None = None

    def limit(self, waiting: int) -> None:
        """Another bound than `MAX_WAITING`."""
        self._max_waiting = waiting

    def share(self, shared: Callable[[Figure], Sequence[bytes]]) -> None:
        """See `Outbox`."""
        self._shared = shared

    def take(self, connection: Connection, figures: Sequence[Figure]) -> None:
        """What is shared of these, in the caller's transaction."""
        if self._shared is not None:
            self._append(connection, [one for figure in figures for one in self._shared(figure)])

    def put(self, encoded: Sequence[bytes]) -> None:
        """See `Outbox`."""
        with self._write() as connection:
            self._append(connection, encoded)

    def _append(self, connection: Connection, encoded: Sequence[bytes]) -> None:
        if not encoded:
            return
        state = _state(connection)
        room = max(self._max_waiting - (state.newest - state.floor), 0)
        rows, tip = [], state.newest_tip
        for seq, one in enumerate(encoded[:room], state.newest + 1):
            tip = link(tip, seq, one)
            rows.append({"seq": seq, "encoded": one, "tip": tip})
        if rows:
            connection.execute(insert(OUTBOX), rows)
        dropped = state.dropped + len(encoded) - len(rows)
        _note(connection, outbox_newest=state.newest + len(rows), outbox_newest_tip=tip, outbox_dropped=dropped)

    def state(self) -> OutboxState:
        """See `Outbox`."""
        with self._read() as connection:
            return _state(connection)

    def read(self, after: int, limit: int) -> list[Waiting]:
        """See `Outbox`."""
        statement = select(OUTBOX).where(OUTBOX.c.seq > after).order_by(OUTBOX.c.seq).limit(limit)
        with self._read() as connection:
            return [Waiting(seq=row.seq, encoded=row.encoded, tip=row.tip) for row in connection.execute(statement)]

    def tip_at(self, seq: int) -> bytes | None:
        """See `Outbox`."""
        with self._read() as connection:
            state = _state(connection)
            if seq == state.floor:
                return state.floor_tip
            found: bytes | None = connection.scalar(select(OUTBOX.c.tip).where(OUTBOX.c.seq == seq))
            return found

    def forget(self, up_to: int) -> None:
        """See `Outbox`."""
        with self._write() as connection:
            tip = connection.scalar(select(OUTBOX.c.tip).where(OUTBOX.c.seq == up_to))
            if tip is None:
                return
            connection.execute(delete(OUTBOX).where(OUTBOX.c.seq <= up_to))
            _note(connection, outbox_floor=up_to, outbox_floor_tip=tip)

    def restart(self, seq: int, tip: bytes) -> None:
        """See `Outbox`. O(waiting), one transaction; numbers are negative on the way, so that none meets another."""
        with self._write() as connection:
            floor = _state(connection).floor
            newest, newest_tip = seq, tip
            while rows := connection.execute(
                select(OUTBOX.c.seq, OUTBOX.c.encoded)
                .where(OUTBOX.c.seq > floor)
                .order_by(OUTBOX.c.seq)
                .limit(_AT_ONCE)
            ).all():
                moved = []
                for row in rows:
                    newest += 1
                    newest_tip = link(newest_tip, newest, row.encoded)
                    moved.append({"seq": -newest, "encoded": row.encoded, "tip": newest_tip})
                connection.execute(insert(OUTBOX), moved)
                connection.execute(delete(OUTBOX).where(OUTBOX.c.seq > floor, OUTBOX.c.seq <= rows[-1].seq))
            connection.execute(update(OUTBOX).where(OUTBOX.c.seq < 0).values(seq=-OUTBOX.c.seq))
            _note(connection, outbox_newest=newest, outbox_newest_tip=newest_tip)
            _note(connection, outbox_floor=seq, outbox_floor_tip=tip)


def _state(connection: Connection) -> OutboxState:
    rows = connection.execute(select(META.c.name, META.c.value).where(META.c.name.startswith("outbox_")))
    found: dict[str, str] = {row.name: row.value for row in rows}
    return OutboxState(
        newest=int(found.get("outbox_newest", 0)),
        newest_tip=bytes.fromhex(found.get("outbox_newest_tip", NO_TIP.hex())),
        floor=int(found.get("outbox_floor", 0)),
        floor_tip=bytes.fromhex(found.get("outbox_floor_tip", NO_TIP.hex())),
        dropped=int(found.get("outbox_dropped", 0)),
    )


def _note(connection: Connection, **values: int | bytes) -> None:
    statement = insert_into(connection, META)
    statement = statement.on_conflict_do_update(index_elements=[META.c.name], set_={"value": statement.excluded.value})
    rows = [{"name": name, "value": one.hex() if isinstance(one, bytes) else str(one)} for name, one in values.items()]
    connection.execute(statement, rows)
