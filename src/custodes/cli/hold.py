"""`custodes hold`: keep recordings as evidence beyond their retention, through the running server."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from custodes.adapters.ipc.control import place_hold, read_holds, release_hold
from custodes.cli.table import render_table
from custodes.cli.where import data_option, find_site
from custodes.errors import InvalidArgument
from custodes.types.hold import PlaceHold, ReleaseHold
from custodes.units import NS_PER_S, CameraId, Ns

_UNITS_S = {"m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400, "y": 365 * 86_400}


@click.group()
def hold() -> None:
    """Keep recordings as evidence: nothing that a hold touches is deleted before it expires or is released."""


@hold.command()
@click.argument("camera_id")
@click.option(
    "--from", "start", required=True, help="2026-03-01T14:00 (UTC unless an offset is given), or 2h ago: 2h."
)
@click.option("--to", "end", default="0m", help="The same; the default is now.")
@click.option("--for", "lasting", required=True, help="How long to hold: 30d, 8w, 1y.")
@click.option("--owner", required=True, help="Who answers for it.")
@click.option("--reason", required=True, help="Case or ticket, in words.")
@data_option
def add(camera_id: str, start: str, end: str, lasting: str, owner: str, reason: str, data: Path | None) -> None:
    """Hold what a camera recorded: custodes hold add gate --from 2h --for 90d --owner "A. Duty" --reason "case 17" """
    now = datetime.now(UTC)
    placed = place_hold(
        find_site(data).socket("server-control"),
        PlaceHold(
            owner=owner,
            reason=reason,
            camera_id=CameraId(camera_id),
            start_ns=moment_ns(start, now),
            end_ns=moment_ns(end, now),
            expires_ns=_to_ns(now + duration(lasting)),
        ),
    )
    click.echo(f"hold {placed.hold_id}: {placed.segments} segments, {placed.bytes_on_disk / 1e6:.1f} MB so far")


@hold.command("list")
@data_option
def list_holds(data: Path | None) -> None:
    """All holds that have not expired."""
    table = read_holds(find_site(data).socket("server-control"))
    rows = [
        (row.hold_id, row.camera_id, _utc(row.start_ns), _utc(row.end_ns), _utc(row.expires_ns), row.owner, row.reason)
        for row in table.holds
    ]
    names = ("hold", "camera", "from", "to", "expires", "owner", "reason")
    click.echo(render_table(names, rows) if rows else "no holds")


@hold.command()
@click.argument("hold_id")
@click.option("--by", required=True, help="Who releases it.")
@click.option("--reason", required=True, help="Why, in words.")
@data_option
def release(hold_id: str, by: str, reason: str, data: Path | None) -> None:
    """End a hold before its time; what is older than its retention goes with the next sweep."""
    socket = find_site(data).socket("server-control")
    release_hold(socket, ReleaseHold(hold_id=hold_id, by=by, reason=reason))
    click.echo(f"released {hold_id}")


def duration(text: str) -> timedelta:
    """`90d`, `36h`. Raises: InvalidArgument."""
    found = re.fullmatch(r"(\d{1,6})([mhdwy])", text.strip())
    if found is None:
        raise InvalidArgument(f"{text!r} is no length of time; write a number and m, h, d, w or y: 90d")
    return timedelta(seconds=int(found[1]) * _UNITS_S[found[2]])


def moment_ns(text: str, now: datetime) -> Ns:
    """ISO 8601, UTC unless it has an offset; or a length of time ago. Raises: InvalidArgument."""
    if re.fullmatch(r"\d{1,6}[mhdwy]", text.strip()):
        return _to_ns(now - duration(text))
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise InvalidArgument(f"{text!r} is no moment; write 2026-03-01T14:00, or a time ago: 2h") from error
    return _to_ns(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def _to_ns(moment: datetime) -> Ns:
    return Ns(int(moment.timestamp()) * NS_PER_S)


def _utc(utc_ns: int) -> str:
    return datetime.fromtimestamp(utc_ns // NS_PER_S, UTC).strftime("%Y-%m-%d %H:%M")
