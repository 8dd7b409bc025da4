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
