"""Activity from the compressed stream alone: does what comes look like this camera's quiet packets?

What quiet looks like is learnt per stream from frames that were decoded anyway, apart for an empty picture and for one
where somebody stands. What is unlike it, to either side, counts as activity: an error costs decoding, not an event.
Whether the answer can be relied on is measured elsewhere (`pipeline.activity_gate`).
"""

import math
from collections import deque

import msgspec

from custodes.errors import DataLoss
from custodes.media.slices import SliceReader
from custodes.types.media import Packet, StreamInfo
from custodes.units import NS_PER_MS, NS_PER_S, Ns

_WINDOW_S = 0.35
"""Time constant of the sliding sum. Half of it and B frames alone trip it; twice it and a runner is seen late."""

_UNIT_NS = NS_PER_S
_ONSET_NS = 1500 * NS_PER_MS
"""An episode of motion is judged by its peak up to here: that is what has to trip the gate."""

_CONTIGUOUS_NS = NS_PER_S
"""Looks further apart say nothing about the packets between them."""

_QUIET_KEPT = 64
_EPISODES_KEPT = 32
_UNITS_NEEDED = 4
"""Quiet seconds of one kind before anything of that kind may be called quiet."""

_LEARN = 0.06
_CLIP = 3.0
_ABOVE_MIN = 0.35
_SPREADS = 5.0
"""How far above the usual quiet second activity begins, in natural logarithms: this, or so many median deviations
(3.4 standard deviations of a normal distribution), whichever is more."""

_SHARE_OF_GAP = 0.6
_ABOVE_LEAST = 0.25
"""But no further than this share of the way to the softest tenth of beginnings of motion, and at least a quarter."""

_LOW = 0.35
"""A sum so far below quiet is strange, too: where rate control squeezes still parts, motion makes packets smaller."""

_QP_EVERY = 8
"""Every eighth reference packet's QP is read: rate control turns slowly, and a slice header costs as much as four
packets of everything else here."""

_QP_DOUBLES = 6
"""The quantiser step doubles every 6 QP (H.264 8.5.9), and bits of the same picture about halve."""

_NON_REFERENCE, _REFERENCE, _AFTER_KEYFRAME = range(3)
_CLASSES = 3


class _Quiet:
    """One kind of quiet: what its packets weigh, how loud its seconds are, and how loud motion began from it."""

    __slots__ = ("episodes", "expected", "high", "low", "units")

    def __init__(self) -> None:
        self.expected = [0.0] * _CLASSES
        self.units: deque[tuple[float, float]] = deque(maxlen=_QUIET_KEPT)
        """(loudest, softest) of each quiet second, as ratios to what was expected."""
        self.episodes: deque[float] = deque(maxlen=_EPISODES_KEPT)
        self.high, self.low = 0.0, 0.0

    @property
    def is_known(self) -> bool:
        return len(self.units) >= _UNITS_NEEDED

    def weigh(self, sums: list[float], counts: list[int]) -> None:
        """Learn from packets of quiet looks."""
        for kind, count in enumerate(counts):
            if count:
                mean, known = sums[kind] / count, self.expected[kind]
                share = 1 - (1 - _LEARN) ** count
                self.expected[kind] = mean if not known else known + share * (min(mean, _CLIP * known) - known)

    def decide(self) -> None:
        """Where activity begins: well above most quiet seconds, and below most beginnings of motion."""
        if not self.is_known:
            self.high = self.low = 0.0
            return
        loud = sorted(math.log(unit[0]) for unit in self.units)
        # Median and median deviation: some seconds of every camera are called quiet and are not.
        usual = loud[len(loud) // 2]
        spread = sorted(abs(value - usual) for value in loud)[len(loud) // 2]
        above = max(_ABOVE_MIN, _SPREADS * spread)
        if self.episodes:
            peaks = sorted(math.log(peak) for peak in self.episodes)
            above = min(above, max(_SHARE_OF_GAP * (peaks[len(peaks) // 10] - usual), _ABOVE_LEAST))
        self.high = math.exp(usual + above)
        self.low = _LOW * sorted(unit[1] for unit in self.units)[len(self.units) // 2]


class PacketActivity:
    """One stream's packets. `take` costs about 2 µs (`bench.see`); everything else happens per look."""

    def __init__(self, info: StreamInfo) -> None:
        self._slices = SliceReader(info)
        self._floor = 64 + info.width_px * info.height_px / 4096
        """Added to each packet: below it a packet says "nothing", and two of those differ by nothing that matters."""
        self._kinds = (_Quiet(), _Quiet())
        self._quiet = self._kinds[0]
        self._gain = 1.0
        self._rate = 0.25
        self._sum = self._expected = 0.0
        self._was_keyframe = False
        self._until_qp = 0
        self._sums, self._counts = [0.0] * _CLASSES, [0] * _CLASSES
        self._peak, self._trough = 0.0, math.inf
        self._packets_since, self._since_ns = 0, 0
        self._looked_ns = 0
        self._was_active = True
        self._unit: tuple[int, float, float] | None = None
        self._waiting_unit: tuple[float, float] | None = None
        self._episode: tuple[int, float, bool] | None = None
        self._last_peak = 0.0
        self._references = 0
        self.is_reference = True
        """Of the last packet: whether others need it to be decoded."""
        self.reference_fps = 0.0
        """Pictures per second that others need, as of the last second that ended in a keyframe."""

    def begin_run(self, info: StreamInfo) -> None:
        """The same camera, connected anew: what was learnt stays, what was under way does not."""
        self._slices = SliceReader(info)
        self._was_keyframe, self._until_qp = False, 0
        self._since_ns = self._looked_ns = self._packets_since = self._references = 0
        self._unit = self._waiting_unit = self._episode = None
        self._forget_look()

    @property
    def is_known(self) -> bool:
        """Whether quiet of the present kind was seen often enough to be recognised."""
        return self._quiet.is_known

    def take(self, packet: Packet) -> bool:
        """Whether the stream, up to this packet, is unlike quiet. Always True before quiet is known."""
        payload = packet.payload
        if packet.is_keyframe:
            self._measure_rate(packet.utc_ns)
            self._packets_since += 1
            self._references += 1
            self.is_reference = True
            if not self._was_keyframe:
                self._was_keyframe = True
                return not self._quiet.is_known
            kind = _AFTER_KEYFRAME  # all pictures are keyframes
        else:
            self.is_reference = is_reference = self._slices.is_reference(payload)
            kind = _REFERENCE if is_reference else _NON_REFERENCE
            if self._was_keyframe:
                kind, self._was_keyframe = _AFTER_KEYFRAME, False
            self._packets_since += 1
            if is_reference:
                self._references += 1
                self._until_qp -= 1
                if self._until_qp < 0:
                    self._until_qp = _QP_EVERY - 1
                    qp = self._slices.qp(payload)
                    if qp is not None:
                        self._gain = 2 ** ((qp - 26) / _QP_DOUBLES)
        weight = len(payload) * self._gain + self._floor
        self._sums[kind] += weight
        self._counts[kind] += 1
        quiet, rate = self._quiet, self._rate
        self._sum = total = self._sum + rate * (weight - self._sum)
        self._expected = expected = self._expected + rate * (quiet.expected[kind] - self._expected)
        if expected <= 0:
            return True
        ratio = total / expected
        if ratio > self._peak:
            self._peak = ratio
        if ratio < self._trough:
            self._trough = ratio
        return ratio > quiet.high or ratio < quiet.low

    def learn(self, *, is_active: bool, is_occupied: bool, utc_ns: Ns) -> None:
        """A frame of about now was decoded and looked at.

        Args: is_active: something moved that is not known to stand there; is_occupied: somebody stands there.
        """
        peak, trough = self._peak, self._trough
        is_contiguous = 0 < utc_ns - self._looked_ns <= _CONTIGUOUS_NS
        self._looked_ns = utc_ns
        kind = self._kinds[is_occupied]
        if not is_contiguous or kind is not self._quiet:
            self._unit = self._waiting_unit = None
        if is_contiguous and peak > 0:
            if is_active:
                self._learn_active(utc_ns, peak)
            else:
                self._learn_quiet(utc_ns, peak, trough)
        elif is_contiguous and not is_active:
            kind.weigh(self._sums, self._counts)
        self._was_active, self._last_peak = is_active, peak
        if not is_active:
            self._quiet = kind
        self._forget_look()

    def _forget_look(self) -> None:
        self._sums, self._counts = [0.0] * _CLASSES, [0] * _CLASSES
        self._peak, self._trough = 0.0, math.inf

    def _learn_active(self, utc_ns: Ns, peak: float) -> None:
        self._unit = self._waiting_unit = None
        if not self._was_active:
            # Not an episode yet: one change alone is a lamp or a thing put down, and packets need not tell of it.
            self._episode = (utc_ns, max(peak, self._last_peak), False)
        elif self._episode is not None:
            began_ns, highest, _ = self._episode
            self._episode = (began_ns, max(highest, peak), True)
            if utc_ns - began_ns >= _ONSET_NS:
                self._end_episode()

    def _learn_quiet(self, utc_ns: Ns, peak: float, trough: float) -> None:
        if self._was_active:
            # The window still holds the motion's packets; this look only says that it is over.
            self._end_episode()
            return
        quiet = self._quiet
        quiet.weigh(self._sums, self._counts)
        began_ns, highest, lowest = self._unit or (utc_ns, 0.0, math.inf)
        self._unit = (began_ns, max(highest, peak), min(lowest, trough))
        if utc_ns - began_ns >= _UNIT_NS:
            # One second late: what is loud just before motion is seen belongs to the motion.
            if self._waiting_unit is not None:
                quiet.units.append(self._waiting_unit)
                quiet.decide()
            self._waiting_unit, self._unit = self._unit[1:], None

    def _end_episode(self) -> None:
        if self._episode is not None and self._episode[2]:
            self._quiet.episodes.append(self._episode[1])
            self._quiet.decide()
        self._episode = None

    def _measure_rate(self, utc_ns: Ns) -> None:
        """The window's share per packet, from packets per second between keyframes at least a second apart."""
        span_ns = utc_ns - self._since_ns
        if 0 <= span_ns < _UNIT_NS:
            return
        if 0 < span_ns < 60 * NS_PER_S and self._packets_since > 1:
            self._rate = -math.expm1(-span_ns / (NS_PER_S * _WINDOW_S * self._packets_since))
            self.reference_fps = self._references * NS_PER_S / span_ns
        self._since_ns, self._packets_since, self._references = utc_ns, 0, 0

    def snapshot(self) -> bytes:
        """All that was learnt."""
        kinds = [(k.expected, list(k.units), list(k.episodes)) for k in self._kinds]
        window = (self._gain, self._rate, self._sum, self._expected)
        look = (self._peak, self._trough, self._last_peak, self.reference_fps)
        counts = (self._until_qp, self._packets_since, self._references, self._since_ns, self._looked_ns)
        flags = (self._was_keyframe, self._was_active, self._quiet is self._kinds[1])
        open_ends = (self._unit, self._waiting_unit, self._episode)
        state = (kinds, window, look, counts, flags, open_ends, self._sums, self._counts)
        return msgspec.msgpack.encode(state)

    def restore(self, state: bytes) -> None:
        """Go on as the one that wrote `state`. Raises: DataLoss."""
        try:
            kinds, window, look, counts, flags, open_ends, self._sums, self._counts = _STATE.decode(state)
        except msgspec.MsgspecError as error:
            raise DataLoss(f"activity snapshot cannot be read: {error}") from error
        for kind, (expected, units, episodes) in zip(self._kinds, kinds, strict=True):
            kind.expected = expected
            kind.units.extend(units)
            kind.episodes.extend(episodes)
            kind.decide()
        self._gain, self._rate, self._sum, self._expected = window
        self._peak, self._trough, self._last_peak, self.reference_fps = look
        self._until_qp, self._packets_since, self._references, self._since_ns, self._looked_ns = counts
        self._was_keyframe, self._was_active, is_occupied = flags
        self._unit, self._waiting_unit, self._episode = open_ends
        self._quiet = self._kinds[is_occupied]


_Kind = tuple[list[float], list[tuple[float, float]], list[float]]
_Ends = tuple[tuple[int, float, float] | None, tuple[float, float] | None, tuple[int, float, bool] | None]
_STATE = msgspec.msgpack.Decoder(
    tuple[
        tuple[_Kind, _Kind],
        tuple[float, float, float, float],
        tuple[float, float, float, float],
        tuple[int, int, int, int, int],
        tuple[bool, bool, bool],
        _Ends,
        list[float],
        list[int],
    ]
)
