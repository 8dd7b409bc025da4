"""`custodes export`: an evidence bundle of a running site, made as a named person."""

import shutil
import time
from datetime import UTC, datetime
from pathlib import Path

import click

from custodes.adapters.ipc.control import forget_export, read_export, start_export
from custodes.cli.proof import code_option, password_option, person_option, read_password
from custodes.cli.where import data_option, find_site
from custodes.errors import AlreadyExists, Unavailable
from custodes.types.access import Fidelity, Purpose, PurposeKind
from custodes.types.message import ExportState, StartExport
from custodes.types.stream import second_of
from custodes.units import NS_PER_S, CameraId, Ns

_POLL_S = 0.5
_FORMATS = ["%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%SZ"]


@click.command()
@click.argument("camera")
@click.argument("start", metavar="FROM", type=click.DateTime(_FORMATS))
@click.argument("end", metavar="TO", type=click.DateTime(_FORMATS))
@click.option("--purpose", type=click.Choice([kind.value for kind in PurposeKind]), required=True)
@click.option("--reference", required=True, help="The case, alarm or ticket.")
@person_option
@click.option("--request", "request_id", default="", help="Id of the request that others approved.")
@click.option("--unmasked", is_flag=True, help="Show everybody, if the approved request says so.")
@password_option
@code_option
@click.option("--second", is_flag=True, help="What its second stream recorded.")
@click.option("--output", "-o", type=click.Path(path_type=Path), default=None, help="[default: CAMERA-FROM.zip]")
@data_option
def export(
    *,
    camera: str,
    start: datetime,
    end: datetime,
    purpose: str,
    reference: str,
    person: str,
    request_id: str,
    unmasked: bool,
    password_file: Path | None,
    code: str,
    second: bool,
    output: Path | None,
    data: Path | None,
) -> None:
    """Write what CAMERA saw FROM … TO (UTC) into a bundle that anybody can check: recordings, film, proofs."""
    target = output or Path(f"{camera}-{start:%Y%m%dT%H%M%S}.zip")
    if target.exists():
        raise AlreadyExists(f"{target} is there already")
    control = find_site(data).socket("server-control")
    request = StartExport(
        camera_id=second_of(CameraId(camera)) if second else CameraId(camera),
        start_ns=_ns(start),
        end_ns=_ns(end),
        purpose=Purpose(kind=PurposeKind(purpose), reference=reference),
        person=person,
        password=read_password(password_file),
        request_id=request_id,
        fidelity=Fidelity.UNMASKED if unmasked else Fidelity.MASKED,
        code=code,
    )
    state = start_export(control, request)
    try:
        state = _await_bundle(control, state)
        shutil.move(state.path, target)
    finally:
        forget_export(control, state.export_id)
    click.echo(f"{target}: {target.stat().st_size} bytes; check it: custodes evidence verify {target}")


def _await_bundle(control: Path, state: ExportState) -> ExportState:
    shown = -1
    while state.state in ("rendering", "sealing"):
        percent = round(100 * state.share)
        if percent != shown:
            click.echo(f"{state.state} … {percent} %", err=True)
            shown = percent
        time.sleep(_POLL_S)
        state = read_export(control, state.export_id)
    if state.state != "ready":
        raise Unavailable(f"the export failed: {state.detail}")
    return state


def _ns(moment: datetime) -> Ns:
    return Ns(round(moment.replace(tzinfo=UTC).timestamp()) * NS_PER_S)
