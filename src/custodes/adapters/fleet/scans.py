"""Scans that the operator brings: nmap's XML, downloads of Shodan and Censys (JSON, or JSON lines, also gzipped)."""

import csv
import gzip
import io
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, ParseError

import defusedxml
import defusedxml.ElementTree
import msgspec

from custodes.errors import InvalidArgument, StorageFailed
from custodes.fleet.exposure import Exposed, Forwarding
from custodes.fleet.flow import is_address
from custodes.fleet.observation import clean

MAX_SCAN_BYTES = 256 * 1024 * 1024
"""Unpacked."""
MAX_EXPOSED = 1_000_000
_DECODER = msgspec.json.Decoder(Any)


def read_scan(path: Path) -> list[Exposed]:
    """Open ports of one file. Raises: InvalidArgument naming file and place, StorageFailed."""
    payload = _payload(path)
    start = payload.lstrip()[:1]
    if start == b"<":
        found = list(_nmap(payload, path.name))
    elif start in (b"{", b"["):
        found = list(_json(payload, path.name))
    else:
        raise InvalidArgument(f"{path.name} is neither nmap's XML nor JSON of Shodan or Censys")
    if len(found) > MAX_EXPOSED:
        raise InvalidArgument(f"{path.name} has more than {MAX_EXPOSED} open ports")
    return found


def _payload(path: Path) -> bytes:
    try:
        with path.open("rb") as plain:
            is_packed = plain.read(2) == b"\x1f\x8b"
            plain.seek(0)
            stream = gzip.GzipFile(fileobj=plain) if is_packed else plain
            payload = stream.read(MAX_SCAN_BYTES + 1)
    except (OSError, EOFError) as error:
        raise StorageFailed(f"{path} cannot be read") from error
    if len(payload) > MAX_SCAN_BYTES:
        raise InvalidArgument(f"{path.name} has more than {MAX_SCAN_BYTES} bytes")
    return payload


def _nmap(payload: bytes, where: str) -> Iterator[Exposed]:
    try:
        # nmap writes a DOCTYPE; entities in it are refused all the same.
        root: Element = defusedxml.ElementTree.fromstring(payload, forbid_dtd=False)
    except (ParseError, defusedxml.DefusedXmlException, ValueError, LookupError) as error:
        raise InvalidArgument(f"{where} is not XML that may be read ({type(error).__name__})") from error
    if root.tag != "nmaprun":
        raise InvalidArgument(f"{where} is not nmap's XML (nmap -oX)")
    start = root.get("start", "0")
    seen = datetime.fromtimestamp(int(start) if start.isdigit() and len(start) < 12 else 0, UTC).date()
    for host in root.iter("host"):
        addresses = [one.get("addr", "") for one in host.iter("address") if one.get("addrtype") in ("ipv4", "ipv6")]
        if not addresses or not is_address(addresses[0]):
            continue
        for port in host.iter("port"):
            state = port.find("state")
            if state is None or state.get("state") != "open":
                continue
            service = port.find("service")
            words = {} if service is None else service.attrib
            product = f"{words.get('product', '')} {words.get('version', '')} {words.get('extrainfo', '')}"
            certificate = next(
                (one.text or "" for one in port.iter("elem") if one.get("key") == "sha256" and one.text), ""
            )
            yield Exposed(
                address=addresses[0],
                port=_port(port.get("portid", "")),
                service=clean(words.get("name", "")),
                product=clean(product),
                country="",
                network="",
                certificate=_hexadecimal(certificate),
                seen=seen,
                scanner="nmap",
            )


def _json(payload: bytes, where: str) -> Iterator[Exposed]:
    for number, row in enumerate(_rows(payload, where)):
        if not isinstance(row, dict):
            raise InvalidArgument(f"{where}, entry {number + 1}: no object")
        if "ip_str" in row:
            yield _shodan(row, f"{where}, entry {number + 1}")
        elif "ip" in row or isinstance(row.get("host"), dict):
            yield from _censys(row.get("host") or row, f"{where}, entry {number + 1}")
        else:
            raise InvalidArgument(f"{where}, entry {number + 1}: neither Shodan's (ip_str) nor Censys's (ip)")


def _rows(payload: bytes, where: str) -> Iterator[Any]:
    try:
        if payload.lstrip()[:1] == b"[":
            yield from msgspec.json.decode(payload, type=list[Any])
            return
        for line in payload.splitlines():
            if line.strip():
                yield _DECODER.decode(line)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise InvalidArgument(f"{where} cannot be read as JSON: {error}") from error


def _shodan(row: dict[str, Any], where: str) -> Exposed:
    place, tls = _object(row.get("location")), _object(row.get("ssl"))
    fingerprint = _object(_object(tls.get("cert")).get("fingerprint")).get("sha256", "")
    module = _object(row.get("_shodan")).get("module", "")
    return Exposed(
        address=_address(row.get("ip_str"), where),
        port=_port(row.get("port")),
        service=clean(str(module)),
        product=clean(f"{row.get('product') or ''} {row.get('version') or ''}"),
        country=clean(str(place.get("country_code") or ""))[:2],
        network=clean(f"{row.get('asn') or ''} {row.get('org') or ''}"),
        certificate=_hexadecimal(str(fingerprint)),
        seen=_day(row.get("timestamp")),
        scanner="Shodan",
    )


def _censys(row: dict[str, Any], where: str) -> Iterator[Exposed]:
    place, system = _object(row.get("location")), _object(row.get("autonomous_system"))
    services = row.get("services")
    for one in services[:1000] if isinstance(services, list) else []:
        service = _object(one)
        software = service.get("software")
        products = [_object(each).get("product", "") for each in software[:8]] if isinstance(software, list) else []
        yield Exposed(
            address=_address(row.get("ip"), where),
            port=_port(service.get("port")),
            service=clean(str(service.get("service_name") or service.get("protocol") or "")).lower(),
            product=clean(" ".join(str(each) for each in products)),
            country=clean(str(place.get("country_code") or ""))[:2],
            network=clean(f"AS{system.get('asn', '')} {system.get('name', '')}") if system else "",
            certificate=_hexadecimal(str(service.get("certificate") or "")),
            seen=_day(row.get("last_updated_at") or service.get("observed_at")),
            scanner="Censys",
        )


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _address(value: Any, where: str) -> str:
    if not isinstance(value, str) or not is_address(value):
        raise InvalidArgument(f"{where}: {str(value)[:40]!r} is no address")
    return value


def _port(value: Any) -> int:
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 5 else 0


def _hexadecimal(text: str) -> str:
    found = text.replace(":", "").lower()
    return found if len(found) == 64 and all(one in "0123456789abcdef" for one in found) else ""


def _day(value: Any) -> date:
    try:
        return date.fromisoformat(str(value)[:10])
    except ValueError:
        return date(1970, 1, 1)


def read_forwardings(payload: bytes, *, where: str) -> list[Forwarding]:
    """CSV with a head: public, port (empty: all), device. Raises: InvalidArgument naming the line."""
    try:
        rows = list(csv.DictReader(io.StringIO(payload.decode("utf-8-sig"))))
    except (UnicodeDecodeError, csv.Error) as error:
        raise InvalidArgument(f"{where} is no CSV in UTF-8") from error
    found = []
    for number, row in enumerate(rows):
        address, device = (row.get("public") or "").strip(), (row.get("device") or "").strip()
        if not is_address(address) or not device:
            raise InvalidArgument(f"{where}, line {number + 2}: columns are public (an address), port, device")
        found.append(Forwarding(address=address, port=_port((row.get("port") or "0").strip()), device_id=device))
    return found
