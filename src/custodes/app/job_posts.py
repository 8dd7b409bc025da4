"""What a job does with a case's posts: decodes the pictures, which may be hostile, compares them, makes small ones."""

import os
import re
import signal
import time

import cv2
import numpy as np
import structlog

from custodes.adapters.ipc.framing import Channel
from custodes.config import SitePaths
from custodes.errors import CustodesError, InvalidArgument
from custodes.leaks.place import MAX_PICTURE_BYTES
from custodes.leaks.posts import Posted, posted_of, spread
from custodes.ports.clock import Clock
from custodes.types.posts import PostsSpread, Spread, SpreadTask, Thumbnail
from custodes.units import NS_PER_S

_NICE = 10
"""A comparison may wait; cameras and viewers may not."""
_THUMBNAIL_PX = 200
_QUALITY = 80
_GRACE_S = 5.0
_NOTHING = Spread(groups=(), together=(), without_picture=())


def spread_posts(task: SpreadTask, *, paths: SitePaths, clock: Clock, channel: Channel) -> None:
    """Serve one comparison: a single answer, whatever happens."""
    os.nice(_NICE)
    seconds = max((task.deadline_ns - clock.now_ns()) / NS_PER_S, 0) + _GRACE_S
    signal.setitimer(signal.ITIMER_REAL, seconds)  # a codec that hangs is ended
    try:
        answer = _spread(task, paths)
    except CustodesError as error:
        structlog.get_logger().warning("posts not compared", error=str(error), error_kind=error.kind.value)
        answer = PostsSpread(spread=_NOTHING, error=str(error))
    structlog.get_logger().info("posts compared", posts=len(task.posts), cpu_s=round(time.process_time(), 1))
    channel.send(answer)


def _spread(task: SpreadTask, paths: SitePaths) -> PostsSpread:
    folder = (paths.data_dir / task.folder).resolve()
    if not folder.is_relative_to(paths.leaks.resolve()):
        raise InvalidArgument(f"posts are below {paths.leaks}, not in {task.folder[:80]!r}")
    by_file: dict[str, Posted] = {}
    wrong: dict[str, str] = {}
    thumbnails = []
    for sha256 in dict.fromkeys(post.sha256 for post in task.posts if post.sha256):
        try:
            if not re.fullmatch(r"[0-9a-f]{64}", sha256):
                raise InvalidArgument("its name is no SHA-256")
            with (folder / "pictures" / sha256).open("rb") as stream:
                by_file[sha256] = posted_of(stream.read(MAX_PICTURE_BYTES + 1))
        except (CustodesError, OSError) as error:
            wrong[sha256] = str(error) if isinstance(error, CustodesError) else "the file cannot be read"
            continue
        thumbnails.append(Thumbnail(sha256=sha256, jpeg=_small(by_file[sha256])))
    pictures = {post.post_id: by_file[post.sha256] for post in task.posts if post.sha256 in by_file}
    return PostsSpread(
        spread=spread(task.posts, pictures),
        thumbnails=tuple(thumbnails),
        unreadable=tuple((post.post_id, wrong[post.sha256]) for post in task.posts if post.sha256 in wrong),
    )


def _small(posted: Posted) -> bytes:
    """Grey, as it is compared."""
    height, width = posted.y.shape
    scale = min(_THUMBNAIL_PX / max(height, width), 1.0)
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    is_made, encoded = cv2.imencode(
        ".jpg", cv2.resize(posted.y, size, interpolation=cv2.INTER_AREA), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY]
    )
    assert is_made
    return np.asarray(encoded).tobytes()
