"""Checks of the machine: Python, libraries, models, disk, clock, memory. Each returns findings and changes nothing."""

import ctypes
import importlib.util
import os
import shutil
import statistics
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path

import psutil

from custodes.cli.finding import Finding, failure, ok, warning
from custodes.config import SiteConfig
from custodes.errors import CustodesError

GB = 1e9
_CAMERA_DAY_GB = 21.6
"""2 Mbit/s, what a 1080p camera's main stream commonly takes, for a day."""
_SLOW_SYNC_MS = 50.0
"""One fdatasync per GOP: at 50 ms, twenty cameras with a GOP a second keep the disk busy all the time."""
_SYNC_TRIES = 15
_STA_UNSYNC = 0x40  # linux/timex.h
_TIMEX_STATUS_OFFSET = 40
_TIMEX_MAXERROR_OFFSET = 24


def check_python() -> Finding:
    """3.11, which the wheels we depend on were chosen for."""
    version = ".".join(str(part) for part in sys.version_info[:3])
    if tuple(sys.version_info)[:2] == (3, 11):  # as a tuple, or mypy takes the rest for unreachable
        return ok("python", f"Python {version} at {sys.executable}")
    return failure("python", f"Python {version}; custodes needs 3.11", "make the .venv with python3.11: make install")


def check_media() -> Finding:
    """PyAV is there and its FFmpeg encodes H.264, without which nobody sees a picture."""
    try:
        from custodes.media.encode import LiveEncoder

        LiveEncoder(width=64, height=64, crf=30)
    except (ImportError, CustodesError) as error:
        return failure("media", f"FFmpeg cannot be used: {error}", "install custodes again: make install")
    return ok("media", f"PyAV {metadata.version('av')}, its FFmpeg encodes H.264")


def check_models(config: SiteConfig) -> list[Finding]:
    """The packaged weights are there and are what their manifests say."""
    advice = "install the weights: .venv/bin/pip install ./packages/custodes-models, or set CUSTODES_MODELS=folder"
    if importlib.util.find_spec("onnxruntime") is None:
        return [failure("models", "ONNX Runtime is not installed", "install custodes again: make install")]
    from custodes.adapters.model import load_detector

    named = os.environ.get("CUSTODES_MODELS", "")
    models_dir = Path(named) if named else config.models_dir
    try:
        detector = load_detector(models_dir=models_dir, name=config.analyser.detector or None, threads=1)
    except CustodesError as error:
        return [failure("models", f"no detector can be used: {error}", advice)]
    return [ok("models", f"detector {detector.ref.name}, digest {detector.ref.sha256[:12]}… as in its manifest")]


def check_disk(data_dir: Path, min_free_mb: int) -> list[Finding]:
    """Free space, and how long a durable write takes."""
    folder = existing_parent(data_dir)
    try:
        free_gb = shutil.disk_usage(folder).free / GB
    except OSError as error:
        return [failure("disk", f"{folder} cannot be looked at: {error.strerror}", "check that the disk is mounted")]
    days = free_gb / _CAMERA_DAY_GB
    space = f"{free_gb:.1f} GB free at {folder}, about {days:.1f} camera-days at 2 Mbit/s"
    if free_gb * 1000 < min_free_mb:
        found = [failure("disk", f"{space}; recording stops below {min_free_mb} MB", "free space, or move data_dir")]
    elif days < 1:
        found = [warning("disk", space, "free space, or move data_dir to a larger disk")]
    else:
        found = [ok("disk", space)]
    return [*found, _check_sync(folder)]


def _check_sync(folder: Path) -> Finding:
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".custodes-doctor-") as stream:
            took_ms = []
            for _ in range(_SYNC_TRIES):
                stream.write(os.urandom(1 << 16))
                stream.flush()
                began = time.monotonic()
                os.fdatasync(stream.fileno())
                took_ms.append((time.monotonic() - began) * 1000)
    except OSError as error:
        return failure(
            "disk-write", f"cannot write in {folder}: {error.strerror}", "name a data_dir where this user may write"
        )
    median_ms, worst_ms = statistics.median(took_ms), max(took_ms)
    text = f"a durable write of 64 KiB takes {median_ms:.1f} ms (worst of {_SYNC_TRIES}: {worst_ms:.0f} ms)"
    if median_ms > _SLOW_SYNC_MS:
        return warning("disk-write", text, "many cameras will overload this disk; use an SSD or fewer cameras")
    return ok("disk-write", text)


def existing_parent(path: Path) -> Path:
    """`path`, or the nearest directory above it that exists."""
    path = path.absolute()
    while not path.is_dir() and path != path.parent:
        path = path.parent
    return path


def check_clock() -> Finding:
    """The kernel's word on whether somebody keeps the clock right."""
    timex = ctypes.create_string_buffer(256)
    state = ctypes.CDLL(None, use_errno=True).adjtimex(timex)
    if state < 0:
        return warning("clock", "the kernel does not tell how good the clock is", "check that NTP runs")
    status = int.from_bytes(timex.raw[_TIMEX_STATUS_OFFSET : _TIMEX_STATUS_OFFSET + 4], sys.byteorder)
    max_error_us = int.from_bytes(timex.raw[_TIMEX_MAXERROR_OFFSET : _TIMEX_MAXERROR_OFFSET + 8], sys.byteorder)
    if status & _STA_UNSYNC:
        return warning(
            "clock",
            "the clock is not synchronised; recordings will carry a wrong time without anybody noticing",
            "run an NTP client, e.g. systemd-timesyncd or chrony (in a container: on its host)",
        )
    return ok("clock", f"synchronised, error at most {max_error_us / 1000:.0f} ms")


def check_capacity(config: SiteConfig) -> Finding:
    """Cores and memory against what is configured."""
    cores = len(os.sched_getaffinity(0))
    memory = psutil.virtual_memory()
    total_gb, free_gb = memory.total / GB, memory.available / GB
    text = f"{cores} cores, {free_gb:.1f} of {total_gb:.1f} GB memory free"
    wanted = config.analyser.processes * config.analyser.threads
    if free_gb < 1.5:
        return warning("capacity", text, "a small site takes about 1.5 GB; close something or add memory")
    if wanted > cores:
        return warning(
            "capacity", f"{text}; {wanted} inference threads are configured", "lower analyser.processes or .threads"
        )
    return ok("capacity", text)


def check_optional() -> Finding:
    """What only tests and the demo need."""
    missing = [] if shutil.which("chromium") else ["chromium (browser tests)"]
    gi = Path("/usr/lib/python3/dist-packages/gi")
    if not gi.is_dir():
        missing.append("GStreamer's RTSP server (demo)")
    if missing:
        return ok("optional", f"not installed, and not needed to run a site: {', '.join(missing)}")
    return ok("optional", "chromium and GStreamer are there, for tests and the demo")
