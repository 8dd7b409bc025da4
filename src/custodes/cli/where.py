"""Which site a command means, and which configuration it uses."""

import os
from pathlib import Path

import click

from custodes.config import SiteConfig, SitePaths, load_site_yaml
from custodes.errors import ConfigError, FailedPrecondition, NotFound
from custodes.runtime.running import running_sites

DATA_VARIABLE = "CUSTODES_DATA"

data_option = click.option(
    "--data",
    "data",
    type=click.Path(path_type=Path),
    default=None,
    help=f"The site's data directory [default: ${DATA_VARIABLE}, else ./site, else the one running site].",
)


def find_site(data: Path | None) -> SitePaths:
    """The site a command is about: `--data`, `$CUSTODES_DATA`, `./site`, or the only one that runs.

    Raises: NotFound when there is none, FailedPrecondition when several run and none was named.
    """
    named = data or (Path(os.environ[DATA_VARIABLE]) if os.environ.get(DATA_VARIABLE) else None)
    if named is not None:
        paths = SitePaths(named.resolve())
        if not paths.identity.exists():
            raise NotFound(f"{named} is not the data directory of a site (it has no site.json)")
        return paths
    here = SitePaths(Path("site").resolve())
    if here.identity.exists():
        return here
    running = running_sites()
    if not running:
        raise NotFound("no site runs and there is none in ./site; name one with --data, or start one: custodes up")
    if len(running) > 1:
        names = ", ".join(str(path) for path in running)
        raise FailedPrecondition(f"{len(running)} sites run ({names}); name one with --data")
    return SitePaths(running[0])


def load_config(config: Path | None, data: Path | None, port: int | None) -> SiteConfig:
    """What `up` runs: `--config`, else `./site.yaml` when it exists, else defaults; `--data` and `--port` win.

    Raises: ConfigError.
    """
    if config is None and Path("site.yaml").exists():
        config = Path("site.yaml")
    if config is not None:
        loaded = load_site_yaml(config.resolve())
    else:
        loaded = SiteConfig.model_validate({"data_dir": Path("site").resolve()})
    if data is not None:
        loaded = loaded.model_copy(update={"data_dir": data.resolve()})
    if port is not None:
        loaded = loaded.model_copy(update={"server": loaded.server.model_copy(update={"port": port})})
    if not loaded.data_dir.is_absolute():
        raise ConfigError(f"data_dir {loaded.data_dir} is not absolute")
    return loaded
