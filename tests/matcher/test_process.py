"""The matcher as a process: answers on its socket, reaches nothing else, ends at SIGTERM."""

import asyncio
import signal
import subprocess
import sys

import pytest

from custodes.adapters.ipc.framing import AsyncChannel
from custodes.adapters.ipc.matcher import MatcherClient
from custodes.config import SiteConfig, SitePaths, write_effective
from custodes.errors import Unavailable
from custodes.testing.ending import kill
from custodes.types.message import Failed, GalleryStatus, StopSite


@pytest.fixture
def matcher(tmp_path):
    paths = SitePaths(tmp_path)
    paths.run_dir.mkdir(mode=0o700)
    write_effective(SiteConfig(data_dir=tmp_path), paths.effective_config)
    process = subprocess.Popen([sys.executable, "-m", "custodes.app.matcher", "--data", str(tmp_path)])
    yield paths, process
    kill(process)


async def connected(client):
    for _ in range(600):  # up to 30 s for the process to come up
        try:
            return await client.ping()
        except Unavailable:
            await asyncio.sleep(0.05)
    raise AssertionError("the matcher did not come up")


def test_it_starts_empty_answers_and_ends_cleanly(matcher):
    paths, process = matcher

    async def talk():
        client = MatcherClient(paths.socket("matcher"))
        await connected(client)
        assert await client.read_gallery() == GalleryStatus(people=0, templates=0, contracts=())
        channel = await AsyncChannel.connect(paths.socket("matcher"))
        await channel.send(StopSite())
        reply = await channel.receive()
        assert isinstance(reply, Failed)
        assert reply.error == "ProtocolError"
        assert await client.read_gallery()
        await channel.close()
        process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, 10) == 0
        with pytest.raises(Unavailable):
            await client.ping()
        await client.close()

    asyncio.run(talk())


def test_it_loads_no_network_client_no_video_and_no_web():
    code = "import sys, custodes.app.matcher; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=600
    ).stdout.split()
    for name in ("av", "fastapi", "starlette", "uvicorn", "httpx", "sqlalchemy", "sqlite3", "onnxruntime",
                 "custodes.media", "custodes.web", "custodes.adapters.sql", "custodes.sealing"):  # fmt: skip
        assert name not in loaded
