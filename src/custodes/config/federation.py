"""What a site tells a centre, and how it reaches it."""

from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from custodes.config.secret import SecretRef
from custodes.types.federation import Topic

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class NatsConfig(BaseModel):
    """A NATS server with JetStream."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: Annotated[str, StringConstraints(pattern=r"^(nats|tls)://[A-Za-z0-9.:\[\]-]+$", max_length=255)]
    """tls://host:port; nats:// (in the clear) for loopback alone."""
    user: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{0,64}$")] = ""
    password: SecretRef = ""
    ca_file: Path | None = None
    """Whom to believe instead of the machine's own authorities."""
    cert_file: Path | None = None
    key_file: Path | None = None

    @model_validator(mode="after")
    def _encrypted(self) -> Self:
        parts = urlsplit(self.url)
        if parts.scheme == "nats" and parts.hostname not in _LOOPBACK:
            raise ValueError("url must be tls://…; only loopback may be spoken to in the clear")
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file belong together")
        return self

    def resolved(self, folder: Path) -> "NatsConfig":
        """Relative paths are relative to `folder`."""
        files = {name: getattr(self, name) for name in ("ca_file", "cert_file", "key_file")}
        return self.model_copy(
            update={name: (folder / one).resolve() for name, one in files.items() if one is not None}
        )


class AnswersConfig(BaseModel):
    """What the centre may ask about, where `share` lists `cases`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cameras: Annotated[
        tuple[Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")], ...], Field(max_length=10_000)
    ] = ()
    """Ids; none: every camera of the site."""
    max_days: Annotated[int, Field(ge=1, le=366)] = 7
    """A question covers no more."""
    footage: bool = False
    """The centre may wish for footage; people of the site see what it wishes (`custodes federation wishes`) and give
    an export that others approved, or refuse. Without it each wish is refused."""
    per_hour: Annotated[int, Field(ge=1, le=1000)] = 30
    """More questions within an hour are refused."""


class FederationConfig(BaseModel):
    """A centre that is told what `share` lists. A site without this section tells nobody anything."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    nats: NatsConfig
    centre: Annotated[
        tuple[Annotated[str, StringConstraints(max_length=4096)], ...], Field(min_length=1, max_length=4)
    ]
    """Verifier keys as `custodes centre init` prints them: of its receipts, and of its witness."""
    share: Annotated[tuple[Topic, ...], Field(min_length=1, max_length=len(Topic))]
    """health, counts, flows, fleet, log, cases: what is told, and nothing that is not listed. cases: answers to the
    centre's questions for a case, decided by the policies of this site and written into its log first."""
    answers: AnswersConfig = AnswersConfig()
    every_s: Annotated[float, Field(ge=1, le=3600)] = 60.0
    """How often health, cameras, fleet and log are looked at; counts and flows are told when they are made."""
