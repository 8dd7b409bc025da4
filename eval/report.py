"""The one JSON line that every bench and evaluation ends with, and the progress bar on stderr before it."""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

_BAR_WIDTH = 30


class Report:
    """Collects numbers; `finish` prints them. Keys are those of BENCHES.md, others may be added."""

    def __init__(self, name: str, *, smoke: bool, config: dict[str, Any]) -> None:
        self.name = name
        self.config = {"smoke": smoke, **config}
        self.results: dict[str, float] = {}
        self.floor: dict[str, float] = {}
        self.peers: dict[str, dict[str, float]] = {}
        self.rows: list[dict[str, object]] = []
        """Of single things that were measured; printed only where there are any."""
        self._told: set[str] = set()
        self._has_bar = False

    def progress(self, step: int, total: int, text: str) -> None:
        """Show `step` of `total` done. One line on a terminal, one line per tenth elsewhere."""
        if sys.stderr.isatty():
            filled = _BAR_WIDTH * step // max(total, 1)
            bar = "█" * filled + "·" * (_BAR_WIDTH - filled)
            sys.stderr.write(f"\r\033[K{self.name} {bar} {step}/{total} {text}")
            self._has_bar = True
        elif step == total or step * 10 // max(total, 1) != (step - 1) * 10 // max(total, 1):
            sys.stderr.write(f"{self.name} {step}/{total} {text}\n")
        sys.stderr.flush()

    def note(self, text: str) -> None:
        """A line for people, on stderr."""
        sys.stderr.write(f"{self._after_bar()}{text}\n")

    def part(self, text: str) -> None:
        """A part of a long run has ended: its numbers on stderr, so that what is stopped later has told something."""
        new = {name: value for name, value in self.results.items() if name not in self._told}
        self._told.update(new)
        self.note(f"{text}: {json.dumps(new)}")

    def finish(self) -> None:
        """Print the line on stdout."""
        sys.stderr.write(self._after_bar())
        rows = {"rows": self.rows} if self.rows else {}
        print(json.dumps({
            "name": self.name, "commit": commit(), "machine": machine(), "config": self.config,
            "results": self.results, "floor": self.floor, "peers": self.peers, **rows,
        }))  # fmt: skip

    def _after_bar(self) -> str:
        end, self._has_bar = ("\n" if self._has_bar else ""), False
        return end


def commit() -> str:
    """Short hash of the checkout, with + when files differ from it; `unknown` outside a checkout."""
    root = Path(__file__).resolve().parent.parent
    done = subprocess.run(["git", "describe", "--always", "--abbrev=10", "--dirty=+", "--exclude=*"], cwd=root,
                          capture_output=True, text=True, check=False)  # fmt: skip
    return done.stdout.strip() or "unknown"


def machine() -> dict[str, Any]:
    """What the numbers were taken on."""
    models = [line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
              if line.startswith("model name")]  # fmt: skip
    return {
        "cpu": models[0] if models else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "load_at_end": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
    }


def bootstrap(
    units: Sequence[Sequence[float]], statistic: Any, *, rounds: int = 1000, seed: int = 7
) -> tuple[float, float]:
    """95 % interval of a statistic by resampling units (frames, tracks, pairs) with replacement.

    Args: units: (n, k) numbers per unit. statistic: (k,) sums of a resample → number.
    Returns: (low, high).
    """
    table: npt.NDArray[np.float64] = np.asarray(units, dtype=np.float64)
    rng = np.random.default_rng(seed)
    draws = rng.integers(0, len(table), size=(rounds, len(table)))
    values = [statistic(table[draw].sum(axis=0)) for draw in draws]
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return float(low), float(high)
