"""The operator's own list of devices beside the site's cameras: CSV with a head; `host` is needed, the rest is not.

Columns: host, id, name, url (of its stream), http_port, rtsp_port, https_port. Ranges of addresses are refused: what
is asked is what is listed.
"""

import csv
import io
import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from custodes.adapters.fleet.survey import MAX_TARGETS, Target
from custodes.errors import InvalidArgument

_HOST = re.compile(r"[A-Za-z0-9.:_-]{1,253}")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
COLUMNS = ("host", "id", "name", "url", "http_port", "rtsp_port", "https_port")


def read_inventory(payload: bytes, *, where: str) -> Iterator[Target]:
    """Raises: InvalidArgument naming the line and what is wrong with it."""
    try:
        text = payload.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidArgument(f"{where} is not UTF-8") from error
    reader = csv.DictReader(io.StringIO(text))
    heads = [head.strip().lower() for head in reader.fieldnames or ()]
    if "host" not in heads or set(heads) - set(COLUMNS):
        raise InvalidArgument(f"{where}: the first line has to name columns out of {', '.join(COLUMNS)}, host for one")
    reader.fieldnames = heads
    try:
        for number, row in enumerate(reader):
            if number >= MAX_TARGETS:
                raise InvalidArgument(f"{where} lists more than {MAX_TARGETS} devices")
            yield _target(row, f"{where}, line {reader.line_num}")
    except csv.Error as error:
        raise InvalidArgument(f"{where}, line {reader.line_num}: {error}") from error


def _target(row: dict[str, str | None], where: str) -> Target:
    def value(name: str) -> str:
        return (row.get(name) or "").strip()

    host = value("host")
    if not _HOST.fullmatch(host):
        raise InvalidArgument(f"{where}: {host[:64]!r} is no host; ranges are not taken")
    device_id = value("id") or host
    if not _ID.fullmatch(device_id.replace(":", "-")):
        raise InvalidArgument(f"{where}: {device_id[:64]!r} is no id")
    try:
        stream = urlsplit(value("url"))
        path = stream.path + (f"?{stream.query}" if stream.query else "")
        rtsp_port = stream.port or 554
    except ValueError as error:
        raise InvalidArgument(f"{where}: {value('url')[:64]!r} is no address of a stream") from error
    return Target(
        device_id=device_id.replace(":", "-"),
        name=value("name")[:100] or device_id,
        host=host,
        stream_path=path,
        http_port=_port(value("http_port"), 80, where),
        rtsp_port=_port(value("rtsp_port"), rtsp_port, where),
        https_port=_port(value("https_port"), 443, where),
    )


def _port(text: str, default: int, where: str) -> int:
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and 0 < int(text[:6]) < 65536):
        raise InvalidArgument(f"{where}: {text[:16]!r} is no port")
    return int(text)
