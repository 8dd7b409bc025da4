"""The NATS configuration that we ship: each account may do what it is for and nothing else."""

import asyncio
import re
import socket
import subprocess
from pathlib import Path

import pytest

from custodes.adapters.nats import NatsLink, NatsTarget
from custodes.errors import CustodesError, Unavailable
from custodes.testing.ending import killed_after
from custodes.testing.nats import program, running_nats

CONFIG = Path(__file__).parents[2] / "deploy/federation/nats-server.conf"
OWN, OTHER = "0000000000000001", "0000000000000002"


@pytest.fixture
def plain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Without TLS, whose files are the operator's, and without its own address and folder."""
    monkeypatch.setenv("CENTRE_PASSWORD", "of-the-centre")
    monkeypatch.setenv("SITE_A_PASSWORD", "of-the-site")
    text = re.sub(r"^(tls|jetstream) \{.*?^\}\n", "", CONFIG.read_text(), flags=re.S | re.M)
    text = re.sub(r"^listen:.*\n", "", text, flags=re.M)
    assert "tls" not in re.sub(r"#.*", "", text)
    path = tmp_path / "nats.conf"
    path.write_text(text)
    return path


def test_configuration_when_the_server_reads_it_is_valid(plain: Path) -> None:
    binary = program()
    assert binary is not None
    done = subprocess.run([binary, "-t", "-c", str(plain)], capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr


def test_accounts_when_used_reach_their_own_subjects_alone(plain: Path) -> None:
    with running_nats(plain) as server:

        async def all_of_it() -> None:
            with pytest.raises(CustodesError):
                async with NatsLink.connected(server.target()):
                    pass
            centre = server.target("centre", "of-the-centre")
            site = server.target("site-a", "of-the-site")
            heard: list[bytes] = []

            async def hear(sealed: bytes) -> None:
                heard.append(sealed)

            async with NatsLink.connected(centre) as reading, NatsLink.connected(site) as telling:
                await reading.make_stream()
                await telling.on_receipt(OWN, hear)
                await telling.publish(OWN, b"a parcel", "1")
                assert await reading.next_after(0) == (1, OWN, b"a parcel")
                await reading.drop_up_to(1)
                assert await reading.next_after(0) is None
                await reading.tell(OTHER, b"for another")
                await reading.tell(OWN, b"a receipt")
                for _ in range(6000):
                    if heard:
                        break
                    await asyncio.sleep(0.01)
                assert heard == [b"a receipt"]
                with pytest.raises(Unavailable):
                    await telling.make_stream()

            async with NatsLink.connected(centre) as reading, NatsLink.connected(site) as telling:
                with pytest.raises(Unavailable):
                    await telling.publish(OTHER, b"in another's name", "2")
                assert await reading.next_after(1) is None

        asyncio.run(all_of_it())


LEAF = CONFIG.with_name("leaf.conf")


def test_a_site_behind_a_leaf_node_tells_and_hears_and_may_do_no_more(plain: Path, tmp_path: Path) -> None:
    """Two real servers: the site knows its own alone, and its account's bounds at the centre's hold through it."""
    leaves, own = free_port(), free_port()
    plain.write_text(plain.read_text() + f'\nleafnodes {{ listen: "127.0.0.1:{leaves}" }}\n')
    text = LEAF.read_text().replace('"127.0.0.1:4222"', f'"127.0.0.1:{own}"')
    far = "tls://site-a:SITE_A_PASSWORD@nats.council.example:7422"
    assert far in text
    text = text.replace(far, f"nats://site-a:of-the-site@127.0.0.1:{leaves}")
    path = tmp_path / "leaf.conf"
    path.write_text(text)
    binary = program()
    assert binary is not None
    with running_nats(plain) as server:
        leaf = subprocess.Popen([binary, "-c", str(path)], stderr=subprocess.DEVNULL)
        with killed_after(leaf):
            asyncio.run(_through(server.target("centre", "of-the-centre"), own))


async def _through(centre: NatsTarget, own: int) -> None:
    # The leaf asks nobody who they are; the name gives the inbox that the account at the centre may hear.
    site = NatsTarget(url=f"nats://127.0.0.1:{own}", user="site-a", password="any")
    heard: list[bytes] = []

    async def hear(sealed: bytes) -> None:
        heard.append(sealed)

    async with asyncio.timeout(180), NatsLink.connected(centre) as reading:
        await reading.make_stream()
        while True:  # the leaf starts, and reaches the centre's a moment later
            try:
                async with NatsLink.connected(site) as telling:
                    await telling.on_receipt(OWN, hear)
                    await telling.on_question(OWN, hear)
                    await telling.publish(OWN, b"a parcel", "1")
                    assert await reading.next_after(0) == (1, OWN, b"a parcel")
                    while len(set(heard)) < 2:
                        await reading.tell(OWN, b"a receipt")
                        await reading.ask(OWN, b"a question")
                        await asyncio.sleep(0.05)
                    with pytest.raises(CustodesError):
                        await telling.publish(OTHER, b"of another", "2")
                    assert await reading.next_after(1) is None
                    return
            except Unavailable:
                await asyncio.sleep(0.1)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
