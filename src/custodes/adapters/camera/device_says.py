"""What of a device's events lasts: motion, tampering, inputs, its own storage. Pure, no network.

Topics: ONVIF's specifications of imaging (VideoSource/…), analytics (RuleEngine/…), device I/O (Trigger/DigitalInput),
core (HardwareFailure/StorageFailure). A device may send anything: what is kept is bounded, what is not known is left
out, above all what it says of faces and number plates.
"""

from collections.abc import Iterable

from custodes.adapters.camera.soap_device import DeviceEvent
from custodes.types.event import DeviceSaying, DeviceWord
from custodes.units import NS_PER_S, Ns

TOPICS: dict[str, DeviceWord] = {
    "RuleEngine/CellMotionDetector/Motion": DeviceWord.MOTION,
    "RuleEngine/MotionRegionDetector/Motion": DeviceWord.MOTION,
    "VideoSource/MotionAlarm": DeviceWord.MOTION,
    "RuleEngine/TamperDetector/Tamper": DeviceWord.TAMPERING,
    "RuleEngine/Tamper": DeviceWord.TAMPERING,
    "VideoSource/GlobalSceneChange": DeviceWord.TAMPERING,
    "VideoSource/ImageTooBlurry": DeviceWord.TAMPERING,
    "Device/Trigger/DigitalInput": DeviceWord.INPUT,
    "Device/HardwareFailure/StorageFailure": DeviceWord.STORAGE,
}
"""And what is below them. ImageTooDark and ImageTooBright are left out: nightfall is no tampering."""
MAX_LASTING = 32
"""Of one device; what comes beyond them is not kept."""
MAX_NAMED = 3
MAX_DETAIL = 300
MOTION_LASTS_NS = 600 * NS_PER_S
LASTS_NS = 24 * 3600 * NS_PER_S
"""What is neither said again nor taken back for so long is over. To each subscription a device repeats it."""
_STATES = ("State", "IsMotion", "IsTamper", "LogicalState", "Failed")
_ON, _OFF = ("true", "1"), ("false", "0")
_Key = tuple[str, tuple[tuple[str, str], ...]]


class LastingWords:
    """Of one device, by topic and source. For one thread."""

    def __init__(self) -> None:
        self._lasting: dict[_Key, tuple[DeviceWord, Ns, Ns]] = {}

    def take(self, events: Iterable[DeviceEvent], now_ns: Ns) -> None:
        """In the order in which it said them."""
        for one in events:
            word = word_of(one.topic)
            is_on = _is_on(one)
            if word is None or is_on is None:
                continue
            key = (one.topic, one.source)
            if not is_on:
                self._lasting.pop(key, None)
            elif key in self._lasting or len(self._lasting) < MAX_LASTING:
                start_ns = self._lasting.get(key, (word, now_ns, now_ns))[1]
                self._lasting[key] = (word, start_ns, now_ns)

    def forget(self) -> None:
        """The device is not heard any more; to the next subscription it says anew what lasts."""
        self._lasting.clear()

    def sayings(self, now_ns: Ns) -> tuple[DeviceSaying, ...]:
        """One for each word at most."""
        for key, (word, _, said_ns) in list(self._lasting.items()):
            if now_ns - said_ns > (MOTION_LASTS_NS if word is DeviceWord.MOTION else LASTS_NS):
                del self._lasting[key]
        found = []
        for word in DeviceWord:
            mine = [(start_ns, key) for key, (one, start_ns, _) in self._lasting.items() if one is word]
            if mine:
                names = [_name(key) for _, key in mine[:MAX_NAMED]]
                more = f" and {len(mine) - MAX_NAMED} more" if len(mine) > MAX_NAMED else ""
                detail = f"{', '.join(names)[:MAX_DETAIL]}{more}"
                found.append(DeviceSaying(word=word, start_ns=min(start_ns for start_ns, _ in mine), detail=detail))
        return tuple(found)


def word_of(topic: str) -> DeviceWord | None:
    """What a topic without prefixes is about, if it is one of ours."""
    parts = topic.split("/")[:8]
    return next((word for n in range(len(parts), 0, -1) if (word := TOPICS.get("/".join(parts[:n])))), None)


def _is_on(event: DeviceEvent) -> bool | None:
    if event.is_deleted:
        return False
    values = [value.lower() for name, value in event.items if name in _STATES]
    if any(value in _ON for value in values):
        return True
    return False if any(value in _OFF for value in values) else None


def _name(key: _Key) -> str:
    topic, source = key
    return f"{topic.rpartition('/')[2]} {' '.join(value for _, value in source)}".strip()
