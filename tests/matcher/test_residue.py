"""Strangers' tracks through the real matcher leave nothing: no file, log, database, core dump or swapped page has a
vector or a crop of theirs."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.warden.conftest import Site
from tests.warden.office import CONTRACT, GATE, Office, face

from custodes.adapters.ipc.framing import AsyncChannel, answer_requests, serve
from custodes.adapters.ipc.matcher import MatcherClient
from custodes.config import SiteConfig, write_effective
from custodes.errors import Unavailable
from custodes.testing.ending import kill
from custodes.testing.needles import Needles, files_under
from custodes.types.face_message import Probe, ReadZoneLoads, ZoneLoads
from custodes.types.message import Ok
from custodes.units import Ns, RunId

ENROLLED = 5


class Strangers:
    """Synthetic people with the packaged network's statistics. Remembers what must not be found."""

    def __init__(self, zone_id: str) -> None:
        self._zone_id = zone_id
        self._random = np.random.default_rng(11)
        self._common = np.mean([face(number) for number in range(40)], axis=0)
        self.pieces: list[bytes] = []

    def probe(self, number: int) -> Probe:
        vector = (self._common + 0.35 * self._random.normal(size=128) / 128**0.5).astype(np.float32)
        crop = b"\xff\xd8" + self._random.bytes(600)
        unit = vector / np.float32(np.linalg.norm(vector))
        for values in (vector, unit):
            self.pieces += [values[at : at + 2].tobytes() for at in (0, 40, 126)]
        self.pieces += [crop[at : at + 8] for at in (2, 300, 590)]
        return Probe(
            zone_id=self._zone_id, camera_id=GATE, run=RunId("r"), track_id=number, start_ns=Ns(1), end_ns=Ns(2),
            contract=CONTRACT, vector=vector, quality=0.6, samples=4, picture=crop,
        )  # fmt: skip


def image_of(pid: int) -> Iterator[bytes]:
    """What a core dump of the process or its pages in a swap file would hold: all memory that it may write to.
    Root's to read, whatever the process says of itself. Raises: PermissionError."""
    areas = [line.split() for line in Path(f"/proc/{pid}/maps").read_text().splitlines()]
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for place, rights, *_ in areas:
            low, high = (int(one, 16) for one in place.split("-"))
            if rights.startswith("rw"):
                try:
                    memory.seek(low)
                    yield memory.read(high - low)
                except OSError:
                    continue  # no page of it is there


def require_few_left(pid: int, strangers: Strangers) -> None:
    """In memory the copies that Python frees and does not overwrite hold the last few of all who passed, no more."""
    needles = Needles(strangers.pieces)
    left = sum(needles.found_in(part) for part in image_of(pid))
    print(f"in memory: {left} of {len(strangers.pieces)} pieces")
    assert left < len(strangers.pieces) // 500


async def ready(office: Office, client: MatcherClient) -> None:
    """Until the gallery is there; two minutes at most."""
    for _ in range(1200):
        try:
            if (await client.read_gallery()).people == ENROLLED:
                return
        except Unavailable:
            pass
        await asyncio.sleep(0.1)
    raise AssertionError("the matcher did not get its gallery")


async def send_all(office: Office, process: subprocess.Popen, zone_id: str, tracks: int) -> Strangers:
    paths = office.site.paths
    client, strangers = MatcherClient(paths.socket("matcher")), Strangers(zone_id)
    await ready(office, client)
    channel = await AsyncChannel.connect(paths.socket("matcher-probes"))
    for number in range(tracks):
        await channel.send(strangers.probe(number))
        assert isinstance(await channel.receive(), Ok)
    asking = await AsyncChannel.connect(paths.socket("matcher"))
    await asking.send(ReadZoneLoads())
    loads = await asking.receive()
    assert isinstance(loads, ZoneLoads)
    assert loads.zones[0].probes == tracks, "the matcher did not compare them"
    for one in (channel, asking, client):
        await one.close()
    return strangers


@pytest.mark.parametrize("tracks", [500, pytest.param(10_000, marks=pytest.mark.slow)])
def test_no_trace_of_strangers_when_many_passed(tmp_path: Path, tracks: int) -> None:
    data, temporary, working = (tmp_path / name for name in ("data", "temporary", "working"))
    for folder in (data, temporary, working):
        folder.mkdir()
    site = Site(data)
    site.paths.run_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_effective(SiteConfig(data_dir=site.paths.data_dir), site.paths.effective_config)
    outcome: list[Strangers] = []

    async def main() -> None:
        async with Office(site) as office:
            zone_id = await office.zone(fpir=0.001)
            for number in range(ENROLLED):
                await office.enrolled(number, (zone_id,))

            async def to_matcher(channel: AsyncChannel) -> None:
                await answer_requests(channel, office.process)

            server = await serve(site.paths.socket("warden-faces"), to_matcher)
            process = subprocess.Popen(
                [sys.executable, "-m", "custodes.app.matcher", "--data", str(site.paths.data_dir)],
                cwd=working, env=os.environ | {"TMPDIR": str(temporary)},
            )  # fmt: skip
            try:
                outcome.append(await send_all(office, process, zone_id, tracks))
                status = Path(f"/proc/{process.pid}/status").read_text()
                assert "VmSwap:\t       0 kB" in status
                if tracks > 1000 and os.geteuid() == 0:
                    require_few_left(process.pid, outcome[0])
                os.kill(process.pid, signal.SIGABRT)  # a crash, on purpose
                _, code = await asyncio.to_thread(os.waitpid, process.pid, 0)
                assert os.WIFSIGNALED(code)
                assert not os.WCOREDUMP(code), "a core dump was written"
            finally:
                if process.poll() is None:
                    kill(process)
                server.close()

    asyncio.run(main())
    needles = Needles(outcome[0].pieces)
    searched = files_under(tmp_path)
    assert "faces.db" in {path.name for path in searched}
    assert [path.name for path in searched if needles.found_in(path.read_bytes())] == []


def test_needles_when_one_lies_at_an_odd_place_then_it_is_found() -> None:
    strangers = Strangers("z")
    probe = strangers.probe(0)
    needles = Needles(strangers.pieces)
    assert needles.found_in(b"abc" + probe.vector.tobytes()) >= 3
    assert needles.found_in(b"x" * 1001 + probe.picture) == 3
    assert needles.found_in(np.random.default_rng(5).bytes(100_000)) == 0
