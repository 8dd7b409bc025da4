"""A list of people to enrol, each with a basis of their own: CSV into rows, and what is wrong with it by line. Pure.

Nobody is enrolled by a list alone: a row is a link that its person signs behind, or a basis that lies on paper, which
somebody else than the importer has to look at before anybody is compared.
"""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass

from custodes.access.enrolment import SAMPLES_MAX
from custodes.errors import InvalidArgument
from custodes.types.face import BasisKind

MAX_ROWS = 500
"""A list that a person can still look through; more people are more lists."""
MAX_CSV_BYTES = 512 * 1024
COLUMNS = ("name", "purpose", "zones", "days", "basis", "reference", "pictures")
SIGNS = "link"
"""In the column `basis`: the person signs behind a link."""
_DAYS = range(1, 1099)


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkRow:
    """One person. `basis`: None for a link. `pictures`: names of files, none with a link."""

    line: int
    name: str
    purpose: str
    zone_ids: tuple[str, ...]
    days: int
    basis: BasisKind | None
    reference: str
    pictures: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkRefusal:
    """A line that is not taken, and why."""

    line: int
    words: str


def read_bulk(text: str, zones: Mapping[str, str]) -> tuple[list[BulkRow], list[BulkRefusal]]:
    """Rows and refusals, by line; a refused line hinders no other.

    Args: text: CSV with a header of `COLUMNS`; zones and pictures separated by semicolons. zones: id by name, of the
        zones that are active. Raises: InvalidArgument for what is no such list.
    """
    if len(text.encode()) > MAX_CSV_BYTES:
        raise InvalidArgument(f"The list is larger than {MAX_CSV_BYTES >> 10} KiB.")
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    rows: list[BulkRow] = []
    refused: list[BulkRefusal] = []
    people: set[str] = set()
    pictures: set[str] = set()
    try:
        lacking = [one for one in COLUMNS if one not in (reader.fieldnames or ())]
        if lacking:
            raise InvalidArgument(f"The list lacks the columns {', '.join(lacking)}; expected {','.join(COLUMNS)}.")
        for cells in reader:
            line = reader.line_num
            if len(rows) + len(refused) >= MAX_ROWS:
                raise InvalidArgument(f"The list has more than {MAX_ROWS} people; make several.")
            try:
                row = _row(line, {key: cells[key] or "" for key in COLUMNS}, zones)
                _once(row, people, pictures)
            except InvalidArgument as error:
                refused.append(BulkRefusal(line=line, words=str(error)))
                continue
            rows.append(row)
    except csv.Error as error:
        raise InvalidArgument(f"Line {reader.line_num} of the list is no CSV: {error}.") from error
    return rows, refused


def _row(line: int, cells: dict[str, str], zones: Mapping[str, str]) -> BulkRow:
    name, purpose, reference = (cells[one].strip() for one in ("name", "purpose", "reference"))
    if not name or len(name) > 120:
        raise InvalidArgument("a name of at most 120 characters is needed")
    if not 10 <= len(purpose) <= 500:
        raise InvalidArgument("the purpose needs 10 to 500 characters")
    named = _list(cells["zones"])
    unknown = [one for one in named if one not in zones]
    if unknown:
        raise InvalidArgument(f"there is no active zone {unknown[0][:80]!r}")
    days = int(cells["days"]) if cells["days"].strip().isdecimal() and len(cells["days"]) < 9 else 0
    if days not in _DAYS:
        raise InvalidArgument(f"days are {_DAYS[0]} to {_DAYS[-1]}")
    basis, pictures = _basis(cells["basis"].strip()), _list(cells["pictures"])
    if basis is None and pictures:
        raise InvalidArgument(
            "who signs behind a link gives their pictures there; nothing is taken before they signed"
        )
    if basis is not None:
        if not named:
            raise InvalidArgument("a recorded basis is for zones; for a card its holder signs behind a link")
        if not 10 <= len(reference) <= 300:
            raise InvalidArgument("the reference says where the basis lies, in 10 to 300 characters")
        if not 1 <= len(pictures) <= SAMPLES_MAX:
            raise InvalidArgument(f"1 to {SAMPLES_MAX} pictures are needed")
    return BulkRow(
        line=line,
        name=name,
        purpose=purpose,
        zone_ids=tuple(zones[one] for one in dict.fromkeys(named)),
        days=days,
        basis=basis,
        reference=reference,
        pictures=tuple(pictures),
    )


def _basis(text: str) -> BasisKind | None:
    if text == SIGNS:
        return None
    if text not in list(BasisKind):
        words = ", ".join((SIGNS, *BasisKind))
        raise InvalidArgument(f"a basis of each person is needed: one of {words}")
    return BasisKind(text)


def _list(text: str) -> list[str]:
    return [part.strip() for part in text.split(";") if part.strip()]


def _once(row: BulkRow, people: set[str], pictures: set[str]) -> None:
    """The same person twice would be two galleries; the same picture twice is one of them wrong."""
    if row.name.casefold() in people:
        raise InvalidArgument("this name is in the list already; tell two people of one name apart")
    double = next((one for one in row.pictures if one in pictures or row.pictures.count(one) > 1), None)
    if double is not None:
        raise InvalidArgument(f"the picture {double[:80]!r} is named twice")
    people.add(row.name.casefold())
    pictures.update(row.pictures)
