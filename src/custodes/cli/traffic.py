"""`custodes traffic`: figures of road traffic of a running site, for people and for other systems."""

from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec

from custodes.adapters.ipc.control import read_traffic
from custodes.cli.hold import moment_ns
from custodes.cli.table import render_table
from custodes.cli.where import data_option, find_site
from custodes.errors import InvalidArgument
from custodes.traffic.exports import hours_csv, to_csv, to_datex
from custodes.traffic.hours import hours_of, movement_hours_of
from custodes.types.traffic import Quarter, ReadTraffic, TrafficTable
from custodes.units import NS_PER_S, CameraId

_from = click.option("--from", "start", default="24h", help="2026-03-01T14:00 (UTC without an offset), or 2h ago: 2h.")
_to = click.option("--to", "end", default="0m", help="The same; the default is now.")


@click.group()
def traffic() -> None:
    """Vehicles by line and way, in quarters of an hour, each with the share of time that was analysed."""


@traffic.command()
@click.argument("camera_id")
@click.option(
    "--from", "start", default="24h", help="2026-03-01T14:00 (UTC unless an offset is given), or 2h ago: 2h."
)
@click.option("--to", "end", default="0m", help="The same; the default is now.")
@data_option
def show(camera_id: str, start: str, end: str, data: Path | None) -> None:
    """A table: custodes traffic show gate --from 2h"""
    rows = [
        (
            _clock(quarter.start_ns),
            f"{quarter.coverage:.0%}",
            line.line,
            "forward" if line.is_forward else "backward",
            str(line.vehicles),
            f"{line.speeds.v50_kmh:.0f}" if line.speeds else "-",
            f"{line.speeds.v85_kmh:.0f} ± {line.speeds.v85_error_kmh:.0f}" if line.speeds else "-",
            "-" if line.headway_s is None else f"{line.headway_s:.1f}",
            line.level_of_service or "-",
        )
        for quarter in _read(camera_id, start, end, data).quarters
        for line in quarter.lines
    ]
    names = ("from", "analysed", "line", "way", "vehicles", "v50", "v85", "headway s", "level")
    click.echo(render_table(names, rows) if rows else "nothing was counted; does the camera have lines?")


@traffic.command()
@click.argument("camera_id")
@click.option(
    "--from", "start", default="24h", help="2026-03-01T14:00 (UTC unless an offset is given), or 2h ago: 2h."
)
@click.option("--to", "end", default="0m", help="The same; the default is now.")
@click.option(
    "--format", "form", type=click.Choice(["csv", "csv-hours", "json", "datex"]), default="csv", show_default=True
)
@click.option("--country", default="", help="Of the publisher, for DATEX II: two letters (ISO 3166).")
@data_option
def export(camera_id: str, start: str, end: str, form: str, country: str, data: Path | None) -> None:
    """On stdout: custodes traffic export gate --from 24h --format datex --country de > gate.xml

    csv: quarters of an hour; csv-hours: their sums by hour, with v50, v85 and the peak hour factor, as on the page.
    """
    if form == "datex" and not (len(country) == 2 and country.isascii() and country.isalpha()):
        raise InvalidArgument("DATEX II names the publisher's country: --country with two letters, such as de")
    now_ns = int(datetime.now(UTC).timestamp()) * NS_PER_S
    click.echo(text_of(_read(camera_id, start, end, data), form, camera_id, country.lower(), now_ns), nl=False)


def text_of(table: TrafficTable, form: str, camera_id: str, country: str, now_ns: int) -> str:
    """What `export` writes. Args: form: csv, csv-hours, json or datex; country: two letters, for datex."""
    if form == "csv":
        return to_csv(table.quarters)
    if form == "csv-hours":
        return hours_csv(camera_id, hours_of(table.quarters), movement_hours_of(table.quarters))
    if form == "json":
        return msgspec.json.encode(table).decode() + "\n"
    return to_datex(table.quarters, site=_site(table.quarters), country=country, now_ns=now_ns)


def _site(quarters: tuple[Quarter, ...]) -> str:
    return quarters[0].camera_id if quarters else "custodes"


def _read(camera_id: str, start: str, end: str, data: Path | None) -> TrafficTable:
    now = datetime.now(UTC)
    request = ReadTraffic(camera_id=CameraId(camera_id), start_ns=moment_ns(start, now), end_ns=moment_ns(end, now))
    return read_traffic(find_site(data).socket("server-control"), request)


def _clock(utc_ns: int) -> str:
    return datetime.fromtimestamp(utc_ns // NS_PER_S, UTC).strftime("%Y-%m-%d %H:%M")
