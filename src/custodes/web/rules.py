"""Rules: who is told of counts, queues, incidents and trouble, and whether they were reached; written and tried here.

Forms without scripts. What a rule may be is `config.rules`', as if it stood in `site.yaml`.
"""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from custodes.errors import CustodesError, InvalidArgument, NotFound
from custodes.ports.rule_desk import RuleDesk
from custodes.types.rule import Outlet
from custodes.web.deps import deps_of, page, present
from custodes.web.errors import describe
from custodes.web.language.speech import Words

router = APIRouter(include_in_schema=False)

CAUSES: Words[str] = Words(
    {
        "people_above": "More people in view than",
        "vehicles_above": "More vehicles in view than",
        "stay_above_s": "Somebody in view for longer than, seconds",
        "people_waiting_above": "More people in a drawn queue than",
        "wait_above_s": "Half of a drawn queue waits for longer than, seconds",
        "crossings_above": "More over a line in a quarter of an hour than",
        "occupancy_above_pct": "A line occupied for more of the time than, %",
        "service_from": "Level of service on a line this letter (B to F) or worse",
        "queue_above_m": "A queue of vehicles longer than, metres",
        "incident:wrong_way": "A vehicle drives the wrong way",
        "incident:stopped": "A vehicle stands",
        "incident:person_on_road": "A person is on the road",
        "incident:congestion": "Congestion",
        "health:down": "The camera is not recorded",
        "health:tampering": "The camera is covered, moved, defocused or replayed",
    }
)
"""What a rule of the page may be about, with what stands before its value."""

_Short = Annotated[str, Form(max_length=80)]
_Long = Annotated[str, Form(max_length=600)]


@router.get("/rules")
async def rules_page(request: Request) -> Response:
    """All rules with whom they tell, when they last did, and a form for another."""
    return await _page(request)


@router.post("/rules")
async def add_rule(
    request: Request,
    name: _Short = "",
    camera: _Short = "",
    cause: _Short = "",
    value: _Short = "",
    part: _Short = "",
    again_after_s: Annotated[float, Form(ge=0, le=7 * 86_400)] = 300.0,
    webhook: _Long = "",
    webhook_secret: _Short = "",
    mail_to: _Long = "",
    mail_server: _Long = "",
    mail_from: _Long = "",
    mail_user: _Short = "",
    mail_password: _Short = "",
    mqtt_server: _Long = "",
    mqtt_topic: _Long = "",
    mqtt_user: _Short = "",
    mqtt_password: _Short = "",
) -> Response:
    """Put one into force, or say what is wrong with it and leave what was typed."""
    tree: dict[str, object] = {"name": name.strip(), "camera": camera, "again_after_s": again_after_s}
    try:
        tree |= _cause(cause, value.strip(), part.strip())
        if webhook:
            tree["webhook"] = {"url": webhook.strip(), "secret": webhook_secret.strip()}
        if mail_to or mail_server:
            tree["email"] = {
                "server": mail_server.strip(),
                "sender": mail_from.strip(),
                "to": mail_to.replace(",", " ").split(),
                "username": mail_user,
                "password": mail_password.strip(),
            }
        if mqtt_server or mqtt_topic:
            tree["mqtt"] = {
                "server": mqtt_server.strip(),
                "topic": mqtt_topic.strip(),
                "username": mqtt_user,
                "password": mqtt_password.strip(),
            }
        await _desk(request).add(tree, actor=present(request).principal.name)
    except CustodesError as error:
        return await _page(request, error=error)
    return RedirectResponse("/rules", status_code=303)


@router.post("/rules/remove")
async def remove_rule(request: Request, name: _Short = "") -> Response:
    """Take one of the page's away."""
    try:
        await _desk(request).remove(name, actor=present(request).principal.name)
    except CustodesError as error:
        return await _page(request, error=error)
    return RedirectResponse("/rules", status_code=303)


@router.post("/rules/test")
async def test_rule(request: Request, name: _Short = "") -> Response:
    """Send a message that says it is a test to each whom a rule tells, and show who took it."""
    try:
        found = await _desk(request).test(name, actor=present(request).principal.name)
    except CustodesError as error:
        return await _page(request, error=error)
    return await _page(request, tried=name, outlets=found)


def _cause(cause: str, value: str, part: str) -> dict[str, object]:
    """In the shape of `site.yaml`. Raises: InvalidArgument."""
    if cause not in CAUSES:
        raise InvalidArgument("Choose what the rule is about.")
    name, _, fixed = cause.partition(":")
    if fixed:
        return {name: [fixed] if name == "health" else fixed}
    if not value:
        raise InvalidArgument(f"Say a value: {CAUSES[cause]} …")
    tree: dict[str, object] = {name: value.upper() if name == "service_from" else value}
    if part:
        tree["queue" if name in ("people_waiting_above", "wait_above_s") else "line"] = part
    return tree


def about(cause: str) -> str:
    """What a rule is about (`RuleRow.cause`), in words; as in `site.yaml` where the page has none."""
    name, _, value = cause.partition(": ")
    if name in CAUSES:
        return f"{CAUSES[name]} {value}"
    return CAUSES.get(f"{name}:{value}", cause)


def _desk(request: Request) -> RuleDesk:
    desk = deps_of(request).rules
    if desk is None:
        raise NotFound("This server has no rules to set up.")
    return desk


async def _page(
    request: Request, *, error: CustodesError | None = None, tried: str = "", outlets: list[Outlet] | None = None
) -> Response:
    typed = dict(await request.form()) if error is not None else {}
    status, _, problem = describe(error) if error else (200, "", "")
    cameras = deps_of(request).live.camera_rows()
    return page(
        request,
        "rules.html",
        status=status,
        problem=problem,
        rows=await _desk(request).rows(),
        cameras=cameras,
        camera_names={one.camera_id: one.name for one in cameras},
        causes=[(cause, CAUSES[cause]) for cause in CAUSES],
        about=about,
        typed={name: value for name, value in typed.items() if isinstance(value, str)},
        tried=tried,
        outlets=outlets or [],
    )
