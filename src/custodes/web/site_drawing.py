"""The page on which zones, masks, privacy zones, lines, roads, queues and ground points are drawn into a
camera's picture.

The picture beneath is the live masked view, asked for like any other look by who may watch; who may only configure
draws on an empty frame. What is saved is checked by the configuration's own rules (`config.tree`), as if it stood in
`site.yaml`.
"""

import hashlib
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, File, Form, Request, UploadFile
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from custodes.config import CameraConfig, problem_in_words
from custodes.errors import ConfigError, FailedPrecondition, InvalidArgument
from custodes.geometry.calibration_file import Leads, Reading, read_calibration
from custodes.geometry.calibration_text import MAX_BYTES
from custodes.types.access import Action
from custodes.types.message import CameraSpec
from custodes.types.stream import SecondStream
from custodes.types.vision import DetectArea
from custodes.web.deps import deps_of, page, present
from custodes.web.site_cameras import desk_of, known_spec

router = APIRouter(include_in_schema=False)

KINDS = {
    "zones": "Zone",
    "masks": "Object mask",
    "privacy": "Privacy zone",
    "lines": "Counting line",
    "roads": "Road",
    "queues": "Queue",
    "ground": "Ground point",
}
"""Lists of a drawing, in the order of the page, and what one of each is called."""

CLASSES = ("person", "bicycle", "car", "motorcycle", "bus", "truck")


class Drawing(BaseModel):
    """All that is drawn, in the shape of `site.yaml`; the lists are checked by `CameraConfig`."""

    model_config = ConfigDict(extra="forbid")
    version: Annotated[str, Field(max_length=64)]
    """Of what the page was made from."""
    zones: Annotated[list[Any], Field(max_length=64)]
    masks: Annotated[list[Any], Field(max_length=64)]
    privacy: Annotated[list[Any], Field(max_length=64)]
    lines: Annotated[list[Any], Field(max_length=64)]
    roads: Annotated[list[Any], Field(max_length=64)]
    queues: Annotated[list[Any], Field(max_length=64)] = []
    ground: Annotated[list[Any], Field(max_length=64)]
    floor: Annotated[str, Field(max_length=80)]
    burn_in: bool = False


@router.get("/site/cameras/{camera_id}/drawing")
async def drawing_page(request: Request, camera_id: str) -> Response:
    """The picture, the shapes as a list with their points, undo and redo."""
    spec = await known_spec(request, camera_id)
    deps = deps_of(request)
    may_watch = deps.reads.may(present(request).principal, Action.WATCH_LIVE, camera_id=spec.camera_id)
    return page(
        request,
        "site_drawing.html",
        spec=spec,
        may_watch=may_watch and spec.is_enabled,
        kinds=KINDS,
        drawing={"version": version_of(spec), **drawing_of(spec)},
        classes=CLASSES,
    )


@router.post("/site/cameras/{camera_id}/drawing")
async def save(request: Request, camera_id: str, drawing: Drawing) -> dict[str, object]:
    """Put what was drawn into force. Errors name the shape, what of it, and what was expected."""
    spec = await known_spec(request, camera_id)
    if drawing.version != version_of(spec):
        raise FailedPrecondition(
            "The camera was changed by somebody else since this page was opened. Note your points, and load it again."
        )
    changed = drawn_into(spec, drawing)
    if changed != spec:
        await desk_of(request).put(changed, password=None, actor=present(request).principal.name)
    return {"version": version_of(changed), "is_changed": changed != spec}


@router.post("/site/cameras/{camera_id}/calibration")
async def calibration(
    request: Request,
    camera_id: str,
    file: Annotated[UploadFile | None, File()] = None,
    which: Annotated[str, Form(max_length=200)] = "",
    unit_m: Annotated[float, Form(gt=0, le=1000)] = 1.0,
    leads: Annotated[Leads, Form()] = Leads.TO_GROUND,
    width_px: Annotated[int, Form(ge=0, le=100_000)] = 0,
    height_px: Annotated[int, Form(ge=0, le=100_000)] = 0,
) -> dict[str, object]:
    """Ground points of a calibration file, for the page to draw; nothing is saved. Raises: InvalidArgument."""
    await known_spec(request, camera_id)
    if file is None or not file.filename:
        raise InvalidArgument("Choose a calibration file: YAML, JSON, XML, TOML or text, at most 512 KB.")
    content = await deps_of(request).scanned(await file.read(MAX_BYTES + 1))
    reading = Reading(which=which.strip(), unit_m=unit_m, leads=leads, frame_px=(width_px, height_px))
    found = read_calibration(content, reading)
    points = zip(found.at.tolist(), found.place_m.tolist(), strict=True)
    return {
        "camera": found.camera,
        "ground": [{"at": at, "place_m": place_m} for at, place_m in points],
        "off_m": round(found.off_m, 3),
    }


def version_of(spec: CameraSpec) -> str:
    """Changes with anything of it."""
    return hashlib.sha256(repr(spec).encode()).hexdigest()[:32]


def drawing_of(spec: CameraSpec) -> dict[str, object]:
    """What is drawn, in the shape of `site.yaml`."""
    scene = spec.scene
    return {
        "zones": [_area(one) for one in spec.detect_areas if not one.is_mask],
        "masks": [_area(one) for one in spec.detect_areas if one.is_mask],
        "privacy": [{"polygon": polygon} for polygon in scene.privacy],
        "lines": [
            {"name": one.name, "start": one.start, "end": one.end, "lanes": one.lanes, "limit_kmh": one.limit_kmh}
            for one in scene.lines
        ],
        "roads": [
            {
                "name": one.name,
                "polygon": one.polygon,
                "heading": one.heading,
                "stop_after_s": one.stop_after_s,
                "people": one.has_people,
            }
            for one in scene.roads
        ],
        "queues": [{"name": one.name, "polygon": one.polygon} for one in scene.queues],
        "ground": [{"at": one.at, "place_m": one.place_m} for one in scene.ground],
        "floor": scene.floor,
        "burn_in": scene.burns_in,
    }


def drawn_into(spec: CameraSpec, drawing: Drawing) -> CameraSpec:
    """The camera with that drawing. Raises: ConfigError."""
    tree: dict[str, Any] = {
        "id": spec.camera_id,
        "url": spec.url,
        "detect": {"zones": drawing.zones, "masks": drawing.masks},
        "privacy": drawing.privacy,
        "lines": drawing.lines,
        "roads": drawing.roads,
        "queues": drawing.queues,
        "ground": drawing.ground,
        "floor": drawing.floor,
        "burn_in": drawing.burn_in,
    }
    if spec.second is not None:
        tree["second"] = _second(spec.second)
    try:
        drawn = CameraConfig.model_validate(tree).spec()
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(f"{place_in_words(first['loc'])}: {problem_in_words(first)}") from error
    return replace(spec, detect_areas=drawn.detect_areas, scene=drawn.scene)


def place_in_words(loc: tuple[int | str, ...]) -> str:
    """`("detect", "zones", 1, "polygon", 2, 0)` → `Zone 2, point 3, x`."""
    parts = [one for one in loc if one != "detect"]
    if not parts:
        return "The drawing"
    words = [KINDS.get(str(parts[0]), str(parts[0]))]
    rest = parts[1:]
    if rest and isinstance(rest[0], int):
        words[0] += f" {rest[0] + 1}"
        rest = rest[1:]
    for position, part in enumerate(rest):
        if part in ("polygon", "at", "place_m") or (part == "heading" and position + 1 < len(rest)):
            continue
        if isinstance(part, int) and rest[position - 1] == "classes":
            words.append(str(part + 1))
        elif isinstance(part, int):
            is_point = position > 0 and rest[position - 1] in ("polygon", "heading")
            words.append(f"point {part + 1}" if is_point else "x" if part == 0 else "y")
        else:
            words.append(part.replace("_", " "))
    return ", ".join(words)


def _area(area: DetectArea) -> dict[str, object]:
    return {"polygon": area.polygon, "classes": [one.name.lower() for one in area.classes]}


def _second(second: SecondStream) -> dict[str, object]:
    return {
        "url": second.url,
        "same_view": second.has_same_view,
        "privacy": [{"polygon": polygon} for polygon in second.privacy],
    }
