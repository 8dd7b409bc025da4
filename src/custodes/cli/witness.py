"""`custodes witness`: the second party's side. Needs no site, only the keys of the logs it watches."""

from pathlib import Path

import click

from custodes.app.witness import make_witness, read_witness, serve_witness

_folder = click.argument("folder", type=click.Path(path_type=Path))


@click.group()
def witness() -> None:
    """Watch another site's log: sign each checkpoint after checking that the log only grew."""


@witness.command()
@_folder
@click.option("--name", required=True, help="A name without spaces, best a URL without scheme: dpo.example/w1.")
def init(folder: Path, name: str) -> None:
    """Make the witness's keys in FOLDER and print them for the site's `audit: witnesses:`."""
    for cosigner in make_witness(folder, name):
        click.echo(cosigner.verifier.vkey)


@witness.command()
@_folder
def keys(folder: Path) -> None:
    """Print the public keys."""
    for cosigner in read_witness(folder):
        click.echo(cosigner.verifier.vkey)


@witness.command()
@_folder
@click.option(
    "--policy",
    "policies",
    type=click.Path(path_type=Path),
    multiple=True,
    required=True,
    help="What `custodes audit keys` of a site prints; once per site.",
)
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(1, 65535), default=8700, show_default=True)
def serve(folder: Path, policies: tuple[Path, ...], host: str, port: int) -> None:
    """Answer the sites' requests (C2SP tlog-witness) until Ctrl-C."""
    click.echo(f"witness on http://{host}:{port}", err=True)
    serve_witness(folder, policies, host=host, port=port)
