"""Rules of the allow-list: how plates are compared, what a listing needs, when it counts. Pure.

Plates are short: who has the key can try all of them. So the key stays with the warden, hashes are shown to nobody,
and how often may be asked is bounded (`app.warden_plates`).
"""

import hashlib
import hmac
from dataclasses import replace

from custodes.errors import InvalidArgument
from custodes.types.plate import MAX_CHARS, MIN_CHARS, PlateListing, compared, folded
from custodes.units import NS_PER_S, Ns

LASTS_NS_MAX = Ns(366 * 24 * 3600 * NS_PER_S)
"""A listing is for a year at most: then the keeper is asked again."""
MAX_LABEL_CHARS = 40
MIN_AGREEMENT_CHARS, MAX_AGREEMENT_CHARS = 10, 500
MAX_ZONES = 16

_DOMAIN = b"custodes.plate.v1\n"


def plate_hash(key: bytes, text: str) -> bytes:
    """32 bytes. Raises: InvalidArgument for what can be no plate; it does not repeat the text."""
    plain = compared(text)
    if not plain:
        raise InvalidArgument(f"A plate has {MIN_CHARS} to {MAX_CHARS} letters and digits, at least one digit.")
    return hmac.new(key, _DOMAIN + plain.encode(), hashlib.sha256).digest()


def check_listing(listing: PlateListing, plate: str) -> None:
    """Raises: InvalidArgument in words for whoever lists it."""
    if not 1 <= len(listing.label.strip()) <= MAX_LABEL_CHARS:
        raise InvalidArgument(f"Give the vehicle a name of at most {MAX_LABEL_CHARS} characters.")
    if compared(plate) and compared(plate) in folded(listing.label):
        raise InvalidArgument("The name may not be the plate: it is kept in the clear and told in messages.")
    if not MIN_AGREEMENT_CHARS <= len(listing.agreement.strip()) <= MAX_AGREEMENT_CHARS:
        span = f"{MIN_AGREEMENT_CHARS} to {MAX_AGREEMENT_CHARS}"
        raise InvalidArgument(f"Say in {span} characters what the keeper signed and where it lies.")
    if not 1 <= len(listing.zone_ids) <= MAX_ZONES or len(set(listing.zone_ids)) != len(listing.zone_ids):
        raise InvalidArgument(f"Choose 1 to {MAX_ZONES} zones.")
    if not listing.listed_ns < listing.expires_ns <= listing.listed_ns + LASTS_NS_MAX:
        raise InvalidArgument("A listing ends within a year, and not before it begins.")


def counts(listing: PlateListing, now_ns: Ns) -> bool:
    """Whether it is compared now."""
    return listing.ended_ns is None and now_ns < listing.expires_ns


def ended(listing: PlateListing, now_ns: Ns) -> PlateListing:
    """Over for good, its hash overwritten."""
    return replace(listing, ended_ns=listing.ended_ns or now_ns, plate_hash=b"")


def listed(
    listings: list[PlateListing], key: bytes, texts: tuple[str, ...], zone_id: str, now_ns: Ns
) -> PlateListing | None:
    """Which listing a text belongs to in a zone, or None. Every listing is compared, each in constant time."""
    found: PlateListing | None = None
    for text in texts:
        if not compared(text):
            continue
        digest = plate_hash(key, text)
        for one in listings:
            is_same = hmac.compare_digest(one.plate_hash, digest) if one.plate_hash else False
            if is_same and found is None and zone_id in one.zone_ids and counts(one, now_ns):
                found = one
    return found
