"""`custodes demo`: hands over to the `demo` folder of a source checkout, which `make demo` runs too."""

import os
import sys
from pathlib import Path

import click

import custodes
from custodes.errors import NotFound


@click.command()
@click.option("--clip", default="", help="A video file of yours instead of the demo's footage.")
@click.option("--port", type=click.IntRange(0, 65535), default=None, help="Web port [default: 8600 or a free one].")
def demo(clip: str, port: int | None) -> None:
    """Run the demo: real footage, played by a real RTSP server, recorded and analysed as any camera."""
    checkout = Path(custodes.__file__).resolve().parents[2]
    if not (checkout / "demo" / "__main__.py").is_file():
        raise NotFound("the demo comes with the source, not with the package: clone it, then run make demo")
    arguments = [*(["--clip", str(Path(clip).expanduser().resolve())] if clip else [])]
    arguments += [] if port is None else ["--port", str(port)]
    # Replaces this process, so that `demo` is imported from the checkout and a signal reaches it directly.
    os.chdir(checkout)
    os.execv(sys.executable, [sys.executable, "-m", "demo", *arguments])  # noqa: S606 - our own program
