"""RTP and RTCP packets for cameras made by hand: H.264 and H.265 access units, sender reports. For tests only.

Sources: RFC 3550 5.1 and 6.4.1, RFC 6184 5.6 and 5.8, RFC 7798 4.4.
"""

import struct
from dataclasses import dataclass
from pathlib import Path

import av

from custodes.media import nal

MTU = 1400
NTP_EPOCH_S = 2_208_988_800
"""From 1900 to 1970."""


@dataclass(slots=True, kw_only=True)
class RtpSender:
    """Numbers the packets of one stream. `codec`: h264 or hevc."""

    codec: str = "h264"
    payload_type: int = 96
    ssrc: int = 0x1234ABCD
    sequence: int = 0
    packets: int = 0

    def packet(self, payload: bytes, timestamp: int, *, is_last: bool) -> bytes:
        """One RTP packet. `timestamp` wraps at 2^32; `is_last` sets the marker."""
        head = struct.pack(
            ">BBHII",
            0x80,
            self.payload_type | (0x80 if is_last else 0),
            self.sequence & 0xFFFF,
            timestamp & 0xFFFFFFFF,
            self.ssrc,
        )
        self.sequence += 1
        self.packets += 1
        return head + payload

    def access_unit(self, units: list[bytes], timestamp: int) -> list[bytes]:
        """The packets of one picture: single NAL units, fragmented ones where they are too long."""
        payloads = [part for unit in units for part in self._payloads(unit)]
        return [
            self.packet(payload, timestamp, is_last=number == len(payloads) - 1)
            for number, payload in enumerate(payloads)
        ]

    def report(self, utc_ns: int, timestamp: int) -> bytes:
        """An RTCP sender report that says `timestamp` was at `utc_ns`."""
        seconds, rest_ns = divmod(utc_ns, 1_000_000_000)
        return struct.pack(
            ">BBHIIIIII",
            0x80,
            200,
            6,
            self.ssrc,
            (seconds + NTP_EPOCH_S) & 0xFFFFFFFF,
            (rest_ns << 32) // 1_000_000_000,
            timestamp & 0xFFFFFFFF,
            self.packets & 0xFFFFFFFF,
            0,
        )

    def _payloads(self, unit: bytes) -> list[bytes]:
        if len(unit) <= MTU:
            return [unit]
        size = 2 if self.codec == "hevc" else 1
        body, parts = unit[size:], []
        for at in range(0, len(body), MTU):
            flags = (0x80 if at == 0 else 0) | (0x40 if at + MTU >= len(body) else 0)
            if self.codec == "hevc":
                head = bytes(((unit[0] & 0x81) | 49 << 1, unit[1], flags | unit[0] >> 1 & 0x3F))
            else:
                head = bytes(((unit[0] & 0xE0) | 28, flags | unit[0] & 0x1F))
            parts.append(head + body[at : at + MTU])
        return parts


def interleaved(channel: int, packet: bytes) -> bytes:
    """RTP inside RTSP (RFC 2326 10.12)."""
    return struct.pack(">cBH", b"$", channel, len(packet)) + packet


def access_units(clip: Path) -> list[list[bytes]]:
    """NAL units of each packet of a raw H.264 or H.265 file."""
    with av.open(str(clip)) as container:
        stream = container.streams.video[0]
        return [nal.split_annexb(bytes(packet)) for packet in container.demux(stream) if packet.size]
