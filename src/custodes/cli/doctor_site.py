"""Checks of a site: configuration, data directory, sockets, port, cameras. Each returns findings, changes nothing."""

import os
import stat
from pathlib import Path

from custodes.cli.finding import Finding, failure, ok, warning
from custodes.cli.source import inspect_source
from custodes.cli.where import load_config
from custodes.config import SiteConfig, SitePaths, read_identity
from custodes.errors import CustodesError, FailedPrecondition
from custodes.runtime.data_dir import running_pid
from custodes.runtime.port import check_port
from custodes.types.message import CameraSpec


def check_config(config: Path | None, data: Path | None) -> tuple[SiteConfig | None, Finding]:
    """The configuration that `custodes up` would use from here, and whether it is sound."""
    try:
        loaded = load_config(config, data, None)
    except CustodesError as error:
        return None, failure("config", str(error), "mend the file; README.md shows a small one")
    where = config or ("site.yaml" if Path("site.yaml").exists() else "defaults (no site.yaml here)")
    return loaded, ok("config", f"{where}: {len(loaded.cameras)} cameras, data in {loaded.data_dir}")


def check_data_dir(config: SiteConfig) -> Finding:
    """Ours, private, and of this site."""
    data_dir = config.data_dir
    if not data_dir.exists():
        return ok("data-dir", f"{data_dir} does not exist yet; the first start makes it")
    if not data_dir.is_dir():
        return failure("data-dir", f"{data_dir} is a file", "name a directory as data_dir")
    found = data_dir.stat()
    if found.st_uid != os.getuid():
        return failure(
            "data-dir", f"{data_dir} belongs to user {found.st_uid}", f"run as that user, or: chown -R {os.getuid()}"
        )
    try:
        identity = read_identity(SitePaths(data_dir).identity)
        contents = [entry.name for entry in data_dir.iterdir() if entry.name not in ("lock", "lost+found")]
    except CustodesError as error:
        return failure("data-dir", str(error), "name another data_dir")
    except OSError as error:
        return failure("data-dir", f"{data_dir} cannot be read: {error.strerror}", "give us the right to read it")
    if identity is None and contents:
        return failure(
            "data-dir",
            f"{data_dir} holds {contents[0]} but no site.json: not a site's, or its disk is not mounted",
            "name an empty data_dir, or mount the disk",
        )
    if stat.S_IMODE(found.st_mode) & _others(config) and contents:
        return failure("data-dir", f"{data_dir} is open to others", f"chmod 700 {data_dir}")
    if identity is not None and "name" in config.model_fields_set and config.name != identity.name:
        return failure(
            "data-dir",
            f"{data_dir} belongs to the site {identity.name!r}, not {config.name!r}",
            "name another data_dir",
        )
    pid = running_pid(data_dir)
    state = f"a site runs on it (process {pid})" if pid else "no site runs on it"
    return ok("data-dir", f"{data_dir}: {identity.name if identity else 'empty'}; {state}")


def _others(config: SiteConfig) -> int:
    """Who must have no right: everybody else, but the group where the warden is in it as a user of its own."""
    return 0o007 if config.keys.user else 0o077


def check_run_dir(config: SiteConfig) -> Finding:
    """Sockets: short enough a path, and nobody else's."""
    run_dir = SitePaths(config.data_dir).run_dir
    moved = "" if run_dir.parent == config.data_dir else " (the data directory's path is too long for sockets)"
    if run_dir.exists():
        found = run_dir.lstat()
        if (
            found.st_uid != os.getuid()
            or stat.S_IMODE(found.st_mode) & _others(config)
            or not stat.S_ISDIR(found.st_mode)
        ):
            return failure("sockets", f"{run_dir} is not ours alone", f"remove it: rm -r {run_dir}")
    return ok("sockets", f"in {run_dir}{moved}")


def check_server_port(config: SiteConfig) -> Finding:
    """Free, or held by this very site."""
    server = config.server
    if running_pid(config.data_dir) is not None:
        return ok("port", "the site runs, so its port is its own")
    try:
        for name in server.names:
            check_port(server.host, server.port_of(name))
    except FailedPrecondition as error:
        return failure("port", str(error), "free the port, or set server.port in site.yaml")
    if server.host not in ("127.0.0.1", "::1", "localhost"):
        return warning(
            "port",
            f"{server.host}:{server.port} can be reached from the network, over plain HTTP",
            "keep 127.0.0.1 and put a TLS proxy in front",
        )
    return ok("port", f"{server.host}:{server.port} is free")


def check_cameras(config: SiteConfig) -> list[Finding]:
    """Connect to each camera of the configuration, one after the other; each has its own time limits."""
    if not config.cameras:
        return [warning("cameras", "no cameras in the configuration", "add some to site.yaml: see README.md")]
    return [_check_camera(stream) for camera in config.cameras for stream in camera.spec().streams()]


def _check_camera(spec: CameraSpec) -> Finding:
    try:
        info = inspect_source(spec)
    except CustodesError as error:
        return failure(f"camera {spec.camera_id}", str(error), "check address, login and network of the camera")
    return ok(f"camera {spec.camera_id}", f"{info.codec} {info.width_px}×{info.height_px}")
