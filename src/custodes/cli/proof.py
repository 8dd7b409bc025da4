"""Options of commands that act as a named person: name, password, code."""

from pathlib import Path

import click

from custodes.errors import InvalidArgument

_MAX_PASSWORD_CHARS = 1024

person_option = click.option(
    "--as", "person", required=True, help="Your account's name; you are asked for its password."
)
password_option = click.option(
    "--password-file", type=click.Path(path_type=Path), default=None, help="Read the password from there."
)
code_option = click.option("--code", default="", help="The authenticator app's six digits, when your account has one.")


def read_password(path: Path | None) -> str:
    """From the file, else from the person at the terminal. Raises: InvalidArgument."""
    if path is None:
        return str(click.prompt("Password", hide_input=True, err=True))
    try:
        with path.open(encoding="utf-8") as stream:
            return stream.read(_MAX_PASSWORD_CHARS).rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidArgument(f"password file {path} cannot be read: {error}") from error
