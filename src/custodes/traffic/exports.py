"""Quarters of an hour as files for other systems: CSV, and DATEX II version 3 (MeasuredDataPublication). Text only."""

import csv
import io
from collections.abc import Iterable
from datetime import UTC, datetime
from xml.sax.saxutils import escape, quoteattr

from custodes.types.traffic import LineFigures, Quarter
from custodes.types.vision import VEHICLES, ObjectClass
from custodes.units import NS_PER_S

_CLASSES = tuple(one for one in ObjectClass if one is not ObjectClass.FACE)
COLUMNS = (
    "camera", "start", "end", "coverage", "kind", "line", "way", "to_line",
    *(one.name.lower() for one in _CLASSES),
    "vehicles", "vehicles_per_h", "speeds", "mean_kmh", "v50_kmh", "v85_kmh", "v85_error_kmh", "headway_s",
    "occupancy", "density_per_km", "level_of_service", "queue_vehicles", "queue_m",
)  # fmt: skip
"""`kind`: line (a line and a way) or movement (from `line` to `to_line`); the queue stands on each line's row."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def to_csv(quarters: Iterable[Quarter]) -> str:
    """One row per line and way, one per movement; times are UTC (RFC 3339), missing figures empty.

    Names that a spreadsheet would run as a formula get an apostrophe before them.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\r\n")
    writer.writeheader()
    for quarter in quarters:
        head = {
            "camera": quarter.camera_id,
            "start": _utc(quarter.start_ns),
            "end": _utc(quarter.end_ns),
            "coverage": quarter.coverage,
        }
        for line in quarter.lines:
            writer.writerow({**head, **_line_row(line, quarter)})
        for (entry, exit_), counts in _movements(quarter).items():
            vehicles = sum(count for one, count in counts.items() if one in VEHICLES)
            row = {"kind": "movement", "line": cell_text(entry), "to_line": cell_text(exit_), "vehicles": vehicles}
            writer.writerow({**head, **row, **{one.name.lower(): counts.get(one, 0) for one in _CLASSES}})
    return text.getvalue()


def _line_row(line: LineFigures, quarter: Quarter) -> dict[str, object]:
    counts = {one.object_class: one.count for one in line.counts}
    row: dict[str, object] = {one.name.lower(): counts.get(one, 0) for one in _CLASSES}
    row |= {
        "kind": "line",
        "line": cell_text(line.line),
        "way": "forward" if line.is_forward else "backward",
        "vehicles": line.vehicles,
        "vehicles_per_h": line.vehicles_per_h,
        "headway_s": line.headway_s,
        "occupancy": line.occupancy,
        "density_per_km": line.density_per_km,
        "level_of_service": line.level_of_service,
    }
    if line.speeds is not None:
        row |= {
            "speeds": line.speeds.measured,
            "mean_kmh": line.speeds.mean_kmh,
            "v50_kmh": line.speeds.v50_kmh,
            "v85_kmh": line.speeds.v85_kmh,
            "v85_error_kmh": line.speeds.v85_error_kmh,
        }
    if quarter.queue is not None:
        row |= {"queue_vehicles": quarter.queue.vehicles, "queue_m": quarter.queue.length_m}
    return {name: "" if value is None else value for name, value in row.items()}


def _movements(quarter: Quarter) -> dict[tuple[str, str], dict[ObjectClass, int]]:
    found: dict[tuple[str, str], dict[ObjectClass, int]] = {}
    for one in quarter.movements:
        found.setdefault((one.entry, one.exit), {})[one.object_class] = one.count
    return found


def cell_text(name: str) -> str:
    """A name as a cell: what a spreadsheet would run as a formula gets an apostrophe before it."""
    return f"'{name}" if name.startswith(_FORMULA) else name


_HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<d2:payload xmlns:d2="http://datex2.eu/schema/3/d2Payload" xmlns:roa="http://datex2.eu/schema/3/roadTrafficData" \
xmlns:com="http://datex2.eu/schema/3/common" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" \
xsi:type="roa:MeasuredDataPublication" lang="en" modelBaseVersion="3">
<com:publicationTime>{now}</com:publicationTime>
<com:publicationCreator><com:country>{country}</com:country>\
<com:nationalIdentifier>{site}</com:nationalIdentifier></com:publicationCreator>
<roa:measurementSiteTableReference targetClass="roa:MeasurementSiteTable" id={table} version="1"/>
<roa:headerInformation><com:informationStatus>real</com:informationStatus></roa:headerInformation>
"""


def to_datex(quarters: Iterable[Quarter], *, site: str, country: str, now_ns: int) -> str:
    """DATEX II v3 XML: per line and way flow, speed, occupancy, headway, density, each with its share of observed
    time.

    A measurement site is `camera/line/way`. `period` is the quarter's length. Source: CEN/TS 16157-5, with the form of
    the Dutch NDW feed where the model leaves a choice. Not validated against the schema here: it is not to be had
    offline.
    """
    parts = [_HEAD.format(now=_utc(now_ns), country=escape(country), site=escape(site), table=quoteattr(site))]
    for quarter in quarters:
        parts += [_site(quarter, line) for line in quarter.lines]
    return "".join([*parts, "</d2:payload>\n"])


def _site(quarter: Quarter, line: LineFigures) -> str:
    way = "forward" if line.is_forward else "backward"
    name = quoteattr(f"{quarter.camera_id}/{line.line}/{way}")
    counted = round(100 * quarter.coverage, 1)
    values = [
        ("TrafficFlow", f'<roa:vehicleFlow numberOfInputValuesUsed="{line.vehicles}" supplierCalculatedDataQuality='
         f'"{counted}"><com:vehicleFlowRate>{round(line.vehicles_per_h)}</com:vehicleFlowRate></roa:vehicleFlow>'),
    ]  # fmt: skip
    if line.speeds is not None:
        values.append(
            ("TrafficSpeed", f'<roa:averageVehicleSpeed numberOfInputValuesUsed="{line.speeds.measured}" '
             f'standardDeviation="{line.speeds.single_error_kmh}"><com:speed>{line.speeds.mean_kmh}</com:speed>'
             "</roa:averageVehicleSpeed>")
        )  # fmt: skip
    concentration = ""
    if line.density_per_km is not None:
        concentration += (
            f"<roa:density><roa:densityOfVehicles>{round(line.density_per_km)}</roa:densityOfVehicles></roa:density>"
        )
    if line.occupancy is not None:
        share = round(100 * line.occupancy, 2)
        concentration += f"<roa:occupancy><com:percentage>{share}</com:percentage></roa:occupancy>"
    if concentration:
        values.append(("TrafficConcentration", concentration))
    if line.headway_s is not None:
        headway = f"<roa:averageTimeHeadway><com:duration>{line.headway_s}</com:duration></roa:averageTimeHeadway>"
        values.append(("TrafficHeadway", headway))
    quantities = "".join(
        f'<roa:physicalQuantity index="{index}"><roa:physicalQuantity xsi:type="roa:SinglePhysicalQuantity">'
        f'<roa:basicData xsi:type="roa:{kind}">{body}</roa:basicData></roa:physicalQuantity></roa:physicalQuantity>\n'
        for index, (kind, body) in enumerate(values, 1)
    )
    return (
        "<roa:siteMeasurements>\n"
        f'<roa:measurementSiteReference targetClass="roa:MeasurementSite" id={name} version="1"/>\n'
        f"{quantities}<roa:measurementTimeDefault><roa:timeValue>{_utc(quarter.start_ns)}</roa:timeValue>"
        "</roa:measurementTimeDefault>\n</roa:siteMeasurements>\n"
    )


def _utc(utc_ns: int) -> str:
    return datetime.fromtimestamp(utc_ns // NS_PER_S, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
