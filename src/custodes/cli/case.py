"""`custodes case`: the register of cases of a running site; every step as a named person."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from custodes.adapters.ipc.control import act_on_case, read_people
from custodes.cli.hold import moment_ns
from custodes.cli.proof import code_option, password_option, person_option, read_password
from custodes.cli.table import render_table
from custodes.cli.where import data_option, find_site
from custodes.errors import InvalidArgument, NotFound
from custodes.types.access import Principal
from custodes.types.cases import (
    Case,
    CaseFile,
    CaseMember,
    CaseNote,
    CaseTable,
    ChangeCase,
    CloseCase,
    NoteOnCase,
    OpenCase,
    ReadCase,
    ReadCases,
    ReopenCase,
)
from custodes.types.codec import encode
from custodes.types.people import ActOnCase
from custodes.units import CameraId, Ns

T = TypeVar("T")

_LISTED = 500
_NOBODY = Principal(user_id="cli", name="cli", roles=frozenset())
"""The server puts the proven person in its place."""


class _Desk:
    """The register as one person reaches it."""

    def __init__(self, control: Path, person: str, password: str, code: str) -> None:
        self.control = control
        self._proof = (person, password, code)

    def ask(self, step: object, reply: type[T]) -> T:
        """One step. Raises: what the register says."""
        person, password, code = self._proof
        return act_on_case(
            self.control, ActOnCase(person=person, password=password, code=code, step=encode(step)), reply
        )


def _as_person(act: Callable[..., None]) -> Callable[..., None]:
    """Options that say who acts; the command gets the desk."""

    @person_option
    @password_option
    @code_option
    @data_option
    @wraps(act)
    def run(person: str, password_file: Path | None, code: str, data: Path | None, **rest: Any) -> None:
        control = find_site(data).socket("server-control")
        act(_Desk(control, person, read_password(password_file), code), **rest)

    return run


@click.group()
def case() -> None:
    """Cases: what looks and exports refer to, who works on them, what they collected."""


@case.command("open")
@click.argument("title")
@click.option("--reason", required=True, help="Why it is looked into, in a sentence.")
@click.option("--number", default="", help="Your own file number [default: the next of the year].")
@click.option("--keep-days", default=90, show_default=True, help="How long its notes are kept once it is closed.")
@_as_person
def open_case(desk: _Desk, title: str, reason: str, number: str, keep_days: int) -> None:
    """Open a case: custodes case open "Bicycle stolen" --reason "reported by its owner" --as "Ada Lovelace" """
    step = OpenCase(principal=_NOBODY, number=number, title=title, reason=reason, keep_days=keep_days)
    click.echo(f"opened case {desk.ask(step, Case).number}")


@case.command("list")
@_as_person
def list_cases(desk: _Desk) -> None:
    """The cases that you work on, or all when you oversee them."""
    found = desk.ask(ReadCases(principal=_NOBODY, limit=_LISTED), CaseTable).cases
    rows = [(one.number, _state(one), one.title, one.owner.name, str(len(one.members))) for one in found]
    click.echo(render_table(("number", "state", "title", "owner", "people"), rows) if rows else "no cases")


@case.command()
@click.argument("number")
@_as_person
def show(desk: _Desk, number: str) -> None:
    """One case with its people and notes."""
    found = desk.ask(ReadCase(principal=_NOBODY, number=number), CaseFile)
    one = found.case
    click.echo(f"case {one.number}: {one.title} ({_state(one)})\nreason: {one.reason}")
    click.echo(f"owner: {one.owner.name}; works on it: {', '.join(member.name for member in one.members)}")
    for note in found.notes:
        where = f" [{note.camera_id} {_utc(note.moment_ns)}]" if note.camera_id else ""
        click.echo(f"{_utc(note.utc_ns)} {note.author}{where}: {note.text}")


@case.command()
@click.argument("number")
@click.argument("text")
@click.option("--camera", default="", help="A bookmark: the camera …")
@click.option("--at", default="", help="… and the moment: 2026-03-01T14:00 (UTC), or a time ago: 2h.")
@_as_person
def note(desk: _Desk, number: str, text: str, camera: str, at: str) -> None:
    """Write into a case; with --camera and --at a bookmark."""
    if bool(camera) != bool(at):
        raise InvalidArgument("a bookmark takes both --camera and --at")
    moment = moment_ns(at, datetime.now(UTC)) if at else Ns(0)
    step = NoteOnCase(principal=_NOBODY, number=number, text=text, camera_id=CameraId(camera), moment_ns=moment)
    desk.ask(step, CaseNote)
    click.echo("noted; its hash is in the log")


@case.command()
@click.argument("number")
@click.option("--add", multiple=True, help="An account's name; may be repeated.")
@click.option("--remove", multiple=True, help="An account's name; may be repeated.")
@click.option("--owner", default="", help="Give the case to this account.")
@_as_person
def staff(desk: _Desk, number: str, add: tuple[str, ...], remove: tuple[str, ...], owner: str) -> None:
    """Say who works on a case."""
    now = desk.ask(ReadCase(principal=_NOBODY, number=number), CaseFile).case
    accounts = {one.name.casefold(): CaseMember(user_id=one.user_id, name=one.name) for one in _people(desk)}
    gone = {_account(accounts, name).user_id for name in remove}
    kept = tuple(one for one in now.members if one.user_id not in gone)
    step = ChangeCase(
        principal=_NOBODY,
        number=number,
        owner=_account(accounts, owner) if owner else now.owner,
        members=(*kept, *(_account(accounts, name) for name in add)),
    )
    changed = desk.ask(step, Case)
    click.echo(f"works on case {changed.number}: {', '.join(one.name for one in changed.members)}")


@case.command()
@click.argument("number")
@click.option("--because", required=True, help="How it ended, in a sentence.")
@_as_person
def close(desk: _Desk, number: str, because: str) -> None:
    """Close a case: no look refers to it any more."""
    closed = desk.ask(CloseCase(principal=_NOBODY, number=number, because=because), Case)
    click.echo(f"closed case {closed.number}; what it collected is kept for {closed.keep_days} days")


@case.command()
@click.argument("number")
@click.option("--because", required=True, help="Why, in a sentence.")
@_as_person
def reopen(desk: _Desk, number: str, because: str) -> None:
    """Open a closed case again."""
    click.echo(f"case {desk.ask(ReopenCase(principal=_NOBODY, number=number, because=because), Case).number} is open")


def _people(desk: _Desk) -> list[CaseMember]:
    rows = read_people(desk.control).people
    return [CaseMember(user_id=one.user_id, name=one.name) for one in rows]


def _account(accounts: dict[str, CaseMember], name: str) -> CaseMember:
    found = accounts.get(name.casefold())
    if found is None:
        raise NotFound(f"there is no account named {name!r}; see `custodes person list`")
    return found


def _state(one: Case) -> str:
    return "open" if one.closed_ns is None else f"closed {_utc(one.closed_ns)}"


def _utc(utc_ns: Ns) -> str:
    return datetime.fromtimestamp(utc_ns // 10**9, UTC).strftime("%Y-%m-%d %H:%M")
