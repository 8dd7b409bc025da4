"""What hostile cameras send after PLAY: pictures, RTP, RTCP and time, bent. The table is in `hostile`."""

import itertools
import random
import struct
import time
from collections.abc import Callable

from custodes.testing.rtp import RtpSender, interleaved
from custodes.testing.rtsp_script import FIRST_TIMESTAMP, Camera, Conversation, Hangup, Outlet, Script, endless

MIB = bytes(1 << 20)
Units = list[list[bytes]]
"""NAL units of each picture of a clip."""


def streaming(stream: Callable[[Conversation, Outlet, Units], None]) -> Callable[[Units], Script]:
    """A camera that answers as it should and then streams like this."""

    def make(units: Units) -> Script:
        return Camera(units=units, stream=lambda conversation, outlet: stream(conversation, outlet, units))

    return make


def pictures(
    conversation: Conversation,
    outlet: Outlet,
    units: Units,
    *,
    timestamp: Callable[[int], int] = lambda number: FIRST_TIMESTAMP + number * 3600,
    change: Callable[[int, list[bytes]], list[bytes]] = lambda number, picture: picture,
    report: Callable[[int, RtpSender], bytes | None] = lambda number, sender: None,
    pause_s: float = 0.02,
) -> None:
    """Pictures without end, bent by the functions."""
    sender = RtpSender()
    for number, picture in enumerate(itertools.cycle(units)):
        told = report(number, sender)
        if told is not None:
            outlet.rtcp(told)
        for packet in sender.access_unit(change(number, picture), timestamp(number)):
            outlet.rtp(packet)
        conversation.wait(pause_s)


def bent(**changes: object) -> Callable[[Units], Script]:
    """Pictures with some of `pictures`'s functions replaced."""
    return streaming(lambda talk, outlet, units: pictures(talk, outlet, units, **changes))  # type: ignore[arg-type]


def lying_report(number: int, sender: RtpSender) -> bytes:
    """Any time for any timestamp, in each report another."""
    chance = random.Random(number)  # noqa: S311
    return sender.report(chance.randrange(1 << 61), chance.randrange(1 << 32))


def ahead_report(number: int, sender: RtpSender) -> bytes | None:
    """A steady clock that is ten years ahead."""
    ahead_ns = 10 * 365 * 86_400 * 1_000_000_000
    return sender.report(time.time_ns() + ahead_ns, FIRST_TIMESTAMP + number * 3600) if number % 10 == 0 else None


def goodbye(number: int, sender: RtpSender) -> bytes:
    """RTCP BYE, though pictures go on."""
    return struct.pack(">BBHI", 0x81, 203, 1, sender.ssrc)


def random_timestamp(number: int) -> int:
    """Another 32 bits for each picture."""
    return random.Random(number).randrange(1 << 32)  # noqa: S311


def sei_bomb(number: int, picture: list[bytes]) -> list[bytes]:
    """4,000 SEI units and one of 300 kB with a length that does not end."""
    small = b"\x06\x05\x10" + bytes(16) + b"\x80"
    return [small] * 4000 + [b"\x06\x05" + b"\xff" * 300_000] + picture


def new_size(number: int, picture: list[bytes]) -> list[bytes]:
    """Another SPS with each picture: the level byte is harmless and part of the parameters."""
    changed = []
    for unit in picture:
        if unit[0] & 0x1F == 7:
            unit = unit[:3] + bytes((10 + number % 40,)) + unit[4:]
        changed.append(unit)
    return changed


def giant_sps(number: int, picture: list[bytes]) -> list[bytes]:
    """Baseline, 1,048,560 × 1,048,560 pixels (ue(65534) twice)."""
    bits = "1" + "1" + "1" + "1" + "010" + "0" + _ue(65_534) + _ue(65_534) + "1" + "0" + "0" + "0" + "1"
    padded = bits + "0" * (-len(bits) % 8)
    sps = b"\x67\x42\x00\x1e" + int(padded, 2).to_bytes(len(padded) // 8, "big")
    return [sps if unit[0] & 0x1F == 7 else unit for unit in picture]


def _ue(value: int) -> str:
    binary = f"{value + 1:b}"
    return "0" * (len(binary) - 1) + binary


def no_keyframe(number: int, picture: list[bytes]) -> list[bytes]:
    """Slices alone, none of them of a keyframe."""
    return [b"\x41" + unit[1:] for unit in picture if unit[0] & 0x1F in (1, 5)]


def huge_picture(conversation: Conversation, outlet: Outlet, units: Units) -> None:
    """One picture that never ends: fragments without a last one, 1.4 kB each."""
    sender = RtpSender()
    for packet in sender.access_unit(units[0], FIRST_TIMESTAMP):
        outlet.rtp(packet)
    for number in itertools.count():
        head = bytes((0x7C, 0x85 if number == 0 else 0x05))
        outlet.rtp(sender.packet(head + MIB[:1398], FIRST_TIMESTAMP + 3600, is_last=False))


def slices_of_one_picture(conversation: Conversation, outlet: Outlet, units: Units) -> None:
    """Whole units without end, all of one moment."""
    sender = RtpSender()
    for packet in sender.access_unit(units[0], FIRST_TIMESTAMP):
        outlet.rtp(packet)
    slice_unit = next(unit for unit in units[1] if unit[0] & 0x1F == 1)
    while True:
        for unit in ([slice_unit[:1] + slice_unit[1:1300]], [b"\x06" + MIB[:1300]]):
            for packet in sender.access_unit(unit, FIRST_TIMESTAMP)[:-1] or [
                sender.packet(unit[0], FIRST_TIMESTAMP, is_last=False)
            ]:
                outlet.rtp(packet)


def tiny_packets(conversation: Conversation, outlet: Outlet, units: Units) -> None:
    """10^6 RTP packets with one byte each, 1,000 at a time, after a picture."""
    sender = RtpSender()
    for packet in sender.access_unit(units[0], FIRST_TIMESTAMP):
        outlet.rtp(packet)
    for number in range(1000):
        packets = [
            sender.packet(b"\x09", FIRST_TIMESTAMP + 90 * (number * 1000 + one), is_last=True) for one in range(1000)
        ]
        conversation.send(*(interleaved(0, packet) for packet in packets))
    conversation.hold()


def noise(conversation: Conversation, outlet: Outlet, units: Units) -> None:
    """RTP heads in order, random inside, after a picture."""
    chance, sender = random.Random(3), RtpSender()  # noqa: S311
    for number in itertools.count():
        picture = units[number % 20] if number < 20 else [chance.randbytes(chance.randrange(1, 1400))]
        for packet in sender.access_unit(picture, FIRST_TIMESTAMP + 3600 * number):
            outlet.rtp(packet)
        conversation.wait(0.002)


def bad_rtp(conversation: Conversation, outlet: Outlet, units: Units) -> None:
    """Short packets, wrong versions, more contributors and padding than bytes, extensions without end."""
    chance = random.Random(4)  # noqa: S311
    while True:
        length = chance.randrange(0, 40)
        outlet.rtp(bytes((chance.choice((0x00, 0x8F, 0xA0, 0x90, 0xFF)),)) + chance.randbytes(length))
        outlet.rtcp(chance.randbytes(length))
        conversation.wait(0.002)


def aggregates(conversation: Conversation, outlet: Outlet, units: Units) -> None:
    """STAP-A with lengths beyond the packet and of zero."""
    sender = RtpSender()
    for number in itertools.count():
        for packet in sender.access_unit(units[number % 20], FIRST_TIMESTAMP + 3600 * number):
            outlet.rtp(packet)
        for lie in (0xFFFF, 0, 3):
            payload = b"\x78" + struct.pack(">H", lie) + b"\x41\x9a\x00"
            outlet.rtp(sender.packet(payload, FIRST_TIMESTAMP + 3600 * number, is_last=False))
        conversation.wait(0.02)


def unknown_channels(conversation: Conversation, outlet: Outlet, units: Units) -> None:
    """64 kB on channels that nobody set up, without end."""
    for channel in itertools.cycle(range(2, 256)):
        conversation.send(interleaved(channel, MIB[:65_535]))


def cut_interleaved(conversation: Conversation, outlet: Outlet, units: Units) -> None:
    """A frame that is announced with 65,535 bytes and drips."""
    conversation.send(b"$\x00\xff\xff")
    conversation.drip(endless(b"\x80"), seconds=0.1)


def own_requests(conversation: Conversation, outlet: Outlet, units: Units) -> None:
    """Requests of the server's own, between pictures, as RTSP allows, and far too many."""
    sender = RtpSender()
    for number in itertools.count():
        for packet in sender.access_unit(units[number % 20], FIRST_TIMESTAMP + 3600 * number):
            outlet.rtp(packet)
        conversation.send(b"GET_PARAMETER * RTSP/1.0\r\nCSeq: 1\r\nX: y\r\n\r\n" * 20)
        conversation.wait(0.02)


def hang_up(conversation: Conversation, outlet: Outlet, units: Units) -> None:
    """Nothing at all, and the end."""
    raise Hangup


def stall(conversation: Conversation, outlet: Outlet, units: Units) -> None:
    """20 pictures in a second, then nothing."""
    sender = RtpSender()
    for number in range(20):
        for packet in sender.access_unit(units[number], FIRST_TIMESTAMP + 3600 * number):
            outlet.rtp(packet)
        conversation.wait(0.05)
    conversation.hold()
