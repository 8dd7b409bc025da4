"""Quarters of an hour as files for other systems: CSV, and DATEX II version 3 (MeasuredDataPublication). Text only."""

import csv
import io
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from xml.sax.saxutils import escape, quoteattr

from custodes.traffic.alarms import Key, key_of
from custodes.traffic.hours import car_units_of
from custodes.types.traffic import BIN_KMH, Incident, IncidentVerdict, LineFigures, LineSum, MovementSum, Quarter
from custodes.types.vision import VEHICLES, ObjectClass
from custodes.units import NS_PER_S

_CLASSES = tuple(one for one in ObjectClass if one is not ObjectClass.FACE)
COLUMNS = (
    "camera", "start", "end", "coverage", "kind", "line", "way", "to_line",
    *(one.name.lower() for one in _CLASSES),
    "vehicles", "vehicles_per_h", "speeds", "mean_kmh", "v50_kmh", "v85_kmh", "v85_error_kmh", "headway_s",
    "occupancy", "density_per_km", "level_of_service", "queue_vehicles", "queue_m",
    "over_limit", "limit_kmh", "motorcycle_length", "short", "medium", "long", "pcu",
)  # fmt: skip
"""`kind`: line (a line and a way) or movement (from `line` to `to_line`); the queue stands on each line's row.
`pcu`: passenger car units."""

_LENGTHS = ("motorcycle_length", "short", "medium", "long")
_HOUR_COLUMNS = (
    "camera", "start", "end", "coverage", "line", "way", *(one.name.lower() for one in _CLASSES), "vehicles",
    *_LENGTHS, "speeds", "mean_kmh", "v50_kmh", "v85_kmh", "v85_error_kmh", "over_limit_share", "peak_hour_factor",
    "kind", "to_line", "pcu", "peak_flow_per_h",
)  # fmt: skip
_INCIDENT_COLUMNS = ("camera", "start", "found", "end", "kind", "road", "class", "delay_s", "judged", "evidence")

_DATEX_TYPES = {
    ObjectClass.BICYCLE: "bicycle",
    ObjectClass.CAR: "car",
    ObjectClass.MOTORCYCLE: "motorcycle",
    ObjectClass.BUS: "bus",
    ObjectClass.TRUCK: "lorry",
}
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
            row["pcu"] = car_units_of(counts)
            writer.writerow({**head, **row, **{one.name.lower(): counts.get(one, 0) for one in _CLASSES}})
    return text.getvalue()


def hours_csv(camera: str, hours: Iterable[LineSum], movements: Iterable[MovementSum] = ()) -> str:
    """One row per line, way and hour, then one per turning movement and hour, with a column per `BIN_KMH` of speed;
    times are UTC, missing figures empty."""
    rows = list(hours)
    bins = max((len(one.histogram) for one in rows), default=0)
    names = [f"kmh_{at * BIN_KMH}_{(at + 1) * BIN_KMH}" for at in range(bins)]
    text = io.StringIO()
    writer = csv.DictWriter(text, (*_HOUR_COLUMNS, *names), restval="", lineterminator="\r\n")
    writer.writeheader()
    for one in rows:
        row: dict[str, object] = {
            **_hour_row(camera, one),
            "kind": "line",
            "line": cell_text(one.line),
            "way": "forward" if one.is_forward else "backward",
            "speeds": one.measured,
            **dict(zip(_LENGTHS, one.lengths, strict=False)),
            **{
                name: getattr(one, name)
                for name in ("mean_kmh", "v50_kmh", "v85_kmh", "v85_error_kmh", "over_limit_share")
            },
        }
        if one.measured:
            row |= dict.fromkeys(names, 0) | dict(zip(names, one.histogram, strict=False))
        writer.writerow({name: "" if value is None else value for name, value in row.items()})
    for turn in movements:
        row = {**_hour_row(camera, turn), "kind": "movement", "line": cell_text(turn.entry)}
        row["to_line"] = cell_text(turn.exit)
        writer.writerow({name: "" if value is None else value for name, value in row.items()})
    return text.getvalue()


def _hour_row(camera: str, one: LineSum | MovementSum) -> dict[str, object]:
    """What lines and movements have in common."""
    counts = {each.object_class: each.count for each in one.counts}
    return {
        "camera": camera,
        "start": _utc(one.start_ns),
        "end": _utc(one.end_ns),
        "coverage": one.coverage,
        **{each.name.lower(): counts.get(each, 0) for each in _CLASSES},
        "vehicles": one.vehicles,
        "pcu": one.car_units,
        "peak_hour_factor": None if one.peak is None else one.peak.factor,
        "peak_flow_per_h": None if one.peak is None else one.peak.flow_per_h,
    }


def incidents_csv(incidents: Iterable[Incident], said: Mapping[Key, IncidentVerdict]) -> str:
    """One row an incident; `judged` is real, false or empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(_INCIDENT_COLUMNS)
    for one in incidents:
        word = said.get(key_of(one))
        writer.writerow(
            (
                one.camera_id,
                _utc(one.start_ns),
                _utc(one.found_ns),
                _utc(one.end_ns) if one.is_over else "",
                one.kind.value,
                cell_text(one.road),
                one.object_class.name.lower(),
                round((one.found_ns - one.start_ns) / NS_PER_S, 1),
                "" if word is None else "real" if word.is_real else "false",
                cell_text(one.evidence),
            )
        )
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
        "pcu": car_units_of(counts),
    }
    if line.speeds is not None:
        row |= {
            "speeds": line.speeds.measured,
            "mean_kmh": line.speeds.mean_kmh,
            "v50_kmh": line.speeds.v50_kmh,
            "v85_kmh": line.speeds.v85_kmh,
            "v85_error_kmh": line.speeds.v85_error_kmh,
            "over_limit": line.speeds.over_limit,
            "limit_kmh": line.speeds.limit_kmh,
        }
    row |= dict(zip(_LENGTHS, line.lengths, strict=False))
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
    """DATEX II v3 XML: per line and way flow (of all and of each class), speed with v50 and v85, occupancy, headway,
    density, each with its share of observed time.

    A measurement site is `camera/line/way`. Source: CEN/TS 16157-5 and the schema's version 3.1, with the form of the
    Dutch NDW feed where the model leaves a choice. A publication holds one measurement or more: without `lines` in any
    quarter the schema refuses it.
    """
    parts = [_HEAD.format(now=_utc(now_ns), country=escape(country), site=escape(site), table=quoteattr(site))]
    for quarter in quarters:
        parts += [_site(quarter, line) for line in quarter.lines]
    return "".join([*parts, "</d2:payload>\n"])


def _site(quarter: Quarter, line: LineFigures) -> str:
    way = "forward" if line.is_forward else "backward"
    name = quoteattr(f"{quarter.camera_id}/{line.line}/{way}")
    counted = round(100 * quarter.coverage, 1)
    values = [("TrafficFlow", _flow(line.vehicles, line.vehicles_per_h, counted))]
    for one in line.counts:
        if one.object_class in _DATEX_TYPES and one.count:
            kind = (
                "<roa:forVehiclesWithCharacteristicsOf><com:vehicleType>"
                f"{_DATEX_TYPES[one.object_class]}</com:vehicleType></roa:forVehiclesWithCharacteristicsOf>"
            )
            # Both are of the observed time; a line that counts only bicycles has no vehicles an hour to share out.
            rate = one.count * line.vehicles_per_h / line.vehicles if line.vehicles else 0.0
            values.append(("TrafficFlow", kind + _flow(one.count, rate, counted)))
    if line.speeds is not None:
        values.append(
            ("TrafficSpeed", f'<roa:averageVehicleSpeed numberOfInputValuesUsed="{line.speeds.measured}" '
             f'standardDeviation="{line.speeds.single_error_kmh}"><com:speed>{line.speeds.mean_kmh}</com:speed>'
             "</roa:averageVehicleSpeed>" + _percentile(50, line.speeds.v50_kmh)
             + _percentile(85, line.speeds.v85_kmh))
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
        headway = f"<roa:averageTimeHeadway><roa:duration>{line.headway_s}</roa:duration></roa:averageTimeHeadway>"
        values.append(("TrafficHeadway", headway))
    quantities = "".join(
        f'<roa:physicalQuantity index="{index}"><roa:physicalQuantity xsi:type="roa:SinglePhysicalQuantity">'
        f'<roa:basicData xsi:type="roa:{kind}">{body}</roa:basicData></roa:physicalQuantity></roa:physicalQuantity>\n'
        for index, (kind, body) in enumerate(values, 1)
    )
    return (
        "<roa:siteMeasurements>\n"
        f'<roa:measurementSiteReference targetClass="roa:MeasurementSite" id={name} version="1"/>\n'
        f"{quantities}<roa:measurementTimeDefault><roa:timeMeaning>beginTime</roa:timeMeaning>"
        f"<roa:timeValue>{_utc(quarter.start_ns)}</roa:timeValue><roa:period><com:startOfPeriod>"
        f"{_utc(quarter.start_ns)}</com:startOfPeriod><com:endOfPeriod>{_utc(quarter.end_ns)}</com:endOfPeriod>"
        "</roa:period></roa:measurementTimeDefault>\n</roa:siteMeasurements>\n"
    )


def _flow(count: int, per_h: float, observed_percent: float) -> str:
    return (
        f'<roa:vehicleFlow numberOfInputValuesUsed="{count}" supplierCalculatedDataQuality="{observed_percent}">'
        f"<com:vehicleFlowRate>{round(per_h)}</com:vehicleFlowRate></roa:vehicleFlow>"
    )


def _percentile(percent: int, kmh: float | None) -> str:
    if kmh is None:
        return ""
    return (
        f"<roa:speedPercentile><roa:vehiclePercentage><com:percentage>{percent}</com:percentage>"
        f"</roa:vehiclePercentage><roa:speedPercentile><com:speed>{kmh}</com:speed></roa:speedPercentile>"
        "</roa:speedPercentile>"
    )


def _utc(utc_ns: int) -> str:
    return datetime.fromtimestamp(utc_ns // NS_PER_S, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
