"""Pixels of another site: wished for by a centre, given by a person of the site under its own grant, or refused."""

import asyncio
import contextlib
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from tests.federation.conftest import SITE, CentreHere
from tests.federation.test_questions import both, question, run
from tests.server.conftest import Site
from tests.server.test_exports import ADA, CAMERA, CASE, bench

from custodes.adapters.sql import sqlite_catalog
from custodes.app.serving.answer_book import AnswerBook
from custodes.app.serving.answers import Answerer
from custodes.app.serving.wishes import GIVEN, WishBook
from custodes.cli.bundle import read_head, take_bundle
from custodes.config.federation import AnswersConfig
from custodes.errors import (
    CustodesError,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
)
from custodes.federation.parcel import _FACT
from custodes.runtime.clock import SystemClock
from custodes.testing.cases import opening
from custodes.testing.nats import NatsServer
from custodes.types.access import AuditKind, Purpose, Role
from custodes.types.federation import CaseAnswered
from custodes.types.question import CaseQuestion
from custodes.types.wish import GiveFootage, RefuseWish
from custodes.units import NS_PER_S

CLOCK = SystemClock()
FOOTAGE = {"wants_footage": True, "cameras": ("hall",)}
SUPERVISOR = replace(ADA, user_id="s1", name="Sue", roles=frozenset({Role.SUPERVISOR}))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "site")


def refusal(number: int, reason: str = "no such need") -> RefuseWish:
    return RefuseWish(question_id=f"{number:016x}", reason=reason, person="Sue", password="")


def gift(number: int, **other: object) -> GiveFootage:
    fields: dict[str, object] = {"manifest": "ab" * 32, "sealed_index": 0, "grant_index": 0}
    return GiveFootage(question_id=f"{number:016x}", person="Ada", password="", **(fields | other))  # type: ignore[arg-type]


def test_a_wish_waits_for_people_is_refused_by_them_and_in_the_log(
    site: Site, here: CentreHere, server: NatsServer
) -> None:
    async def all_of_it() -> None:
        async with both(site, here, server) as at_work:
            deaf = at_work.answerer()
            (said,) = await deaf._answer(question(1, **FOOTAGE))
            assert (said.is_allowed, said.reason) == (False, "this site gives no footage to a centre")
            answerer = at_work.answerer(footage=True)
            for other in ({"cameras": ("office",)}, {"cameras": ("hall", "office")}):
                (said,) = await answerer._answer(question(2, **(FOOTAGE | other)))
                assert "names one camera" in said.reason
            assert await answerer._answer(question(3, **FOOTAGE)) == []
            assert await answerer._answer(question(3, **FOOTAGE)) == [], "sent again: it waits already"
            book = at_work.wishes()  # as after a restart
            (wish,) = book.waiting()
            assert (wish.question_id, wish.camera_id, wish.asker) == (
                f"{3:016x}", "hall", "Ada at council.example/centre",
            )  # fmt: skip
            asked = await at_work.entry(wish.log_index)
            assert (asked.kind, asked.details["what"]) == (AuditKind.CENTRE_WISH, "asked")
            assert asked.details["reason"] == "a bag left in the hall"
            with pytest.raises(NotFound, match="no wish"):
                await book.answer(refusal(9), SUPERVISOR)
            with pytest.raises(PermissionDenied):
                await book.answer(refusal(3), replace(SUPERVISOR, roles=frozenset({Role.TECHNICIAN})))
            for bad in ("", "x" * 81, "two\nlines"):
                with pytest.raises(InvalidArgument):
                    await book.answer(refusal(3, bad), SUPERVISOR)
            for wrong in ({"manifest": "x"}, {"sealed_index": 10**6}, {"sealed_index": -1}, {}):
                with pytest.raises((InvalidArgument, FailedPrecondition)):
                    await book.answer(gift(3, **wrong), ADA)
            await book.answer(refusal(3), SUPERVISOR)
            assert not book.waiting() and not at_work.wishes().waiting()
            (waiting,) = at_work.catalog.outbox.read(0, 10)
            told = _FACT.decode(waiting.encoded)
            assert isinstance(told, CaseAnswered)
            assert (told.is_allowed, told.reason, told.question_id) == (False, "no such need", f"{3:016x}")
            assert (await at_work.entry(told.log_index)).actor == "Sue"

    run(all_of_it)


@pytest.mark.slow
def test_what_was_exported_for_a_wish_and_nothing_else_reaches_the_centre(
    site: Site, here: CentreHere, tmp_path: Path
) -> None:
    """A real export by the real job, under the approval of others, from the site's log to the centre's folder."""
    number = f"{7:016x}"
    policy = tmp_path / "site.log"

    async def all_of_it() -> tuple[CaseQuestion, CaseAnswered]:
        async with bench(site) as at:
            first_ns = at.segment.header.start_ns
            asked = question(
                7, wants_footage=True, cameras=(CAMERA,), start_ns=first_ns - NS_PER_S, end_ns=first_ns + 50 * NS_PER_S
            )
            with contextlib.closing(sqlite_catalog(tmp_path / "outbox.db", site_id=SITE, clock=CLOCK)) as apart:
                outbox = apart.outbox
                answers = AnswerBook(tmp_path / "questions.json", clock=CLOCK)
                book = WishBook(tmp_path / "wishes.json", outbox=outbox, warden=at.warden, clock=CLOCK, book=answers)
                answerer = Answerer(
                    site_id=SITE, centre=here.receipts, config=AnswersConfig(footage=True), outbox=outbox,
                    catalog=at.catalog, warden=at.warden, clock=CLOCK, wishes=book, book=answers,
                )  # fmt: skip
                assert await answerer._answer(asked) == []
                bundles = {}
                for reference in (CASE.reference, number):
                    purpose = Purpose(kind=CASE.kind, reference=reference)
                    if reference == number:
                        await at.warden.about_cases(opening(ADA, reference))
                    export_id = await at.exporter.start(
                        principal=ADA, purpose=purpose, camera_id=CAMERA, start_ns=first_ns,
                        end_ns=at.segment.end_ns, request_id=await at.approve(purpose=purpose),
                    )  # fmt: skip
                    async with asyncio.timeout(240):
                        while at.exporter.state(export_id).state not in ("ready", "failed"):
                            await asyncio.sleep(0.05)
                    state = at.exporter.state(export_id)
                    assert state.state == "ready", state
                    bundles[reference] = Path(shutil.copy(state.path, tmp_path / f"{reference}.zip"))
                heads = {name: read_head(path) for name, path in bundles.items()}
                gifts = {
                    name: gift(
                        7, manifest=one.manifest_sha256, sealed_index=one.sealed_index, grant_index=one.grant_index
                    )
                    for name, one in heads.items()
                }
                with pytest.raises(FailedPrecondition, match="its reference has to name"):
                    await book.answer(gifts[CASE.reference], ADA)
                mixed = replace(gifts[number], grant_index=gifts[CASE.reference].grant_index)
                with pytest.raises(FailedPrecondition, match="not the grant"):
                    await book.answer(mixed, ADA)
                with pytest.raises(PermissionDenied, match="who made it"):
                    await book.answer(gifts[number], SUPERVISOR)
                await book.answer(gifts[number], ADA)
                (waiting,) = outbox.read(0, 10)
                told = _FACT.decode(waiting.encoded)
                assert isinstance(told, CaseAnswered)
                return asked, told

    asked, told = asyncio.run(all_of_it())
    assert told.reason == f"{GIVEN}{read_head(tmp_path / f'{number}.zip').manifest_sha256}"
    with zipfile.ZipFile(tmp_path / f"{number}.zip") as opened:  # as `custodes audit keys` prints it
        policy.write_bytes(opened.read("log/policy"))
    folder = here.folder
    with pytest.raises(PermissionDenied, match="another bundle"):
        take_bundle(folder, asked, [told], tmp_path / f"{CASE.reference}.zip", policy)
    with pytest.raises(PermissionDenied, match="gave no footage"):
        take_bundle(folder, asked, [], tmp_path / f"{number}.zip", policy)
    with pytest.raises(CustodesError):
        take_bundle(folder, asked, [told], policy, policy)
    taken = take_bundle(folder, asked, [told], tmp_path / f"{number}.zip", policy)
    assert taken.stat().st_mode & 0o077 == 0
