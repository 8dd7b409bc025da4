"""Which passkeys count for approvals: those that somebody vouched for with a passkey that counts already. Pure.

The server that tells the warden of new passkeys may be taken over; what it cannot do is sign in a person's place.
"""

import hashlib
from dataclasses import replace

from custodes.types.approval import EnrolledKey
from custodes.types.codec import encode

FIRST = "the site's first passkey"
BEFORE = "enrolled before passkeys were vouched for"
CONFIGURED = "named in site.yaml"
_DOMAIN = b"custodes.enrolled-key.v1\n"


def identity(key: EnrolledKey) -> EnrolledKey:
    """What is vouched for: whose key it is, and for which page; not how often it was used, nor who vouched."""
    return replace(key, sign_count=0, vouched_by="")


def digest(key: EnrolledKey) -> bytes:
    """SHA-256 of it: the challenge that whoever vouches signs. 32 bytes."""
    return hashlib.sha256(_DOMAIN + encode(identity(key))).digest()


def fingerprint(key: EnrolledKey) -> str:
    """What two people compare before one vouches for the other's key: 80 bits in groups of four hex digits."""
    text = digest(key).hex()[:20]
    return " ".join(text[n : n + 4] for n in range(0, len(text), 4))


def enrolled(known: EnrolledKey | None, told: EnrolledKey) -> EnrolledKey:
    """A key as it is kept when the server tells of it: vouched for only if exactly this key was before."""
    if known is not None and identity(known) == identity(told):
        return replace(told, sign_count=max(known.sign_count, told.sign_count), vouched_by=known.vouched_by)
    return replace(told, vouched_by="")
