"""`custodes federation`: what a site shows its centre, and how far the centre has come."""

from pathlib import Path

import click

from custodes.adapters.ipc.control import answer_wish, read_wishes
from custodes.app.federation_key import open_federation_key, public_half
from custodes.cli.bundle import BundleHead, read_head
from custodes.cli.proof import code_option, password_option, person_option, read_password
from custodes.cli.table import moment_text, render_table
from custodes.cli.where import data_option, find_site
from custodes.config import read_identity
from custodes.errors import NotFound
from custodes.types.wish import GiveFootage, RefuseWish


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


@federation.command()
@data_option
def wishes(data: Path | None) -> None:
    """Footage that the centre wishes for, and that nobody has given or refused yet."""
    found = read_wishes(find_site(data).socket("server-control")).wishes
    head = ("wish", "camera", "from", "to", "asked by", "case", "reason", "until")
    rows = [
        (
            one.question_id,
            one.camera_id,
            moment_text(one.start_ns),
            moment_text(one.end_ns),
            one.asker,
            one.case_id,
            one.reason,
            moment_text(one.expires_ns),
        )
        for one in found
    ]
    click.echo(render_table(head, rows) if rows else "no wish waits")


@federation.command()
@click.argument("wish")
@click.argument("bundle", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@person_option
@password_option
@code_option
@data_option
def give(wish: str, bundle: Path, *, person: str, password_file: Path | None, code: str, data: Path | None) -> None:
    """Say to the centre that BUNDLE, an export of yours, is its answer to WISH; then hand it over, by any way.

    Others approve the export first, as any: open a case whose number is the wish's, file a request for it, export. The
    centre takes no other bundle: what you give is named by its hash in what the site signs.
    """
    head: BundleHead = read_head(bundle)
    message = GiveFootage(
        question_id=wish,
        manifest=head.manifest_sha256,
        sealed_index=head.sealed_index,
        grant_index=head.grant_index,
        person=person,
        password=read_password(password_file),
        code=code,
    )
    answer_wish(find_site(data).socket("server-control"), message)
    click.echo(f"the centre is told; there: custodes centre take {wish} {bundle.name}")


@federation.command()
@click.argument("wish")
@click.option("--reason", required=True, help="At most 80 characters; the centre reads them.")
@person_option
@password_option
@code_option
@data_option
def refuse(wish: str, *, reason: str, person: str, password_file: Path | None, code: str, data: Path | None) -> None:
    """Refuse WISH, with a reason."""
    message = RefuseWish(
        question_id=wish, reason=reason, person=person, password=read_password(password_file), code=code
    )
    answer_wish(find_site(data).socket("server-control"), message)
    click.echo(f"refused: {wish}")
