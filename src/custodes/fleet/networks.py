"""Which network and country an address belongs to, out of the operator's table. Pure.

The table is CSV with a head: `network` (CIDR), `country` (two letters), `name`. Anybody's registry export fits.
"""

import bisect
import csv
import io
import ipaddress
from dataclasses import dataclass

from custodes.errors import InvalidArgument

MAX_NETWORKS = 2_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A range that belongs to somebody."""

    country: str
    name: str


UNKNOWN = Network(country="", name="")


class NetworkTable:
    """Ranges that do not overlap, or nest: the narrowest range that begins last wins. O(log n) a look."""

    def __init__(self, rows: list[tuple[int, int, int, Network]]) -> None:
        """`rows`: (version, first, last, whose)."""
        rows.sort(key=lambda row: (row[0], row[1], -row[2]))
        self._rows = rows
        self._starts = [(version, first) for version, first, _, _ in rows]

    def find(self, address: str) -> Network:
        """`UNKNOWN` for an address that no range covers, or that is none."""
        try:
            number = ipaddress.ip_address(address)
        except ValueError:
            return UNKNOWN
        wanted = (number.version, int(number))
        place = bisect.bisect_right(self._starts, wanted) - 1
        # Nested ranges: a wider one may begin earlier. 32 steps cover every depth of real tables.
        for row in self._rows[max(place - 31, 0) : place + 1][::-1]:
            if row[0] == wanted[0] and row[1] <= wanted[1] <= row[2]:
                return row[3]
        return UNKNOWN

    def __len__(self) -> int:
        return len(self._rows)


def read_networks(payload: bytes, *, where: str) -> NetworkTable:
    """Raises: InvalidArgument naming the line."""
    rows: list[tuple[int, int, int, Network]] = []
    try:
        reader = csv.DictReader(io.StringIO(payload.decode("utf-8-sig")))
        if "network" not in (reader.fieldnames or ()):
            raise InvalidArgument(f"{where}: the first line has to name the columns network, country, name")
        for row in reader:
            if len(rows) >= MAX_NETWORKS:
                raise InvalidArgument(f"{where} has more than {MAX_NETWORKS} networks")
            range_ = ipaddress.ip_network((row["network"] or "").strip(), strict=False)
            whose = Network(country=(row.get("country") or "").strip()[:2].upper(), name=(row.get("name") or "")[:80])
            rows.append((range_.version, int(range_.network_address), int(range_.broadcast_address), whose))
    except (UnicodeDecodeError, csv.Error) as error:
        raise InvalidArgument(f"{where} is no CSV in UTF-8: {error}") from error
    except ValueError as error:
        raise InvalidArgument(f"{where}, line {len(rows) + 2}: {error}") from error
    return NetworkTable(rows)
