"""`custodes camera discover` and `custodes camera import`: bringing many cameras in with little work."""

from pathlib import Path

import click
from pydantic import ValidationError

from custodes.adapters.camera.discovery import discover_cameras
from custodes.adapters.fleet.other_systems import FoundCamera, read_cameras_of
from custodes.adapters.ipc.control import put_cameras, read_cameras
from custodes.app.fleet_store import read_bounded, write_file
from custodes.cli.table import render_table
from custodes.cli.where import data_option, find_site
from custodes.config import CameraConfig, problem_in_words
from custodes.errors import ConfigError, InvalidArgument
from custodes.fleet.knowledge import load_knowledge
from custodes.runtime.clock import SystemClock

MAX_CONFIG_BYTES = 4 * 1024 * 1024
MAX_WAIT_S = 30.0


@click.command()
@click.option("--interface", required=True, metavar="ADDRESS", help="This machine's address on the cameras' network.")
@click.option("--wait", "wait_s", type=float, default=4.0, show_default=True, help="Seconds to wait for answers.")
def discover(interface: str, wait_s: float) -> None:
    """Ask the network of one interface for ONVIF cameras (WS-Discovery). Adds nothing."""
    if not 0 < wait_s <= MAX_WAIT_S:
        raise InvalidArgument(f"--wait is up to {MAX_WAIT_S:.0f} seconds, not {wait_s}")
    known = load_knowledge()
    rows = []
    for one in discover_cameras(interface, wait_s=wait_s, clock=SystemClock()):
        stream = known.stream_of(one.name)
        rows.append((one.address, one.name, one.hardware, one.url, stream.main if stream else ""))
    if not rows:
        click.echo("nobody answered; some cameras answer only once ONVIF is switched on")
        return
    click.echo(render_table(("address", "name", "hardware", "add it as", "or with the path"), rows))


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--secrets", type=click.Path(path_type=Path), help="Folder for passwords found in FILE, a file (0600) each."
)
@click.option("--yes", is_flag=True, help="Add them; without it the plan is only shown.")
@click.option("--replace", is_flag=True, help="Also those that are there already: their place and past stay.")
@data_option
def import_cameras(file: Path, secrets: Path | None, yes: bool, replace: bool, data: Path | None) -> None:
    """Cameras out of a CSV (id, name, url, username, password) or a Frigate, MediaMTX or ZoneMinder configuration."""
    found = read_cameras_of(read_bounded(file, MAX_CONFIG_BYTES), where=file.name)
    socket = find_site(data).socket("server-control")
    there = {row.camera_id for row in read_cameras(socket).cameras}
    wanted = [one for one in found if replace or one.camera_id not in there]
    rows = [
        (one.camera_id, one.url, one.username, _where(one, secrets), _said(one) if one in wanted else "there already")
        for one in found
    ]
    click.echo(render_table(("camera", "url", "user", "password", ""), rows) if rows else f"no camera in {file.name}")
    if any(one.password for one in wanted) and secrets is None:
        raise InvalidArgument("FILE has passwords in the clear; name a folder for them with --secrets")
    specs = [
        checked_camera(
            id=one.camera_id,
            name=one.name,
            url=one.url,
            username=one.username,
            password=_where(one, secrets),
            enabled=one.is_enabled,
            retention_h=one.retention_h,
            detect={"masks": [{"polygon": polygon, "classes": classes} for polygon, classes in one.masks]},
        ).spec()
        for one in wanted
    ]
    if not yes:
        click.echo(f"nothing was added; --yes adds {len(specs)}")
        return
    for one in wanted:
        if one.password and secrets is not None:
            write_file(secrets.resolve() / one.camera_id, one.password.encode())
    put_cameras(socket, specs, is_exclusive=False, keeps_rest=True)
    click.echo(f"added {len(specs)} cameras")


def _said(one: FoundCamera) -> str:
    said = ["switched off there, and here"] if not one.is_enabled else []
    said += [f"kept {one.retention_h:g} h"] if one.retention_h else []
    said += [f"{len(one.masks)} masks"] if one.masks else []
    return "; ".join([*said, *([one.note] if one.note else [])])


def _where(one: FoundCamera, secrets: Path | None) -> str:
    if one.password_ref or not one.password:
        return one.password_ref
    return f"file:{secrets.resolve() / one.camera_id}" if secrets else "(in the file)"


def checked_camera(**fields: object) -> CameraConfig:
    """A CameraConfig from the command line's values. Raises: ConfigError, naming the field."""
    try:
        # An option that was not given is the configuration's default, which an empty string is not always.
        return CameraConfig.model_validate({name: value for name, value in fields.items() if value != ""})
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(f"{'.'.join(str(part) for part in first['loc'])}: {problem_in_words(first)}") from error
