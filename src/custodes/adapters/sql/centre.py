"""What a centre knows of its sites, in a database of its own: SQLite, or PostgreSQL as the catalog's store opens it.

Facts of a parcel and the number of the last are one transaction: a centre that was killed has both or neither.
"""

from collections.abc import Mapping, Sequence
from typing import TypeVar

import msgspec
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    LargeBinary,
    MetaData,
    String,
    Table,
    delete,
    select,
    update,
)

from custodes.adapters.sql.centre_people import CentrePeople
from custodes.adapters.sql.statements import insert_into
from custodes.adapters.sql.store import Store
from custodes.errors import FailedPrecondition, NotFound
from custodes.federation.sites import SiteRow
from custodes.types.federation import (
    REMOVED,
    CamerasChanged,
    CaseAnswered,
    CountsOfQuarter,
    FleetAudited,
    FlowsOfHour,
    LogGrew,
    Shared,
    SiteHealth,
)
from custodes.types.question import CaseQuestion

F = TypeVar("F", bound=Shared)

SCHEMA_VERSION = "1"
MAX_ROWS_READ = 20_000

_METADATA = MetaData()
_META = Table(
    "centre_meta",
    _METADATA,
    Column("name", String, primary_key=True),
    Column("value", String, nullable=False),
)
_SITE = Table(
    "centre_site",
    _METADATA,
    Column("site_id", String, primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("tip", LargeBinary, nullable=False),
    Column("heard_ns", BigInteger, nullable=False),
    Column("lost", BigInteger, nullable=False),
    Column("refused", BigInteger, nullable=False),
    Column("refusal", String, nullable=False),
    Column("log_size", BigInteger, nullable=False),
    Column("log_ns", BigInteger, nullable=False),
    Column("cosigned", String, nullable=False),
    Column("alarm", String, nullable=False),
    Column("alarm_ns", BigInteger, nullable=False),
    Column("evidence", String, nullable=False),
)
_FACT = Table(
    "centre_fact",
    _METADATA,
    Column("site_id", String, primary_key=True),
    Column("kind", String, primary_key=True),
    Column("camera_id", String, primary_key=True),
    Column("start_ns", BigInteger, primary_key=True),
    Column("name", String, primary_key=True),
    Column("end_ns", BigInteger, nullable=False),
    Column("encoded", LargeBinary, nullable=False),
)


_QUESTION = Table(
    "centre_question",
    _METADATA,
    Column("question_id", String, primary_key=True),
    Column("site_id", String, nullable=False),
    Column("asked_ns", BigInteger, nullable=False),
    Column("is_logged", Boolean, nullable=False),
    Column("is_open", Boolean, nullable=False),
    Column("encoded", LargeBinary, nullable=False),
)


class CentreStore:
    """The database. Its caller uses it from one thread at a time."""

    def __init__(self, store: Store) -> None:
        """Make the tables. Raises: FailedPrecondition (of a newer custodes), and what the database raises."""
        self._store = store
        with store.translated(), store.writer.begin() as connection:
            _METADATA.create_all(connection)
            connection.execute(
                insert_into(connection, _META)
                .values(name="schema", value=SCHEMA_VERSION)
                .on_conflict_do_nothing(index_elements=[_META.c.name])
            )
            found = connection.scalar(select(_META.c.value).where(_META.c.name == "schema"))
            if found != SCHEMA_VERSION:
                raise FailedPrecondition(f"{store.name} has schema {found}; this custodes knows {SCHEMA_VERSION}")
        self.people = CentrePeople(store)

    def close(self) -> None:
        """Idempotent."""
        self._store.dispose()

    def site(self, site_id: str) -> SiteRow:
        """An empty row for a site that was never heard."""
        with self._store.translated(), self._store.reader.begin() as connection:
            row = connection.execute(select(_SITE).where(_SITE.c.site_id == site_id)).mappings().one_or_none()
            return SiteRow(site_id=site_id) if row is None else SiteRow(**row)

    def sites(self) -> dict[str, tuple[SiteRow, SiteHealth | None]]:
        """All that were ever heard, by id, each with what it told of itself last. One query, whatever their number."""
        is_health = (_FACT.c.site_id == _SITE.c.site_id) & (_FACT.c.kind == SiteHealth.__name__)
        statement = select(_SITE, _FACT.c.encoded).select_from(_SITE.outerjoin(_FACT, is_health))
        with self._store.translated(), self._store.reader.begin() as connection:
            found = {}
            for row in connection.execute(statement).mappings():
                values = {name: row[name] for name in SiteRow.__slots__}
                health = None if row["encoded"] is None else _HEALTH.decode(row["encoded"])
                found[values["site_id"]] = SiteRow(**values), health
            return found

    def take(self, row: SiteRow, facts: Sequence[Shared]) -> None:
        """Facts of the site, and the row as it is afterwards, at once."""
        with self._store.translated(), self._store.writer.begin() as connection:
            rows = [values for fact in facts for values in _rows(row.site_id, fact)]
            if rows:
                # The last one wins, as it would if they came one by one; a statement may not name a key twice.
                keyed = {tuple(values[name] for name in _KEY): values for values in rows}
                statement = insert_into(connection, _FACT)
                statement = statement.on_conflict_do_update(
                    index_elements=[_FACT.c[name] for name in _KEY],
                    set_={"end_ns": statement.excluded.end_ns, "encoded": statement.excluded.encoded},
                )
                connection.execute(statement, list(keyed.values()))
            _drop_replaced(connection, row.site_id, facts)
            values = {name: getattr(row, name) for name in SiteRow.__slots__}
            site = insert_into(connection, _SITE).values(values)
            connection.execute(site.on_conflict_do_update(index_elements=[_SITE.c.site_id], set_=values))

    def read(self, site_id: str, kind: type[F], *, start_ns: int = 0, limit: int = MAX_ROWS_READ) -> list[F]:
        """Facts of one kind that began at `start_ns` or later, the newest `limit`, oldest first."""
        statement = (
            select(_FACT.c.encoded)
            .where(_FACT.c.site_id == site_id, _FACT.c.kind == kind.__name__, _FACT.c.start_ns >= start_ns)
            .order_by(_FACT.c.start_ns.desc(), _FACT.c.camera_id.desc(), _FACT.c.name.desc())
            .limit(limit)
        )
        decoder = msgspec.msgpack.Decoder(kind)
        with self._store.translated(), self._store.reader.begin() as connection:
            return [decoder.decode(row.encoded) for row in connection.execute(statement)][::-1]

    def put_question(self, question: CaseQuestion, *, asked_ns: int = 0, is_logged: bool = False) -> None:
        """A new one, or the same with its entry in the log; `asked_ns` counts for a new one."""
        values = {"is_logged": is_logged, "encoded": msgspec.msgpack.encode(question)}
        new = {"question_id": question.question_id, "site_id": question.site_id, "asked_ns": asked_ns, "is_open": True}
        with self._store.translated(), self._store.writer.begin() as connection:
            statement = insert_into(connection, _QUESTION).values({**new, **values})
            key = [_QUESTION.c.question_id]
            connection.execute(statement.on_conflict_do_update(index_elements=key, set_=values))

    def open_questions(self, limit: int) -> list[CaseQuestion]:
        """Those that wait for an answer, oldest first."""
        order = (_QUESTION.c.asked_ns, _QUESTION.c.question_id)
        statement = select(_QUESTION.c.encoded).where(_QUESTION.c.is_open).order_by(*order).limit(limit)
        with self._store.translated(), self._store.reader.begin() as connection:
            return [_QUESTIONS.decode(row.encoded) for row in connection.execute(statement)]

    def questions(self, limit: int) -> list[tuple[CaseQuestion, bool]]:
        """The newest, each with whether it is open."""
        order = (_QUESTION.c.asked_ns.desc(), _QUESTION.c.question_id)
        statement = select(_QUESTION.c.encoded, _QUESTION.c.is_open).order_by(*order).limit(limit)
        with self._store.translated(), self._store.reader.begin() as connection:
            return [(_QUESTIONS.decode(row.encoded), bool(row.is_open)) for row in connection.execute(statement)]

    def is_logged(self, question_id: str) -> bool:
        """Whether the log has it."""
        statement = select(_QUESTION.c.is_logged).where(_QUESTION.c.question_id == question_id)
        with self._store.translated(), self._store.reader.begin() as connection:
            return bool(connection.scalar(statement))

    def close_question(self, question_id: str) -> None:
        """It is not sent any more."""
        with self._store.translated(), self._store.writer.begin() as connection:
            connection.execute(update(_QUESTION).where(_QUESTION.c.question_id == question_id).values(is_open=False))

    def answers(self, site_id: str, question_id: str) -> list[CaseAnswered]:
        """What this site answered to it, in parts."""
        statement = (
            select(_FACT.c.encoded)
            .where(_FACT.c.site_id == site_id, _FACT.c.kind == CaseAnswered.__name__)
            .where(_FACT.c.name >= f"{question_id}/", _FACT.c.name < f"{question_id}0")
        )
        decoder = msgspec.msgpack.Decoder(CaseAnswered)
        with self._store.translated(), self._store.reader.begin() as connection:
            found = [decoder.decode(row.encoded) for row in connection.execute(statement)]
        return sorted(found, key=lambda one: one.part)

    def forget(self, before_ns: int) -> int:
        """Drop figures that ended before; returns how many."""
        with self._store.translated(), self._store.writer.begin() as connection:
            done = connection.execute(delete(_FACT).where(_FACT.c.end_ns > 0, _FACT.c.end_ns < before_ns))
            is_old = (_QUESTION.c.asked_ns < before_ns) & ~_QUESTION.c.is_open
            connection.execute(delete(_QUESTION).where(is_old))
            return done.rowcount

    def position(self, stream: str) -> int:
        """How far the stream of this name was read."""
        with self._store.translated(), self._store.reader.begin() as connection:
            found = connection.scalar(select(_META.c.value).where(_META.c.name == f"stream {stream}"))
            return int(found or 0)

    def move_to(self, stream: str, position: int) -> None:
        """Not with the facts: to read one again is harmless, and to skip one is not."""
        with self._store.translated(), self._store.writer.begin() as connection:
            values = {"name": f"stream {stream}", "value": str(position)}
            statement = insert_into(connection, _META).values(values)
            connection.execute(statement.on_conflict_do_update(index_elements=[_META.c.name], set_=values))

    def clear_alarm(self, site_id: str) -> None:
        """Somebody looked into it. Raises: NotFound."""
        with self._store.translated(), self._store.writer.begin() as connection:
            cleared = {"alarm": "", "alarm_ns": 0, "evidence": ""}
            done = connection.execute(update(_SITE).where(_SITE.c.site_id == site_id).values(cleared))
            if not done.rowcount:
                raise NotFound(f"nothing was heard of a site {site_id}")


_HEALTH = msgspec.msgpack.Decoder(SiteHealth)
_QUESTIONS = msgspec.msgpack.Decoder(CaseQuestion)
_KEY = ("site_id", "kind", "camera_id", "start_ns", "name")


def _rows(site_id: str, fact: Shared) -> list[Mapping[str, object]]:
    def row(one: Shared, camera_id: str = "", start_ns: int = 0, name: str = "", end_ns: int = 0) -> dict[str, object]:
        kind, encoded = type(one).__name__, msgspec.msgpack.encode(one)
        key = {"site_id": site_id, "kind": kind, "camera_id": camera_id, "start_ns": start_ns, "name": name}
        return {**key, "end_ns": end_ns, "encoded": encoded}

    match fact:
        case SiteHealth():
            return [row(fact)]
        case CamerasChanged():
            return [
                row(CamerasChanged(utc_ns=fact.utc_ns, cameras=(one,)), camera_id=one.camera_id)
                for one in fact.cameras
            ]
        case CountsOfQuarter():
            return [row(fact, camera_id=fact.camera_id, start_ns=fact.start_ns, end_ns=fact.end_ns)]
        case FlowsOfHour():
            name = f"{fact.group}/{fact.part}"
            return [row(fact, start_ns=fact.start_ns, name=name, end_ns=fact.end_ns)]
        case FleetAudited():
            return [
                row(FleetAudited(judged_ns=fact.judged_ns, devices=(one,)), name=one.device, start_ns=fact.judged_ns)
                for one in fact.devices
            ]
        case CaseAnswered():
            # Not by the moment: a site that was asked twice answers once.
            return [row(fact, name=f"{fact.question_id}/{fact.part}", end_ns=fact.utc_ns)]
        case LogGrew():
            return []


def _drop_replaced(connection: Connection, site_id: str, facts: Sequence[Shared]) -> None:
    newest_ns = max((one.judged_ns for one in facts if isinstance(one, FleetAudited)), default=None)
    if newest_ns is not None:
        kind = (_FACT.c.site_id == site_id, _FACT.c.kind == FleetAudited.__name__, _FACT.c.start_ns < newest_ns)
        connection.execute(delete(_FACT).where(*kind))
    last = {one.camera_id: one for fact in facts if isinstance(fact, CamerasChanged) for one in fact.cameras}
    for camera in last.values():
        if camera.state == REMOVED:
            gone = (_FACT.c.kind == CamerasChanged.__name__, _FACT.c.camera_id == camera.camera_id)
            connection.execute(delete(_FACT).where(_FACT.c.site_id == site_id, *gone))
