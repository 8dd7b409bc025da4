"""Which stretches of recorded video say that privacy zones were filled before they were stored (`media.burn_mark`)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from custodes.media import nal
from custodes.media.burn_mark import zones_filled
from custodes.types.media import Packet, StreamInfo
from custodes.units import Ns


@dataclass(frozen=True, slots=True, kw_only=True)
class FilledStretch:
    """Recorded video in which the same zones were filled."""

    start_ns: Ns
    end_ns: Ns
    zones: tuple[tuple[tuple[float, float], ...], ...]
    """Corners, shares of the picture."""


class BurntStretches:
    """Takes GOPs in the order they are read. Raises nothing."""

    def __init__(self) -> None:
        self._open: FilledStretch | None = None

    def add(self, info: StreamInfo, packets: Sequence[Packet]) -> list[FilledStretch]:
        """One GOP; returns the stretch that it brings to an end."""
        if not packets:
            return []
        is_readable = info.codec in nal.NAL_CODECS
        units = nal.units_of(packets[0].payload, info.codec, info.extradata) if is_readable else []
        zones = zones_filled(units)
        if zones is None:
            return self.finish()
        end_ns = packets[-1].utc_ns
        if self._open is not None and self._open.zones == zones:
            self._open = replace(self._open, end_ns=end_ns)
            return []
        ended = self.finish()
        self._open = FilledStretch(start_ns=packets[0].utc_ns, end_ns=end_ns, zones=zones)
        return ended

    def finish(self) -> list[FilledStretch]:
        """The last stretch; another GOP begins anew."""
        last, self._open = self._open, None
        return [] if last is None else [last]
