"""The report as CSV and as plain data for JSON. Pure."""

import csv
import io
from collections.abc import Iterable

import msgspec

from custodes.fleet.audit import DeviceReport, FleetReport

HEADS = (
    "device", "name", "host", "brand", "maker", "model", "firmware", "topic", "rule", "answer", "severity",
    "sentence", "source", "data_date",
)  # fmt: skip

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def to_csv(report: FleetReport) -> str:
    """A row a verdict; verdicts about the data have no device. RFC 4180, with a head."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(HEADS)
    for device in report.devices:
        writer.writerows([_safe(cell) for cell in row] for row in _rows(device))
    for one in report.about_data:
        row = [*[""] * 7, one.topic, one.rule, one.answer, one.severity, one.sentence, one.source, str(one.data_date)]
        writer.writerow([_safe(cell) for cell in row])
    return out.getvalue()


def _rows(device: DeviceReport) -> Iterable[list[str]]:
    seen, identity = device.seen, device.identity
    what = [seen.device_id, seen.name, seen.host, identity.brand, identity.maker, identity.model, identity.firmware]
    for one in device.verdicts:
        yield [
            *what, one.topic, one.rule, one.answer, one.severity, one.sentence, one.source, str(one.data_date)
        ]  # fmt: skip


def _safe(cell: str) -> str:
    """Spreadsheets run what begins like a formula, and devices choose their own names."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def to_data(report: FleetReport) -> dict[str, object]:
    """Plain values: what `to_json` writes and the API answers."""
    return {
        "judged": str(report.judged),
        "data": [msgspec.to_builtins(one) for one in report.sets],
        "about_data": [msgspec.to_builtins(one) for one in report.about_data],
        "devices": [device_data(one) for one in report.devices],
        "health": msgspec.to_builtins(report.health),
    }


def device_data(device: DeviceReport) -> dict[str, object]:
    """One device with everything that is known of it."""
    return {
        "worst": device.worst.value if device.findings else None,
        "seen": msgspec.to_builtins(device.seen),
        "identity": msgspec.to_builtins(device.identity),
        "verdicts": [msgspec.to_builtins(one) for one in device.verdicts],
    }


def to_json(report: FleetReport) -> bytes:
    """The whole report, indented."""
    return msgspec.json.format(msgspec.json.encode(to_data(report)), indent=1)
