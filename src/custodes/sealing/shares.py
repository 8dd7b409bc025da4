"""A secret split into shares, any `needed` of which give it back and fewer say nothing: Shamir over GF(256).

Source: A. Shamir, How to share a secret, CACM 22 (1979); field of FIPS 197 (x^8+x^4+x^3+x+1). Not constant-time: it
runs by hand, on a machine that holds the secret anyway.
"""

import base64
import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from custodes.errors import InvalidArgument

MAX_SHARES = 16
_REDUCE = 0x11B
_CHECK_BYTES = 4
_GROUP = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """One person's part. `x`: 1 to 255, the share's number; `y`: as long as the secret."""

    recovery_id: str
    needed: int
    x: int
    y: bytes


def split(
    secret: bytes, *, recovery_id: str, shares: int, needed: int, random: Callable[[int], bytes] = os.urandom
) -> tuple[Share, ...]:
    """Split a secret. Raises: InvalidArgument unless 2 ≤ needed ≤ shares ≤ `MAX_SHARES`."""
    if not 2 <= needed <= shares <= MAX_SHARES:
        raise InvalidArgument(f"{needed} of {shares} shares; at least 2 are needed, at most {MAX_SHARES} made")
    # One polynomial per byte: the secret, then random coefficients.
    rows = [secret, *(random(len(secret)) for _ in range(needed - 1))]
    return tuple(
        Share(
            recovery_id=recovery_id,
            needed=needed,
            x=x,
            y=bytes(_value(column, x) for column in zip(*rows, strict=True)),
        )
        for x in range(1, shares + 1)
    )


def combine(shares: Sequence[Share]) -> bytes:
    """The secret. Raises: InvalidArgument when they are too few, twice the same, or of different splits.

    Shares that were made up give another secret, which opens nothing: who unwraps with it finds out.
    """
    if not shares:
        raise InvalidArgument("no share was given")
    first = shares[0]
    if len({(one.recovery_id, one.needed, len(one.y)) for one in shares}) > 1:
        raise InvalidArgument("the shares are of different recovery keys")
    by_x = {one.x: one.y for one in shares}
    if len(by_x) < first.needed:
        raise InvalidArgument(f"{len(by_x)} different shares; {first.needed} are needed")
    points = list(by_x.items())[: first.needed]
    secret = bytearray(len(first.y))
    for x, y in points:
        weight = 1
        for other, _ in points:
            if other != x:
                weight = _times(weight, _times(other, _inverse(other ^ x)))
        for at, value in enumerate(y):
            secret[at] ^= _times(weight, value)
    return bytes(secret)


def share_text(share: Share) -> str:
    """For paper: `custodes-share-1-of-2-<id>-XXXXX-…`, with a checksum."""
    payload = bytes([share.x, share.needed]) + share.y
    coded = base64.b32encode(payload + _check(share.recovery_id, payload)).decode().rstrip("=")
    groups = "-".join(coded[at : at + _GROUP] for at in range(0, len(coded), _GROUP))
    return f"custodes-share-{share.x}-{share.recovery_id}-{groups}"


def parse_share(text: str) -> Share:
    """What `share_text` made; spaces and case do not matter. Raises: InvalidArgument, never naming the content."""
    parts = "".join(text.split()).lower().split("-")
    if len(parts) < 5 or parts[:2] != ["custodes", "share"]:
        raise InvalidArgument("that is no recovery share; it begins with custodes-share-")
    coded = "".join(parts[4:]).upper()
    try:
        raw = base64.b32decode(coded + "=" * (-len(coded) % 8))
    except ValueError as error:  # binascii's, or letters that no share has
        raise InvalidArgument(f"recovery share {parts[2][:4]} is mistyped") from error
    if base64.b32encode(raw).decode().rstrip("=") != coded:  # the last character has a bit that no byte holds
        raise InvalidArgument(f"recovery share {parts[2][:4]} is mistyped in its last character")
    payload, check = raw[:-_CHECK_BYTES], raw[-_CHECK_BYTES:]
    if len(payload) < 3 or check != _check(parts[3], payload) or str(payload[0]) != parts[2] or payload[0] == 0:
        raise InvalidArgument(f"recovery share {parts[2][:4]} is mistyped: its checksum does not fit")
    return Share(recovery_id=parts[3], needed=payload[1], x=payload[0], y=payload[2:])


def _check(recovery_id: str, payload: bytes) -> bytes:
    return hashlib.sha256(b"custodes.share/v1\x00" + recovery_id.encode() + b"\x00" + payload).digest()[:_CHECK_BYTES]


def _value(coefficients: Sequence[int], x: int) -> int:
    value = 0
    for coefficient in reversed(coefficients):
        value = _times(value, x) ^ coefficient
    return value


def _times(a: int, b: int) -> int:
    product = 0
    while b:
        if b & 1:
            product ^= a
        a <<= 1
        if a & 0x100:
            a ^= _REDUCE
        b >>= 1
    return product


def _inverse(a: int) -> int:
    """a^254. `a` is not 0."""
    power, result, exponent = a, 1, 254
    while exponent:
        if exponent & 1:
            result = _times(result, power)
        power = _times(power, power)
        exponent >>= 1
    return result
