"""A camera known to sign that stops, or signs otherwise, is an alarm in the log; one that never signed is not."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from custodes.app.serving.signers import SignerWatch
from custodes.errors import Unavailable
from custodes.testing.catalog import CAMERA
from custodes.types.access import AuditKind, AuditRecord
from custodes.types.event import StreamVerified
from custodes.types.media import Authenticity
from custodes.units import Ns, RunId

GOOD = StreamVerified(
    camera_id=CAMERA,
    run=RunId("0123456789ab"),
    state=Authenticity.AUTHENTIC,
    start_ns=Ns(1),
    end_ns=Ns(2),
    pictures=60,
    missing=0,
    wrong=0,
    signer="ab" * 32,
    vendor="Fake",
    detail="",
)
STOPPED = replace(GOOD, state=Authenticity.NOT_SIGNED, signer="")


class RecordingLog:
    """The one call of `ports.warden.Warden` that is used; refuses the first `refusals`."""

    def __init__(self, refusals: int = 0) -> None:
        self.records: list[AuditRecord] = []
        self.refusals = refusals

    async def append(self, record: AuditRecord) -> int:
        if self.refusals:
            self.refusals -= 1
            raise Unavailable("no warden")
        self.records.append(record)
        return len(self.records)


def problems(path: Path, *facts: StreamVerified, refusals: int = 0) -> list[str]:
    log = RecordingLog(refusals)

    async def main() -> None:
        watch = SignerWatch(path, log)
        running = asyncio.create_task(watch.run())
        for fact in facts:
            watch.take(fact)
        for _ in range(20):
            await asyncio.sleep(0)
        running.cancel()

    asyncio.run(main())
    assert all(record.kind is AuditKind.SIGNATURE_ALARM and record.subject == CAMERA for record in log.records)
    return [record.details["problem"] for record in log.records]


@pytest.mark.parametrize(
    ("fact", "word"),
    [
        (STOPPED, "has stopped"),
        (replace(GOOD, signer="cd" * 32), "another key"),
        (replace(GOOD, state=Authenticity.NOT_AUTHENTIC, detail="2 pictures differ"), "2 pictures differ"),
        (replace(GOOD, state=Authenticity.MISSING), "missing"),
    ],
    ids=["stopped", "other key", "changed", "missing"],
)
def test_camera_that_signs_when_something_is_wrong_then_one_alarm_until_it_is_good_again(
    tmp_path: Path, fact: StreamVerified, word: str
) -> None:
    found = problems(tmp_path / "signers.json", GOOD, fact, fact, GOOD, GOOD, fact)
    assert len(found) == 2
    assert all(word in problem for problem in found)


def test_camera_that_stops_while_the_server_is_down_then_the_next_start_says_so(tmp_path: Path) -> None:
    assert problems(tmp_path / "signers.json", GOOD) == []
    assert len(problems(tmp_path / "signers.json", STOPPED)) == 1
    assert problems(tmp_path / "signers.json", STOPPED) == []


def test_camera_that_never_signed_then_no_alarm_and_no_file(tmp_path: Path) -> None:
    assert problems(tmp_path / "signers.json", STOPPED, STOPPED) == []
    assert not (tmp_path / "signers.json").exists()


def test_known_signers_when_their_file_is_damaged_then_it_is_put_aside(tmp_path: Path) -> None:
    (tmp_path / "signers.json").write_text("{")
    assert problems(tmp_path / "signers.json", GOOD) == []
    assert (tmp_path / "signers.json.damaged").exists()


def test_alarm_when_the_warden_is_away_then_it_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("custodes.app.serving.signers.RETRY_S", 0)
    assert len(problems(tmp_path / "signers.json", GOOD, STOPPED, refusals=2)) == 1
