"""What machine a site needs: a model of two lines, fitted to what `bench.path` measured. Pure but for its table.

CPU and memory of a real site were measured with several numbers of cameras; a line through them has a fixed part and
a part per camera, and the error is what the line misses at a number when it is fitted to the others. Disk and network
follow from bitrates. The footage of the bench is busy; a quiet camera costs a fraction of its (see `bench.see`), so
this is what a site needs at its worst hours. A view job counts with what a spare one holds; one that renders holds
more, which nobody has measured.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta

from custodes.errors import ConfigError, InvalidArgument

TABLE = Path(__file__).with_name("capacity.json")
USED_SHARE = 0.7
"""Of the cores, on average: peaks, retention and the operating system need the rest."""
OVERHEAD = 1.003
"""Bytes on disk for a byte of video, at most (aim of `bench.record`: `overhead_share`)."""
DISK_SHARE = 0.9
"""Of the disk; the rest is for the catalog, indexes and room to delete in."""
SYSTEM_MB = 1024
MAX_CAMERAS, MAX_VIEWERS, MAX_DAYS = 1_000_000, 100_000, 3660

_Positive = Annotated[float, Meta(gt=0)]

BURN_MS = 25.8
"""CPU a 1080p picture whose zones are filled before storing: `python -m bench.redact`, `burn_ms_per_1080p`, on a busy
machine of two cores, 2026-11-26."""
BURN_SIZE = 1.25
"""`burn_size_ratio` of the same."""
BURN_FPS = 25


class Run(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One number of cameras."""

    cameras: Annotated[int, Meta(ge=1)]
    cores: _Positive
    """CPU seconds a second of all processes of the site, without viewers."""
    rss_mb: _Positive
    """Of all processes, spare view jobs included."""
    analysed_per_camera_s: Annotated[float, Meta(ge=0)]
    gops_shed_per_camera_s: Annotated[float, Meta(ge=0)]
    view_cores: Annotated[float, Meta(ge=0)]
    """Of one view."""
    job_mb: _Positive
    """Of one view job."""


class Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was measured, where and when."""

    commit: str
    machine: str
    date: str
    command: str
    footage: str
    """What the cameras showed: larger pictures cost more to decode and to view, which the lines do not know."""
    runs: Annotated[tuple[Run, ...], Meta(min_length=3)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """`fixed + each · n`."""

    fixed: float
    each: float
    error_share: float
    """The largest miss at a measured number by a line through the others, as a share of what was measured."""

    def at(self, count: int) -> float:
        """Never below the fixed part."""
        return self.fixed + self.each * count


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is needed."""

    cores: float
    """In use."""
    cores_to_have: int
    memory_gb: float
    disk_tb: float
    network_in_mbps: float
    network_out_mbps: float
    cpu_error_share: float
    memory_error_share: float
    beyond: float
    """How many times more cameras than were measured at most; above 1 the lines are drawn on."""


def read_table(path: Path = TABLE) -> Table:
    """Raises: ConfigError when it is not there or is none."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Table)
    except (OSError, msgspec.MsgspecError) as error:
        raise ConfigError(f"{path} is no table of measured figures: {error}") from error


def fit(counts: list[int], values: list[float]) -> Line:
    """Least squares, neither part below 0. Raises: InvalidArgument for fewer than three numbers."""
    if len(set(counts)) < 3:
        raise InvalidArgument(f"figures for {sorted(set(counts))} cameras; a line with an error needs three numbers")
    fixed, each = _line(counts, values)
    misses = []
    for left in range(len(counts)):
        a, b = _line(counts[:left] + counts[left + 1 :], values[:left] + values[left + 1 :])
        misses.append(abs(a + b * counts[left] - values[left]) / values[left])
    return Line(fixed=fixed, each=each, error_share=max(misses))


def _line(counts: list[int], values: list[float]) -> tuple[float, float]:
    each, fixed = np.polyfit(counts, values, 1)
    if fixed < 0:  # through the origin: no site costs less than nothing
        n, v = np.array(counts, float), np.array(values)
        return 0.0, float((n * v).sum() / (n * n).sum())
    return float(fixed), max(float(each), 0.0)


def plan_site(
    table: Table,
    *,
    cameras: int,
    viewers: int,
    days: float,
    camera_mbps: float,
    view_mbps: float,
    burnt_in: int = 0,
) -> Plan:
    """Args: `viewers`: views at once; `days`: that recordings are kept; rates in 10^6 bits a second;
    `burnt_in`: how many of the cameras have their privacy zones filled before storing, each 1080p at `BURN_FPS`.

    Raises: InvalidArgument for numbers out of range.
    """
    for name, value, most in (("cameras", cameras, MAX_CAMERAS), ("viewers", viewers, MAX_VIEWERS)):
        if not 0 <= value <= most:
            raise InvalidArgument(f"{name}: {value}; expected 0 to {most}")
    if not 0 <= burnt_in <= cameras:
        raise InvalidArgument(f"burn-in: {burnt_in} of {cameras} cameras; expected 0 to {cameras}")
    if not 0 < days <= MAX_DAYS or not 0 < camera_mbps <= 1000 or not 0 < view_mbps <= 1000:
        raise InvalidArgument(f"expected 0 to {MAX_DAYS} days and 0 to 1000 Mbit/s, both above 0")
    counts = [one.cameras for one in table.runs]
    cpu = fit(counts, [one.cores for one in table.runs])
    memory = fit(counts, [one.rss_mb for one in table.runs])
    view_cores = max(one.view_cores for one in table.runs)
    job_mb = max(one.job_mb for one in table.runs)
    cores = cpu.at(cameras) + viewers * view_cores + burnt_in * BURN_MS * BURN_FPS / 1000
    streams = cameras + burnt_in * (BURN_SIZE - 1)
    stored = streams * camera_mbps * 1e6 / 8 * 86_400 * days * OVERHEAD
    return Plan(
        cores=cores,
        cores_to_have=max(2, int(np.ceil(cores * (1 + cpu.error_share) / USED_SHARE))),
        memory_gb=(memory.at(cameras) + viewers * job_mb + SYSTEM_MB) * (1 + memory.error_share) / 1000,
        disk_tb=stored / DISK_SHARE / 1e12,
        network_in_mbps=cameras * camera_mbps,
        network_out_mbps=viewers * view_mbps,
        cpu_error_share=cpu.error_share,
        memory_error_share=memory.error_share,
        beyond=cameras / max(counts),
    )
