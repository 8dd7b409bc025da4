"""What `centre.yaml` may say: a centre that sites tell of themselves, and whom it believes."""

from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from custodes.config.federation import NatsConfig
from custodes.config.secret import SecretRef
from custodes.errors import ConfigError

MAX_SITES = 5_000
_MAX_YAML_BYTES = 4 << 20


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CentreSiteConfig(_Strict):
    """A site that may tell. Name and place are the centre's own words, not the site's."""

    id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    key: Annotated[str, StringConstraints(max_length=4096)]
    """What its `custodes federation key` prints."""
    name: Annotated[str, StringConstraints(min_length=1, max_length=80)]
    latitude: Annotated[float, Field(ge=-90, le=90)] | None = None
    longitude: Annotated[float, Field(ge=-180, le=180)] | None = None
    log: Path | None = None
    """What its `custodes audit keys` prints, as a file: then the centre is a witness of its log."""


class CentrePageConfig(_Strict):
    """The page. One account that may read; behind a TLS proxy unless it is read on this machine alone."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8650
    hosts: tuple[Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9.-]{1,253}$")], ...] = ()
    """Further names under which browsers reach it; others are refused (DNS rebinding)."""
    user: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,64}$")] = "centre"
    password: SecretRef


class CentreConfig(_Strict):
    """The whole file."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=80)] = "Centre"
    data_dir: Path = Path("./centre")
    nats: NatsConfig
    sites: Annotated[tuple[CentreSiteConfig, ...], Field(max_length=MAX_SITES)] = ()
    page: CentrePageConfig | None = None
    keep_days: Annotated[int, Field(ge=1, le=20 * 366)] = 400
    """Counts and flows that are older are dropped."""

    @model_validator(mode="after")
    def _unique(self) -> "CentreConfig":
        ids = [one.id for one in self.sites]
        if len(set(ids)) < len(ids):
            raise ValueError("a site id is used twice")
        return self


def load_centre_yaml(path: Path) -> CentreConfig:
    """Read and check; relative paths are relative to the file. Raises: ConfigError."""
    try:
        text = path.read_bytes()
        if len(text) > _MAX_YAML_BYTES:
            raise ConfigError(f"{path} is {len(text)} bytes; at most {_MAX_YAML_BYTES}")
        tree = yaml.safe_load(text)
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"{path} is not YAML: {' '.join(str(error).split())[:200]}") from error
    try:
        config = CentreConfig.model_validate({} if tree is None else tree)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "top level"
        # Never the value itself: it may be a password in the wrong place.
        raise ConfigError(f"{path}: {field}: {first['msg'].removeprefix('Value error, ')}") from error
    folder = path.parent.resolve()
    sites = tuple(
        one if one.log is None else one.model_copy(update={"log": (folder / one.log).resolve()})
        for one in config.sites
    )
    resolved = {"data_dir": (folder / config.data_dir).resolve(), "nats": config.nats.resolved(folder), "sites": sites}
    return config.model_copy(update=resolved)
