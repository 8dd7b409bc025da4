"""`custodes evidence`: check a bundle without any site. The same code as `custodes-verify evidence`."""

import zipfile
from pathlib import Path

import click

from custodes.audit.evidence import STAMP
from custodes.errors import DataLoss, InvalidArgument, NotFound
from custodes_verify import Wrong, fingerprint, parse_policy, read_file, read_member, verify_evidence


@click.group()
def evidence() -> None:
    """Check evidence bundles."""


@evidence.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option(
    "--policy", type=click.Path(path_type=Path), default=None, help="The keys you trust (`custodes audit keys`)."
)
@click.option(
    "--tsa",
    type=click.Path(path_type=Path),
    default=None,
    help="Roots of a time stamping authority, PEM: its stamp, too.",
)
def verify(bundle: Path, policy: Path | None, tsa: Path | None) -> None:
    """Check every file, proof and signature of BUNDLE; needs no site and no network."""
    if not bundle.is_file():
        raise NotFound(f"no bundle at {bundle}")
    try:
        text = read_file(policy).decode() if policy else _own_policy(bundle)
        lines = verify_evidence(bundle, parse_policy(text))
        if tsa is not None:
            lines.append(_check_stamp(bundle, tsa))
    except Wrong as error:
        raise DataLoss(f"NOT GOOD: {error}") from error
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise InvalidArgument(f"NOT GOOD: {bundle} is malformed ({type(error).__name__})") from error
    if policy is None:
        click.echo(
            f"keys are the bundle's own; compare their fingerprint with the site's: {fingerprint(text)}", err=True
        )
    click.echo("\n".join(["good", *lines]))


def _check_stamp(bundle: Path, roots: Path) -> str:
    """The RFC 3161 time stamp over the manifest. Raises: Wrong, NotFound."""
    try:
        from custodes.adapters.witness.tsa import read_roots, token_time, verify_token
    except ImportError as error:
        raise NotFound("time stamps are checked with: pip install 'custodes[rfc3161]'") from error
    with zipfile.ZipFile(bundle) as opened:
        if STAMP not in opened.namelist():
            raise Wrong("the bundle has no time stamp")
        raw, manifest = read_member(opened, STAMP), read_member(opened, "manifest.json")
    try:
        verify_token(raw, manifest.decode(), read_roots(roots))
    except DataLoss as error:
        raise Wrong(str(error)) from error
    return f"  time-stamped {token_time(raw)} by an authority under {roots.name}"


def _own_policy(bundle: Path) -> str:
    try:
        with zipfile.ZipFile(bundle) as opened:
            return read_member(opened, "log/policy").decode()
    except (zipfile.BadZipFile, OSError) as error:
        raise Wrong(f"{bundle.name} is not a readable ZIP file: {error}") from error
