"""Walls of 16 at 640×360 on a whole site: what viewers get as there are more of them. Called by `bench.web`.

Each viewer is one session with a socket, a render job and a mark of its own for each tile. The cameras play a file of
their own pace; recording and analysis run beside it, as on a site. A machine that cannot draw all pictures drops some
and says so: what a tile got is told as a share of what its camera sent.
"""

import contextlib
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from websockets.exceptions import ConnectionClosed

from custodes.errors import CustodesError, Unavailable
from custodes.testing.rtsp import prepare_clip
from custodes.testing.site import RunningSite
from custodes.testing.viewer import Seen, Viewer
from custodes.units import NS_PER_S

HEIGHT_PX = 360
WARM_S = 20.0
"""Jobs start one after another: a tile counts from its first picture, and its delays from half of its time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wall:
    """What the tiles of all viewers got."""

    viewers: int
    tiles: int
    playing: int
    """Tiles to which pictures came."""
    first_s_p50: float
    first_s_p95: float
    """From the opening of all tiles at once to a tile's first picture."""
    frames_share: float
    """Median of the tiles: pictures that came, of those that the camera sent meanwhile."""
    delay_s_p50: float
    delay_s_p95: float
    """From the capture to the arrival of a picture's chunk, look-ahead of the masks included."""
    cores: float
    """Of all processes of the site."""


def walls(folder: Path, clip: Path, *, tiles: int, viewers: Sequence[int], seconds: float) -> Iterator[Wall]:
    """One after another on the same site.

    Args:
        clip: footage; scaled to 640×360 by the view, as a wall asks for.
        tiles: cameras of the site, all on each wall.
        seconds: for how long each wall is counted.
    """
    url = prepare_clip(clip, folder / "clip.mp4").as_uri()
    cameras = [{"id": f"c{number:02}", "url": url, "loop": True} for number in range(tiles)]
    names = [str(one["id"]) for one in cameras]
    with av.open(str(clip)) as film:
        fps = float(film.streams.video[0].average_rate or 0)
    jobs = {"max_jobs": min(256, tiles * max(viewers) + 4), "spare_jobs": 2}
    with RunningSite(folder / "site", {"name": "Bench", "cameras": cameras, "views": jobs}) as site:
        site.wait_for(lambda: bool(site.token), "the token of the first account")
        first = Viewer(site.address)
        first.claim(site.token)
        site.wait_for(
            lambda: all(site.camera(one["id"])["state"] == "recording" for one in cameras), "all cameras recorded", 300
        )
        for count in viewers:
            yield _wall(site, first, names, count=count, seconds=seconds, fps=fps)


def _wall(site: RunningSite, first: Viewer, cameras: list[str], *, count: int, seconds: float, fps: float) -> Wall:
    seen: list[Seen] = []
    people = [first]
    for _ in range(count - 1):
        people.append(Viewer(site.address))
        people[-1].log_in()

    def look(viewer: Viewer, camera: str) -> None:
        with contextlib.suppress(CustodesError, ConnectionClosed):  # refused or cut: a tile that shows nothing
            seen.append(viewer.watch(camera, seconds=WARM_S + seconds, max_height_px=HEIGHT_PX))

    looks = [threading.Thread(target=look, args=(viewer, camera)) for viewer in people for camera in cameras]
    began, used = time.monotonic(), site.cpu_s()
    for one in looks:
        one.start()
    for one in looks:
        one.join()
    took, used = time.monotonic() - began, site.cpu_s() - used
    if not seen:
        raise Unavailable(f"no tile of {count} viewers showed anything")
    delays = np.concatenate([np.asarray(one.delays_ns[len(one.delays_ns) // 2 :]) for one in seen])
    frames = [one.frames / max(1e-9, WARM_S + seconds - one.first_picture_s) for one in seen]
    first = np.array([one.first_picture_s for one in seen])
    return Wall(
        viewers=count,
        tiles=len(cameras),
        playing=sum(one.frames > 0 for one in seen),
        first_s_p50=round(float(np.median(first)), 2),
        first_s_p95=round(float(np.percentile(first, 95)), 2),
        frames_share=round(float(np.median(frames)) / fps, 3),
        delay_s_p50=round(float(np.median(delays)) / NS_PER_S, 2),
        delay_s_p95=round(float(np.percentile(delays, 95)) / NS_PER_S, 2),
        cores=round(used / took, 2),
    )
