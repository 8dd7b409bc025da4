"""Where the benches find real footage: the workplace's shared folder. Nothing of it is copied here."""

import os
from pathlib import Path

WALKERS = "people/pets09-s2l1-view001.avi"
TABLE = "people/intel-one-by-one-person-detection.mp4"


def shared_data() -> Path:
    """The folder of real footage. Raises SystemExit when it is not there."""
    path = Path(os.environ.get("CUSTODES_SHARED", "../shared")) / "data"
    if not path.is_dir():
        raise SystemExit(f"no footage at {path.resolve()}; set CUSTODES_SHARED to the folder that holds data/")
    return path
