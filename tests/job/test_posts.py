"""A case's posts through a real job: pictures are decoded there, one that breaks spoils nothing."""

import hashlib
import time

import cv2
from tests.leaks.scenes import scene

from custodes.testing.job import JobSite
from custodes.types.posts import Post, PostsSpread, SpreadTask
from custodes.units import NS_PER_S, Ns


def test_posts_when_compared_by_a_job_then_grouped_with_small_pictures_and_the_broken_one_named(site: JobSite) -> None:
    folder = site.paths.leaks / "posts" / "7" / "pictures"
    folder.mkdir(parents=True)
    y = scene(4, width=480, height=270)
    files = [cv2.imencode(".jpg", one)[1].tobytes() for one in (y, cv2.resize(y, (360, 202)))] + [b"\xff\xd8\xff no"]
    names = [hashlib.sha256(one).hexdigest() for one in files]
    for name, content in zip(names, files, strict=True):
        (folder / name).write_bytes(content)
    posts = tuple(
        Post(post_id=f"p{n}", account="@a", utc_ns=Ns((n + 1) * NS_PER_S), sha256=name)
        for n, name in enumerate([*names, "../../../site.json"])
    )
    deadline_ns = Ns(time.time_ns() + 300 * NS_PER_S)
    with site.job("job-posts") as job:
        job.channel.send(SpreadTask(folder="leaks/posts/7", posts=posts, deadline_ns=deadline_ns))
        (answer,) = job.until(PostsSpread)
    assert isinstance(answer, PostsSpread)
    assert not answer.error
    assert [(one.post_id, one.parent_id) for one in answer.spread.groups[0]] == [("p0", ""), ("p1", "p0")]
    assert [post_id for post_id, _ in answer.unreadable] == ["p2", "p3"]
    assert [one.sha256 for one in answer.thumbnails] == names[:2]
    with site.job("job-posts-2") as job:
        job.channel.send(SpreadTask(folder="warden", posts=posts, deadline_ns=deadline_ns))
        (refused,) = job.until(PostsSpread)
    assert isinstance(refused, PostsSpread) and "posts are below" in refused.error
