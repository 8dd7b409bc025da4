"""`custodes centre`: a control room of many sites. It knows numbers, never pictures, and can order nothing."""

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path

import click

from custodes.app.centre import centre_store
from custodes.app.centre_process import run_centre
from custodes.app.centre_reading import site_summary, site_view
from custodes.app.witness import make_witness, read_receipt_key, read_witness
from custodes.cli.table import render_table
from custodes.config.centre import CentreConfig, CentreSiteConfig, load_centre_yaml
from custodes.errors import NotFound
from custodes.runtime.clock import SystemClock

_config = click.option(
    "--config",
    "config",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("centre.yaml"),
    show_default=True,
    help="The centre's configuration.",
)


@click.group()
def centre() -> None:
    """Many sites seen from one place: health, flows, fleet, and a witness of their logs."""


@centre.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--name", required=True, help="Without spaces, best a URL without scheme: council.example/centre.")
def init(folder: Path, name: str) -> None:
    """Make the centre's keys in FOLDER and print them, for `federation: centre:` of each site."""
    make_witness(folder, name)
    _print_keys(folder)


@centre.command()
@_config
def keys(config: Path) -> None:
    """Print the centre's public keys."""
    _print_keys(load_centre_yaml(config).data_dir)


def _print_keys(folder: Path) -> None:
    click.echo(read_receipt_key(folder)[1].vkey)
    for cosigner in read_witness(folder):
        click.echo(cosigner.verifier.vkey)


@centre.command()
@_config
def up(config: Path) -> None:
    """Hear the sites in the foreground, and serve the page if one is configured. Ctrl-C stops it."""
    loaded = load_centre_yaml(config)
    asyncio.run(run_centre(loaded, on_address=lambda address: click.echo(f"{loaded.name} on {address}")))


@centre.command()
@_config
@click.option("--json", "is_json", is_flag=True, help="For programs.")
def sites(config: Path, is_json: bool) -> None:
    """All sites: when they were heard, what records, what their logs do."""
    loaded = load_centre_yaml(config)
    store = centre_store(loaded.data_dir)
    try:
        found = [site_summary(store, one) for one in loaded.sites]
    finally:
        store.close()
    if is_json:
        click.echo(json.dumps([one.as_json() for one in found]))
        return
    head = ("site", "heard", "recording", "facts", "log", "trouble")
    now_ns = SystemClock().now_ns()
    click.echo(render_table(head, [one.cells(now_ns) for one in found]))


@centre.command()
@click.argument("site_id")
@_config
def show(site_id: str, config: Path) -> None:
    """What one site told, as JSON: health, cameras, counts and flows of the last day, fleet, log."""
    loaded = load_centre_yaml(config)
    store = centre_store(loaded.data_dir)
    try:
        view = site_view(store, _site(loaded, site_id), SystemClock().now_ns())
    finally:
        store.close()
    click.echo(json.dumps(view.as_json(), indent=1))


@centre.command()
@click.argument("site_id")
@_config
def clear(site_id: str, config: Path) -> None:
    """Somebody looked into the alarm about a site's log: take it off the list. What was witnessed stays."""
    loaded = load_centre_yaml(config)
    store = centre_store(loaded.data_dir)
    try:
        alarm = store.site(site_id)
        store.clear_alarm(site_id)
    finally:
        store.close()
    when = datetime.fromtimestamp(alarm.alarm_ns / 1e9, UTC)
    click.echo(f"cleared: {alarm.alarm} ({when:%Y-%m-%d %H:%M} UTC)" if alarm.alarm else "there was no alarm")


def _site(loaded: CentreConfig, site_id: str) -> CentreSiteConfig:
    for one in loaded.sites:
        if one.id == site_id:
            return one
    raise NotFound(f"{site_id} is none of the sites in the configuration")
