"""Rules that were written on the page, by version. The caller owns the transaction."""

import msgspec
from sqlalchemy import BigInteger, Column, Connection, LargeBinary, String, Table, delete, insert, select

from custodes.adapters.sql.tables import METADATA
from custodes.errors import DataLoss, FailedPrecondition
from custodes.types.rule import RuleBook

KEPT = 20
"""Versions: who changed what is in the log, too."""

RULE_BOOK = Table(
    "rule_book",
    METADATA,
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    Column("utc_ns", BigInteger, nullable=False),
    Column("editor", String, nullable=False),
    Column("encoded", LargeBinary, nullable=False),
)


def put_rules(connection: Connection, book: RuleBook) -> None:
    """The next version. Raises: FailedPrecondition when somebody else's is there."""
    newest = read_rules(connection)
    if book.version != (newest.version + 1 if newest else 1):
        raise FailedPrecondition("The rules were changed by somebody else since this page was opened. Load it again.")
    encoded = msgspec.json.encode(book)
    connection.execute(
        insert(RULE_BOOK).values(version=book.version, utc_ns=book.utc_ns, editor=book.editor, encoded=encoded)
    )
    connection.execute(delete(RULE_BOOK).where(RULE_BOOK.c.version <= book.version - KEPT))


def read_rules(connection: Connection) -> RuleBook | None:
    """The newest; None before the first. Raises: DataLoss."""
    encoded = connection.scalar(select(RULE_BOOK.c.encoded).order_by(RULE_BOOK.c.version.desc()).limit(1))
    if encoded is None:
        return None
    try:
        return msgspec.json.decode(encoded, type=RuleBook)
    except msgspec.MsgspecError as error:
        raise DataLoss(f"the rules of the page cannot be read: {error}") from error
