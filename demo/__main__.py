"""`python -m demo`: fetch footage, serve it over RTSP, run a site on it until Ctrl-C. `make demo` calls this.

The site is an ordinary one: its cameras are `rtsp://` addresses in a generated site.yaml, started by `custodes up`.
"""

import argparse
import contextlib
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import av
import av.error
import yaml

from custodes.cli.exit_codes import EXIT_CODES, INTERRUPTED
from custodes.cli.watch import camera_id_of, free_port
from custodes.config import load_site_yaml
from custodes.errors import CustodesError, FailedPrecondition, InvalidArgument, NotFound
from custodes.runtime.data_dir import running_pid
from demo.footage import Clip, fetch
from demo.prepare import prepare

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "demo-data"
SYSTEM_PYTHON = "/usr/bin/python3"
"""Debian's, because PyGObject and GStreamer come as Debian packages."""

USUAL_PORT = 8600
MAX_HEIGHT_PX = 720
MAX_CLIP_S = 600.0
"""Longer clips are played up to here; the RTSP server holds them in memory."""
WHOLE_SHARE = 0.95
"""A clip with fewer pictures than this share of what its header announces is cut."""


def demo_clips() -> dict[str, tuple[str, Path]]:
    """Prepared clips by camera id: (name, path). Raises: Unavailable, DataLoss."""
    prepared = {}
    for clip, source in fetch(DATA / "footage", print):
        target = DATA / "prepared" / f"{clip.camera_id}.h264"
        if not _is_fresh(target):
            print(f"preparing {clip.name} …", flush=True)
            _prepare(source, target, clip)
        prepared[clip.camera_id] = (clip.name, target)
    return prepared


def _is_fresh(target: Path) -> bool:
    """Prepared, whole, and by the present preparation."""
    index = target.with_name(target.name + ".json")
    return index.is_file() and index.stat().st_mtime > (ROOT / "demo" / "prepare.py").stat().st_mtime


def own_clip(path: Path) -> dict[str, tuple[str, Path]]:
    """The user's clip as the only camera. Raises: NotFound, InvalidArgument for what is no video, or a cut one."""
    if not path.is_file():
        raise NotFound(f"no file {path}")
    target = DATA / "prepared" / "own.h264"
    target.unlink(missing_ok=True)
    print(f"preparing {path.name} …", flush=True)
    count = _prepare(path, target, None)
    announced = _announced_pictures(path)
    if count < announced * WHOLE_SHARE:
        raise InvalidArgument(f"{path} is cut or damaged: {count} of its {announced} pictures can be decoded")
    return {camera_id_of(path.stem): (path.name[:80], target)}


def _prepare(source: Path, target: Path, clip: Clip | None) -> int:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        return prepare(
            source, target, fps=clip.fps if clip else None, height=MAX_HEIGHT_PX, seconds=None if clip else MAX_CLIP_S
        )
    except SystemExit as error:
        raise InvalidArgument(str(error)) from error


def _announced_pictures(path: Path) -> int:
    """What the header says, within `MAX_CLIP_S`; 0 when it says nothing."""
    try:
        with av.open(str(path)) as clip:
            stream = clip.streams.video[0]
            return min(stream.frames, int(MAX_CLIP_S * float(stream.average_rate or 25)))
    except (av.error.FFmpegError, IndexError):
        return 0


@contextlib.contextmanager
def rtsp_server(clips: dict[str, tuple[str, Path]]) -> Iterator[dict[str, str]]:
    """URLs by camera id, from a real RTSP server; empty when GStreamer is not installed."""
    mounts = [f"{camera_id}={path}" for camera_id, (_, path) in clips.items()]
    try:
        # In a session of its own, so that Ctrl-C stops the site first; --until-eof ends it if we are killed.
        server = subprocess.Popen(
            [SYSTEM_PYTHON, str(ROOT / "demo" / "rtsp_server.py"), "--until-eof", *mounts],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
    except FileNotFoundError:
        print(f"{SYSTEM_PYTHON} is missing; playing files instead of RTSP", file=sys.stderr)
        yield {}
        return
    try:
        assert server.stdout is not None
        if not server.stdout.readline().startswith("READY"):
            server.wait()
            yield {}
            return
        yield {camera_id: server.stdout.readline().strip() for camera_id in clips}
    finally:
        server.terminate()
        try:
            server.wait(5)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def write_site(clips: dict[str, tuple[str, Path]], urls: dict[str, str], port: int | None, folder: Path) -> Path:
    """site.yaml of the demo, with an empty data directory. Raises: FailedPrecondition while a demo runs on it."""
    data_dir = folder / "site"
    pid = running_pid(data_dir)
    if pid is not None:
        raise FailedPrecondition(f"a demo runs already (process {pid}); stop it first")
    # The demo starts afresh each time: a new token, and no old recordings that fill the disk.
    shutil.rmtree(data_dir, ignore_errors=True)
    cameras = [
        {"id": camera_id, "name": name, "url": urls.get(camera_id) or path.as_uri(), "loop": not urls}
        for camera_id, (name, path) in clips.items()
    ]
    tree = {
        "name": "Demo",
        "data_dir": str(data_dir),
        "server": {"port": free_port(USUAL_PORT) if port is None else port},
        "analyser": {"tampering": {"replays": False}},  # its cameras are films that are played again and again
        "cameras": cameras,
    }
    config = folder / "site.yaml"
    config.write_text(yaml.safe_dump(tree, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return config


def run(clip: Path | None, port: int | None) -> int:
    """The whole demo; returns the site's exit code. Raises: CustodesError."""
    clips = demo_clips() if clip is None else own_clip(clip)
    with rtsp_server(clips) as urls:
        if not urls:
            print("no RTSP server; the cameras play files", file=sys.stderr)
        config_path = write_site(clips, urls, port, DATA)
        for camera in load_site_yaml(config_path).cameras:
            print(f"camera {camera.id}: {camera.url}", flush=True)
        return run_site(config_path)


def run_site(config: Path) -> int:
    """`custodes up` in a process of its own, which our signals are handed on to; returns its exit code."""
    # Its own session: Ctrl-C reaches us alone, we pass it on once, and the RTSP server outlives the recorder.
    site = subprocess.Popen(
        [sys.executable, "-m", "custodes.cli.main", "up", "--config", str(config)], start_new_session=True
    )
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: site.send_signal(number))
    return site.wait()


def main() -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="demo", description="A site on real footage, until Ctrl-C.")
    parser.add_argument("--clip", type=Path, default=None, help="a video file of yours instead")
    parser.add_argument("--port", type=int, default=None, help="web port; default 8600 or a free one")
    wanted = parser.parse_args()
    try:
        return run(wanted.clip, wanted.port)
    except CustodesError as error:
        print(f"demo: {' '.join(str(error).split())}", file=sys.stderr)
        return EXIT_CODES[error.kind]
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
