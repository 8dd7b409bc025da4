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
from custodes.app.centre_people import add_person, ask, prove
from custodes.app.serving.answer_book import AnswerBook
from custodes.app.serving.answers import Answerer
from custodes.app.serving.catalog import ThreadedCatalog
from custodes.app.serving.federation import Sender
from custodes.app.serving.wishes import WishBook
from custodes.app.witness import read_receipt_key
from custodes.cli.main import custodes as command
from custodes.config.federation import AnswersConfig
from custodes.errors import FailedPrecondition, InvalidArgument, ProtocolError, StorageFailed, Unauthenticated
from custodes.federation.parcel import open_question, seal_question
from custodes.runtime.clock import SystemClock
from custodes.testing.catalog import at, make_spec, make_track
from custodes.testing.ending import cancelled
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


PASSWORD = "four words in a row"


@pytest.fixture(autouse=True)
def cheap_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("custodes.app.centre_people._MEMORY_KIB", 8)
    monkeypatch.setattr("custodes.app.centre_people._PARALLELISM", 1)


def put(here: CentreHere, *questions: CaseQuestion) -> None:
    """Filed by Ada, one after the other."""
    if here.store.people.find("Ada") is None:
        add_person(here.store, "Ada", PASSWORD, 1)
    key, _ = read_receipt_key(here.folder)
    for at_ns, one in enumerate(questions):
        ask(here.store, key, [one], prove(here.store, "Ada", PASSWORD), at_ns)


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
            book=self.book(),
        )

    def book(self) -> AnswerBook:
        """As after a restart."""
        return AnswerBook(self.here.folder.parent / "questions.json", clock=CLOCK)

    def wishes(self) -> WishBook:
        path = self.here.folder.parent / "wishes.json"
        return WishBook(path, outbox=self.catalog.outbox, warden=self.warden, clock=CLOCK, book=self.book())

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
        await cancelled(*self._tasks)
        for one in self._tasks:
            assert one.cancelled() or one.result()
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
    async def limited() -> None:
        async with asyncio.timeout(300):
            await body()

    asyncio.run(limited())


def test_a_case_search_is_answered_refused_and_in_both_logs(site: Site, here: CentreHere, server: NatsServer) -> None:
    key, _ = read_receipt_key(here.folder)

    async def all_of_it() -> None:
        async with both(site, here, server) as at_work:
            with centre_log(here.folder) as log:
                asking = Asking(here.store, log, key, CLOCK)
                others = question(3, cameras=("office",)), question(4, cameras=("cellar",))
                put(here, question(1), question(2, end_ns=at(90 * 86_400)), *others)
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
            assert "C-7: a bag left in the hall (question 0000000000000001, entry 1)" in granted.details["reference"]
            assert (await at_work.entry(found[3][0].log_index)).kind is AuditKind.ACCESS_DENIED

    run(all_of_it)
    report, entries = read_log(here.folder)
    kinds = [one.record.kind for one in entries]
    assert report.size == 9 and kinds[:5] == [AuditKind.USER_CREATED, *[AuditKind.REQUEST_FILED] * 4]
    ends = {one.record.details["question"][-1]: one.record for one in entries[5:]}
    assert ends["1"].kind is AuditKind.REQUEST_APPROVED and ends["1"].details["found"] == "2"
    assert {ends[n].kind for n in "234"} == {AuditKind.REQUEST_REFUSED}
    assert {one.record.actor for one in entries[1:]} == {"Ada"}


def test_a_question_that_is_asked_again_is_answered_once(site: Site, here: CentreHere, server: NatsServer) -> None:
    """The site was begun anew between answer and receipt, or between looking and telling: one decision, one answer."""

    async def all_of_it() -> None:
        key, _ = read_receipt_key(here.folder)
        async with both(site, here, server) as at_work:
            await at_work.answerer().answer(question(1))
            size = (await at_work.warden.read_checkpoint()).size
            again = at_work.answerer()
            await again.take(seal_question(key, question(1)))
            assert again._waiting.empty(), "it is known over a restart"
            await again.answer(question(1))
            assert (await at_work.warden.read_checkpoint()).size == size, "nothing was decided again"
            # Killed between the book and the outbox: what was decided is told, not decided anew.
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(type(at_work.catalog.outbox), "put", broken)
                with pytest.raises(StorageFailed):
                    await at_work.answerer().answer(question(2))
            size = (await at_work.warden.read_checkpoint()).size
            with centre_log(here.folder) as log:
                put(here, question(1), question(2))
                at_work.begin(at_work.answerer(), Asking(here.store, log, key, CLOCK))
                await at_work.until(lambda: at_work.is_closed(1, 2))
                await at_work.end()
            assert (await at_work.warden.read_checkpoint()).size == size
            assert [len(here.store.answers(SITE, f"{n:016x}")) for n in (1, 2)] == [1, 1]
            asked = at_work.answerer().book.rows()
            assert [(one.question_id[-1], one.is_allowed, one.found) for one in asked] == [
                ("2", True, 2),
                ("1", True, 2),
            ]

    run(all_of_it)


def broken(*_: object) -> None:
    raise StorageFailed("killed")


def test_a_question_in_somebody_elses_name_is_not_sent_and_noted(here: CentreHere) -> None:
    """Whoever writes into the centre's database, or changes what was signed, asks nothing."""
    key, _ = read_receipt_key(here.folder)
    put(here, question(1), question(2))
    here.store.put_question(question(3), asked_ns=3)
    here.store.put_question(question(2, end_ns=at(5000)), asked_ns=2)
    add_person(here.store, "Bob", PASSWORD, 1)
    ask(here.store, key, [question(4, asker="Bob")], prove(here.store, "Bob", PASSWORD), 4)
    ask(here.store, key, [question(5)], prove(here.store, "Bob", PASSWORD), 5)
    here.store.people.disable("Bob")
    with centre_log(here.folder) as log:
        asking = Asking(here.store, log, key, here.clock)
        sent = [open_question(sealed, site_id=SITE, key=here.receipts) for _, sealed in asking.due()]
        assert [one.question_id[-1] for one in sent] == ["1"]
        assert [one.question_id[-1] for one in here.store.open_questions(10)] == ["1"]
    _, entries = read_log(here.folder)
    refused = [one.record.details["question"][-1] for one in entries if "reason" in one.record.details][1:]
    assert sorted(refused) == ["2", "3", "4", "5"]
    people = [(one.record.kind, one.record.subject) for one in entries[:2]]
    assert people == [(AuditKind.USER_CREATED, "person:Ada"), (AuditKind.USER_CHANGED, "person:Bob")]


@pytest.mark.parametrize("bad", [("", PASSWORD), ("a:b", PASSWORD), ("two\nlines", PASSWORD), ("Ada", "short")])
def test_a_person_without_a_name_or_a_password_is_not_added(here: CentreHere, bad: tuple[str, str]) -> None:
    with pytest.raises(InvalidArgument):
        add_person(here.store, *bad, now_ns=1)
    add_person(here.store, "Ada", PASSWORD, 1)
    with pytest.raises(FailedPrecondition, match="is there already"):
        add_person(here.store, "Ada", PASSWORD, 2)
    for name, password in (("Ada", "another password"), ("Eve", PASSWORD)):
        with pytest.raises(Unauthenticated):
            prove(here.store, name, password)


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
        put(here, question(1, expires_ns=here.clock.now_ns() + NS_PER_S))
        ((site_id, sealed),) = asking.due()
        assert (site_id, open_question(sealed, site_id=SITE, key=here.receipts).entry) == (SITE, 1)
        assert asking.due() == [(site_id, sealed)], "sent again, and logged once"
        here.clock.advance(2 * NS_PER_S)
        assert asking.due() == []
    _, entries = read_log(here.folder)
    kinds = [one.record.kind for one in entries]
    assert kinds == [AuditKind.USER_CREATED, AuditKind.REQUEST_FILED, AuditKind.REQUEST_WITHDRAWN]


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

    word = here.folder.parent / "password"
    word.write_text(PASSWORD)
    assert "Ada may ask" in custodes("person", "add", "Ada", "--password-file", str(word))
    assert "may ask" in custodes("person", "list")
    about = ("--as", "Ada", "--password-file", str(word), "--case", "C-7", "--reason", "a bag", "--from", "2h")
    number = custodes("ask", *about, "--class", "person").split()[0]
    (row,) = json.loads(custodes("answers", "--json"))
    assert (row["question_id"], row["site"], row["answer"], row["count"]) == (number, "Town hall", "waits", 0)
    with centre_log(here.folder) as log:
        Asking(here.store, log, read_receipt_key(here.folder)[0], CLOCK).due()
    assert "2 entries, verified" in custodes("log")
    assert json.loads(custodes("log", "--json"))["entries"][1]["details"]["reason"] == "a bag"
    wrong = CliRunner().invoke(command, ["centre", "ask", *about, "--to", "3h", "--config", str(config)])
    assert "ends before it begins" in str(wrong.exception)
    custodes("person", "disable", "Ada")
    gone = CliRunner().invoke(command, ["centre", "ask", *about, "--config", str(config)])
    assert isinstance(gone.exception, Unauthenticated)
