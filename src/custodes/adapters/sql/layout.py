"""The plan of the site: its versions and the pictures of floors. The caller owns the transaction."""

import msgspec
from sqlalchemy import BigInteger, Column, Connection, LargeBinary, String, Table, delete, insert, select

from custodes.adapters.sql.statements import insert_into
from custodes.adapters.sql.tables import METADATA
from custodes.errors import DataLoss, FailedPrecondition
from custodes.types.place import SiteLayout

KEPT = 100
"""Versions, to take back."""

SITE_LAYOUT = Table(
    "site_layout",
    METADATA,
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    Column("utc_ns", BigInteger, nullable=False),
    Column("editor", String, nullable=False),
    Column("encoded", LargeBinary, nullable=False),
)

FLOOR_PLAN = Table(
    "floor_plan",
    METADATA,
    Column("sha256", String, primary_key=True),
    Column("jpeg", LargeBinary, nullable=False),
)


def put_layout(connection: Connection, layout: SiteLayout) -> None:
    """The next version. Raises: FailedPrecondition when somebody else's is there. Pictures that no kept version shows
    go."""
    newest = read_layouts(connection, 1)
    expected = newest[0].version + 1 if newest else 1
    if layout.version != expected:
        raise FailedPrecondition("The plan was changed by somebody else since this page was opened. Load it again.")
    connection.execute(
        insert(SITE_LAYOUT).values(
            version=layout.version,
            utc_ns=layout.utc_ns,
            editor=layout.editor,
            encoded=msgspec.json.encode(layout),
        )
    )
    connection.execute(delete(SITE_LAYOUT).where(SITE_LAYOUT.c.version <= layout.version - KEPT))
    shown = {floor.plan_sha256 for one in read_layouts(connection, KEPT) for floor in one.floors}
    connection.execute(delete(FLOOR_PLAN).where(FLOOR_PLAN.c.sha256.not_in(sorted(shown))))


def read_layouts(connection: Connection, limit: int) -> list[SiteLayout]:
    """Newest first. Raises: DataLoss."""
    statement = select(SITE_LAYOUT.c.encoded).order_by(SITE_LAYOUT.c.version.desc()).limit(limit)
    try:
        return [msgspec.json.decode(encoded, type=SiteLayout) for encoded in connection.scalars(statement)]
    except msgspec.MsgspecError as error:
        raise DataLoss(f"the plan of the site cannot be read: {error}") from error


def put_floor_plan(connection: Connection, sha256: str, jpeg: bytes) -> None:
    """Kept until no version of the plan shows it. Idempotent."""
    statement = insert_into(connection, FLOOR_PLAN).on_conflict_do_nothing()
    connection.execute(statement, [{"sha256": sha256, "jpeg": jpeg}])


def read_floor_plan(connection: Connection, sha256: str) -> bytes | None:
    """None for one that is not there."""
    found = connection.scalar(select(FLOOR_PLAN.c.jpeg).where(FLOOR_PLAN.c.sha256 == sha256))
    return None if found is None else bytes(found)
