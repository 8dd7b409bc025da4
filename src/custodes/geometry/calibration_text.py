"""The text of a calibration file as entries, one a camera. Which numbers mean what is told by their names; what they
make of the ground is in `calibration_file`."""

import json
import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import yaml

from custodes.errors import InvalidArgument
from custodes.geometry.calibration_xml import tree_of_xml
from custodes.geometry.homography import MIN_POINTS, Floats

MAX_BYTES = 512 << 10
MAX_CAMERAS = 256
_M_PER_DEGREE = 111_320.0
"""Of latitude; a degree of longitude is as many times its cosine."""
_MAX_DISTORTION = 8
_NUMBER = re.compile(r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One camera of a file, in its units. What is None is not in it.

    `homography` (3, 3), `projection` (3, 4): pixels; `rotation` (3, 3) and `translation` (3,): world → camera;
    `intrinsics` (3, 3) pixels; `distortion` (n,) OpenCV's; `kappa`: Tsai's, which leads the other way: a ray of the
    bent picture on the plane z = 1 is straight when multiplied by 1 + kappa · r²; `pairs` (n, 4): pixels x, y and
    ground x, y. `is_metric`: in metres whatever the reader says.
    """

    name: str
    frame_px: tuple[int, int] = (0, 0)
    homography: Floats | None = None
    projection: Floats | None = None
    rotation: Floats | None = None
    translation: Floats | None = None
    intrinsics: Floats | None = None
    distortion: Floats | None = None
    kappa: float = 0.0
    pairs: Floats | None = None
    is_metric: bool = False


def entries_of(content: bytes) -> list[Entry]:
    """All cameras of a file, one or more. Raises: InvalidArgument."""
    if len(content) > MAX_BYTES:
        raise InvalidArgument("The calibration file has more than 512 KB; cut it down to the cameras of this site.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidArgument(
            "The calibration file is not text: YAML, JSON, TOML, XML and plain text are read."
        ) from error
    if not text.strip():
        raise InvalidArgument("The calibration file is empty.")
    if text.lstrip().startswith("<"):
        entries = _tree_entries(tree_of_xml(text))
    else:
        entries = _sections(text) or _numbers(text) or _tree_entries(_tree(text))
    if not entries:
        raise InvalidArgument(
            "There is no camera in this file: expected a homography, or a camera matrix with rotation and translation,"
            " or points of the picture with their places."
        )
    return entries[:MAX_CAMERAS]


# -- plain text --------------------------------------------------------------------------------------------------

_SECTIONS = {"rotationmatrices": "R", "translationvectors": "t", "intrinsicmatrix": "K"}


def _sections(text: str) -> list[Entry]:
    """`RotationMatrices`, `TranslationVectors`, `IntrinsicMatrix` and the numbers beneath each; translations there are
    in millimetres, and say so nowhere, so that the reader does."""
    found: dict[str, list[float]] = {}
    current = ""
    for line in text.splitlines():
        words = line.split()
        if len(words) == 1 and words[0].lower() in _SECTIONS:
            current = _SECTIONS[words[0].lower()]
            found[current] = []
        elif words and current and all(map(_NUMBER.match, words)):
            found[current] += map(float, words)
        elif words:
            return []
    if set(found) != {"R", "t", "K"}:
        return []
    return [
        Entry(
            name="",
            rotation=_rotation(found["R"], "RotationMatrices"),
            translation=_shaped(found["t"], (3,), "TranslationVectors"),
            intrinsics=_shaped(found["K"], (3, 3), "IntrinsicMatrix"),
        )
    ]


def _numbers(text: str) -> list[Entry]:
    """Three rows of three numbers: a matrix; four rows or more of four: points with places."""
    rows = [re.split(r"[\s,;]+", line.strip().rstrip(",;")) for line in text.splitlines() if line.strip()]
    if rows and not all(map(_NUMBER.match, rows[0])) and len(rows[0]) == len(rows[-1]) == 4:
        rows = rows[1:]  # a table's head
    if not rows or not all(_NUMBER.match(word) for row in rows for word in row):
        return []
    widths = {len(row) for row in rows}
    if widths == {3} and len(rows) == 3:
        return [Entry(name="", homography=_shaped(rows, (3, 3), "the matrix"))]
    if widths == {4}:
        return [Entry(name="", pairs=_pairs(rows, "the rows"))]
    raise InvalidArgument(
        f"Expected three rows of three numbers, or rows of x y X Y; there are {len(rows)} rows of"
        f" {', '.join(map(str, sorted(widths)))} numbers."
    )


# -- YAML, JSON, TOML --------------------------------------------------------------------------------------------


class _Loader(yaml.SafeLoader):
    """YAML as OpenCV writes it. No aliases: a few of them make a file of a kilobyte a tree of gigabytes."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise InvalidArgument("The calibration file repeats parts of itself by reference (&, *): write them out.")
        node: yaml.Node | None = super().compose_node(parent, index)
        return node


def _opencv_matrix(loader: yaml.SafeLoader, node: yaml.Node) -> object:
    assert isinstance(loader, yaml.SafeLoader)
    if not isinstance(node, yaml.MappingNode):
        raise InvalidArgument("A matrix of the file is not one: expected rows, cols and data.")
    return loader.construct_mapping(node, deep=True)


for _tag in ("tag:yaml.org,2002:opencv-matrix", "!opencv-matrix", "tag:yaml.org,2002:opencv-nd-matrix"):
    _Loader.add_constructor(_tag, _opencv_matrix)


def _tree(text: str) -> object:
    head = text.lstrip()
    if head.startswith(("{", "[")) and not re.match(r"\[[\w.\"' -]+\]\s*(#.*)?$", head.splitlines()[0]):
        try:
            return json.loads(text)
        except (json.JSONDecodeError, RecursionError) as error:
            where = f", line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
            raise InvalidArgument(f"The calibration file looks like JSON and is none{where}.") from error
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError):
        pass  # YAML then, whose error says more of a file that is neither
    # `%YAML:1.0` is OpenCV's own way to begin, which YAML does not know.
    plain = re.sub(r"^%YAML[: ]\S*\s*", "", head)
    try:
        loader = _Loader(plain)
        try:
            return loader.get_single_data()
        finally:
            loader.dispose()
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark is not None else ""
        raise InvalidArgument(f"The calibration file is neither JSON nor TOML nor YAML{where}.") from error


_KEYS = {
    "homography": ("homography", "homographymatrix", "h"),
    "intrinsics": ("cameramatrix", "k", "intrinsics", "intrinsicmatrix", "intrinsic", "matrix", "mtx"),
    "distortion": ("distortioncoefficients", "distcoeffs", "distcoefs", "distortions", "distortion", "d", "dist"),
    "kappa": ("tsaikappa",),
    "rotation": ("rotation", "rotationmatrix", "rvec", "r", "rot"),
    "translation": ("translation", "translationvector", "tvec", "t", "trans"),
    "extrinsics": ("extrinsicmatrix", "extrinsics", "extrinsic"),
    "width": ("imagewidth", "framewidth", "width", "w"),
    "height": ("imageheight", "frameheight", "height"),
    "size": ("size", "imagesize", "resolution", "framesize"),
    "model": ("distortionmodel", "model"),
    "image_points": ("imagecoordinates", "imagepoints"),
    "ground_points": ("globalcoordinates", "groundpoints", "worldpoints", "objectpoints"),
}


def _tree_entries(tree: object) -> list[Entry]:
    if not isinstance(tree, Mapping):
        raise InvalidArgument("The calibration file holds a list or one value; expected names with matrices.")
    kind = str(tree.get("calibrationType", ""))
    if isinstance(tree.get("sensors"), list):
        if kind == "image":
            raise InvalidArgument("This calibration is of type “image”: it knows nothing of the ground.")
        sensors = [one for one in tree["sensors"][:MAX_CAMERAS] if isinstance(one, Mapping)]
        return [_entry(str(one.get("id", f"sensor {number}")), one, kind) for number, one in enumerate(sensors, 1)]
    if _is_camera(tree):
        return _matrices("", tree) or [_entry("", tree, kind)]
    entries = []
    for name, value in list(tree.items())[:MAX_CAMERAS]:
        if isinstance(value, Mapping) and _is_camera(value):
            entries += _matrices(str(name), value) or [_entry(str(value.get("name", name)), value, kind)]
    return entries


def _named(tree: Mapping[Any, Any]) -> dict[str, Any]:
    """By what each means."""
    plain = {re.sub(r"[^a-z]", "", str(key).lower()): value for key, value in tree.items()}
    return {
        meaning: next(plain[key] for key in keys if key in plain)
        for meaning, keys in _KEYS.items()
        if any(key in plain for key in keys)
    }


def _is_camera(tree: Mapping[Any, Any]) -> bool:
    return bool({"homography", "intrinsics", "image_points", "extrinsics"} & _named(tree).keys())


def _matrices(name: str, tree: Mapping[Any, Any]) -> list[Entry]:
    """Several homographies under one name, one a camera."""
    found = _named(tree)
    value = found.get("homography")
    try:
        cube = np.array(value, np.float64)
    except (TypeError, ValueError, OverflowError):
        return []
    if cube.ndim != 3 or cube.shape[1:] != (3, 3):
        return []
    begin = f"{name} " if name else ""
    frame = _frame(found)
    return [
        Entry(
            name=f"{begin}{number}", homography=_shaped(one.tolist(), (3, 3), f"homography {number}"), frame_px=frame
        )
        for number, one in enumerate(cube, 1)
    ]


def _entry(name: str, tree: Mapping[Any, Any], kind: str) -> Entry:
    found = _named(tree)
    words = f"of {name}" if name else "of the file"
    model = str(found.get("model", "")).lower()
    if any(one in model for one in ("fisheye", "equidistant", "omni")) or tree.get("fisheye") is True:
        raise InvalidArgument(f"The lens {words} is a fisheye: let the camera straighten its picture first.")
    frame = _frame(found) if _frame(found) != (0, 0) else _frame_of_attributes(tree)
    pairs, is_metric = _coordinates(found, tree, kind, words)
    if pairs is not None:
        return Entry(name=name, frame_px=frame, pairs=pairs, is_metric=is_metric)
    intrinsics, projection = found.get("intrinsics"), None
    if intrinsics is not None and _floats(intrinsics, f"the camera matrix {words}").shape == (3, 4):
        # Metropolis calls the whole projection `cameraMatrix`; its intrinsics have their own name.
        projection, intrinsics = _shaped(intrinsics, (3, 4), f"cameraMatrix {words}"), tree.get("intrinsicMatrix")
    rotation, translation = found.get("rotation"), found.get("translation")
    if "extrinsics" in found and rotation is None:
        pose = _shaped(_rows34(found["extrinsics"]), (3, 4), f"the extrinsics {words}")
        rotation, translation = pose[:, :3].tolist(), pose[:, 3].tolist()
    return Entry(
        name=name,
        frame_px=frame,
        homography=_optional(found.get("homography"), (3, 3), f"the homography {words}"),
        projection=projection,
        rotation=None if rotation is None else _rotation(rotation, f"the rotation {words}"),
        translation=_optional(translation, (3,), f"the translation {words}"),
        intrinsics=_optional(intrinsics, (3, 3), f"the camera matrix {words}"),
        distortion=_distortion(found.get("distortion"), words),
        kappa=float(_shaped(found.get("kappa", 0.0), (1,), f"kappa {words}")[0]),
    )


def _frame(found: Mapping[str, Any]) -> tuple[int, int]:
    size = found.get("size")
    values = size if isinstance(size, list) and len(size) == 2 else [found.get("width"), found.get("height")]
    pixels = [round(one) for one in values if isinstance(one, int | float) and 1 <= one < 1e5]
    return (pixels[0], pixels[1]) if len(pixels) == 2 else (0, 0)


def _frame_of_attributes(tree: Mapping[Any, Any]) -> tuple[int, int]:
    """Metropolis keeps `frameWidth` and `frameHeight` in a list of names and values, as text."""
    attributes = tree.get("attributes")
    named = {
        str(one.get("name")): str(one.get("value"))
        for one in (attributes if isinstance(attributes, list) else [])
        if isinstance(one, Mapping)
    }
    width, height = named.get("frameWidth", ""), named.get("frameHeight", "")
    is_size = all(re.fullmatch(r"[0-9]{1,5}", one) for one in (width, height))
    return (int(width), int(height)) if is_size else (0, 0)


def _coordinates(
    found: Mapping[str, Any], tree: Mapping[Any, Any], kind: str, words: str
) -> tuple[Floats | None, bool]:
    """Points with places, and whether these are metres already."""
    image, ground = found.get("image_points"), found.get("ground_points")
    if not image or not ground:
        return None, False
    if not isinstance(image, list) or not isinstance(ground, list) or len(image) != len(ground):
        raise InvalidArgument(f"Points {words}: expected as many places on the ground as points of the picture.")
    rows = [[*_point(one, words), *_point(other, words)] for one, other in zip(image, ground, strict=True)]
    pairs = _pairs(rows, f"the points {words}")
    if kind != "geo":
        return pairs, False
    origin = tree.get("origin")
    latitude, longitude = (origin.get("lat"), origin.get("lng")) if isinstance(origin, Mapping) else (None, None)
    if not isinstance(latitude, int | float) or not isinstance(longitude, int | float) or not (latitude or longitude):
        raise InvalidArgument(f"The places {words} are degrees, and its origin (lat, lng) is missing.")
    pairs[:, 2] = (pairs[:, 2] - longitude) * _M_PER_DEGREE * math.cos(math.radians(latitude))
    pairs[:, 3] = (pairs[:, 3] - latitude) * _M_PER_DEGREE
    return pairs, True


def _point(value: object, words: str) -> list[object]:
    if isinstance(value, Mapping):
        return [value.get("x"), value.get("y")]
    if isinstance(value, list) and len(value) in (2, 3):
        return value[:2]
    raise InvalidArgument(f"Points {words}: expected x and y of each.")


# -- numbers -----------------------------------------------------------------------------------------------------


def _plain(value: object) -> object:
    """The numbers of OpenCV's matrices, in rows."""
    if isinstance(value, Mapping) and "data" in value:
        rows, columns, numbers = value.get("rows"), value.get("cols"), value["data"]
        if isinstance(rows, int) and isinstance(columns, int) and isinstance(numbers, list):
            if rows * columns != len(numbers):
                raise InvalidArgument(f"A matrix says {rows} × {columns} and holds {len(numbers)} numbers.")
            return [numbers[row * columns : (row + 1) * columns] for row in range(rows)]
    return value


def _floats(value: object, what: str) -> Floats:
    try:
        found = np.array(_plain(value), np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidArgument(f"In {what} is something that is no number.") from error
    if not np.isfinite(found).all():
        raise InvalidArgument(f"In {what} is a number that is not finite.")
    return found


def _shaped(value: object, shape: tuple[int, ...], what: str) -> Floats:
    found = _floats(value, what)
    if found.size != math.prod(shape):
        raise InvalidArgument(f"Expected {' × '.join(map(str, shape))} numbers in {what}; there are {found.size}.")
    return found.reshape(shape)


def _optional(value: object, shape: tuple[int, ...], what: str) -> Floats | None:
    return None if value is None or value == [] else _shaped(value, shape, what)


def _pairs(rows: object, what: str) -> Floats:
    found = _floats(rows, what)
    if found.ndim != 2 or found.shape[1] != 4 or len(found) < MIN_POINTS:
        raise InvalidArgument(f"Expected {MIN_POINTS} points or more in {what}, each with its place.")
    return found


def _rows34(value: object) -> object:
    """Extrinsics of three or four rows."""
    plain = _plain(value)
    return plain[:3] if isinstance(plain, list) and len(plain) == 4 else plain


def _rotation(value: object, what: str) -> Floats:
    """A matrix, or Rodrigues' vector. Raises: InvalidArgument for a matrix that does not rotate."""
    found = _floats(value, what)
    if found.size == 3:
        x, y, z = found.ravel().tolist()
        angle = math.sqrt(x * x + y * y + z * z)
        if angle < 1e-12:
            return np.eye(3)
        cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]]) / angle
        return np.eye(3) + math.sin(angle) * cross + (1 - math.cos(angle)) * cross @ cross
    matrix = _shaped(value, (3, 3), what)
    if np.abs(matrix @ matrix.T - np.eye(3)).max() > 0.01:
        raise InvalidArgument(
            f"The matrix in {what} is none of a rotation: its rows are not of length 1 at right angles."
        )
    return matrix


def _distortion(value: object, words: str) -> Floats | None:
    if value is None or value == []:
        return None
    found = _floats(value, f"the distortion {words}").ravel()
    if len(found) > _MAX_DISTORTION and found[_MAX_DISTORTION:].any():
        raise InvalidArgument(f"The distortion {words} has {len(found)} coefficients; OpenCV's first eight are read.")
    return found[:_MAX_DISTORTION]
