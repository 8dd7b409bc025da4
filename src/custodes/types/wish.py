"""What a centre wishes to see, and what somebody of the site says to it. Control socket, for the site's own user."""

from dataclasses import dataclass

from custodes.units import CameraId, Ns


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Footage of one camera that a centre asked for; it waits until somebody of the site gives or refuses it."""

    question_id: str
    asker: str
    """As the centre says, with its name."""
    case_id: str
    reason: str
    camera_id: CameraId
    start_ns: Ns
    end_ns: Ns
    expires_ns: Ns
    log_index: int
    """Of the site's log: that it was asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadWishes:
    """Answer: Wishes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """Those that wait, oldest first."""

    wishes: tuple[Wish, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveFootage:
    """An export that this person made for the wish goes to the centre: `manifest` is the SHA-256 of its manifest,
    `sealed_index` and `grant_index` the log's entries that say so. Answer: Ok."""

    question_id: str
    manifest: str
    sealed_index: int
    grant_index: int
    person: str
    password: str
    """Never logged."""
    code: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RefuseWish:
    """Answer: Ok."""

    question_id: str
    reason: str
    person: str
    password: str
    """Never logged."""
    code: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedByCentre:
    """A centre's question as this site keeps it, with what it said to it. `facts`: the answer, encoded, until it is
    surely in the outbox."""

    question_id: str
    asker: str
    """As the centre says, with its name."""
    case_id: str
    reason: str
    cameras: tuple[CameraId, ...]
    """None: all that it may ask about."""
    classes: tuple[str, ...]
    start_ns: Ns
    end_ns: Ns
    expires_ns: Ns
    answered_ns: Ns
    wants_footage: bool
    is_allowed: bool
    said: str
    """Why not, or which bundle; empty for movements."""
    found: int
    log_index: int
    facts: tuple[bytes, ...] = ()
