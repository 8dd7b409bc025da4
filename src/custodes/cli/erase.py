"""`custodes erase`: erase recordings for a person who asked for it, as a named person, with a certificate."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

import click

from custodes.adapters.ipc.control import erase as ask_to_erase
from custodes.cli.proof import code_option, password_option, person_option, read_password
from custodes.cli.where import data_option, find_site
from custodes.errors import AlreadyExists
from custodes.types.message import StartErasure
from custodes.units import NS_PER_S, CameraId, Ns

_FORMATS = ["%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%SZ"]


@click.command()
@click.argument("camera")
@click.argument("start", metavar="FROM", type=click.DateTime(_FORMATS))
@click.argument("end", metavar="TO", type=click.DateTime(_FORMATS))
@click.option("--reference", required=True, help="Number of the person's request.")
@click.option("--request", "request_id", required=True, help="Id of the request that others approved.")
@person_option
@password_option
@code_option
@click.option("--output", "-o", type=click.Path(path_type=Path), default=None, help="[default: erasure-ID.zip]")
@click.option("--yes", is_flag=True, help="Do not ask whether you mean it.")
@data_option
def erase(
    *,
    camera: str,
    start: datetime,
    end: datetime,
    reference: str,
    request_id: str,
    person: str,
    password_file: Path | None,
    code: str,
    output: Path | None,
    yes: bool,
    data: Path | None,
) -> None:
    """Erase what CAMERA recorded FROM … TO (UTC), in whole pieces of about a minute, and write the certificate."""
    if output is not None and output.exists():
        raise AlreadyExists(f"{output} is there already")
    control = find_site(data).socket("server-control")
    if not yes:
        click.confirm(f"Erase camera {camera} from {start} to {end} UTC, for good?", abort=True, err=True)
    done = ask_to_erase(
        control,
        StartErasure(
            camera_id=CameraId(camera),
            start_ns=_ns(start),
            end_ns=_ns(end),
            reference=reference,
            person=person,
            password=read_password(password_file),
            request_id=request_id,
            code=code,
        ),
    )
    target = output or Path(f"erasure-{done.erasure_id}.zip")
    shutil.copyfile(done.path, target)
    click.echo(f"erased {done.segments} recordings, {done.bytes_on_disk // 10**6} MB; {target} is the certificate")


def _ns(moment: datetime) -> Ns:
    return Ns(round(moment.replace(tzinfo=UTC).timestamp()) * NS_PER_S)
