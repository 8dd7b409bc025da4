"""A source when the clock is set: masks are vouched for by run and time, so no run may carry a time twice."""

from itertools import pairwise
from pathlib import Path

import pytest

from custodes.adapters.camera import open_camera
from custodes.errors import CameraChanged, CameraEnded
from custodes.testing.camera import FastClock, file_spec, write_clip
from custodes.types.media import Packet
from custodes.units import NS_PER_S, Ns


class SteppedClock(FastClock):
    """Is set once, by `step_s`."""

    def __init__(self, *, after_s: int, step_s: int) -> None:
        super().__init__()
        self._after_ns, self._step_ns = after_s * NS_PER_S, step_s * NS_PER_S

    def now_ns(self) -> Ns:
        return Ns(super().now_ns() + (self._step_ns if self.monotonic_ns() >= self._after_ns else 0))


@pytest.mark.parametrize("step_s", [-60, 60, -5 * 86_400, 5 * 86_400])
def test_packets_when_the_clock_is_set_then_a_new_run_goes_on_without_loss(step_s: int, tmp_path: Path) -> None:
    clock = SteppedClock(after_s=42, step_s=step_s)
    spec = file_spec(write_clip(tmp_path / "walk.mp4", frames=900, size=(160, 120)))
    source = open_camera(spec, clock, wait=clock.wait)
    runs: list[list[Packet]] = []
    with pytest.raises(CameraEnded):
        while True:
            source.open()
            runs.append([])
            try:
                runs[-1].extend(source.packets())
            except CameraChanged:
                assert len(runs) < 3
    source.close()
    first, second = runs
    assert len(first) + len(second) == 900
    assert first[0].run != second[0].run
    assert second[0].is_keyframe
    assert second[0].seq == 0
    assert all(a.utc_ns < b.utc_ns for packets in runs for a, b in pairwise(packets))
    assert round((second[0].utc_ns - first[-1].utc_ns) / NS_PER_S) == step_s
