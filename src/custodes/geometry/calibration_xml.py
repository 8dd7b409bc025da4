"""XML of calibration files as plain trees, as if they had been written in YAML: OpenCV's `FileStorage`, and cameras of
Tsai's model (PETS 2009, EPFL, ETISEO): `Camera` with `Geometry`, `Intrinsic` and `Extrinsic`.

A file is somebody else's: no DTD and so no entity of its own, nothing outside it, bounded depth. Its size is
`calibration_text`'s to bound.
"""

import math
import re
from collections.abc import Mapping
from xml.etree.ElementTree import Element, ParseError

import defusedxml
import defusedxml.ElementTree

from custodes.errors import InvalidArgument

_MAX_DEPTH = 32
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
_TSAI_PARTS = ("geometry", "intrinsic", "extrinsic")


def tree_of_xml(text: str) -> Mapping[str, object]:
    """Names with values, lists and further names. Raises: InvalidArgument for what is no such file."""
    try:
        root: Element = defusedxml.ElementTree.fromstring(text, forbid_dtd=True)
    except defusedxml.DefusedXmlException as error:
        raise InvalidArgument(
            "The calibration file has a DTD or entities; calibrations have none: cut them."
        ) from error
    except ParseError as error:
        raise InvalidArgument(f"The calibration file looks like XML and is none, line {error.position[0]}.") from error
    except (ValueError, LookupError) as error:
        raise InvalidArgument("The calibration file looks like XML and cannot be read.") from error
    cameras = [one for one in root.iter() if _name(one) == "camera" and _parts(one)]
    if cameras:
        return _tsai_tree(cameras)
    tree = _value(root, 0)
    if not isinstance(tree, Mapping):
        raise InvalidArgument(
            "There is no camera in this XML: OpenCV's opencv_storage and Tsai's Camera with Geometry, Intrinsic and"
            " Extrinsic are read."
        )
    return tree


def _name(element: Element) -> str:
    """Without its namespace, in small letters."""
    return element.tag.rpartition("}")[2].lower() if isinstance(element.tag, str) else ""


# -- OpenCV ------------------------------------------------------------------------------------------------------


def _value(element: Element, depth: int) -> object:
    """A list of `_`, names, a matrix as OpenCV's YAML has it, numbers, or text."""
    if depth > _MAX_DEPTH:
        raise InvalidArgument("The calibration file is nested more deeply than any calibration.")
    inside = [one for one in element if isinstance(one.tag, str)]  # comments have no name
    if not inside:
        return _plain(element.text or "")
    if all(one.tag == "_" for one in inside):
        return [_value(one, depth + 1) for one in inside]
    tree = {one.tag.rpartition("}")[2]: _value(one, depth + 1) for one in inside}
    numbers = tree.get("data", [])
    if not isinstance(numbers, list):  # one number, or words among them
        tree["data"] = numbers.split() if isinstance(numbers, str) else [numbers]
    return tree


def _plain(text: str) -> object:
    words = text.split()
    numbers = [_number(word) for word in words]
    if words and all(one is not None for one in numbers):
        return numbers[0] if len(numbers) == 1 else numbers
    return text.strip().strip('"')


def _number(word: str) -> float | int | None:
    if _INTEGER.fullmatch(word):
        return int(word)
    try:
        return float(word.lower().replace(".nan", "nan").replace(".inf", "inf"))
    except ValueError:
        return None


# -- Tsai --------------------------------------------------------------------------------------------------------


def _parts(camera: Element) -> dict[str, Element]:
    """`Geometry`, `Intrinsic` and `Extrinsic`; nothing where one is missing."""
    parts = {_name(one): one for one in camera if _name(one) in _TSAI_PARTS}
    return parts if len(parts) == len(_TSAI_PARTS) else {}


def _tsai_tree(cameras: list[Element]) -> dict[str, object]:
    tree: dict[str, object] = {}
    for number, camera in enumerate(cameras, 1):
        name = camera.get("name", "").strip() or f"camera {number}"
        tree[f"{name} {number}" if name in tree else name] = _tsai(camera, name)
    return tree


def _tsai(camera: Element, name: str) -> dict[str, object]:
    """Pinhole and pose of one camera, as OpenCV has them, and the bend by its own name.

    Source: R. Tsai, IEEE Journal of Robotics and Automation 3(4), 1987; R. Willson's implementation, whose names the
    attributes are: place on the sensor in mm = (pixel - centre) · dpx / sx, straight = bent · (1 + kappa1 · r²).
    """
    parts = _parts(camera)
    lens, pose = parts["intrinsic"], parts["extrinsic"]
    dpx, dpy = (_attribute(parts["geometry"], one, name) for one in ("dpx", "dpy"))
    focal, kappa, cx, cy, sx = (_attribute(lens, one, name) for one in ("focal", "kappa1", "cx", "cy", "sx"))
    if not (dpx > 0 and dpy > 0 and focal > 0 and sx > 0):
        raise InvalidArgument(f"Pixel size, focal length and sx of {name} have to be greater than zero.")
    rx, ry, rz = (_attribute(pose, one, name) for one in ("rx", "ry", "rz"))
    (sa, ca), (sb, cb), (sg, cg) = ((math.sin(one), math.cos(one)) for one in (rx, ry, rz))
    return {
        "width": _attribute(parts["geometry"], "width", name),
        "height": _attribute(parts["geometry"], "height", name),
        "K": [[focal * sx / dpx, 0.0, cx], [0.0, focal / dpy, cy], [0.0, 0.0, 1.0]],
        "R": [
            [cb * cg, cg * sa * sb - ca * sg, sa * sg + ca * cg * sb],
            [cb * sg, sa * sb * sg + ca * cg, ca * sb * sg - cg * sa],
            [-sb, cb * sa, ca * cb],
        ],
        "t": [_attribute(pose, one, name) for one in ("tx", "ty", "tz")],
        "tsai_kappa": kappa * focal * focal,
    }


def _attribute(element: Element, key: str, name: str) -> float:
    values = {one.lower(): value for one, value in element.attrib.items()}
    try:
        found = float(values.get(key, ""))
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise InvalidArgument(f"{element.tag} of {name} has no number {key}.")
    return found
