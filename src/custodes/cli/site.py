"""`custodes site`: find and stop a running site."""

import time
from pathlib import Path

import click

from custodes.adapters.ipc.control import stop_site
from custodes.cli.where import data_option, find_site
from custodes.errors import DeadlineExceeded, Unavailable
from custodes.runtime.data_dir import running_pid

STOP_TIMEOUT_S = 20.0
"""Twice what the supervisor allows its processes."""


@click.group()
def site() -> None:
    """Where the running site is; stop it."""


@site.command()
@data_option
def path(data: Path | None) -> None:
    """Print the data directory of the running site."""
    paths = find_site(data)
    if running_pid(paths.data_dir) is None:
        raise Unavailable(f"no site runs on {paths.data_dir}; start it with: custodes up")
    click.echo(paths.data_dir)


@site.command()
@data_option
def stop(data: Path | None) -> None:
    """Stop the site cleanly, and wait until it has stopped."""
    paths = find_site(data)
    if running_pid(paths.data_dir) is None:
        raise Unavailable(f"no site runs on {paths.data_dir}; nothing to stop")
    stop_site(paths.socket("supervisor"))
    deadline = time.monotonic() + STOP_TIMEOUT_S
    while running_pid(paths.data_dir) is not None:
        if time.monotonic() > deadline:
            raise DeadlineExceeded(f"the site on {paths.data_dir} did not stop within {STOP_TIMEOUT_S:.0f} s")
        time.sleep(0.1)
    click.echo(f"stopped {paths.data_dir}")
