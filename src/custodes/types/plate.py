"""Values of an operator's own allow-list of vehicles: listings, and what an analyser asks the warden of a plate.

A plate is text in two places alone: in the form that lists it, and in the message that asks whether it is listed. It
is kept as a keyed hash (`access.plates`); what is on no list is kept nowhere.
"""

from dataclasses import dataclass

from custodes.types.access import Principal
from custodes.units import CameraId, Ns

MIN_CHARS, MAX_CHARS = 4, 10
_ALIKE = str.maketrans("OQDIZSBG", "00012586")
"""Letters that readers, and people, take for digits in the fonts of plates; both sides are folded: O and 0 are one."""


def folded(text: str) -> str:
    """Letters and digits alone, in capitals, those that look alike made one."""
    return "".join(one for one in text.upper() if one.isascii() and one.isalnum()).translate(_ALIKE)


def compared(text: str) -> str:
    """A plate as it is compared (`folded`); empty where it can be none."""
    plain = folded(text)
    has_digit = any(one.isascii() and one.isdigit() for one in text)  # before folding, which makes digits of letters
    return plain if has_digit and MIN_CHARS <= len(plain) <= MAX_CHARS else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlateListing:
    """One vehicle that its keeper agreed to have recognised in some zones, until a day."""

    vehicle_id: str
    label: str
    """The operator's own word for the vehicle, such as "van 3"; no plate."""
    plate_hash: bytes
    """HMAC-SHA256 of the plate as it is compared, under a key that only the warden has. 32 bytes."""
    zone_ids: tuple[str, ...]
    agreement: str
    """What the keeper signed, and where it lies."""
    listed_by: str
    listed_ns: Ns
    expires_ns: Ns
    ended_ns: Ns | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A listed vehicle was at a zone. `number` counts since the warden's start."""

    number: int
    vehicle_id: str
    label: str
    zone_id: str
    zone: str
    camera_id: CameraId
    utc_ns: Ns


# -- server to warden ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ListVehicle:
    """Answer: PlateListing. `plate` is hashed and forgotten."""

    principal: Principal
    plate: str
    label: str
    zone_ids: tuple[str, ...]
    agreement: str
    expires_ns: Ns


@dataclass(frozen=True, slots=True, kw_only=True)
class EndListing:
    """Answer: PlateListing; its hash is gone."""

    principal: Principal
    vehicle_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadListings:
    """Answer: ListingTable."""

    principal: Principal


@dataclass(frozen=True, slots=True, kw_only=True)
class ListingTable:
    """Newest first, without hashes."""

    listings: tuple[PlateListing, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadPassages:
    """For rules. Answer: PassageList, of those with a greater number."""

    after: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PassageList:
    """Oldest first; `last` is the newest number there is, also when nothing is new."""

    passages: tuple[Passage, ...]
    last: int


# -- analyser to warden (warden-plates.sock) -----------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class AskPlate:
    """Whether what was read in a zone is listed there. Answer: PlateAnswer. The warden keeps nothing of a no."""

    zone_id: str
    camera_id: CameraId
    utc_ns: Ns
    texts: tuple[str, ...]
    """What the looks at one vehicle read, the commonest first; at most three."""
    since_ns: Ns
    """When this vehicle came into the zone, as far as the analyser knows: one that left and came back came anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlateAnswer:
    """`is_listed` is all that leaves the warden: which vehicle it was, its log and the rules say."""

    is_listed: bool
