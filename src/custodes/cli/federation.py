"""`custodes federation`: what a site shows its centre, and how far the centre has come."""

from pathlib import Path

import click

from custodes.app.federation_key import open_federation_key, public_half
from custodes.cli.where import data_option, find_site
from custodes.config import read_identity
from custodes.errors import NotFound


@click.group()
def federation() -> None:
    """Tell a centre what `federation:` in site.yaml shares, and nothing that is not listed there."""


@federation.command()
@data_option
def key(data: Path | None) -> None:
    """Print this site's lines for `sites:` in the centre's centre.yaml; the key is made at the first call."""
    paths = find_site(data)
    identity = read_identity(paths.identity)
    if identity is None:
        raise NotFound(f"{paths.data_dir} has no site.json")
    verifier = public_half(identity.site_id, open_federation_key(paths))
    click.echo(f"- id: {identity.site_id}\n  key: {verifier.vkey}")
