"""Every stretch without recorded video, with its cause. Pure: one tracker per camera."""

from custodes.types.media import Gap, GapCause
from custodes.units import NS_PER_S, CameraId, Ns

MIN_GAP_NS = 1 * NS_PER_S
"""Shorter holes are frame intervals and reconnects within a GOP; the timeline could not show them. Not so where this
process itself was away: however quickly it came back, something is missing, and absence is evidence."""

GROW_EVERY_NS = 30 * NS_PER_S
"""How often a gap that is still open is noted again, so that a crash loses at most this of it."""


class GapTracker:
    """Turns "recorded from, to" and "lost because" into gaps."""

    def __init__(
        self, camera_id: CameraId, *, last_end_ns: Ns | None, down_cause: GapCause = GapCause.RECORDER_DOWN
    ) -> None:
        """
        Args:
            last_end_ns: where the recording ended before this process; None for a camera never recorded.
            down_cause: why nothing was recorded since then.
        """
        self._camera_id = camera_id
        self._covered_ns = last_end_ns
        self._cause: GapCause | None = down_cause if last_end_ns is not None else None
        self._start_ns: Ns | None = last_end_ns
        self._noted_ns: Ns | None = None

    @property
    def covered_ns(self) -> Ns | None:
        """Up to where everything is either recorded or noted as a gap."""
        return self._covered_ns

    @property
    def is_open(self) -> bool:
        """Nothing is being recorded."""
        return self._start_ns is not None

    def recorded(self, start_ns: Ns, end_ns: Ns) -> list[Gap]:
        """Video from `start_ns` to `end_ns` is on disk."""
        since = self._start_ns if self._start_ns is not None else self._covered_ns
        cause = self._cause or GapCause.STALLED
        gaps = self._gap(since, start_ns, cause)
        self._start_ns = self._cause = self._noted_ns = None
        self._covered_ns = end_ns if self._covered_ns is None else max(end_ns, self._covered_ns)
        return gaps

    def lost(self, cause: GapCause, now_ns: Ns) -> list[Gap]:
        """Nothing is recorded, from the last recorded moment on, because of `cause`."""
        if self._start_ns is None:
            self._start_ns = self._covered_ns if self._covered_ns is not None else now_ns
            self._cause = cause
            return []
        if self._cause is cause:
            return []
        # Another cause takes over: the earlier one ends here.
        gaps = self._gap(self._start_ns, now_ns, self._cause or cause)
        self._start_ns, self._cause, self._noted_ns = max(now_ns, self._start_ns), cause, None
        return gaps

    def growing(self, now_ns: Ns) -> list[Gap]:
        """The open gap so far, when it is time to note it again."""
        if self._start_ns is None or self._cause is None:
            return []
        if self._noted_ns is not None and now_ns - self._noted_ns < GROW_EVERY_NS:
            return []
        gaps = self._gap(self._start_ns, now_ns, self._cause)
        if gaps:
            self._noted_ns = now_ns
        return gaps

    def ended(self, now_ns: Ns) -> list[Gap]:
        """The recorder stops: note an open gap up to now."""
        gaps = self._gap(self._start_ns, now_ns, self._cause) if self._cause is not None else []
        if gaps:
            self._covered_ns = now_ns
        return gaps

    def _gap(self, start_ns: Ns | None, end_ns: Ns, cause: GapCause) -> list[Gap]:
        least_ns = 1 if cause is GapCause.RECORDER_DOWN else MIN_GAP_NS
        if start_ns is None or end_ns - start_ns < least_ns:
            return []
        return [Gap(camera_id=self._camera_id, start_ns=start_ns, end_ns=end_ns, cause=cause)]
