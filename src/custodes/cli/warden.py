"""`custodes warden`: replicas of the warden that writes the log: make one, run it, look, promote it."""

import asyncio
import os
import signal
import time
from pathlib import Path

import click

from custodes.adapters.ipc.framing import Channel, expect
from custodes.app.promotion import promote as promote_replica
from custodes.app.replica import SOCKET as REPLICA_SOCKET
from custodes.app.replica import make_replica, promoted_generation, replica_key, run
from custodes.app.warden_replication import SOCKET as WARDEN_SOCKET
from custodes.cli.table import render_table
from custodes.config import KeyConfig, SitePaths, load_effective
from custodes.errors import Unavailable
from custodes.runtime.clock import SystemClock
from custodes.telemetry import logs
from custodes.types.replica import ReadReplicas, ReplicaTable
from custodes.units import NS_PER_S

ANSWER_S = 5.0

_folder = click.argument("folder", type=click.Path(path_type=Path))


@click.group()
def warden() -> None:
    """Replicas of the warden: they follow its log live, and one of them can take its place."""


@warden.command()
@_folder
@click.option("--name", required=True, help="A name without spaces: second.example/warden.")
@click.option(
    "--site",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder with the site's site.json and warden-key.json, both public.",
)
def init(folder: Path, name: str, site: Path) -> None:
    """Make a replica in FOLDER and print its key for the site's `audit: replicas:`."""
    click.echo(make_replica(folder.resolve(), name, site.resolve()))


@warden.command()
@_folder
def key(folder: Path) -> None:
    """Print the replica's key."""
    click.echo(replica_key(folder))


@warden.command()
@_folder
@click.option(
    "--from",
    "source",
    type=click.Path(path_type=Path),
    required=True,
    help="The warden's socket, warden-replica.sock in the site's run directory, or what brings it here.",
)
def replica(folder: Path, source: Path) -> None:
    """Follow the warden until Ctrl-C: each entry is checked and kept, and signed as seen.

    A replica that was promoted goes on telling the old warden so, whenever that one comes back.
    """
    asyncio.run(_follow(folder.resolve(), source))


async def _follow(folder: Path, source: Path) -> None:
    logs.configure("replica", log_dir=SitePaths(folder).log_dir, level="info")
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    click.echo(f"follows {source}", err=True)
    await run(folder, source, stop, SystemClock())


@warden.command()
@_folder
def status(folder: Path) -> None:
    """How far the replicas are: FOLDER is a replica's folder, or the site's data directory."""
    paths = SitePaths(folder.resolve())
    found = _asked(paths)
    rows = [
        [
            row.name,
            "follows" if row.is_connected else "away",
            str(row.size),
            str(found.size - row.size),
            "-" if not row.seen_ns else f"{max(0, time.time_ns() - row.seen_ns) / NS_PER_S:.0f} s ago",
            row.trouble,
        ]
        for row in found.rows
    ]
    click.echo(render_table(["replica", "state", "entries", "behind", "seen", "trouble"], rows))
    click.echo("synchronous: nothing is acknowledged without them" if found.is_synchronous else "asynchronous")
    if (folder / "promoted.json").exists():
        click.echo(f"promoted, under generation {promoted_generation(folder)}")


def _asked(paths: SitePaths) -> ReplicaTable:
    for name in (WARDEN_SOCKET, REPLICA_SOCKET):
        try:
            channel = Channel.connect(paths.socket(name), timeout_s=ANSWER_S)
        except Unavailable:
            continue
        try:
            channel.send(ReadReplicas())
            answer = channel.receive()
        finally:
            channel.close()
        return expect(answer, ReplicaTable)
    raise Unavailable(f"neither a warden with replicas nor a replica runs on {paths.data_dir}")


@warden.command()
@_folder
@click.option("--from", "source", type=click.Path(path_type=Path), default=None, help="The old warden's socket.")
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    default=None,
    help="The site's data directory here, whose warden/ the replica becomes. Without: FOLDER/warden stays there.",
)
@click.option(
    "--may-lose",
    is_flag=True,
    help="Also when the old warden did not wait for this replica and cannot be asked what it still had.",
)
def promote(folder: Path, source: Path | None, data: Path | None, may_lose: bool) -> None:
    """Make the replica in FOLDER the one writer of the log. It must not run; the old one is told, and refused.

    Needs what opens the keys: the passphrase (CUSTODES_PASSPHRASE), the token, the key service, or a copy of the key
    file in FOLDER/warden.
    """
    site = data.resolve() if data is not None else None
    keys = load_effective(site).keys if site is not None and SitePaths(site).effective_config.exists() else KeyConfig()
    done = promote_replica(
        folder.resolve(),
        source=source,
        site=site,
        may_lose=may_lose,
        keys_config=keys,
        environment=os.environ,
        clock=SystemClock(),
    )
    told = "the old warden was told and writes nothing any more" if done.was_told else "the old warden did not answer"
    click.echo(f"promoted: {done.size} entries, generation {done.generation}; {told}")
