"""Reading an archive of posts: a table (CSV or JSON) whose rows somebody else wrote: hostile text. Pure."""

import csv
import io
import json
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from custodes.errors import InvalidArgument
from custodes.units import NS_PER_S, Ns

MAX_TABLE_BYTES = 8 * 1024 * 1024
FIELDS = ("id", "account", "time", "url", "language", "place", "picture", "screenshot")
MAX_CHARS = {"id": 80, "account": 120, "url": 2000, "language": 40, "place": 200, "picture": 255, "screenshot": 255}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A post as the table has it."""

    post_id: str
    account: str
    utc_ns: Ns
    url: str
    language: str
    place: str
    picture: str
    """A file's name; empty: none."""
    screenshot: str


def read_table(name: str, raw: bytes) -> list[Row]:
    """Args: name: of the file; what ends with `.json` is JSON, all else CSV.

    Raises: InvalidArgument that says which row, which field, and what was expected.
    """
    if len(raw) > MAX_TABLE_BYTES:
        raise InvalidArgument(f"{name} is larger than {MAX_TABLE_BYTES} bytes")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidArgument(f"{name} is not UTF-8 (byte {error.start})") from error
    found = _json_rows(name, text) if name.lower().endswith(".json") else _csv_rows(name, text)
    return [row_of(one, f"post {number}") for number, one in enumerate(found, start=1)]


def row_of(told: dict[str, str], where: str) -> Row:
    """One post from its fields. Args: where: for messages, "post 7". Raises: InvalidArgument."""
    fields = {name: _clean(told.get(name, ""), name, where) for name in FIELDS}
    return Row(
        post_id=fields["id"] or where.removeprefix("post "),
        account=fields["account"] or "?",
        utc_ns=_time(fields["time"], where),
        url=fields["url"],
        language=fields["language"],
        place=fields["place"],
        picture=fields["picture"],
        screenshot=fields["screenshot"],
    )


def _csv_rows(name: str, text: str) -> Sequence[dict[str, str]]:
    try:
        reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        if "time" not in (reader.fieldnames or ()):
            raise InvalidArgument(f"{name} has no column time; expected a first line with {', '.join(FIELDS)}")
        rows = [{str(key): value or "" for key, value in row.items() if isinstance(value, str)} for row in reader]
    except csv.Error as error:
        raise InvalidArgument(f"{name} is no CSV: line {reader.line_num}: {error}") from error
    return rows


def _json_rows(name: str, text: str) -> Sequence[dict[str, str]]:
    try:
        told = json.loads(text)
    except (ValueError, RecursionError) as error:  # ValueError: also numbers of thousands of digits
        raise InvalidArgument(f"{name} is no JSON: {error}") from error
    if isinstance(told, dict):
        told = told.get("posts")
    if not isinstance(told, list) or not all(isinstance(row, dict) for row in told):
        raise InvalidArgument(f"{name} holds no list of posts with {', '.join(FIELDS)}")
    return [{str(key): _told(value) for key, value in row.items()} for row in told]


def _told(value: object) -> str:
    return "" if value is None or isinstance(value, list | dict) else str(value)


def _clean(text: str, name: str, where: str) -> str:
    """Without control characters and marks that turn text around: a name has to look like what it is."""
    shown = "".join(one for one in text.strip() if unicodedata.category(one) not in ("Cc", "Cf", "Cs", "Zl", "Zp"))
    limit = MAX_CHARS.get(name, 80)
    if len(shown) > limit:
        raise InvalidArgument(f"{where}: {name} has {len(shown)} characters; at most {limit}")
    return shown


def _time(text: str, where: str) -> Ns:
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError as error:
        raise InvalidArgument(f"{where} has the time {text[:40]!r}; expected ISO 8601") from error
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if not 1970 < aware.year < 2200:
        raise InvalidArgument(f"{where} has the time {text[:40]!r}; expected one between 1971 and 2199")
    return Ns(round(aware.timestamp()) * NS_PER_S)
