"""Posts of a case's leaked pictures as the web layer uses them: written down, compared by a job, taken away."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from custodes.types.access import Principal
from custodes.types.posts import Post, Spread


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPost:
    """A post with the files that belong to it."""

    post: Post
    """Its SHA-256s are made by the book."""
    picture: bytes = b""
    screenshot: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class CasePosts:
    """A case's posts and how they spread."""

    number: str
    posts: tuple[Post, ...] = ()
    """In the order in which they were written down."""
    spread: Spread | None = None
    """None: never compared."""
    compared: tuple[str, ...] = ()
    """Ids of posts that `spread` speaks of."""
    unreadable: tuple[tuple[str, str], ...] = ()
    """(post id, why)."""
    is_comparing: bool = False
    error: str = ""
    """Why the last comparison failed."""


class PostBook(Protocol):
    """Known to those who work on the case; written to while it is open. Raises, all: NotFound for others' cases."""

    async def read(self, who: Principal, number: str) -> CasePosts:
        """What was written down so far."""
        ...

    async def add(self, who: Principal, number: str, entries: Sequence[NewPost]) -> None:
        """All of them or none; then they are compared.

        Raises: InvalidArgument, FailedPrecondition, ResourceExhausted.
        """
        ...

    async def compare(self, who: Principal, number: str) -> None:
        """Begin to compare, if posts came since. Raises: FailedPrecondition."""
        ...

    async def remove(self, who: Principal, number: str, post_id: str) -> None:
        """One written down by mistake; empty: all of them. Raises: NotFound, FailedPrecondition."""
        ...

    async def picture(self, who: Principal, number: str, post_id: str, *, is_screenshot: bool) -> tuple[Path, str]:
        """(file as it was found, media type). Raises: NotFound."""
        ...

    async def thumbnail(self, who: Principal, number: str, post_id: str) -> bytes:
        """JPEG, made anew by the job. Raises: NotFound until it was compared."""
        ...

    async def bundle(self, who: Principal, number: str, traces: Sequence[tuple[str, Path]]) -> bytes:
        """Posts, pictures, spread as a page, and finished traces (request id, bundle), sealed by the log.

        Raises: FailedPrecondition before they were compared, Unavailable.
        """
        ...
