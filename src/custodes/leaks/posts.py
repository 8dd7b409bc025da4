"""What was posted where: near-duplicates by generation, spread over time and accounts. Pure; pictures as luma.

Posts are grouped by picture. Within a group an edge leads from the post that a later one most probably came from: the
later one has lost what the earlier had (size, detail, edges cut off), never the reverse, and the earlier was first.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from custodes.errors import InvalidArgument
from custodes.leaks.alignment import Original, Suspect
from custodes.leaks.place import MIN_PLACES, best_fit, is_ours
from custodes.leaks.registration import Luma, match
from custodes.units import NS_PER_S, Ns

MAX_POSTS = 500
"""Every pair is compared: 500 posts are 125,000 fingerprints and some thousand fits."""

TOGETHER_NS = 10 * 60 * NS_PER_S
"""Accounts that post the same within ten minutes, more than once, post together."""

_SIDE = 32
_NEAR = 0.80


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """One appearance of a picture."""

    post_id: str
    account: str
    utc_ns: Ns
    url: str = ""
    language: str = ""
    place: str = ""
    """As claimed."""
    picture: Luma | None = None
    sha256: str = ""
    """Of the picture file."""


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
class Spread:
    """A case's posts in order."""

    groups: tuple[tuple[Descent, ...], ...]
    """Per picture, by time; the first of each was seen first."""
    together: tuple[tuple[str, str, int], ...]
    """Accounts that posted the same picture within `TOGETHER_NS`, and how often, at least twice; most often first."""
    without_picture: tuple[str, ...]


def spread(posts: Sequence[Post]) -> Spread:
    """Group, order, connect. O(n²) fingerprints; fits only where those are undecided.

    Raises: InvalidArgument for more than `MAX_POSTS`, or two posts of one id.
    """
    if len(posts) > MAX_POSTS:
        raise InvalidArgument(f"{len(posts)} posts; at most {MAX_POSTS}")
    if len({post.post_id for post in posts}) != len(posts):
        raise InvalidArgument("two posts have the same id")
    ordered = sorted(
        (post for post in posts if post.picture is not None), key=lambda post: (post.utc_ns, post.post_id)
    )
    kin = _Kin(ordered)
    groups: list[list[int]] = []
    for at in range(len(ordered)):
        home = next((group for group in groups if any(kin.likeness(at, other) >= _NEAR for other in group)), None)
        if home is None:
            groups.append([at])
        else:
            home.append(at)
    descents = tuple(tuple(_descend(group, kin)) for group in groups)
    without = tuple(post.post_id for post in posts if post.picture is None)
    return Spread(groups=descents, together=_together(groups, ordered), without_picture=without)


class _Kin:
    """Likeness of pairs of posts, each computed once."""

    def __init__(self, posts: Sequence[Post]) -> None:
        self.posts = posts
        self._prints = [_fingerprint(post.picture) for post in posts if post.picture is not None]
        self._suspects = [Suspect(post.picture) for post in posts if post.picture is not None]
        self._originals = [Original(post.picture) for post in posts if post.picture is not None]
        self._known: dict[tuple[int, int], float] = {}

    def likeness(self, one: int, other: int) -> float:
        """0..1: 1.0 for the same file; by fingerprint where it is clear, by a fit where it is not."""
        pair = (min(one, other), max(one, other))
        if pair not in self._known:
            self._known[pair] = self._compare(*pair)
        return self._known[pair]

    def _compare(self, early: int, late: int) -> float:
        first, second = self.posts[early], self.posts[late]
        if first.sha256 and first.sha256 == second.sha256:
            return 1.0
        straight = float((self._prints[early] * self._prints[late]).mean())
        flipped = float((self._prints[early][:, ::-1] * self._prints[late]).mean())
        quick = max(straight, flipped)
        if quick >= 0.92:
            return min(quick, 0.999)
        suspect, original = self._suspects[late], self._originals[early]
        # Pictures that share no places are not fitted: most pairs are of that kind.
        hypotheses = [
            one
            for flag in (False, True)
            for one in match(suspect.features(is_mirrored=flag), original.features, is_mirrored=flag)
        ]
        if max((one.inliers for one in hypotheses), default=0) >= MIN_PLACES:
            fit, _ = best_fit(suspect, [original])
            if is_ours(fit) and fit is not None:
                return max(_NEAR, min(fit.likeness, 0.99))
        return min(quick, _NEAR - 0.01)

    def detail(self, at: int) -> float:
        """How much a post's picture has: pixels, and fine structure in them."""
        picture = self.posts[at].picture
        assert picture is not None
        return float(np.log(picture.size)) + 0.5 * float(np.log1p(cv2.Laplacian(picture, cv2.CV_32F).var()))


def _fingerprint(picture: Luma) -> npt.NDArray[np.float32]:
    small = cv2.resize(picture, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    small -= cv2.GaussianBlur(small, (0, 0), 8.0)
    return np.asarray((small - small.mean()) / max(float(small.std()), 1e-3), dtype=np.float32)


def _descend(group: list[int], kin: _Kin) -> list[Descent]:
    """Each post's most probable parent among the earlier ones: alike, and with no less in it."""
    found: list[Descent] = []
    generation: dict[int, int] = {}
    for position, at in enumerate(group):
        earlier = group[:position]
        rich = [other for other in earlier if kin.detail(other) >= kin.detail(at) - 0.05] or earlier
        # The latest among equals: people copy from what they saw last.
        parent = max(rich, key=lambda other: (round(kin.likeness(at, other), 2), other), default=None)
        generation[at] = 0 if parent is None else generation[parent] + 1
        found.append(
            Descent(
                post_id=kin.posts[at].post_id,
                parent_id="" if parent is None else kin.posts[parent].post_id,
                generation=generation[at],
                likeness=1.0 if parent is None else round(kin.likeness(at, parent), 3),
            )
        )
    return found


def _together(groups: Sequence[Sequence[int]], posts: Sequence[Post]) -> tuple[tuple[str, str, int], ...]:
    counts: dict[tuple[str, str], int] = defaultdict(int)
    for group in groups:
        pairs: set[tuple[str, str]] = set()
        for first in group:
            for second in group:
                one, other = posts[first], posts[second]
                if one.account < other.account and abs(one.utc_ns - other.utc_ns) <= TOGETHER_NS:
                    pairs.add((one.account, other.account))
        for pair in pairs:
            counts[pair] += 1
    often = [(one, other, count) for (one, other), count in counts.items() if count >= 2]
    return tuple(sorted(often, key=lambda entry: (-entry[2], entry[0], entry[1])))
