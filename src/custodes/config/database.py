"""Where the catalog is when it is not a file in the data directory."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from custodes.config.secret import SecretRef

_Identifier = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_-]{0,62}$")]


class DatabaseConfig(BaseModel):
    """A PostgreSQL database of this site's own, made with `createdb --template=template0 --locale=C.UTF-8`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: Annotated[str, StringConstraints(pattern=r"^(/[A-Za-z0-9._/-]+|[A-Za-z0-9.:-]+)$", max_length=255)]
    """A name, an address, or the folder of a Unix socket."""
    port: Annotated[int, Field(ge=1, le=65535)] = 5432
    database: _Identifier = "custodes"
    user: _Identifier = "custodes"
    password: SecretRef = ""
    tls: Literal["verify-full", "require", "disable"] = "verify-full"
    """verify-full: encrypted, and the server proves its name. disable: for loopback and Unix sockets."""
    ca_file: Path | None = None
    """Whom to believe instead of the machine's own authorities."""
