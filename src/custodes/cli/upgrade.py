"""`custodes upgrade`: the processes of a running site replaced one by one by the program that is installed now."""

from pathlib import Path

import click

from custodes.adapters.ipc.control import read_processes, replace_process
from custodes.cli.where import data_option, find_site
from custodes.errors import NotFound

ORDER = ("warden", "server", "matcher", "enroller", "forker", "analyser", "recorder")
"""Who is written to before who writes: a new server takes what an old recorder says. Recorders last, when all that
could be wrong with the new version has shown itself, and one after the other, so that they stand in for each other."""


@click.command()
@click.option("--only", "kinds", multiple=True, type=click.Choice(ORDER), help="Once per kind; default all.")
@data_option
def upgrade(kinds: tuple[str, ...], data: Path | None) -> None:
    """Replace the site's processes one by one, after a new version was installed or the configuration was changed.

    Each has to be ready before the next one is touched; one that is not ends this, and the rest go on as they are. The
    server brings the catalog's schema up while recorders record: what they have to say waits. With several recorders
    no camera is without one for longer than a hand-over takes; one alone leaves a hole of its own start. Jobs that
    people look through end with the old version. The supervisor stays until `custodes up` is begun anew.
    """
    socket = find_site(data).socket("supervisor")
    wanted = [kind for kind in ORDER if not kinds or kind in kinds]
    processes = read_processes(socket).processes
    for kind in wanted:
        for one in [one for one in processes if one.kind == kind]:
            try:
                replace_process(socket, one.name)
            except NotFound:
                if kind != "warden":
                    raise
                click.echo("warden: a service of its own starts it (keys.user); restart that")
                continue
            click.echo(f"{one.name}: replaced")
    click.echo("good: every process runs the program that is installed now; the supervisor is as before")
