"""People of a centre and what each of them signed, in the centre's database."""

from dataclasses import dataclass

from sqlalchemy import BigInteger, Boolean, Column, LargeBinary, MetaData, String, Table, select, update

from custodes.adapters.sql.statements import insert_into
from custodes.adapters.sql.store import Store
from custodes.errors import NotFound

_METADATA = MetaData()
_PERSON = Table(
    "centre_person",
    _METADATA,
    Column("name", String, primary_key=True),
    Column("salt", LargeBinary, nullable=False),
    Column("public_key", LargeBinary, nullable=False),
    Column("added_ns", BigInteger, nullable=False),
    Column("is_disabled", Boolean, nullable=False),
    Column("is_logged", Boolean, nullable=False),
)
_SIGNED = Table(
    "centre_signed",
    _METADATA,
    Column("question_id", String, primary_key=True),
    Column("person", String, nullable=False),
    Column("signature", LargeBinary, nullable=False),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CentrePerson:
    """Somebody who may ask. `public_key`: Ed25519; the private half is made from password and `salt`, and kept
    nowhere."""

    name: str
    salt: bytes
    public_key: bytes
    added_ns: int
    is_disabled: bool = False


class CentrePeople:
    """Part of `CentreStore`; one thread at a time."""

    def __init__(self, store: Store) -> None:
        self._store = store
        with store.translated(), store.writer.begin() as connection:
            _METADATA.create_all(connection)

    def put(self, person: CentrePerson) -> None:
        """A new one, or the same name with another key; the running centre logs it."""
        values = {**{name: getattr(person, name) for name in CentrePerson.__slots__}, "is_logged": False}
        with self._store.translated(), self._store.writer.begin() as connection:
            statement = insert_into(connection, _PERSON).values(values)
            connection.execute(statement.on_conflict_do_update(index_elements=[_PERSON.c.name], set_=values))

    def disable(self, name: str) -> None:
        """They ask nothing any more. Raises: NotFound."""
        with self._store.translated(), self._store.writer.begin() as connection:
            statement = update(_PERSON).where(_PERSON.c.name == name).values(is_disabled=True, is_logged=False)
            if not connection.execute(statement).rowcount:
                raise NotFound(f"nobody of the centre is called {name!r}")

    def all(self) -> list[CentrePerson]:
        """By name, disabled ones too."""
        with self._store.translated(), self._store.reader.begin() as connection:
            rows = connection.execute(select(_PERSON).order_by(_PERSON.c.name)).mappings()
            return [CentrePerson(**{name: row[name] for name in CentrePerson.__slots__}) for row in rows]

    def find(self, name: str) -> CentrePerson | None:
        """None for nobody of that name, and for who is disabled."""
        return next((one for one in self.all() if one.name == name and not one.is_disabled), None)

    def unlogged(self) -> list[CentrePerson]:
        """Those of whom the log does not have the last change."""
        with self._store.translated(), self._store.reader.begin() as connection:
            names = set(connection.scalars(select(_PERSON.c.name).where(~_PERSON.c.is_logged)))
        return [one for one in self.all() if one.name in names]

    def mark_logged(self, name: str) -> None:
        """The log has it."""
        with self._store.translated(), self._store.writer.begin() as connection:
            connection.execute(update(_PERSON).where(_PERSON.c.name == name).values(is_logged=True))

    def put_signature(self, question_id: str, person: str, signature: bytes) -> None:
        """Before the question itself, so that there is never one without."""
        values = {"question_id": question_id, "person": person, "signature": signature}
        with self._store.translated(), self._store.writer.begin() as connection:
            connection.execute(insert_into(connection, _SIGNED).values(values))

    def signature(self, question_id: str) -> bytes:
        """Empty for none."""
        with self._store.translated(), self._store.reader.begin() as connection:
            found = connection.scalar(select(_SIGNED.c.signature).where(_SIGNED.c.question_id == question_id))
            return bytes(found or b"")
