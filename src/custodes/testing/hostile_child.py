"""A camera's source in a process of its own, for measuring: plays what it is told and says how it went, in one line.

    python -m custodes.testing.hostile_child --seconds 3 --open-timeout 10 --stall 2 SCHEME://HOST:PORT/x …

Several addresses are played at the same time; a JSON object each, in their order: error class or "plays", sentence,
packets, runs, largest payload, seconds, peak memory of the process so far.
"""

import argparse
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

from custodes.adapters.camera import open_camera
from custodes.adapters.camera import rtsp as network
from custodes.errors import CameraChanged, CameraError
from custodes.media.losses import LOSSES
from custodes.runtime.clock import SystemClock
from custodes.testing.camera import file_spec

MAX_RUNS = 200


def play(url: str, *, seconds: float, stall_s: float) -> dict[str, object]:
    """Until it breaks, or for so long after the first packet could come."""
    reference = "env:HOSTILE_PASSWORD"
    spec = replace(file_spec(Path("/x")), url=url, username="viewer", password_ref=reference)
    began_s = time.monotonic()
    verdict, sentence, packets, runs, largest = "plays", "", 0, 0, 0
    source = open_camera(spec, SystemClock(), stall_s=stall_s, environ={"HOSTILE_PASSWORD": "s3cret"})
    try:
        source.open()
        end_s = time.monotonic() + seconds
        while runs < MAX_RUNS and time.monotonic() < end_s:
            runs += 1
            LOSSES.lost()
            try:
                for packet in source.packets():
                    packets += 1
                    largest = max(largest, len(packet.payload))
                    if time.monotonic() > end_s:
                        break
            except CameraChanged:
                source.open()
    except CameraError as error:
        verdict, sentence = type(error).__name__, str(error)
    finally:
        source.close()
    return {
        "verdict": verdict,
        "sentence": sentence,
        "packets": packets,
        "runs": runs,
        "largest_bytes": largest,
        "seconds": round(time.monotonic() - began_s, 2),
        "peak_mb": _peak_mb(),
    }


def _peak_mb() -> float:
    """VmHWM: unlike ru_maxrss, it does not begin with the parent's."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return round(int(line.split()[1]) / 1024, 1)


def main() -> None:
    """See the module's first lines."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--stall", type=float, default=2.0)
    parser.add_argument("--open-timeout", type=float, default=network.OPEN_TIMEOUT_S)
    parser.add_argument("urls", nargs="+")
    arguments = parser.parse_args()
    network.OPEN_TIMEOUT_S = arguments.open_timeout
    LOSSES.start()  # as in the recorder
    one = partial(play, seconds=arguments.seconds, stall_s=arguments.stall)
    with ThreadPoolExecutor(len(arguments.urls)) as threads:
        for outcome in threads.map(one, arguments.urls):
            sys.stdout.write(json.dumps(outcome) + "\n")


if __name__ == "__main__":
    main()
