"""`custodes camera abilities`, `ntp`, `channels`, `events`: what a device can do, over ONVIF, with its own login."""

import csv
import io
import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

import click

from custodes.adapters.camera.http_post import Login
from custodes.adapters.camera.onvif_device import MAX_WATCH_S, OnvifDevice
from custodes.adapters.camera.rtsp import resolve_secret
from custodes.adapters.camera.soap_device import TimeServers
from custodes.cli.camera_onboarding import checked_camera
from custodes.cli.fleet_log import note
from custodes.cli.table import render_table
from custodes.cli.where import data_option, find_site
from custodes.config import SitePaths, read_assignment
from custodes.errors import InvalidArgument, NotFound
from custodes.fleet.knowledge import load_knowledge
from custodes.runtime.clock import SystemClock
from custodes.types.access import AuditKind

MAX_CHANNELS = 256


@dataclass(frozen=True, slots=True)
class _Device:
    name: str
    url: str
    talk: OnvifDevice


def _login_options(command: click.decorators.FC) -> click.decorators.FC:
    command = click.option("--username", default="", help="Of the device, when it is none of the site's cameras.")(
        command
    )
    return click.option("--password", default="", help="Where it is: env:NAME or file:/path; never itself.")(command)


@click.command()
@click.argument("device")
@_login_options
@data_option
def abilities(device: str, username: str, password: str, data: Path | None) -> None:
    """What DEVICE (a camera of the site, or onvif://HOST) can do: streams, clock, PTZ, events. Reads only."""
    found = _device(device, username, password, data).talk.abilities()
    clock = "not told" if found.offset_s is None else f"{found.offset_s:+.1f} s against this machine's"
    rows = [
        ("clock", clock),
        ("time server", _servers(found.time_servers)),
        ("pan, tilt, zoom", _yes(found.has_ptz)),
        ("imaging settings", _yes(found.has_imaging)),
        ("events", _yes(found.has_events)),
        ("analytics metadata", _yes(found.has_analytics)),
        ("video sources", str(len(found.sources))),
    ]
    click.echo(render_table(("what", ""), rows))
    profiles = [
        (one.token, one.name, one.source, one.encoding, f"{one.width_px}×{one.height_px}") for one in found.profiles
    ]
    click.echo(render_table(("profile", "name", "source", "codec", "picture"), profiles))


@click.command()
@click.argument("device")
@click.option("--server", required=True, metavar="HOST", help="The time server that the device is to ask.")
@click.option("--yes", is_flag=True, help="Write it; without it what would be written is only shown.")
@_login_options
@data_option
def ntp(device: str, server: str, yes: bool, username: str, password: str, data: Path | None) -> None:
    """Set the time server of DEVICE: shows what it has and what is written, writes with --yes, reads it back.

    The one setting that custodes writes. The entry in the audit log comes first; without it nothing is written.
    """
    found = _device(device, username, password, data)
    click.echo(f"{found.name} now: {_servers(found.talk.time_servers())}")
    click.echo(f"SetNTP: not from DHCP, server {server}")
    if not yes:
        click.echo("nothing was written; --yes writes it")
        return
    what = f"SetNTP, not from DHCP, server {server}"
    note(find_site(data), AuditKind.DEVICE_CHANGED, found.name, {"what": what, "address": found.url})
    click.echo(f"{found.name} now: {_servers(found.talk.set_time_server(server))}")


@click.command()
@click.argument("device")
@click.option("--prefix", default="", help="Ids become PREFIX-1, PREFIX-2 …; the recorder's host by default.")
@click.option("--template", default="", metavar="MAKER", help="RTSP paths of that maker instead of asking.")
@click.option("--count", type=click.IntRange(1, MAX_CHANNELS), default=None, help="Channels, with --template.")
@click.option("--output", type=click.Path(path_type=Path), help="A CSV file for 'custodes camera import'.")
@_login_options
@data_option
def channels(
    device: str, prefix: str, template: str, count: int | None, output: Path | None, username: str, password: str,
    data: Path | None,
) -> None:  # fmt: skip
    """The channels of a recorder (onvif://HOST) as a list that 'custodes camera import' takes. Reads only."""
    found = _device(device, username, password, data)
    stem = prefix or (urlsplit(found.url).hostname or "nvr").replace(".", "-").replace(":", "-")
    rows = _by_template(found.url, template, count) if template else _by_onvif(found)
    table = io.StringIO()
    writer = csv.writer(table)
    writer.writerow(("id", "name", "url", "username", "password"))
    for number, (name, url) in enumerate(rows, 1):
        writer.writerow((f"{stem}-{number}", _unformula(name) or f"{stem} {number}", url, username, password))
    if output is None:
        click.echo(table.getvalue(), nl=False)
    else:
        output.write_text(table.getvalue(), encoding="utf-8")
        click.echo(f"wrote {len(rows)} channels to {output}; add them: custodes camera import {output}")


@click.command()
@click.argument("device")
@click.option("--for", "seconds", type=float, default=30.0, show_default=True, help="Seconds to listen.")
@_login_options
@data_option
def events(device: str, seconds: float, username: str, password: str, data: Path | None) -> None:
    """What DEVICE itself says happens (ONVIF events, PullPoint): motion, tampering, inputs. Reads only."""
    if not 0 < seconds <= MAX_WATCH_S:
        raise InvalidArgument(f"--for is up to {MAX_WATCH_S:.0f} seconds, not {seconds}")
    total = 0
    for one in _device(device, username, password, data).talk.events(seconds):
        total += 1
        click.echo(f"{one.moment}  {one.topic}  {', '.join(f'{name} {value}' for name, value in one.items)}")
    click.echo(f"{total} events in {seconds:.0f} s", err=True)


def _by_onvif(found: _Device) -> list[tuple[str, str]]:
    parts = urlsplit(found.url)
    base = f"onvif://{parts.netloc}{parts.path}"
    return [(one.name, f"{base}?profile={quote(one.main.token, safe='')}") for one in found.talk.channels()]


def _by_template(url: str, template: str, count: int | None) -> list[tuple[str, str]]:
    known = load_knowledge()
    stream = known.stream_of(template)
    if stream is None or not stream.channel:
        makers = sorted(known.makers[one.maker].name for file in known.files for one in file.streams if one.channel)
        raise InvalidArgument(f"no template for {template!r}; there are {', '.join(makers)}")
    if count is None:
        raise InvalidArgument("--template needs --count: how many channels the recorder has")
    host = urlsplit(url).hostname or ""
    host = f"[{host}]" if ":" in host else host
    numbers = range(1, count + 1)
    return [
        ("", f"rtsp://{host}:554{stream.channel.replace('{n}', str(n)).replace('{nn}', f'{n:02}')}") for n in numbers
    ]


def _device(device: str, username: str, password: str, data: Path | None) -> _Device:
    """Raises: NotFound, InvalidArgument, CameraUnauthorized."""
    clock = SystemClock()
    if "://" in device:
        spec = checked_camera(id="device", url=device, username=username, password=password).spec()
        name = urlsplit(device).hostname or device
    else:
        paths: SitePaths = find_site(data)
        known = {one.camera_id: one for one in read_assignment(paths.assignment).cameras}
        found = next((one for camera_id, one in known.items() if camera_id == device), None)
        if found is None:
            raise NotFound(f"there is no camera {device[:64]!r}; name one of the site's, or onvif://HOST")
        spec, name = found, device
    if not spec.url.startswith("onvif:"):
        host = urlsplit(spec.url).hostname or ""
        raise InvalidArgument(f"{name} is not reached over ONVIF; name its device service: onvif://{host}")
    login = Login(username=spec.username, password=resolve_secret(spec, os.environ) if spec.username else "")
    return _Device(name, spec.url, OnvifDevice(spec.url, login=login, clock=clock))


def _servers(found: TimeServers | None) -> str:
    if found is None:
        return "not told"
    servers = ", ".join(found.servers) or "none"
    return f"{servers}{' (from DHCP)' if found.is_from_dhcp else ''}"


def _yes(is_there: bool) -> str:
    return "yes" if is_there else "no"


def _unformula(text: str) -> str:
    """A name that a spreadsheet would compute is none."""
    return text.lstrip("=+-@\t\r ")
