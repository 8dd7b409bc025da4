"""Run a target under atheris (libFuzzer), from its seeds: `python -m fuzz TARGET [-max_total_time=60] [CORPUS]`.

Only custodes is instrumented: atheris needs minutes for every function of every library.
"""

import importlib
import sys
import tempfile
from pathlib import Path

import atheris


def main() -> None:
    """Never returns; libFuzzer ends the process, with 0 when nothing was found."""
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    with atheris.instrument_imports(include=["custodes"]):
        target = importlib.import_module(f"fuzz.{sys.argv[1]}")
    with tempfile.TemporaryDirectory(prefix="seeds-") as folder:
        for number, seed in enumerate(getattr(target, "seeds", list)()):
            (Path(folder) / str(number)).write_bytes(seed)
        atheris.Setup([sys.argv[0], *sys.argv[2:], folder], target.one)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
