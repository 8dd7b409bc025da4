"""Stream timestamps made usable: present, growing, without jumps. UTC belongs to `clock`.

Cameras send packets without pts, with repeated dts, and jump when they set their clock or wrap a counter. Payloads
are never touched.
"""

import msgspec

MAX_JUMP_S = 10.0
"""A step beyond this, forward or back, is a new clock of the camera, not a pause (stalls end the run earlier)."""

_DEFAULT_FPS = 25.0


class Stamp(msgspec.Struct, kw_only=True, gc=False):  # a struct for the reason of `types.media.Packet`
    """Times in units of the stream's time base. `is_jump`: the source's clock was set anew before this packet."""

    pts: int
    dts: int
    duration: int
    is_jump: bool


class Timeline:
    """Repairs one run's timestamps. `jumps` counts breaks, `repairs` single missing or repeated values."""

    def __init__(self, *, time_base_num: int, time_base_den: int, fps: float) -> None:
        units_per_s = time_base_den / time_base_num
        self._max_jump = max(int(MAX_JUMP_S * units_per_s), 2)
        self._step = max(int(units_per_s / (fps if 0.1 <= fps <= 1000 else _DEFAULT_FPS)), 1)
        self._units_per_s = units_per_s
        self._offset = 0
        self._last_dts: int | None = None
        self._last_length = self._step
        self.jumps = 0
        self.repairs = 0

    def stamp(self, *, pts: int | None, dts: int | None, duration: int, elapsed_ns: int) -> Stamp:
        """The next packet's times.

        Args: elapsed_ns: real time since the packet before; places the packet after a jump.
        Returns: dts strictly growing over the run, pts ≥ dts unless the source says otherwise within a second.
        """
        if pts is None and dts is None:
            self.repairs += self._last_dts is not None
            # A raw H.264 file has no times, but its packets' lengths follow the rate in its own parameters.
            dts = (self._last_dts or 0) - self._offset + (self._last_length if self._last_dts is not None else 0)
        raw_dts = dts if dts is not None else pts
        assert raw_dts is not None
        raw_pts = pts if pts is not None else raw_dts
        length = duration if 0 < duration <= self._max_jump else self._step
        self._last_length = length
        if self._last_dts is None:
            self._last_dts = raw_dts
            return Stamp(pts=self._near(raw_pts, raw_dts), dts=raw_dts, duration=length, is_jump=False)
        fixed_dts, is_jump = raw_dts + self._offset, False
        if abs(fixed_dts - self._last_dts) > self._max_jump or fixed_dts < self._last_dts - self._step:
            elapsed = min(max(int(elapsed_ns * self._units_per_s / 1e9), 1), self._max_jump)
            self._offset = self._last_dts + elapsed - raw_dts
            fixed_dts, is_jump = self._last_dts + elapsed, True
            self.jumps += 1
        elif fixed_dts <= self._last_dts:
            self.repairs += 1
            fixed_dts = self._last_dts + 1
        self._last_dts = fixed_dts
        return Stamp(
            pts=self._near(raw_pts + self._offset, fixed_dts), dts=fixed_dts, duration=length, is_jump=is_jump
        )

    def _near(self, pts: int, dts: int) -> int:
        """A pts that is far from its dts is damage: reordering spans less than a second."""
        if abs(pts - dts) > self._units_per_s + self._step:
            self.repairs += 1
            return dts
        return pts
