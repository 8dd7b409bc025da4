"""Timestamps and clocks of a hostile camera: `ingest.timeline` and `ingest.clock` keep their promises.

python -m fuzz.stream_time [-max_total_time=60] [CORPUS]
"""

import struct

from custodes.ingest.clock import MAX_EARLY_NS, MAX_LATE_NS, STEP_NS, RunClock
from custodes.ingest.timeline import Timeline
from custodes.units import Ns

_STEP = struct.Struct(">qqqBI")
START_NS = 1_767_225_600 * 1_000_000_000


def one(case: bytes) -> None:
    """Each 29 bytes: pts, dts, the camera's UTC, flags, milliseconds until it arrived."""
    timeline = Timeline(time_base_num=1, time_base_den=90_000, fps=25.0)
    clock = RunClock(time_base_num=1, time_base_den=90_000)
    last_dts: int | None = None
    elapsed_ns, has_begun = 0, False
    for pts, dts, camera_ns, flags, wait_ms in _STEP.iter_unpack(case[: len(case) // _STEP.size * _STEP.size]):
        wait_ns = wait_ms % 40_000 * 1_000_000
        elapsed_ns += wait_ns
        stamp = timeline.stamp(
            pts=None if flags & 1 else pts, dts=None if flags & 2 else dts, duration=pts & 0xFFFF, elapsed_ns=wait_ns
        )
        assert last_dts is None or stamp.dts > last_dts
        last_dts = stamp.dts
        now_ns = Ns(START_NS + elapsed_ns)
        told = Ns(abs(camera_ns)) if flags & 4 else None
        clock.observe(stamp.pts, arrival_ns=now_ns, monotonic_ns=Ns(elapsed_ns), camera_ns=told)
        if has_begun and clock.has_stepped():
            return  # a new run begins here, see adapters.camera.source
        has_begun = True
        utc_ns = clock.utc_ns(stamp.pts, is_keyframe=bool(flags & 8))
        assert utc_ns >= 0
        reading = clock.reading()
        assert reading.error_ns >= 0
        if flags & 8:
            # Whatever camera and stream say: no further from the arrival than the camera may lead plus what is slewed.
            assert utc_ns <= now_ns + MAX_LATE_NS + STEP_NS
    assert MAX_EARLY_NS < STEP_NS


def seeds() -> list[bytes]:
    """A steady stream with a steady clock, and noise."""
    steady = [
        _STEP.pack(3600 * n, 3600 * n, START_NS + 40_000_000 * n, 12 if n % 10 == 0 else 4, 40) for n in range(40)
    ]
    return [b"".join(steady), bytes(_STEP.size) * 20, bytes(range(_STEP.size)) * 30]
