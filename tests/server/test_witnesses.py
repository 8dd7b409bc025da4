"""From a real warden over HTTP to a real witness process and back; what happens when the witness says no."""

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.warden.conftest import Site

import custodes_verify
from custodes.adapters.witness.http import HttpWitness, WitnessReply
from custodes.app.serving.witnesses import WitnessRound
from custodes.app.warden_gate import Gate
from custodes.audit.checkpoint import log_keys
from custodes.audit.export import export_log, policy_text
from custodes.audit.note import NoteVerifier, parse_vkey
from custodes.audit.verify import open_readonly
from custodes.cli.witness import witness as command
from custodes.errors import Unavailable
from custodes.sealing.published import read_pinned
from custodes.testing.clock import ManualClock
from custodes.testing.ending import stop
from custodes.testing.web import LoggingWarden
from custodes.types.access import AuditKind, Checkpoint
from custodes.types.message import ConsistencyProof, CosignedCheckpoints, ProveConsistency, ReadCosigned, StoreCosigned


class GateWarden:
    """The messages that a `WitnessRound` sends, straight to a gate of this process."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    async def read_checkpoint(self) -> Checkpoint:
        return await self._gate.read_checkpoint()

    async def prove_consistency(self, old_size: int, new_size: int) -> tuple[bytes, ...]:
        answer = await self._gate.answer_server(ProveConsistency(old_size=old_size, new_size=new_size))
        assert isinstance(answer, ConsistencyProof)
        return answer.path

    async def store_cosigned(self, note: str) -> None:
        await self._gate.answer_server(StoreCosigned(note=note))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def keys(tmp_path: Path) -> list[NoteVerifier]:
    done = CliRunner().invoke(
        command, ["init", str(tmp_path / "w"), "--name", "dpo.example/w1"], catch_exceptions=False
    )
    return [parse_vkey(line) for line in done.stdout.splitlines()]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    (tmp_path / "site").mkdir()
    site = Site(tmp_path / "site")

    async def start_once() -> None:
        async with site.warden():
            pass

    site.run(start_once())
    return site


@pytest.fixture
def url(tmp_path: Path, keys: list[NoteVerifier], site: Site) -> Iterator[str]:
    pinned = read_pinned(site.paths.warden_key)
    policy = policy_text(log_keys(pinned.log_origin, pinned.log_key, pinned.log_mldsa_key), [])
    (tmp_path / "policy").write_text(policy)
    port = free_port()
    arguments = ["witness", "serve", str(tmp_path / "w"), "--policy", str(tmp_path / "policy"), "--port", str(port)]
    process = subprocess.Popen([sys.executable, "-m", "custodes.cli.main", *arguments])
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert process.poll() is None and time.monotonic() < deadline
                time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        stop(process)


def test_bring_when_the_log_grows_then_a_verifier_of_its_export_demands_the_witness_and_is_content(
    site: Site, url: str, keys: list[NoteVerifier], tmp_path: Path
) -> None:
    async def grow_and_ask() -> tuple[list[bool], CosignedCheckpoints]:
        async with site.warden(witnesses=tuple(keys)) as gate:
            warden = GateWarden(gate)
            one = WitnessRound(keys, HttpWitness(url), warden)  # type: ignore[arg-type]
            done = [await one.bring(await warden.read_checkpoint()) for _ in range(2)]
            await gate.authorise(site.request())
            done.append(await one.bring(await warden.read_checkpoint()))
            # As after a restart of the server: it has forgotten what the witness remembers.
            await gate.authorise(site.request())
            again = WitnessRound(keys, HttpWitness(url), warden)  # type: ignore[arg-type]
            done.append(await again.bring(await warden.read_checkpoint()))
            answer = await gate.answer_server(ReadCosigned())
            assert isinstance(answer, CosignedCheckpoints)
            return done, answer

    done, cosigned = site.run(grow_and_ask())
    assert done == [True, False, True, True]
    (seen,) = cosigned.checkpoints
    assert (seen.witness, seen.size) == ("dpo.example/w1", site.verify().size)
    pinned = read_pinned(site.paths.warden_key)
    trusted = log_keys(pinned.log_origin, pinned.log_key, pinned.log_mldsa_key)
    connection = open_readonly(site.paths.warden_dir / "log.db")
    export_log(connection, trusted, tmp_path / "out", witnesses=keys)
    connection.close()
    policy = custodes_verify.parse_policy((tmp_path / "out" / "policy").read_text())
    assert policy.quorum == "witnesses"
    assert "seen by dpo.example/w1" in "\n".join(custodes_verify.verify_log(tmp_path / "out", policy, []))


class Replies:
    """A witness that says what it is told to."""

    def __init__(self, *replies: WitnessReply) -> None:
        self.replies = list(replies)
        self.asked: list[bytes] = []

    def add_checkpoint(self, body: bytes) -> WitnessReply:
        self.asked.append(body)
        return self.replies.pop(0)


@pytest.mark.parametrize(("status", "body"), [(422, "no"), (409, "99\n"), (409, "0\n"), (403, ""), (204, "")])
def test_bring_when_the_witness_refuses_then_it_stands_in_the_log_once(
    tmp_path: Path, keys: list[NoteVerifier], status: int, body: str
) -> None:
    async def bring() -> None:
        warden = LoggingWarden(tmp_path, ManualClock())
        one = WitnessRound(keys, Replies(*[WitnessReply(status=status, body=body)] * 10), warden)
        for _ in range(2):
            assert not await one.bring(await warden.read_checkpoint())
        assert warden.kinds().count(AuditKind.PROCESS_EVENT) == 1
        assert not warden.cosigned

    asyncio.run(bring())


def test_bring_when_the_witness_is_broken_or_away_then_says_unavailable_and_the_log_says_nothing(
    tmp_path: Path, keys: list[NoteVerifier]
) -> None:
    async def bring() -> None:
        warden = LoggingWarden(tmp_path, ManualClock())
        for client in (Replies(WitnessReply(status=503, body="")), HttpWitness(f"http://127.0.0.1:{free_port()}")):
            with pytest.raises(Unavailable):
                await WitnessRound(keys, client, warden).bring(await warden.read_checkpoint())
        assert AuditKind.PROCESS_EVENT not in warden.kinds()

    asyncio.run(bring())
