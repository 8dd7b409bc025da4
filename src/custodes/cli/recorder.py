"""`custodes recorder`: which recorder has which cameras, and taking one out of work."""

from pathlib import Path

import click

from custodes.adapters.ipc.control import drain_recorder, read_recorders
from custodes.cli.table import render_table
from custodes.cli.where import data_option, find_site


@click.group()
def recorder() -> None:
    """Several recorders of a site (`recorder: processes:`): who records what, and who is taken out of work."""


@recorder.command("status")
@data_option
def show(data: Path | None) -> None:
    """Each recorder, its state and its cameras."""
    table = read_recorders(find_site(data).socket("server-leases"))
    if not table.recorders:
        click.echo("this site has one recorder; it records everything")
        return
    rows = [
        (row.name, row.state, str(len(row.cameras)), f"{row.packets_per_s:.0f}", " ".join(row.cameras))
        for row in table.recorders
    ]
    click.echo(render_table(("recorder", "state", "cameras", "packets/s", "which"), rows))
    if table.unowned:
        click.echo(f"recorded by nobody: {' '.join(table.unowned)}")


@recorder.command()
@click.argument("name")
@data_option
def drain(name: str, data: Path | None) -> None:
    """Let the others take its cameras over, one sealed recording after the other, until `resume`."""
    drain_recorder(find_site(data).socket("server-leases"), name)
    click.echo(f"{name} gives its cameras away; see: custodes recorder status")


@recorder.command()
@click.argument("name")
@data_option
def resume(name: str, data: Path | None) -> None:
    """Let a drained recorder have cameras again."""
    drain_recorder(find_site(data).socket("server-leases"), name, is_over=True)
    click.echo(f"{name} takes cameras again")
