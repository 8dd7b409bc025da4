"""Layouts of the wall: kept at the site for a person, and offered to others where its owner says so.

A layout opens nothing: whoever chooses one sees those of its cameras that they may see anyway.
"""

import secrets
from dataclasses import replace
from typing import Annotated, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from custodes.errors import InvalidArgument, NotFound
from custodes.types.wall import WallLayout
from custodes.web.deps import deps_of, present
from custodes.web.review import known_cameras

router = APIRouter(prefix="/api/v1/layouts")

MAX_LAYOUTS = 20
"""Of one person: a list that is still looked through."""
MAX_CAMERAS = 256
"""Of one layout; a wall turns pages."""
SHOWN = 200
"""Of everybody's that are shared."""


class LayoutForm(BaseModel):
    """One of the same name and person is written over."""

    model_config = ConfigDict(extra="forbid")
    name: Annotated[str, Field(min_length=1, max_length=40)]
    cameras: Annotated[list[str], Field(min_length=1, max_length=MAX_CAMERAS)]
    tiles: Literal[0, 1, 4, 9, 16] = 0
    is_shared: bool = False


class LayoutRow(BaseModel):
    """A layout as it is offered."""

    layout_id: str
    name: str
    cameras: list[str]
    tiles: int
    is_shared: bool
    is_own: bool
    owner: str
    """Name of the account."""


class LayoutTable(BaseModel):
    """Own ones first, then what others share, each by name."""

    layouts: list[LayoutRow]


@router.get("")
async def layouts(request: Request) -> LayoutTable:
    """Mine and those that others share, with the cameras of them that I may see."""
    return await _table(request)


@router.post("")
async def keep(request: Request, form: LayoutForm) -> LayoutTable:
    """Keep one, or write over mine of that name. The table as it is then."""
    deps, who = deps_of(request), present(request).principal
    name = " ".join(form.name.split())
    if not name:
        raise InvalidArgument("A layout has a name and at least one camera.")
    cameras = known_cameras(deps, form.cameras)
    own = [one for one in await deps.catalog.wall_layouts() if one.user_id == who.user_id]
    same = next((one for one in own if one.name == name), None)
    if same is None and len(own) >= MAX_LAYOUTS:
        raise InvalidArgument(f"At most {MAX_LAYOUTS} layouts are kept. Remove one first.")
    kept = WallLayout(
        layout_id=same.layout_id if same else secrets.token_hex(8),
        user_id=who.user_id,
        name=name,
        cameras=cameras,
        tiles=form.tiles,
        is_shared=form.is_shared,
        changed_ns=deps.clock.now_ns(),
    )
    await deps.catalog.put_wall_layout(kept)
    return await _table(request)


@router.post("/{layout_id}/remove")
async def remove(request: Request, layout_id: str) -> LayoutTable:
    """One of mine. The table as it is then."""
    deps, who = deps_of(request), present(request).principal
    if not any(one.layout_id == layout_id and one.user_id == who.user_id for one in await deps.catalog.wall_layouts()):
        raise NotFound("There is no such layout of yours.")
    await deps.catalog.remove_wall_layout(layout_id)
    return await _table(request)


async def _table(request: Request) -> LayoutTable:
    deps, who = deps_of(request), present(request).principal
    owners = {one.user_id: one.name for one in await deps.catalog.accounts()}
    visible = {row.camera_id for row in deps.visible_cameras(who)}
    offered = [
        replace(one, cameras=tuple(camera for camera in one.cameras if camera in visible))
        for one in await deps.catalog.wall_layouts()
        if one.user_id == who.user_id or (one.is_shared and one.user_id in owners)
    ]
    offered.sort(key=lambda one: (one.user_id != who.user_id, one.name))
    rows = [_row(one, owners, is_own=one.user_id == who.user_id) for one in offered if one.cameras]
    return LayoutTable(layouts=rows[:SHOWN])


def _row(one: WallLayout, owners: dict[str, str], *, is_own: bool) -> LayoutRow:
    return LayoutRow(
        layout_id=one.layout_id,
        name=one.name,
        cameras=list(one.cameras),
        tiles=one.tiles,
        is_shared=one.is_shared,
        is_own=is_own,
        owner=owners.get(one.user_id, ""),
    )
