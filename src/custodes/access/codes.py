"""Codes by time (RFC 6238, SHA-1, six digits, 30 s), as every authenticator app makes them. Pure."""

import base64
import binascii
import hmac

from custodes.errors import InvalidArgument
from custodes.units import NS_PER_S, Ns

STEP_S = 30
DIGITS = 6
MIN_CHARS, MAX_CHARS = 16, 128
"""Of a secret in base32: 80 to 640 bits; ours have 160."""


def secret_bytes(secret: str) -> bytes:
    """What the base32 text stands for. Raises: InvalidArgument."""
    if not MIN_CHARS <= len(secret) <= MAX_CHARS:
        raise InvalidArgument(f"a secret for codes has {MIN_CHARS} to {MAX_CHARS} characters, this one {len(secret)}")
    try:
        return base64.b32decode(secret + "=" * (-len(secret) % 8))
    except (binascii.Error, ValueError) as error:
        raise InvalidArgument("a secret for codes is written in base32: A to Z and 2 to 7") from error


def code_at(secret: bytes, step: int) -> str:
    """The six digits of a time step. RFC 4226, 5.3."""
    mac = hmac.digest(secret, step.to_bytes(8, "big"), "sha1")
    at = mac[-1] & 0x0F
    number = int.from_bytes(mac[at : at + 4], "big") & 0x7FFFFFFF
    return f"{number % 10**DIGITS:0{DIGITS}d}"


def code_step(secret: bytes, code: str, now_ns: Ns, *, after_step: int) -> int | None:
    """The time step whose code this is, within one step of now; None for a wrong one, or one used before."""
    digits = code.replace(" ", "")
    if len(digits) != DIGITS or not digits.isascii() or not digits.isdigit():
        return None
    now_step = now_ns // NS_PER_S // STEP_S
    for step in (now_step - 1, now_step, now_step + 1):
        if step > after_step and step >= 0 and hmac.compare_digest(code_at(secret, step), digits):
            return int(step)
    return None
