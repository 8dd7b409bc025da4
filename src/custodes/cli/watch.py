"""`custodes watch SOURCE`: a site with one camera or file, on a data directory that is thrown away at the end."""

import re
import shutil
import tempfile
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

import click

from custodes.cli.camera_onboarding import checked_camera
from custodes.cli.source import inspect_source
from custodes.cli.up import run_up
from custodes.config import CameraConfig, SiteConfig
from custodes.errors import FailedPrecondition, InvalidArgument, NotFound
from custodes.runtime.port import check_port

USUAL_PORT = 8600


def source_camera(source: str, secret_dir: Path) -> CameraConfig:
    """The camera for what a person typed: a URL, perhaps with a login in it, or a file.

    A password in the URL goes into a 0600 file in `secret_dir`, and nowhere else.

    Raises: NotFound for a missing file, ConfigError for a URL of another kind.
    """
    parts = urlsplit(source)
    if parts.scheme in ("", "file"):
        path = Path(unquote(parts.path) if parts.scheme else source).expanduser().resolve()
        if not path.is_file():
            raise NotFound(f"no file {path}")
        if path.stat().st_size == 0:
            raise InvalidArgument(f"{path} is empty; a video is wanted")
        return checked_camera(id=camera_id_of(path.stem), name=path.name[:80], url=path.as_uri(), loop=True)
    password = ""
    if parts.password:
        secret = secret_dir / "camera-password"
        secret.touch(mode=0o600)
        secret.write_text(unquote(parts.password), encoding="utf-8")
        password = f"file:{secret}"
    host = parts.netloc.rpartition("@")[2]
    url = urlunsplit((parts.scheme, host, parts.path, parts.query, ""))
    name = camera_id_of(f"{parts.hostname or ''}{parts.path}")
    return checked_camera(id=name, name=host[:80], url=url, username=unquote(parts.username or ""), password=password)


def camera_id_of(text: str) -> str:
    """`text` as a camera id: lower case, digits and hyphens, at most 63 characters."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:63].strip("-") or "camera"


def free_port(wanted: int) -> int:
    """`wanted` if nobody listens on it, else 0 (the system chooses)."""
    try:
        check_port("127.0.0.1", wanted)
    except FailedPrecondition:
        return 0
    return wanted


@click.command()
@click.argument("source")
@click.option("--data", type=click.Path(path_type=Path), default=None, help="Keep the recordings in this directory.")
@click.option("--port", type=click.IntRange(0, 65535), default=None, help="Web port [default: 8600 or a free one].")
def watch(source: str, data: Path | None, port: int | None) -> None:
    """Run a site with just SOURCE: an rtsp:// or http:// URL, or a video file, which is played again and again.

    Everything is deleted at the end unless --data names where to keep it.
    """
    temporary = None if data is not None else Path(tempfile.mkdtemp(prefix="custodes-watch-"))
    try:
        with tempfile.TemporaryDirectory(prefix="custodes-secret-") as secrets_dir:
            camera = source_camera(source, Path(secrets_dir))
            info = inspect_source(camera.spec())
            click.echo(f"{camera.name}: {info.codec} {info.width_px}×{info.height_px}")
            tree = {
                **({} if data is not None else {"name": camera.name}),
                "data_dir": (data or temporary or Path()).resolve(),
                "server": {"port": free_port(USUAL_PORT) if port is None else port},
                "cameras": [camera.model_dump()],
            }
            run_up(SiteConfig.model_validate(tree))
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
