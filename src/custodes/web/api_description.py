"""The API's OpenAPI description with typed answers and an example of each (ADR 84).

The handlers answer plain dictionaries, and nothing checks them while the site runs: 64 lanes of a month would be
walked twice. Tests hold real answers and the examples to the types.
"""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from pydantic import TypeAdapter

from custodes.web.api_shapes import (
    Backfills,
    Boxes,
    Cameras,
    Cases,
    Exports,
    Flows,
    Holds,
    Lanes,
    Log,
    Masks,
    Notices,
    Privacy,
    Proof,
    Search,
    Session,
    SiteMap,
    SiteTracks,
    Status,
    SubjectAccess,
    System,
    Timeline,
    Tracks,
    Traffic,
    Upkeep,
    WholeCase,
)

EXAMPLES = Path(__file__).parent / "api_examples.json"

ANSWERS: dict[str, tuple[str, Any]] = {
    "/api/v1/session": ("session", Session),
    "/api/v1/status": ("status", Status),
    "/api/v1/cameras": ("cameras", Cameras),
    "/api/v1/tracks": ("all_tracks", SiteTracks),
    "/api/v1/cameras/{camera_id}/timeline": ("timeline", Timeline),
    "/api/v1/cameras/{camera_id}/tracks": ("tracks", Tracks),
    "/api/v1/cameras/{camera_id}/boxes": ("boxes", Boxes),
    "/api/v1/cameras/{camera_id}/masks": ("masks", Masks),
    "/api/v1/cameras/{camera_id}/holds": ("holds", Holds),
    "/api/v1/cameras/{camera_id}/traffic": ("traffic", Traffic),
    "/api/v1/system": ("system", System),
    "/api/v1/upkeep": ("upkeep", Upkeep),
    "/api/v1/log": ("log", Log),
    "/api/v1/log/{index}/proof": ("proof", Proof),
    "/api/v1/privacy": ("privacy", Privacy),
    "/api/v1/notices": ("notices", Notices),
    "/api/v1/subject-access": ("subject_access", SubjectAccess),
    "/api/v1/flows": ("flows", Flows),
    "/api/v1/map": ("site_map", SiteMap),
    "/api/v1/review": ("lanes", Lanes),
    "/api/v1/search": ("search", Search),
    "/api/v1/cases": ("cases", Cases),
    "/api/v1/cases/{number}": ("case", WholeCase),
    "/api/v1/backfills": ("backfills", Backfills),
    "/api/v1/exports": ("exports", Exports),
    "/api/v1/layouts": ("layouts", None),
    "/api/v1/map/heat": ("heat", None),
    "/api/v1/fleet": ("fleet", None),
    "/api/v1/leaks": ("leaks", None),
    "/api/v1/metrics": ("metrics", None),
}
"""Of each that reads: the name of the operation in clients, and the type of its JSON; None: described by its route, or
text, or not yet."""


_TEXTS = {
    "/api/v1/metrics": "text/plain",
    "/api/v1/cameras/{camera_id}/traffic": "text/csv",
    "/api/v1/flows": "text/csv",
}
"""What is text, or text where `format` asks for it."""


def describe(app: FastAPI) -> None:
    """Let the application's description name its answers, with examples, and how a script proves who it is."""
    plain = app.openapi
    seen: list[dict[str, Any]] = []

    def openapi() -> dict[str, Any]:
        tree = plain()
        if not any(tree is one for one in seen):
            _add_answers(tree)
            seen[:] = [tree]
        return tree

    app.openapi = openapi  # type: ignore[method-assign] # FastAPI's own way to extend it


def _add_answers(tree: dict[str, Any]) -> None:
    components = tree.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer", "description": "An API token"}}
    tree["security"] = [{"token": []}]
    shown = examples()
    for path, (name, shape) in ANSWERS.items():
        operation = tree["paths"].get(path, {}).get("get")
        if operation is None:
            continue
        operation["operationId"] = name
        content = operation["responses"]["200"].setdefault("content", {})
        if path in _TEXTS:
            content[_TEXTS[path]] = {"schema": {"type": "string"}}
        if shape is not None:
            schema, inner = _schema(shape)
            schemas.update(inner)
            content["application/json"] = {"schema": schema, "example": shown[path]}


def _schema(shape: Any) -> tuple[dict[str, Any], Mapping[str, Any]]:
    tree = TypeAdapter(shape).json_schema(ref_template="#/components/schemas/{model}")
    inner = tree.pop("$defs", {})
    name = tree["title"]
    return {"$ref": f"#/components/schemas/{name}"}, {**inner, name: tree}


@cache
def examples() -> dict[str, Any]:
    """An example of each answer by path, of a site that tests made: no person, no place."""
    found: dict[str, Any] = json.loads(EXAMPLES.read_text("utf-8"))
    return found
