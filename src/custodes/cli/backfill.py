"""`custodes backfill`: have recordings analysed again by the model of today, as a named person."""

import time
from datetime import UTC, datetime
from pathlib import Path

import click

from custodes.adapters.ipc.control import pause_backfill, read_backfills, resume_backfill, start_backfill
from custodes.cli.hold import moment_ns
from custodes.cli.proof import code_option, password_option, person_option, read_password
from custodes.cli.table import render_table
from custodes.cli.where import data_option, find_site
from custodes.errors import FailedPrecondition, InvalidArgument
from custodes.types.access import Purpose, PurposeKind
from custodes.types.backfill import ENDED, Backfill, BackfillState, ResumeBackfill, StartBackfill
from custodes.types.stream import second_of
from custodes.units import NS_PER_S, CameraId, Ns

_POLL_S = 1.0
_LISTED = 20

_person = click.option("--as", "person", default="", help="Your account's name; you are asked for its password.")
_wait = click.option("--wait", is_flag=True, help="Stay and show how far it is.")


@click.group(invoke_without_command=True)
@click.option("--camera", "cameras", multiple=True, help="Whose recordings. Give it once per camera.")
@click.option("--second", is_flag=True, help="Of the second stream, which can be watched masked then.")
@click.option("--from", "start", default="", help="2026-03-01T14:00 (UTC unless an offset is given), or 7d ago: 7d.")
@click.option("--to", "end", default="2m", help="The same; the default is two minutes ago.")
@click.option("--purpose", type=click.Choice([kind.value for kind in PurposeKind]), default=None)
@click.option("--reference", default="", help="The ticket or case.")
@_person
@password_option
@code_option
@_wait
@data_option
@click.pass_context
def backfill(
    context: click.Context,
    *,
    cameras: tuple[str, ...],
    second: bool,
    start: str,
    end: str,
    purpose: str | None,
    reference: str,
    person: str,
    password_file: Path | None,
    code: str,
    wait: bool,
    data: Path | None,
) -> None:
    """Analyse what cameras recorded again: the newer boxes, tracks and counts replace the older stretch by stretch.

    Nobody sees a picture. One runs at a time, below everything that is live; the others wait in line.
    """
    if context.invoked_subcommand is not None:
        return
    if not (cameras and start and purpose and person):
        raise InvalidArgument("a back-fill needs --camera, --from, --purpose, --reference and --as; see --help")
    control, now = find_site(data).socket("server-control"), datetime.now(UTC)
    request = StartBackfill(
        camera_ids=tuple(second_of(CameraId(one)) if second else CameraId(one) for one in cameras),
        start_ns=moment_ns(start, now),
        end_ns=moment_ns(end, now),
        purpose=Purpose(kind=PurposeKind(purpose), reference=reference),
        person=person,
        password=read_password(password_file),
        code=code,
    )
    _show(control, start_backfill(control, request), wait=wait)


@backfill.command("list")
@data_option
def list_backfills(data: Path | None) -> None:
    """The latest, newest first."""
    found = read_backfills(find_site(data).socket("server-control"))[:_LISTED]
    rows = [
        (
            str(one.version), one.camera_id, _utc(one.start_ns), _utc(one.end_ns), one.state.value,
            f"{100 * one.share:.0f} %", one.model, one.person, one.detail,
        )
        for one in found
    ]  # fmt: skip
    names = ("number", "camera", "from", "to", "state", "done", "model", "by", "detail")
    click.echo(render_table(names, rows) if rows else "no back-fills")


@backfill.command()
@click.argument("number", type=int)
@data_option
def pause(number: int, data: Path | None) -> None:
    """Stop for now; what was analysed so far is kept."""
    _tell(pause_backfill(find_site(data).socket("server-control"), number, is_cancel=False))


@backfill.command()
@click.argument("number", type=int)
@data_option
def cancel(number: int, data: Path | None) -> None:
    """Stop for good; what was replaced so far stays replaced."""
    _tell(pause_backfill(find_site(data).socket("server-control"), number, is_cancel=True))


@backfill.command()
@click.argument("number", type=int)
@person_option
@password_option
@code_option
@_wait
@data_option
def resume(*, number: int, person: str, password_file: Path | None, code: str, wait: bool, data: Path | None) -> None:
    """Go on with one that is paused: it is decided and logged anew, so --as is needed."""
    control = find_site(data).socket("server-control")
    request = ResumeBackfill(version=number, person=person, password=read_password(password_file), code=code)
    _show(control, (resume_backfill(control, request),), wait=wait)


def _show(control: Path, begun: tuple[Backfill, ...], *, wait: bool) -> None:
    for one in begun:
        click.echo(f"back-fill {one.version} of {one.camera_id} {one.state.value}")
    if wait:
        begun = _watch(control, begun)
        for one in begun:
            _tell(one)
    for one in begun:
        if one.state in ENDED - {BackfillState.DONE}:
            raise FailedPrecondition(f"back-fill {one.version} is {one.state.value}: {one.detail}")


def _watch(control: Path, begun: tuple[Backfill, ...]) -> tuple[Backfill, ...]:
    """Until none of them runs or waits; says on stderr how far they are."""
    shown = ""
    while any(one.state in (BackfillState.RUNNING, BackfillState.WAITING) for one in begun):
        far = ", ".join(
            f"{one.version}: {100 * one.share:.0f} %" for one in begun if one.state is BackfillState.RUNNING
        )
        if far and far != shown:
            click.echo(far, err=True)
            shown = far
        time.sleep(_POLL_S)
        now = {each.version: each for each in read_backfills(control)}
        begun = tuple(now.get(one.version, one) for one in begun)
    return begun


def _tell(one: Backfill) -> None:
    detail = f": {one.detail}" if one.detail else ""
    click.echo(f"back-fill {one.version} is {one.state.value} at {100 * one.share:.0f} %{detail}")


def _utc(moment_ns: Ns) -> str:
    return f"{datetime.fromtimestamp(moment_ns / NS_PER_S, UTC):%Y-%m-%d %H:%M:%S}"
