"""The fleet's files in the data directory: observations, the operator's rules and catalogue. For server and command.

`fleet/observations.json` is written by `custodes fleet audit`; `fleet/rules/*.yaml` and `fleet/kev.json` by
`custodes fleet data import` (`app.fleet_data`).
"""

import hashlib
from dataclasses import replace
from pathlib import Path

import msgspec

from custodes.app.fleet_data import REGISTERS, read_taken
from custodes.app.fleet_store import read_bounded, write_file
from custodes.config import SitePaths
from custodes.errors import InvalidArgument, NotFound
from custodes.fleet.knowledge import (
    MAX_RULE_BYTES,
    Knowledge,
    load_knowledge,
    read_rules,
    with_exploited,
    with_register,
)
from custodes.fleet.observation import MAX_FILE_BYTES, Observation, decode_observations, encode_observations
from custodes.fleet.register import MAX_REGISTER_BYTES, read_register
from custodes.fleet.verdict import Verdict

KINDS = ("exposure", "egress")
"""Imports that leave verdicts."""
MAX_OWN_FILES = 64
"""Rule files of the operator."""


def read_told(paths: SitePaths) -> dict[str, frozenset[str]] | None:
    """Rules by device that rules of health were told of; None before the first time. Raises: InvalidArgument."""
    path = paths.fleet_dir / "told.json"
    if not path.exists():
        return None
    try:
        told: dict[str, frozenset[str]] = msgspec.json.decode(
            read_bounded(path, MAX_FILE_BYTES), type=dict[str, frozenset[str]]
        )
    except (msgspec.MsgspecError, ValueError) as error:
        raise InvalidArgument(f"{path} cannot be read: {error}") from error
    return told


def write_told(paths: SitePaths, told: dict[str, frozenset[str]]) -> None:
    """Raises: StorageFailed."""
    write_file(paths.fleet_dir / "told.json", msgspec.json.encode({name: sorted(told[name]) for name in sorted(told)}))


def observations_path(paths: SitePaths) -> Path:
    """Where an audit leaves what it saw."""
    return paths.fleet_dir / "observations.json"


def write_observations(paths: SitePaths, observations: list[Observation]) -> None:
    """Replace what was seen before. Raises: StorageFailed."""
    write_file(observations_path(paths), encode_observations(observations))


def read_observations(paths: SitePaths) -> tuple[Observation, ...]:
    """The newest audit. Raises: NotFound when there was none, InvalidArgument for a damaged file, StorageFailed."""
    path = observations_path(paths)
    if not path.exists():
        raise NotFound("no audit yet; run: custodes fleet audit")
    return decode_observations(read_bounded(path, MAX_FILE_BYTES))


def read_knowledge(paths: SitePaths | None) -> Knowledge:
    """The shipped rules with the operator's, their catalogue and register.

    What changed since it was taken in is left out, and said. Raises: InvalidArgument, StorageFailed.
    """
    if paths is None:
        return load_knowledge()
    files = _Files(paths)
    own = sorted((paths.fleet_dir / "rules").glob("*.yaml"))
    if len(own) > MAX_OWN_FILES:
        raise InvalidArgument(f"{len(own)} rule files in {paths.fleet_dir}; at most {MAX_OWN_FILES}")
    rules = [read_rules(payload, where=path.name) for path in own if (payload := files.read(path)) is not None]
    known = load_knowledge(tuple(rules))
    if (payload := files.read(paths.fleet_dir / "kev.json")) is not None:
        known = with_exploited(known, payload, where="kev.json")
    for name in REGISTERS:
        if (payload := files.read(paths.fleet_dir / name)) is not None:
            known = with_register(known, read_register(payload, where=name), files.taken[name].date)
    return replace(known, doubts=tuple(files.doubts))


class _Files:
    """What was taken in, as long as it is as it was."""

    def __init__(self, paths: SitePaths) -> None:
        self._folder = paths.fleet_dir
        self.taken = read_taken(paths)
        self.doubts: list[str] = []

    def read(self, path: Path) -> bytes | None:
        """None: it is not there, or not what was taken in."""
        if not path.exists():
            return None
        name = path.relative_to(self._folder).as_posix()
        payload = read_bounded(path, max(MAX_RULE_BYTES, MAX_REGISTER_BYTES))
        taken = self.taken.get(name)
        if taken is None and name not in REGISTERS:
            self.doubts.append(f"{name} was put there without 'custodes fleet data import'; nobody signed it.")
            return payload
        if taken is None or hashlib.sha256(payload).hexdigest() != taken.sha256:
            self.doubts.append(f"{name} is not what was taken in: it is left out. Import it again.")
            return None
        if not taken.signed_by:
            self.doubts.append(f"{name}, of {taken.date}, is not signed; it was taken in all the same.")
        return payload


def write_verdicts(paths: SitePaths, kind: str, verdicts: dict[str, tuple[Verdict, ...]]) -> None:
    """Keep verdicts from elsewhere by device, `kind` exposure or egress. Raises: StorageFailed."""
    write_file(paths.fleet_dir / f"{kind}.json", msgspec.json.encode(verdicts))


def read_verdicts(paths: SitePaths) -> dict[str, tuple[Verdict, ...]]:
    """What the newest imports of all kinds said. Raises: InvalidArgument, StorageFailed."""
    found: dict[str, tuple[Verdict, ...]] = {}
    for kind in KINDS:
        path = paths.fleet_dir / f"{kind}.json"
        if not path.exists():
            continue
        try:
            stored = msgspec.json.decode(read_bounded(path, MAX_FILE_BYTES), type=dict[str, tuple[Verdict, ...]])
        except (msgspec.MsgspecError, ValueError) as error:
            raise InvalidArgument(f"{path} cannot be read: {error}") from error
        for device, verdicts in stored.items():
            found[device] = (*found.get(device, ()), *verdicts)
    return found
