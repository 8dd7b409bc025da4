"""Composition root of the process that view jobs are copied from: it has imported what they need, and no more.

It knows no key, no footage and no task; what it could give a copy is code that any job imports (ADR 119).
"""

import argparse
import gc
import os
import sys
from pathlib import Path

from setproctitle import setproctitle

from custodes.adapters.ipc.framing import listening_socket
from custodes.app import job
from custodes.config import SitePaths
from custodes.errors import CustodesError
from custodes.runtime.forks import wait_to_be_forked
from custodes.runtime.memory import hide_memory
from custodes.runtime.parent import die_with_parent


def main() -> None:
    """Entry point of the process, and of each job that is copied from it."""
    die_with_parent()
    hide_memory()
    parser = argparse.ArgumentParser(prog="custodes.app.forker")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--name", default="forker")
    paths = SitePaths(parser.parse_args().data.resolve())
    job.warm_up()
    gc.collect()
    gc.freeze()  # a collection in a copy would write to, and so copy, every page of what is shared
    try:
        listener = listening_socket(paths.socket("forker"))
    except CustodesError as error:
        sys.exit(f"forker: {error}")
    words = wait_to_be_forked(listener, os.getppid())
    setproctitle(" ".join(words))
    job.main(words[3:])  # without "python -m module"


if __name__ == "__main__":
    main()
