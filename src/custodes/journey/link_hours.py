"""Final links of hours whose flows are not made yet: numbers under a key of that hour, in memory, gone once these are.

What an hour holds says of nobody which track was theirs: an object is a number that no other hour has, and that a
track took part can only be asked with the track in hand.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from custodes.journey.fusion import TrackKey
from custodes.journey.link_pairs import FinalLinks
from custodes.journey.pseudonyms import Pseudonyms
from custodes.types.flow import FlowGroup
from custodes.units import NS_PER_HOUR, NS_PER_S, CameraId

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

MAX_HOURS = 8
"""Kept for a catalog that cannot be written for so long; beyond, the oldest goes, and its flows are made without."""
MAX_LINKS = 2_000_000
"""Of an hour and group: 80 MB. A thousand cameras of a busy town have a fifth of that."""


@dataclass(frozen=True, slots=True)
class HourLinks:
    """`whole` (m,) which object, `first` and `second` (m,) indices into `cameras`, `gap_s`, `chance` (m,)."""

    cameras: tuple[CameraId, ...]
    whole: Rows
    first: Rows
    second: Rows
    gap_s: Floats
    chance: Floats
    took_part: Callable[[TrackKey], bool]
    """Whether links of a track that began in this hour were looked for."""


@dataclass(slots=True)
class _Hour:
    names: Pseudonyms
    links: dict[FlowGroup, list[tuple[Rows, Rows, Rows, Floats, Floats]]] = field(default_factory=dict)
    tracks: dict[FlowGroup, set[int]] = field(default_factory=dict)
    count: int = 0


class LinkHours:
    """Not thread-safe."""

    def __init__(self, draw: Callable[[int], bytes]) -> None:
        """`draw`: so many random bytes."""
        self._draw = draw
        self._hours: dict[int, _Hour] = {}
        self.dropped = 0

    def put(self, group: FlowGroup, final: FinalLinks, origin_ns: int) -> None:
        """What became final; times of it count from `origin_ns`."""
        for key, start_s in final.tracks:
            hour_ns = _hour_of(origin_ns, start_s)
            hour = self._hour(hour_ns)
            hour.tracks.setdefault(group, set()).add(hour.names.number(_bytes(key), hour_ns))
        hours = np.array([_hour_of(origin_ns, one) for one in final.start_s.tolist()], np.int64)
        for hour_ns in sorted(set(hours.tolist())):
            hour, mine = self._hour(hour_ns), hours == hour_ns
            if hour.count + int(mine.sum()) > MAX_LINKS:
                self.dropped += int(mine.sum())
                continue
            hour.count += int(mine.sum())
            number = {
                one: hour.names.number(one.to_bytes(8, "big"), hour_ns) for one in set(final.whole[mine].tolist())
            }
            whole = np.array([number[one] for one in final.whole[mine].tolist()], np.int64)
            columns = (whole, final.first[mine], final.second[mine], final.gap_s[mine], final.chance[mine])
            hour.links.setdefault(group, []).append(columns)

    def of(self, start_ns: int, group: FlowGroup, cameras: Sequence[CameraId]) -> HourLinks | None:
        """Of the hour that began then; None where no link was looked for. `cameras`: by the numbers of `put`."""
        hour = self._hours.get(start_ns)
        if hour is None or not hour.tracks.get(group):
            return None
        parts = hour.links.get(group, [])
        none = np.zeros(0, np.int64)
        whole, first, second, gap_s, chance = (
            np.concatenate([part[index] for part in parts]) if parts else none for index in range(5)
        )
        names, tracks = hour.names, hour.tracks[group]
        return HourLinks(
            cameras=tuple(cameras),
            whole=whole,
            first=first,
            second=second,
            gap_s=gap_s.astype(np.float64),
            chance=chance.astype(np.float64),
            took_part=lambda key: names.number(_bytes(key), start_ns) in tracks,
        )

    def forget(self, start_ns: int) -> None:
        """Its flows are made: the key is overwritten, the numbers are gone."""
        hour = self._hours.pop(start_ns, None)
        if hour is not None:
            hour.names.destroy()
            hour.links.clear()
            hour.tracks.clear()

    def forget_all(self) -> None:
        """All hours."""
        for start_ns in list(self._hours):
            self.forget(start_ns)

    def _hour(self, start_ns: int) -> _Hour:
        hour = self._hours.get(start_ns)
        if hour is None:
            hour = self._hours[start_ns] = _Hour(Pseudonyms(self._draw, life_ns=NS_PER_HOUR))
            while len(self._hours) > MAX_HOURS:
                self.forget(min(self._hours))
        return hour


def _hour_of(origin_ns: int, start_s: float) -> int:
    return (origin_ns + round(start_s * NS_PER_S)) // NS_PER_HOUR * NS_PER_HOUR


def _bytes(key: TrackKey) -> bytes:
    return "\0".join((key[0], key[1], str(key[2]))).encode()
