"""Names for objects that a screen must tell apart for a while and nobody may tell apart for longer.

A pseudonym is a keyed hash of a dot's or a link's number. The key is random, lives in memory alone and is overwritten
when its time is over: what was shown before cannot be joined to what is shown after, not even by us.
"""

import hashlib
import hmac
from collections.abc import Callable

from custodes.errors import InvalidArgument
from custodes.units import NS_PER_S

MAX_LIFE_NS = 24 * 3600 * NS_PER_S
_KEY_BYTES = 32
_SHOWN = 6


class Pseudonyms:
    """One ground's or one site's. Not thread-safe."""

    def __init__(self, draw: Callable[[int], bytes], *, life_ns: int = 3600 * NS_PER_S) -> None:
        """`draw`: so many random bytes. Raises: InvalidArgument for a life of more than a day, or none."""
        if not 0 < life_ns <= MAX_LIFE_NS:
            raise InvalidArgument(f"a pseudonym lives for up to 24 h; {life_ns / 3600 / NS_PER_S:g} h were asked for")
        self._draw = draw
        self._life_ns = life_ns
        self._key = bytearray()
        self._epoch: int | None = None

    def of(self, number: int, utc_ns: int) -> str:
        """The name of a number now: six letters and digits. Times before the newest get names of the newest epoch."""
        self.rotate(utc_ns)
        digest = hmac.digest(self._key, number.to_bytes(16, "big", signed=True), hashlib.sha256)
        return digest[: _SHOWN // 2].hex().upper()

    def number(self, of: bytes, utc_ns: int) -> int:
        """As `of`, 63 bits long and of any bytes: for what is joined in memory and shown to nobody."""
        self.rotate(utc_ns)
        return int.from_bytes(hmac.digest(self._key, of, hashlib.sha256)[:8], "big") >> 1

    def rotate(self, utc_ns: int) -> None:
        """Begin anew when the time of the key is over; the old one is overwritten. Call it also when nobody looks."""
        epoch = utc_ns // self._life_ns
        if self._epoch is None or epoch > self._epoch:
            self.destroy()
            self._key = bytearray(self._draw(_KEY_BYTES))
            self._epoch = epoch

    def destroy(self) -> None:
        """Overwrite the key: no name of it can be made again."""
        for index in range(len(self._key)):
            self._key[index] = 0
        self._epoch = None
