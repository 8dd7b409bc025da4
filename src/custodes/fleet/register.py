"""The IEEE's register of address blocks (oui.csv, mam.csv, oui36.csv), imported by file: whose an address is. Pure."""

import csv
import io

from custodes.errors import InvalidArgument

MAX_REGISTER_BYTES = 32 * 1024 * 1024
MAX_BLOCKS = 500_000
"""The three files together have 60,000 rows in 2026."""
_COLUMNS = ["Registry", "Assignment", "Organization Name"]
_DIGITS = {"MA-L": 6, "MA-M": 7, "MA-S": 9}
_SHARED = "IEEE Registration Authority"
"""Owner of the large blocks that are given away in parts; the smaller registers say to whom."""
_HEX = frozenset("0123456789abcdef")


def read_register(payload: bytes, *, where: str) -> dict[str, str]:
    """Block (6, 7 or 9 lower-case hexadecimal digits) to its owner.

    Raises: InvalidArgument naming the line that is no row of the register.
    """
    if len(payload) > MAX_REGISTER_BYTES:
        raise InvalidArgument(f"{where}: {len(payload)} bytes; a register has at most {MAX_REGISTER_BYTES}")
    try:
        rows = csv.reader(io.StringIO(payload.decode("utf-8-sig"), newline=""))
        head = next(rows, [])
        if head[:3] != _COLUMNS:
            raise InvalidArgument(f"{where} is no register of the IEEE; its columns begin with {', '.join(_COLUMNS)}")
        owners: dict[str, str] = {}
        for row in rows:
            if not row:
                continue
            block = row[1].lower() if len(row) > 2 else ""
            if len(row) < 3 or len(block) != _DIGITS.get(row[0]) or not _HEX.issuperset(block):
                raise InvalidArgument(
                    f"{where}, line {rows.line_num}: {','.join(row)[:80]!r} is no row of the register"
                )
            if row[2] not in (_SHARED, "Private"):
                owners[block] = row[2][:200]
            if len(owners) > MAX_BLOCKS:
                raise InvalidArgument(f"{where}: more than {MAX_BLOCKS} blocks")
    except (UnicodeDecodeError, csv.Error) as error:
        raise InvalidArgument(f"{where} is no register of the IEEE: {error}") from error
    return owners


def owner_of(register: dict[str, str], mac: str) -> str:
    """Who an interface's address belongs to, by the smallest block; empty when the register does not say."""
    digits = mac.replace(":", "").replace("-", "").lower()
    return next((found for length in (9, 7, 6) if (found := register.get(digits[:length], ""))), "")
