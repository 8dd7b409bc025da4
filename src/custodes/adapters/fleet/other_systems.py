"""Cameras out of other systems' configuration: Frigate and MediaMTX (YAML), ZoneMinder (its Monitors table), CSV.

Addresses and logins are taken; of Frigate also object masks, retention and whether a camera is on. Passwords leave the
addresses; a reference to the environment stays one.
"""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

import yaml

from custodes.adapters.fleet.frigate import Polygon, frigate_cameras, mapping
from custodes.errors import InvalidArgument

MAX_CAMERAS = 2000
_SCHEMES = ("rtsp", "rtsps", "http", "https", "onvif")
_PLACEHOLDER = re.compile(r"\{(FRIGATE_[A-Z0-9_]{1,100})\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundCamera:
    """`password`: in the clear, not to be shown; `password_ref`: env:NAME or file:/path."""

    camera_id: str
    name: str
    url: str
    username: str = ""
    password: str = ""
    password_ref: str = ""
    note: str = ""
    is_enabled: bool = True
    retention_h: float = 0.0
    masks: tuple[tuple[Polygon, tuple[str, ...]], ...] = ()
    """Where nothing is counted: polygon in shares of the picture, and of which classes; none means all."""


def read_cameras_of(payload: bytes, *, where: str) -> list[FoundCamera]:
    """Which system it is follows from the content. Ids are made fit and different.

    Raises: InvalidArgument naming the file and, where one is at fault, the camera.
    """
    try:
        text = payload.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidArgument(f"{where} is not UTF-8") from error
    first = text.partition("\n")[0].strip().lower()
    columns = re.split(r"[,;\t]", first)
    if "path" in columns and "name" in columns:
        found = list(_zoneminder(text, where))
    elif "url" in columns:
        found = list(_table(text, where))
    else:
        found = list(_yaml(text, where))
    if len(found) > MAX_CAMERAS:
        raise InvalidArgument(f"{where} has {len(found)} cameras; at most {MAX_CAMERAS} are taken at once")
    return _with_ids(found)


def _with_ids(found: list[FoundCamera]) -> list[FoundCamera]:
    taken: set[str] = set()
    fit = []
    for one in found:
        wanted = re.sub(r"[^a-z0-9]+", "-", one.camera_id.lower()).strip("-")[:56] or "camera"
        camera_id, number = wanted, 2
        while camera_id in taken:
            camera_id, number = f"{wanted}-{number}", number + 1
        taken.add(camera_id)
        fit.append(replace(one, camera_id=camera_id, name=one.name[:80]))
    return fit


def _yaml(text: str, where: str) -> Iterator[FoundCamera]:
    try:
        tree = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f": line {mark.line + 1}, column {mark.column + 1}" if mark is not None else ""
        raise InvalidArgument(f"{where} is neither CSV nor YAML that can be read{line}") from error
    if isinstance(tree, dict) and isinstance(tree.get("cameras"), dict):
        yield from _frigate(tree, where)
    elif isinstance(tree, dict) and isinstance(tree.get("paths"), dict):
        yield from _mediamtx(tree["paths"], where)
    else:
        raise InvalidArgument(
            f"{where} is none of: CSV with a url column, ZoneMinder's Monitors, a configuration of Frigate (cameras:) "
            "or MediaMTX (paths:)"
        )


def _frigate(tree: dict[str, Any], where: str) -> Iterator[FoundCamera]:
    for one in frigate_cameras(tree):
        found = _camera(one.name, one.name, one.address, where, note="; ".join(one.notes))
        yield replace(found, is_enabled=one.is_enabled, retention_h=one.retention_h, masks=one.masks)


def _mediamtx(paths: dict[str, Any], where: str) -> Iterator[FoundCamera]:
    for name, settings in paths.items():
        source = str(mapping(settings).get("source", ""))
        if source.startswith(tuple(f"{scheme}://" for scheme in _SCHEMES)):
            yield _camera(str(name), str(name), source, where)


def _zoneminder(text: str, where: str) -> Iterator[FoundCamera]:
    for row in _rows(text, where):
        if row.get("path", "").startswith(tuple(f"{scheme}://" for scheme in _SCHEMES)):
            found = _camera(row.get("name", ""), row.get("name", ""), row["path"], where)
            user, secret = row.get("user", ""), row.get("pass", "")
            yield found if found.username or not user else replace(found, username=user, password=secret)


def _table(text: str, where: str) -> Iterator[FoundCamera]:
    for row in _rows(text, where):
        found = _camera(row.get("id") or row.get("name", ""), row.get("name", ""), row["url"], where)
        secret = row.get("password", "")
        if row.get("username"):
            is_reference = secret.startswith(("env:", "file:"))
            found = replace(
                found,
                username=row["username"],
                password="" if is_reference else secret,
                password_ref=secret if is_reference else "",
            )
        yield found


def _rows(text: str, where: str) -> Iterator[dict[str, str]]:
    head = text.partition("\n")[0]
    delimiter = next((one for one in "\t;," if one in head), ",")
    try:
        reader = csv.DictReader(io.StringIO(text), delimiter=delimiter)
        reader.fieldnames = [name.strip().lower() for name in reader.fieldnames or ()]
        for row in reader:
            yield {name: (value or "").strip() for name, value in row.items() if name and isinstance(value, str)}
    except csv.Error as error:
        raise InvalidArgument(f"{where} is no table that can be read: {error}") from error


def _camera(camera_id: str, name: str, address: str, where: str, *, note: str = "") -> FoundCamera:
    try:
        parts = urlsplit(address)
        port = f":{parts.port}" if parts.port else ""
    except ValueError as error:
        raise InvalidArgument(f"{where}: the address of {camera_id[:64]!r} is none") from error
    if parts.scheme not in _SCHEMES or not parts.hostname:
        raise InvalidArgument(f"{where}: {camera_id[:64]!r} has no address with one of {', '.join(_SCHEMES)}")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    secret = unquote(parts.password or "")
    reference = _PLACEHOLDER.fullmatch(secret)
    return FoundCamera(
        camera_id=camera_id,
        name=name,
        url=urlunsplit((parts.scheme, host + port, parts.path, parts.query, "")),
        username=unquote(parts.username or ""),
        password="" if reference else secret,
        password_ref=f"env:{reference[1]}" if reference else "",
        note=note,
    )
