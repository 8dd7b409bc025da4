"""Posts of a leaked picture: what was posted where, and how it spread. Values, and messages of the job that compares.

Pictures are files by their SHA-256; nothing here decodes them.
"""

from dataclasses import dataclass

from custodes.units import Ns


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """One appearance of a picture, as somebody wrote it down."""

    post_id: str
    account: str
    utc_ns: Ns
    url: str = ""
    language: str = ""
    place: str = ""
    """As claimed."""
    sha256: str = ""
    """Of the picture file; empty: none is known."""
    screenshot_sha256: str = ""
    """Of a picture of the post as it stood there: evidence of the post, not compared."""
    added_by: str = ""
    added_ns: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Descent:
    """A post and the one that it most probably came from."""

    post_id: str
    parent_id: str
    """Empty: none earlier is known."""
    generation: int
    likeness: float
    """With the parent; 1.0 for the same file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two accounts that posted the same picture soon after each other, and how many pictures."""

    one: str
    other: str
    pictures: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """A case's posts in order."""

    groups: tuple[tuple[Descent, ...], ...]
    """Per picture, by time; the first of each was seen first."""
    together: tuple[Pair, ...]
    """Accounts with at least two such pictures; most first."""
    without_picture: tuple[str, ...]
    """Ids of posts that no picture is known of, or whose picture cannot be read."""


# -- server and job (server-jobs.sock) --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class SpreadTask:
    """Compare a case's posts. Sent once; answered by one PostsSpread."""

    folder: str
    """Below the data directory; `pictures/<sha256>` in it are as they were found, hostile until decoded."""
    posts: tuple[Post, ...]
    deadline_ns: Ns


@dataclass(frozen=True, slots=True, kw_only=True)
class Thumbnail:
    """A picture made anew, small: a browser may show it."""

    sha256: str
    """Of the picture as it was found."""
    jpeg: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class PostsSpread:
    """What the job found."""

    spread: Spread
    thumbnails: tuple[Thumbnail, ...] = ()
    unreadable: tuple[tuple[str, str], ...] = ()
    """(post id, why)."""
    error: str = ""
