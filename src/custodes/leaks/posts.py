"""How a picture spread: near-duplicates by generation, first seen, accounts that post alike. Pure; pictures as luma.

Posts are grouped by picture. Within a group an edge leads from the post that a later one most probably came from: the
later one has lost what the earlier had (size, detail, edges cut off), never the reverse, and the earlier was first.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import cv2
import numpy as np
import numpy.typing as npt

from custodes.errors import InvalidArgument
from custodes.leaks.alignment import Original, Suspect
from custodes.leaks.place import MIN_PLACES, best_fit, found_pictures, is_ours
from custodes.leaks.registration import Luma, match
from custodes.types.posts import Descent, Pair, Post, Spread
from custodes.units import NS_PER_S

MAX_POSTS = 500
"""125,000 pairs of fingerprints; features are matched with some posts of each group only."""

TOGETHER_NS = 10 * 60 * NS_PER_S
"""Accounts that post the same within ten minutes, more than once, post together."""

KEPT_PX = 1280
"""Pictures are compared at this width at most: 500 of them are half a gigabyte, whatever was posted."""

_SIDE = 32
_NEAR = 0.80
_CLEAR = 0.92
"""Fingerprints this alike are of one picture; nothing else is looked at."""
_FEATURES = 600
_SEEN_OF_A_GROUP = 4
"""Posts of a group that features are matched with: its first, and those with most in them."""
_CLIP_PICTURES = 5
_PARENTS = 6
"""Earlier posts that are looked at closely as the one that another came from."""


class Posted:
    """A picture of a post, prepared once."""

    def __init__(self, y: Luma) -> None:
        height, width = y.shape
        self.pixels = y.size
        scale = min(KEPT_PX / max(width, height), 1.0)
        size = (max(round(width * scale), 16), max(round(height * scale), 16))
        self.y: Luma = np.asarray(cv2.resize(y, size, interpolation=cv2.INTER_AREA)) if scale < 1 else y
        self.fingerprint = _fingerprint(self.y)
        self.suspect = Suspect(self.y, features_limit=_FEATURES)
        self._original: Original | None = None
        self.detail = float(np.log(self.pixels)) + 0.5 * float(np.log1p(cv2.Laplacian(self.y, cv2.CV_32F).var()))
        """How much it has: pixels, and fine structure in them."""

    @property
    def original(self) -> Original:
        """As others are laid over it; made when first asked for."""
        if self._original is None:
            self._original = Original(self.y, self.suspect.features(is_mirrored=False))
        return self._original


def posted_of(encoded: bytes) -> Posted:
    """Of a file as it was found; of a clip the picture with most in it.

    Raises: InvalidArgument for what is neither picture nor clip.
    """
    return max((Posted(y) for y in found_pictures(encoded, limit=_CLIP_PICTURES)), key=lambda one: one.detail)


def spread(posts: Sequence[Post], pictures: Mapping[str, Posted]) -> Spread:
    """Group, order, connect. O(n²) fingerprints of 1,024 cells; features and fits only where those are undecided.

    Args: pictures: by post id; posts without one are told as such.
    Raises: InvalidArgument for more than `MAX_POSTS`, or two posts of one id.
    """
    if len(posts) > MAX_POSTS:
        raise InvalidArgument(f"{len(posts)} posts; at most {MAX_POSTS}")
    if len({post.post_id for post in posts}) != len(posts):
        raise InvalidArgument("two posts have the same id")
    ordered = sorted(
        (post for post in posts if post.post_id in pictures), key=lambda post: (post.utc_ns, post.post_id)
    )
    kin = _Kin(ordered, [pictures[post.post_id] for post in ordered])
    groups: list[list[int]] = []
    for at in range(len(ordered)):
        home = _home(at, groups, kin)
        if home is None:
            groups.append([at])
        else:
            home.append(at)
    return Spread(
        groups=tuple(tuple(_descend(group, kin)) for group in groups),
        together=_together(groups, ordered),
        without_picture=tuple(post.post_id for post in posts if post.post_id not in pictures),
    )


class _Kin:
    """Likeness of pairs of posts, each computed once."""

    def __init__(self, posts: Sequence[Post], pictures: Sequence[Posted]) -> None:
        self.posts = posts
        self.pictures = pictures
        prints = np.stack([one.fingerprint for one in pictures]) if pictures else np.zeros((0, _SIDE, _SIDE))
        flat = prints.reshape(len(prints), _SIDE**2)
        flipped = prints[:, :, ::-1].reshape(len(prints), _SIDE**2)
        self._quick = np.maximum(flat @ flat.T, flipped @ flat.T) / _SIDE**2
        self._known: dict[tuple[int, int], float] = {}

    def quick(self, one: int, other: int) -> float:
        """By file and fingerprint alone: 0..1."""
        first, second = self.posts[one], self.posts[other]
        if first.sha256 and first.sha256 == second.sha256:
            return 1.0
        return min(float(self._quick[one, other]), 0.999)

    def likeness(self, one: int, other: int) -> float:
        """0..1: 1.0 for the same file; by fingerprint where it is clear, by a fit where it is not."""
        pair = (min(one, other), max(one, other))
        if pair not in self._known:
            quick = self.quick(*pair)
            self._known[pair] = quick if quick >= _CLEAR else self._fitted(*pair, quick)
        return self._known[pair]

    def _fitted(self, early: int, late: int, quick: float) -> float:
        suspect, original = self.pictures[late].suspect, self.pictures[early].original
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
        """How much a post's picture has."""
        return self.pictures[at].detail


def _fingerprint(picture: Luma) -> npt.NDArray[np.float32]:
    small = cv2.resize(picture, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    small -= cv2.GaussianBlur(small, (0, 0), 8.0)
    return np.asarray((small - small.mean()) / max(float(small.std()), 1e-3), dtype=np.float32)


def _home(at: int, groups: Sequence[list[int]], kin: _Kin) -> list[int] | None:
    """The group that a post belongs to; by fingerprint if one is clear, else by some posts of each."""
    nearest = max(groups, key=lambda group: max(kin.quick(at, other) for other in group), default=None)
    if nearest is None or max(kin.quick(at, other) for other in nearest) >= _CLEAR:
        return nearest
    for group in groups:
        shown = [group[0], *sorted(group[1:], key=lambda other: -kin.detail(other))[: _SEEN_OF_A_GROUP - 1]]
        if any(kin.likeness(at, other) >= _NEAR for other in shown):
            return group
    return None


def _descend(group: Sequence[int], kin: _Kin) -> list[Descent]:
    """Each post's most probable parent among the earlier ones: alike, and with no less in it."""
    found: list[Descent] = []
    generation: dict[int, int] = {}
    for position, at in enumerate(group):
        earlier = group[:position]
        rich = [other for other in earlier if kin.detail(other) >= kin.detail(at) - 0.05] or list(earlier)
        # The first can be anybody's; of the others those that look most alike at a glance.
        near = {*rich[:1], *sorted(rich, key=lambda other: (-round(kin.quick(at, other), 2), -other))[:_PARENTS]}
        # The latest among equals: people copy from what they saw last.
        parent = max(near, key=lambda other: (round(kin.likeness(at, other), 2), other), default=None)
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


def _together(groups: Sequence[Sequence[int]], posts: Sequence[Post]) -> tuple[Pair, ...]:
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
    often = [Pair(one=one, other=other, pictures=count) for (one, other), count in counts.items() if count >= 2]
    return tuple(sorted(often, key=lambda pair: (-pair.pictures, pair.one, pair.other)))
