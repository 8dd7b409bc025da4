"""`custodes fleet data`: what devices are judged by: taking it in, seeing how old it is, signing it."""

import os
from datetime import date
from pathlib import Path

import click
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from custodes.app.fleet_data import UNSIGNED, read_taken, statement, take_in
from custodes.app.fleet_files import read_knowledge
from custodes.app.fleet_store import read_bounded
from custodes.audit.note import NoteSigner, NoteVerifier, parse_vkey
from custodes.cli.fleet_log import note_or_say
from custodes.cli.table import render_table
from custodes.cli.where import data_option, find_site
from custodes.errors import AlreadyExists, InvalidArgument, StorageFailed
from custodes.fleet.knowledge import MAX_RULE_BYTES
from custodes.fleet.register import MAX_REGISTER_BYTES
from custodes.types.access import AuditKind

MAX_KEY_BYTES = 4096


@click.group("data")
def data_group() -> None:
    """Rules, ban lists, CISA's catalogue, the IEEE's register: take them in by file, signed and dated."""


@data_group.command("list")
@data_option
def list_data(data: Path | None) -> None:
    """What there is, how old it is, and who signed it."""
    paths = find_site(data)
    known = read_knowledge(paths)
    rows = [(one.title, str(one.date), str(one.entries)) for one in known.sets()]
    click.echo(render_table(("data", "of", "entries"), rows))
    taken = [
        (name, str(one.date), one.signed_by or UNSIGNED, one.sha256[:16]) for name, one in read_taken(paths).items()
    ]
    if taken:
        click.echo(render_table(("taken in", "of", "signed by", "sha256"), taken))
    for doubt in known.doubts:
        click.echo(f"note: {doubt}", err=True)


@data_group.command("import")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--key", "keys", multiple=True, metavar="VKEY|FILE", help="Whose signature counts. May be repeated.")
@click.option("--note", type=click.Path(path_type=Path), help="The signature, when it is not beside the file.")
@click.option("--date", "dated", type=click.DateTime(["%Y-%m-%d"]), help="Of an unsigned register of the IEEE.")
@click.option("--accept-unsigned", is_flag=True, help="Take in a file that nobody signed; the report says so.")
@data_option
def import_data(
    files: tuple[Path, ...], keys: tuple[str, ...], note: Path | None, dated: object, accept_unsigned: bool,
    data: Path | None,
) -> None:  # fmt: skip
    """Take in rules (.yaml), CISA's catalogue (.json), the IEEE's oui.csv, mam.csv, oui36.csv, each with FILE.note.

    What is unsigned, changed, signed by another, or older than what is there is refused.
    """
    paths = find_site(data)
    if note is not None and len(files) > 1:
        raise InvalidArgument("--note is the signature of one file")
    trusted = [_key_of(one) for one in keys]
    of = dated.date() if hasattr(dated, "date") else None
    for file in files:
        found = take_in(paths, file, keys=trusted, note=note, dated=of, is_unsigned_accepted=accept_unsigned)
        click.echo(f"took in {found.what}")
        details = {"sha256": found.taken.sha256, "of": str(found.taken.date)}
        details["signed"] = f"signed by {found.taken.signed_by}" if found.taken.signed_by else UNSIGNED
        note_or_say(paths, AuditKind.FLEET_DATA, found.name, details)


@data_group.command("keygen")
@click.argument("name")
@click.option("--output", required=True, type=click.Path(path_type=Path), help="File (0600) for the private key.")
def make_key(name: str, output: Path) -> None:
    """Make a key to sign data with; prints what others give as --key."""
    private = Ed25519PrivateKey.generate()
    signer = NoteSigner(name, private)
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    try:
        with os.fdopen(os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
            stream.write(pem)
    except FileExistsError as error:
        raise AlreadyExists(f"{output} is there already; a key is never overwritten") from error
    except OSError as error:
        raise StorageFailed(f"{output} cannot be written: {(error.strerror or 'failed').lower()}") from error
    click.echo(signer.verifier.vkey)


@data_group.command("sign")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--key-file", required=True, type=click.Path(path_type=Path), help="As 'keygen' made it.")
@click.option("--name", required=True, help="Of the key, as 'keygen' was given it.")
@click.option("--date", "dated", type=click.DateTime(["%Y-%m-%d"]), required=True, help="Of the data.")
def sign(file: Path, key_file: Path, name: str, dated: object) -> None:
    """Sign a data file: writes FILE.note, which goes along with it."""
    try:
        private = serialization.load_pem_private_key(read_bounded(key_file, MAX_KEY_BYTES), password=None)
    except (ValueError, TypeError) as error:
        raise InvalidArgument(f"{key_file} is no private key in PEM") from error
    if not isinstance(private, Ed25519PrivateKey):
        raise InvalidArgument(f"{key_file} is no Ed25519 key")
    of = dated.date() if hasattr(dated, "date") else None
    assert isinstance(of, date)
    payload = read_bounded(file, max(MAX_RULE_BYTES, MAX_REGISTER_BYTES))
    place = file.with_name(f"{file.name}.note")
    try:
        place.write_text(NoteSigner(name, private).sign(statement(file.name, of, payload)), encoding="utf-8")
    except OSError as error:
        raise StorageFailed(f"{place} cannot be written: {(error.strerror or 'failed').lower()}") from error
    click.echo(f"wrote {place}")


def _key_of(text: str) -> NoteVerifier:
    """A verifier key, or a file that holds one. Raises: InvalidArgument, StorageFailed."""
    path = Path(text)
    if "+" not in text or path.exists():
        text = read_bounded(path, MAX_KEY_BYTES).decode("utf-8", "replace").strip()
    return parse_vkey(text)
