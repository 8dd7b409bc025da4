"""One site on real footage for the whole folder: cameras over real RTSP, as `make demo` runs them.

Footage is PETS from ../shared when it lies there, else the same clip from the Debian package the demo uses.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from custodes.testing.rtsp import RtspServer
from custodes.testing.site import RunningSite
from custodes.testing.viewer import Viewer
from demo.footage import fetch
from demo.prepare import prepare

PETS_FPS = 7.0
GROUND = {
    "floor": "campus",
    "ground": [
        {"at": at, "place_m": place}
        for at, place in (([0.1, 0.4], [-9, 24]), ([0.9, 0.4], [9, 24]), ([0.9, 0.9], [4, 8]), ([0.1, 0.9], [-4, 8]))
    ],
}
"""About where the walkers' ground lies; both cameras show the same film, some seconds apart."""
REPOSITORY = Path(__file__).parents[2]
SHARED = Path(os.environ.get("CUSTODES_SHARED", REPOSITORY.parent / "shared"))


def walkers_clip() -> Path:
    """vtest.avi: a fixed camera, 19 walkers."""
    clip = SHARED / "data/people/pets09-s2l1-view001.avi"
    if clip.is_file():
        return clip
    return next(path for _, path in fetch(REPOSITORY / "demo-data", print) if path.name == "vtest.avi")


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RtspServer]:
    """The clip behind GStreamer's RTSP server under two names."""
    clip = tmp_path_factory.mktemp("clips") / "walkers.h264"
    prepare(walkers_clip(), clip, fps=PETS_FPS, height=432, seconds=None)
    with RtspServer({"walkers": clip, "again": clip}) as running:
        yield running


@pytest.fixture(scope="package")
def site(server: RtspServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSite]:
    """A running site: two good cameras and one that nobody answers for."""
    config = {
        "name": "End to end",
        "recorder": {"segment_s": 10},
        "cameras": [
            {"id": "walkers", "url": server.url("walkers"), **GROUND},
            {"id": "again", "url": server.url("again"), **GROUND},
            {"id": "dead", "url": "rtsp://127.0.0.1:1/nothing"},
        ],
    }
    with RunningSite(tmp_path_factory.mktemp("e2e") / "site", config) as running:
        yield running


@pytest.fixture(scope="package")
def viewer(site: RunningSite) -> Viewer:
    """The first account, logged in."""
    person = Viewer(site.address)
    person.claim(site.token)
    return person
