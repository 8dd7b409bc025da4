"""A centre asks for a case; the site decides by its own policies, both logs know, and metadata alone comes back."""

import asyncio
import contextlib
import functools
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import msgspec
import pytest
import yaml
from click.testing import CliRunner
from tests.federation.conftest import SITE, SITE_KEY, SITE_VERIFIER, CentreHere
from tests.server.conftest import Site

from custodes.adapters.ipc.warden import WardenClient
from custodes.adapters.nats import NatsLink
from custodes.adapters.sql import SqlCatalog
from custodes.app.centre import follow
from custodes.app.centre_asking import Asking, is_whole
from custodes.app.centre_log import centre_log, read_log
from custodes.app.serving.answers import Answerer
from custodes.app.serving.catalog import ThreadedCatalog
from custodes.app.serving.federation import Sender
from custodes.app.serving.wishes import WishBook
from custodes.app.witness import read_receipt_key
from custodes.cli.main import custodes as command
from custodes.config.federation import AnswersConfig
from custodes.errors import InvalidArgument, ProtocolError
from custodes.federation.parcel import open_question, seal_question
from custodes.runtime.clock import SystemClock
from custodes.testing.catalog import at, make_spec, make_track
from custodes.testing.nats import NatsServer
from custodes.types.access import AuditKind, AuditRecord
from custodes.types.federation import CaseAnswered
from custodes.types.question import CaseQuestion
from custodes.types.vision import ObjectClass
from custodes.units import NS_PER_S, CameraId

WITHIN_S = 120.0
CLOCK = SystemClock()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("custodes.app.centre", "custodes.app.serving.federation", "custodes.app.serving.answers"):
        monkeypatch.setattr(f"{module}.RETRY_S", 0.05)
    for module in ("custodes.app.centre", "custodes.app.serving.federation"):
        monkeypatch.setattr(f"{module}.IDLE_S", 0.01)
    monkeypatch.setattr("custodes.app.centre.TELL_S", 0.1)
    monkeypatch.setattr("custodes.app.centre.ASK_S", 0.05)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "site")


def question(number: int, **other: object) -> CaseQuestion:
    fields: dict[str, object] = {
        "question_id": f"{number:016x}",
        "site_id": SITE,
        "asker": "Ada",
        "case_id": "C-7",
        "reason": "a bag left in the hall",
        "start_ns": at(0),
        "end_ns": at(1000),
        "classes": ("person", "car"),
        "entry": 0,
        "expires_ns": time.time_ns() + 3600 * NS_PER_S,
    }
    return CaseQuestion(**(fields | other))  # type: ignore[arg-type]


class Both:
    """A site with a real warden, a centre, and NATS between them."""

    def __init__(self, here: CentreHere, catalog: SqlCatalog, warden: WardenClient, server: NatsServer) -> None:
        self.here, self.catalog, self.warden = here, catalog, warden
        self._connect = functools.partial(NatsLink.connected, server.target())
        self._tasks: list[asyncio.Task[None]] = []

    def answerer(self, **config: object) -> Answerer:
        return Answerer(
            site_id=SITE,
            centre=self.here.receipts,
            config=AnswersConfig(cameras=("hall",), **config),  # type: ignore[arg-type]
            outbox=self.catalog.outbox,
            catalog=ThreadedCatalog(self.catalog),
            warden=self.warden,
            clock=CLOCK,
            wishes=self.wishes(),
        )

    def wishes(self) -> WishBook:
        path = self.here.folder.parent / "wishes.json"
        return WishBook(path, outbox=self.catalog.outbox, warden=self.warden, clock=CLOCK)

    def begin(self, answerer: Answerer, asking: Asking) -> None:
        sender = Sender(
            site_id=SITE,
            key=SITE_KEY,
            centre=self.here.receipts,
            outbox=self.catalog.outbox,
            connect=self._connect,
            clock=CLOCK,
            on_question=answerer.take,
        )
        parts = [
            sender.run(),
            answerer.run(),
            follow(self.here.centre, self.here.store, self._connect, asking),
        ]
        self._tasks += [asyncio.create_task(one) for one in parts]

    async def end(self) -> None:
        for task in self._tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._tasks = []

    async def until(self, is_so: Callable[[], object]) -> None:
        deadline = time.monotonic() + WITHIN_S
        while not await asyncio.to_thread(is_so):
            for task in self._tasks:
                if task.done():
                    task.result()
            assert time.monotonic() < deadline
            await asyncio.sleep(0.02)

    def is_closed(self, *numbers: int) -> bool:
        still = {one.question_id for one in self.here.store.open_questions(100)}
        return not still & {f"{number:016x}" for number in numbers}

    async def entry(self, index: int) -> AuditRecord:
        (found,) = (await self.warden.read_log(index, 1)).entries
        return found.record


@contextlib.asynccontextmanager
async def both(site: Site, here: CentreHere, server: NatsServer) -> AsyncIterator[Both]:
    catalog = site.open_catalog()
    specs = [make_spec(CameraId("hall")), make_spec(CameraId("office"))]
    catalog.put_cameras(specs, is_exclusive=False)
    tracks = [
        make_track(1, 10, 20, camera_id="hall"),
        make_track(2, 30, 40, camera_id="hall", kind=ObjectClass.CAR),
        make_track(3, 50, 60, camera_id="hall", kind=ObjectClass.BICYCLE),
        make_track(4, 10, 20, camera_id="office"),
        make_track(5, 2000, 2010, camera_id="hall"),
    ]
    catalog.put_analysis([], tracks)
    try:
        async with site.warden() as warden:
            yield Both(here, catalog, warden, server)
    finally:
        catalog.close()


def run(body: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(body(), 300))


def test_a_case_search_is_answered_refused_and_in_both_logs(site: Site, here: CentreHere, server: NatsServer) -> None:
    key, _ = read_receipt_key(here.folder)

    async def all_of_it() -> None:
        async with both(site, here, server) as at_work:
            with centre_log(here.folder) as log:
                asking = Asking(here.store, log, key, CLOCK)
                here.store.put_question(question(1), asked_ns=1)
                here.store.put_question(question(2, end_ns=at(90 * 86_400)), asked_ns=2)
                here.store.put_question(question(3, cameras=("office",)), asked_ns=3)
                here.store.put_question(question(4, cameras=("cellar",)), asked_ns=4)
                at_work.begin(at_work.answerer(), asking)
                await at_work.until(lambda: at_work.is_closed(1, 2, 3, 4))
                await at_work.end()
            found = {n: here.store.answers(SITE, f"{n:016x}") for n in (1, 2, 3, 4)}
            (answer,) = found[1]
            seen = [(one.camera_id, one.object_class, one.start_ns, one.end_ns) for one in answer.found]
            assert seen == [("hall", "car", at(30), at(40)), ("hall", "person", at(10), at(20))]
            assert answer.is_allowed and answer.cameras == 1
            # Refused: too long, by policy (not a camera that the centre was given), and nothing of that name.
            assert [found[n][0].is_allowed for n in (2, 3, 4)] == [False] * 3
            assert "at most 7 days" in found[2][0].reason
            assert "not among those" in found[3][0].reason
            assert not any(one.found for n in (2, 3, 4) for one in found[n])

            granted = await at_work.entry(answer.log_index)
            assert granted.kind is AuditKind.ACCESS_GRANTED
            assert granted.actor == "Ada at council.example/centre"
            assert granted.details["purpose"] == "case"
            assert "C-7: a bag left in the hall (question 0000000000000001, entry 0)" in granted.details["reference"]
            assert (await at_work.entry(found[3][0].log_index)).kind is AuditKind.ACCESS_DENIED

    run(all_of_it)
    report, entries = read_log(here.folder)
    kinds = [one.record.kind for one in entries]
    assert report.size == 8 and kinds[:4] == [AuditKind.REQUEST_FILED] * 4
    ends = {one.record.details["question"][-1]: one.record for one in entries[4:]}
    assert ends["1"].kind is AuditKind.REQUEST_APPROVED and ends["1"].details["found"] == "2"
    assert {ends[n].kind for n in "234"} == {AuditKind.REQUEST_REFUSED}
    assert {one.record.actor for one in entries} == {"Ada"}


def test_a_question_that_is_asked_again_is_answered_once(site: Site, here: CentreHere, server: NatsServer) -> None:
    """The site was begun anew between question and receipt: its memory is gone, and the centre has one answer."""
    key, _ = read_receipt_key(here.folder)

    async def all_of_it() -> None:
        async with both(site, here, server) as at_work:
            for _ in range(2):
                await at_work.answerer().answer(question(1))
            with centre_log(here.folder) as log:
                here.store.put_question(question(1), asked_ns=1)
                at_work.begin(at_work.answerer(), Asking(here.store, log, key, CLOCK))
                await at_work.until(lambda: at_work.is_closed(1))
                await at_work.end()
            assert len(here.store.answers(SITE, f"{1:016x}")) == 1

    run(all_of_it)


def test_too_many_questions_and_those_of_others_get_nothing(site: Site, here: CentreHere, server: NatsServer) -> None:
    key, _ = read_receipt_key(here.folder)

    async def all_of_it() -> None:
        async with both(site, here, server) as at_work:
            answerer = at_work.answerer(per_hour=1)
            first, second = [(await answerer._answer(question(n)))[0] for n in (1, 2)]
            assert first.is_allowed
            assert not second.is_allowed and "within an hour" in second.reason
            # Of somebody else, to somebody else, no question at all: dropped, and nothing waits.
            for sealed in (
                seal_question(SITE_KEY, question(5)),
                seal_question(key, question(5, site_id="cd" * 8)),
                b"",
                seal_question(key, question(5))[:-1],
            ):
                await answerer.take(sealed)
            assert answerer._waiting.empty()
            for _ in range(3):
                await answerer.take(seal_question(key, question(6)))
            assert answerer._waiting.qsize() == 1

    run(all_of_it)


def test_a_site_that_is_silent_is_noted_when_the_question_is_too_old(here: CentreHere) -> None:
    key, _ = read_receipt_key(here.folder)
    here.clock.advance(10 * NS_PER_S)
    with centre_log(here.folder) as log:
        asking = Asking(here.store, log, key, here.clock)
        here.store.put_question(question(1, expires_ns=here.clock.now_ns() + NS_PER_S), asked_ns=1)
        ((site_id, sealed),) = asking.due()
        assert (site_id, open_question(sealed, site_id=SITE, key=here.receipts).entry) == (SITE, 0)
        assert asking.due() == [(site_id, sealed)], "sent again, and logged once"
        here.clock.advance(2 * NS_PER_S)
        assert asking.due() == []
    _, entries = read_log(here.folder)
    assert [one.record.kind for one in entries] == [AuditKind.REQUEST_FILED, AuditKind.REQUEST_WITHDRAWN]


def test_an_answer_is_whole_with_all_its_parts() -> None:
    def part(number: int, parts: int) -> CaseAnswered:
        return CaseAnswered(
            question_id="1" * 16, utc_ns=1, is_allowed=True, reason="", log_index=1, part=number, parts=parts,
            answered_from_ns=0, cameras=1, found=(),
        )  # fmt: skip

    assert not is_whole([])
    assert not is_whole([part(0, 2)])
    assert is_whole([part(0, 2), part(1, 2)])


@pytest.mark.parametrize(
    "bad",
    [{"asker": ""}, {"case_id": ""}, {"reason": "x\ny"}, {"question_id": "1"}, {"classes": ()}, {"start_ns": -1}],
    ids=str,
)
def test_a_question_out_of_its_bounds_is_not_asked_and_not_taken(here: CentreHere, bad: dict[str, object]) -> None:
    key, _ = read_receipt_key(here.folder)
    with pytest.raises(InvalidArgument, match="cannot be asked"):
        seal_question(key, question(1, **bad))
    good = seal_question(key, question(1))
    magic = good[: good.index(b"\n") + 1]
    body = msgspec.msgpack.encode(question(1, **bad))
    with pytest.raises(ProtocolError, match="malformed"):
        open_question(magic + key.sign(magic + body) + body, site_id=SITE, key=here.receipts)


def test_commands_put_questions_and_show_answers(here: CentreHere) -> None:
    tree = {
        "data_dir": str(here.folder),
        "nats": {"url": "nats://127.0.0.1:1"},
        "sites": [{"id": SITE, "key": SITE_VERIFIER.vkey, "name": "Town hall"}],
    }
    config = here.folder.parent / "centre.yaml"
    config.write_text(yaml.safe_dump(tree))

    def custodes(*words: str) -> str:
        done = CliRunner().invoke(command, ["centre", *words, "--config", str(config)], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.stdout

    about = ("--as", "Ada", "--case", "C-7", "--reason", "a bag", "--from", "2h")
    number = custodes("ask", *about, "--class", "person").split()[0]
    (row,) = json.loads(custodes("answers", "--json"))
    assert (row["question_id"], row["site"], row["answer"], row["count"]) == (number, "Town hall", "waits", 0)
    with centre_log(here.folder) as log:
        Asking(here.store, log, read_receipt_key(here.folder)[0], CLOCK).due()
    assert "1 entries, verified" in custodes("log")
    assert json.loads(custodes("log", "--json"))["entries"][0]["details"]["reason"] == "a bag"
    wrong = CliRunner().invoke(command, ["centre", "ask", *about, "--to", "3h", "--config", str(config)])
    assert "--from is not before --to" in str(wrong.exception)
