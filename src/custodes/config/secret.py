"""Secrets are named in the configuration, never written into it: `env:NAME` or `file:/path`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import StringConstraints

from custodes.errors import ConfigError

SecretRef = Annotated[str, StringConstraints(pattern=r"^$|^env:[A-Za-z_][A-Za-z0-9_]*$|^file:/.+$")]
MAX_SECRET_CHARS = 4096


def read_secret(field: str, reference: str, environ: Mapping[str, str]) -> str:
    """What `reference` of the configuration's `field` leads to; empty for none. Raises: ConfigError, without it."""
    kind, _, where = reference.partition(":")
    if not kind:
        return ""
    try:
        if kind == "env":
            return environ[where]
        with Path(where).open(encoding="utf-8") as stream:
            return stream.read(MAX_SECRET_CHARS).strip()
    except (KeyError, OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{field}: {reference} cannot be read") from error
