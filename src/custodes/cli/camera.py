"""`custodes camera` and `custodes apply`: change the cameras of a running site, through its server."""

from pathlib import Path

import click

from custodes.adapters.ipc.control import put_cameras, read_cameras, remove_camera
from custodes.cli.camera_device import abilities, channels, events, ntp
from custodes.cli.camera_onboarding import checked_camera, discover, import_cameras
from custodes.cli.table import render_table
from custodes.cli.where import data_option, find_site
from custodes.config import load_site_yaml
from custodes.errors import AlreadyExists, InvalidArgument
from custodes.types.stream import WallStream
from custodes.units import CameraId


@click.group()
def camera() -> None:
    """Add, list and remove cameras of a running site."""


for _command in (discover, import_cameras, abilities, ntp, channels, events):
    camera.add_command(_command)


@camera.command("list")
@data_option
def list_cameras(data: Path | None) -> None:
    """All cameras with their state."""
    table = read_cameras(find_site(data).socket("server-control"))
    rows = [(row.camera_id, row.name, row.state, row.detail) for row in table.cameras]
    click.echo(render_table(("camera", "name", "state", ""), rows) if rows else "no cameras")


@camera.command()
@click.argument("camera_id")
@click.argument("url")
@click.option("--name", default="", help="What people call it.")
@click.option("--username", default="", help="For cameras that want a login.")
@click.option("--password", default="", help="Where the recorder finds it: env:NAME or file:/path; never itself.")
@click.option("--transport", type=click.Choice(["tcp", "udp"]), default="tcp", show_default=True)
@click.option("--retention-h", type=float, default=0.0, help="Hours to keep its recordings; 0 takes the site's.")
@click.option("--second", default="", help="Address of a second stream, to be recorded beside the first.")
@click.option("--analyse-second", is_flag=True, help="Analyse it too, so that it can be watched masked.")
@click.option(
    "--wall",
    type=click.Choice([one.value for one in WallStream]),
    default="auto",
    show_default=True,
    help="Which stream the live wall shows; auto: the second where it is analysed and smaller.",
)
@click.option("--loop", is_flag=True, help="A file: play it again and again.")
@click.option("--replace", is_flag=True, help="Another device for a camera that is there: its place and past stay.")
@data_option
def add(
    camera_id: str,
    url: str,
    name: str,
    username: str,
    password: str,
    transport: str,
    retention_h: float,
    second: str,
    analyse_second: bool,
    wall: str,
    loop: bool,
    replace: bool,
    data: Path | None,
) -> None:
    """Record one more camera: custodes camera add gate rtsp://192.0.2.7/stream1"""
    if not second and (analyse_second or wall != "auto"):
        raise InvalidArgument("--analyse-second and --wall are about a second stream: give its address with --second")
    spec = checked_camera(
        id=camera_id,
        url=url,
        name=name,
        username=username,
        password=password,
        transport=transport,
        retention_h=retention_h,
        second={"url": second, "analyse": analyse_second, "wall": wall} if second else "",
        loop=loop,
    ).spec()
    socket = find_site(data).socket("server-control")
    if not replace and any(row.camera_id == camera_id for row in read_cameras(socket).cameras):
        raise AlreadyExists(f"there is a camera {camera_id!r} already; change it with --replace")
    put_cameras(socket, [spec], is_exclusive=False, keeps_rest=True)
    click.echo(f"added {camera_id}")


@camera.command()
@click.argument("camera_id")
@data_option
def remove(camera_id: str, data: Path | None) -> None:
    """Stop recording a camera; what was recorded stays until its retention ends."""
    remove_camera(find_site(data).socket("server-control"), CameraId(camera_id))
    click.echo(f"removed {camera_id}")


@click.command()
@click.argument("config", type=click.Path(path_type=Path))
@data_option
def apply(config: Path, data: Path | None) -> None:
    """Make the cameras of a running site exactly those of CONFIG (a site.yaml)."""
    loaded = load_site_yaml(config.resolve())
    paths = find_site(data)
    put_cameras(paths.socket("server-control"), [one.spec() for one in loaded.cameras], is_exclusive=True)
    click.echo(f"applied {len(loaded.cameras)} cameras to {paths.data_dir}; the rest of the file counts at next start")
