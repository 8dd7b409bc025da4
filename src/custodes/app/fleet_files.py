"""The fleet's files in the data directory: observations, the operator's rules and catalogue. For server and command.

`fleet/observations.json` is written by `custodes fleet audit`; `fleet/rules/*.yaml` and `fleet/kev.json` by
`custodes fleet data`.
"""

from pathlib import Path

import msgspec

from custodes.config import SitePaths
from custodes.config.durable import make_folder, replace_file
from custodes.errors import InvalidArgument, NotFound, StorageFailed
from custodes.fleet.knowledge import MAX_RULE_BYTES, Knowledge, load_knowledge, read_rules, with_exploited
from custodes.fleet.observation import MAX_FILE_BYTES, Observation, decode_observations, encode_observations
from custodes.fleet.verdict import Verdict

KINDS = ("exposure", "egress")
"""Imports that leave verdicts."""
MAX_OWN_FILES = 64
"""Rule files of the operator."""


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
    """The shipped rules with the operator's, and their catalogue. Raises: InvalidArgument, StorageFailed."""
    if paths is None:
        return load_knowledge()
    own = sorted((paths.fleet_dir / "rules").glob("*.yaml"))
    if len(own) > MAX_OWN_FILES:
        raise InvalidArgument(f"{len(own)} rule files in {paths.fleet_dir}; at most {MAX_OWN_FILES}")
    rules = tuple(read_rules(read_bounded(path, MAX_RULE_BYTES), where=path.name) for path in own)
    known = load_knowledge(rules)
    catalogue = paths.fleet_dir / "kev.json"
    if not catalogue.exists():
        return known
    return with_exploited(known, read_bounded(catalogue, MAX_RULE_BYTES), where=catalogue.name)


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


def install(paths: SitePaths, source: Path) -> str:
    """Check a rule file or a catalogue and keep it; returns what it was. Raises: InvalidArgument, StorageFailed."""
    payload = read_bounded(source, MAX_RULE_BYTES)
    if source.suffix == ".json":
        known = with_exploited(load_knowledge(), payload, where=source.name)
        write_file(paths.fleet_dir / "kev.json", payload)
        return f"catalogue of {len(known.exploited)} exploited vulnerabilities, of {known.exploited_date}"
    rules = read_rules(payload, where=source.name)
    load_knowledge((rules,))
    write_file(paths.fleet_dir / "rules" / f"{source.stem}.yaml", payload)
    return f"{rules.title}, of {rules.date}"


def write_file(path: Path, payload: bytes) -> None:
    """Replace a file of the fleet's (0600 in a 0700 folder). Raises: StorageFailed."""
    try:
        make_folder(path.parent, mode=0o700)
        replace_file(path, payload)
    except OSError as error:
        raise StorageFailed(f"{path} cannot be written: {(error.strerror or 'failed').lower()}") from error


def read_bounded(path: Path, limit: int) -> bytes:
    """A whole file. Raises: InvalidArgument when it is larger than `limit` bytes, StorageFailed."""
    try:
        with path.open("rb") as stream:
            payload = stream.read(limit + 1)
    except OSError as error:
        raise StorageFailed(f"{path} cannot be read: {(error.strerror or 'failed').lower()}") from error
    if len(payload) > limit:
        raise InvalidArgument(f"{path} is larger than {limit} bytes")
    return payload
