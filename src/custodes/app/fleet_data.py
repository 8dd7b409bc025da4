"""Data that the fleet is judged by, as it is taken in: who signed it, of when it is, and that nobody changed it since.

A signature is a C2SP signed note beside the file (`FILE.note`); its text is four lines: what it is, the file's name,
its date, its SHA-256. What was taken in stands in `fleet/data.json` with its digest, and in the audit log.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import msgspec

from custodes.app.fleet_store import read_bounded, write_file
from custodes.audit.note import NoteVerifier, open_note
from custodes.config import SitePaths
from custodes.errors import FailedPrecondition, InvalidArgument, LogCorrupt
from custodes.fleet.knowledge import MAX_RULE_BYTES, load_knowledge, read_rules, with_exploited
from custodes.fleet.register import MAX_REGISTER_BYTES, read_register

HEAD = "custodes fleet data v1"
MAX_NOTE_BYTES = 16 * 1024
MAX_TAKEN_BYTES = 1024 * 1024
REGISTERS = ("oui.csv", "mam.csv", "oui36.csv")
"""The IEEE's three files of address blocks: large, medium, small."""
UNSIGNED = "unsigned"


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """One file of `fleet/`, as it was when it was taken in."""

    sha256: str
    date: date
    signed_by: str
    """Name of the key; empty: nobody, and somebody said that this is all right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """What an import did."""

    what: str
    """In words."""
    name: str
    taken: Taken


def statement(name: str, dated: date, payload: bytes) -> str:
    """What is signed of a file."""
    return f"{HEAD}\n{name}\n{dated.isoformat()}\n{hashlib.sha256(payload).hexdigest()}\n"


def take_in(
    paths: SitePaths,
    source: Path,
    *,
    keys: Sequence[NoteVerifier],
    note: Path | None = None,
    dated: date | None = None,
    is_unsigned_accepted: bool = False,
) -> Import:
    """Check a rule file, CISA's catalogue or a register of the IEEE, and keep it.

    Args:
        note: where the signature is; beside the file as `FILE.note` by default.
        dated: of an unsigned register, which does not say it itself.
    Raises: InvalidArgument for what is wrong with it or with its signature, FailedPrecondition for what is unsigned or
        older than what is there, StorageFailed.
    """
    payload = read_bounded(source, max(MAX_RULE_BYTES, MAX_REGISTER_BYTES))
    place, own_date, what = _look(source, payload, dated)
    signed_by, signed_date = _signature(source, note, payload, keys, is_unsigned_accepted=is_unsigned_accepted)
    if own_date is not None and signed_date is not None and own_date != signed_date:
        raise InvalidArgument(f"{source.name} is of {own_date}, its signature of {signed_date}")
    of = own_date or signed_date or dated
    if of is None:
        raise InvalidArgument(f"{source.name} does not say of when it is; sign it, or say --date")
    taken = read_taken(paths)
    before = taken.get(place)
    if before is not None and before.date > of:
        raise FailedPrecondition(f"{source.name} is of {of}; what is there is newer, of {before.date}")
    entry = Taken(sha256=hashlib.sha256(payload).hexdigest(), date=of, signed_by=signed_by)
    write_file(paths.fleet_dir / place, payload)
    write_file(paths.fleet_dir / "data.json", msgspec.json.format(msgspec.json.encode({**taken, place: entry})))
    return Import(
        what=f"{what}, of {of}, {f'signed by {signed_by}' if signed_by else UNSIGNED}", name=place, taken=entry
    )


def read_taken(paths: SitePaths) -> dict[str, Taken]:
    """By path below `fleet/`. Raises: InvalidArgument, StorageFailed."""
    path = paths.fleet_dir / "data.json"
    if not path.exists():
        return {}
    try:
        found: dict[str, Taken] = msgspec.json.decode(read_bounded(path, MAX_TAKEN_BYTES), type=dict[str, Taken])
    except (msgspec.MsgspecError, ValueError) as error:
        raise InvalidArgument(f"{path} cannot be read: {error}") from error
    return found


def _look(source: Path, payload: bytes, dated: date | None) -> tuple[str, date | None, str]:
    """(where it goes, its own date, what it is). Raises: InvalidArgument."""
    if source.suffix == ".json":
        known = with_exploited(load_knowledge(), payload, where=source.name)
        return "kev.json", known.exploited_date, f"catalogue of {len(known.exploited)} exploited vulnerabilities"
    if source.suffix == ".csv":
        if source.name not in REGISTERS:
            raise InvalidArgument(f"{source.name}: a register of the IEEE is called {', '.join(REGISTERS)}")
        owners = read_register(payload, where=source.name)
        return source.name, None, f"register of {len(owners)} address blocks"
    rules = read_rules(payload, where=source.name)
    load_knowledge((rules,))
    return f"rules/{source.stem}.yaml", rules.date, rules.title


def _signature(
    source: Path, note: Path | None, payload: bytes, keys: Sequence[NoteVerifier], *, is_unsigned_accepted: bool
) -> tuple[str, date | None]:
    """(whose, the date that it says)."""
    place = note or source.with_name(f"{source.name}.note")
    if note is None and not place.exists():
        if is_unsigned_accepted:
            return "", None
        raise FailedPrecondition(
            f"{source.name} is not signed: there is no {place.name} beside it. Whoever publishes it signs it with "
            "'custodes fleet data sign'; --accept-unsigned takes it in all the same, and the report says so"
        )
    if not keys:
        raise FailedPrecondition(f"{place.name} is there, and no --key says whose signature counts")
    text = read_bounded(place, MAX_NOTE_BYTES).decode("utf-8", "replace")
    key, lines = _opened(place.name, text, keys)
    return key.name, _signed_date(source.name, place.name, payload, key, lines)


def _opened(place: str, text: str, keys: Sequence[NoteVerifier]) -> tuple[NoteVerifier, list[str]]:
    refused = "nobody's signature is on it"
    for key in keys:
        try:
            return key, open_note(text, [key]).split("\n")
        except LogCorrupt as error:
            refused = str(error)
    raise InvalidArgument(f"{place}: {refused}")


def _signed_date(source: str, place: str, payload: bytes, key: NoteVerifier, lines: list[str]) -> date:
    if len(lines) != 5 or lines[0] != HEAD:
        raise InvalidArgument(f"{place} is a signature of something else")
    if lines[3] != hashlib.sha256(payload).hexdigest():
        raise InvalidArgument(f"{source} is not what {key.name} signed: its SHA-256 is another")
    if lines[1] != source:
        raise InvalidArgument(f"{place} is the signature of {lines[1][:80]!r}")
    try:
        return date.fromisoformat(lines[2])
    except ValueError as error:
        raise InvalidArgument(f"{place} has no date: {lines[2][:40]!r}") from error
