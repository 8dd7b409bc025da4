"""The page of a change of networks: who gave pictures to which, a new link for who did not, the end of the former."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from custodes.errors import CustodesError
from custodes.types.access import Action
from custodes.types.face_message import (
    EnrolmentInvited,
    ForgetNetwork,
    ModelRow,
    ModelTable,
    ReadModels,
    RenewInvitation,
)
from custodes.web.deps import deps_of, page, present
from custodes.web.enrol import base_of
from custodes.web.errors import describe

router = APIRouter(include_in_schema=False)

PACKAGED = "dlib-face-resnet"
"""What an empty `faces.embedder` loads: the packaged network's name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkLine:
    """How far a network is. `role`: what the configuration says of it."""

    name: str
    role: str
    ready: int
    people: int
    templates: int

    @property
    def is_done(self) -> bool:
        """Everybody has enough pictures for it."""
        return self.ready >= self.people


def templates_of(row: ModelRow, network: str) -> int:
    """How many a person has under a network, whatever its weights' hash: the most under one contract."""
    return max((one.templates for one in row.counts if one.contract.partition(":")[0] == network), default=0)


def is_ready(row: ModelRow, network: str) -> bool:
    """Enough pictures to be compared with."""
    return templates_of(row, network) >= row.wanted


@router.get("/faces/people/networks")
async def networks_page(request: Request) -> Response:
    """Which network compares, which is prepared, who is ready."""
    return await _networks(request)


@router.post("/faces/people/networks/forget")
async def forget_network(request: Request, network: Annotated[str, Form(max_length=200)] = "") -> Response:
    """The templates of a former network, for good; not while anybody needs them."""
    deps = deps_of(request)
    kept = deps.config.faces.embedder or PACKAGED
    try:
        message = ForgetNetwork(principal=present(request).principal, network=network, kept=kept)
        await deps.warden.about_requests(message)
    except CustodesError as error:
        return await _networks(request, error=error)
    return RedirectResponse("/faces/people/networks", status_code=303)


@router.post("/faces/people/{person_id}/link")
async def renew_link(request: Request, person_id: str) -> Response:
    """A new invitation link for who is enrolled; the old one is void."""
    deps = deps_of(request)
    try:
        message = RenewInvitation(principal=present(request).principal, person_id=person_id[:64])
        made = await deps.warden.about_requests(message)
    except CustodesError as error:
        return await _networks(request, error=error)
    assert isinstance(made, EnrolmentInvited)
    return await _networks(request, link=f"{base_of(request)}/enrol/{made.token}", of=person_id)


async def _networks(request: Request, *, error: CustodesError | None = None, link: str = "", of: str = "") -> Response:
    deps, who = deps_of(request), present(request).principal
    table = await deps.warden.about_requests(ReadModels(principal=who))
    assert isinstance(table, ModelTable)
    status, _, problem = describe(error) if error else (200, "", "")
    faces = deps.config.faces
    now, following = faces.embedder or PACKAGED, faces.next_embedder
    wanted = following or now
    return page(
        request,
        "networks.html",
        status=status,
        problem=problem,
        link=link,
        linked=next((row.name for row in table.people if row.person_id == of), ""),
        lines=lines_of(table.people, now, following),
        now=now,
        following=following,
        lacking=[
            (row, templates_of(row, wanted)) for row in table.people if row.person_id and not is_ready(row, wanted)
        ],
        hidden=sum(not row.person_id and not is_ready(row, wanted) for row in table.people),
        may_forget=deps.reads.may(who, Action.ENROL),
    )


def lines_of(people: tuple[ModelRow, ...], now: str, following: str) -> list[NetworkLine]:
    """A line a network: in force, prepared, and former ones that still have templates."""
    known = {one.contract.partition(":")[0] for row in people for one in row.counts}
    roles = {now: "compares", **({following: "is being prepared"} if following else {})}
    names = [*roles, *sorted(known - roles.keys())]
    return [
        NetworkLine(
            name=name,
            role=roles.get(name, "is not used any more"),
            ready=sum(is_ready(row, name) for row in people),
            people=len(people),
            templates=sum(templates_of(row, name) for row in people),
        )
        for name in names
    ]
