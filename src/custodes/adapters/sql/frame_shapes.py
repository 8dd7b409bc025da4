"""How large and how wide each camera's pictures were when it was seen last. The caller owns the transaction."""

from collections.abc import Sequence
from dataclasses import asdict

from sqlalchemy import Column, Connection, Float, Integer, String, Table, delete, select

from custodes.adapters.sql.statements import insert_into
from custodes.adapters.sql.tables import METADATA
from custodes.types.media import FrameShape
from custodes.units import CameraId

FRAME_SHAPE = Table(
    "frame_shape",
    METADATA,
    Column("camera_id", String, primary_key=True),
    Column("width_px", Integer, nullable=False),
    Column("height_px", Integer, nullable=False),
    Column("pixel_aspect", Float, nullable=False),
)
"""Not columns of `camera`: that is what people edit, and this is what comes of it."""


def put_frame_shapes(connection: Connection, shapes: Sequence[FrameShape]) -> None:
    """Each replaces its camera's."""
    if shapes:
        statement = insert_into(connection, FRAME_SHAPE)
        new = {name: statement.excluded[name] for name in ("width_px", "height_px", "pixel_aspect")}
        connection.execute(
            statement.on_conflict_do_update(index_elements=["camera_id"], set_=new), [asdict(one) for one in shapes]
        )


def read_frame_shapes(connection: Connection) -> dict[CameraId, FrameShape]:
    """Of all cameras that were ever seen."""
    return {
        CameraId(row.camera_id): FrameShape(
            camera_id=CameraId(row.camera_id),
            width_px=row.width_px,
            height_px=row.height_px,
            pixel_aspect=row.pixel_aspect,
        )
        for row in connection.execute(select(FRAME_SHAPE))
    }


def forget_frame_shape(connection: Connection, camera_id: CameraId) -> None:
    """Of a camera that is removed."""
    connection.execute(delete(FRAME_SHAPE).where(FRAME_SHAPE.c.camera_id == camera_id))
