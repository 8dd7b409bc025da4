"""`custodes centre`: a control room of many sites. It knows numbers, no pictures; sites may refuse what it asks."""

import asyncio
import json
import secrets
from datetime import UTC, datetime
from pathlib import Path

import click

from custodes.app.centre import centre_store
from custodes.app.centre_log import read_log
from custodes.app.centre_people import add_person, prove
from custodes.app.centre_people import ask as file_questions
from custodes.app.centre_process import run_centre
from custodes.app.centre_reading import answer_row, site_summaries, site_view
from custodes.app.witness import make_witness, read_receipt_key, read_witness
from custodes.cli.bundle import check_bundle, take_bundle
from custodes.cli.hold import moment_ns
from custodes.cli.proof import password_option, read_password
from custodes.cli.table import moment_text, render_table
from custodes.config.centre import CentreConfig, CentreSiteConfig, load_centre_yaml
from custodes.errors import InvalidArgument, NotFound
from custodes.runtime.clock import SystemClock
from custodes.types.question import CLASSES, CaseQuestion
from custodes.units import NS_PER_S

_config = click.option(
    "--config",
    "config",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("centre.yaml"),
    show_default=True,
    help="The centre's configuration.",
)


@click.group()
def centre() -> None:
    """Many sites seen from one place: health, flows, fleet, and a witness of their logs."""


@centre.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--name", required=True, help="Without spaces, best a URL without scheme: council.example/centre.")
def init(folder: Path, name: str) -> None:
    """Make the centre's keys in FOLDER and print them, for `federation: centre:` of each site."""
    make_witness(folder, name)
    _print_keys(folder)


@centre.command()
@_config
def keys(config: Path) -> None:
    """Print the centre's public keys."""
    _print_keys(load_centre_yaml(config).data_dir)


def _print_keys(folder: Path) -> None:
    click.echo(read_receipt_key(folder)[1].vkey)
    for cosigner in read_witness(folder):
        click.echo(cosigner.verifier.vkey)


@centre.command()
@_config
def up(config: Path) -> None:
    """Hear the sites in the foreground, and serve the page if one is configured. Ctrl-C stops it."""
    loaded = load_centre_yaml(config)
    asyncio.run(run_centre(loaded, on_address=lambda address: click.echo(f"{loaded.name} on {address}")))


@centre.command()
@_config
@click.option("--json", "is_json", is_flag=True, help="For programs.")
def sites(config: Path, is_json: bool) -> None:
    """All sites: when they were heard, what records, what their logs do."""
    loaded = load_centre_yaml(config)
    store = centre_store(loaded.data_dir)
    try:
        found = site_summaries(store, loaded.sites)
    finally:
        store.close()
    if is_json:
        click.echo(json.dumps([one.as_json() for one in found]))
        return
    head = ("site", "heard", "recording", "facts", "log", "trouble")
    now_ns = SystemClock().now_ns()
    click.echo(render_table(head, [one.cells(now_ns) for one in found]))


@centre.command()
@click.argument("site_id")
@_config
def show(site_id: str, config: Path) -> None:
    """What one site told, as JSON: health, cameras, counts and flows of the last day, fleet, log."""
    loaded = load_centre_yaml(config)
    store = centre_store(loaded.data_dir)
    try:
        view = site_view(store, _site(loaded, site_id), SystemClock().now_ns())
    finally:
        store.close()
    click.echo(json.dumps(view.as_json(), indent=1))


@centre.command()
@click.argument("site_id")
@_config
def clear(site_id: str, config: Path) -> None:
    """Somebody looked into the alarm about a site's log: take it off the list. What was witnessed stays."""
    loaded = load_centre_yaml(config)
    store = centre_store(loaded.data_dir)
    try:
        alarm = store.site(site_id)
        store.clear_alarm(site_id)
    finally:
        store.close()
    when = datetime.fromtimestamp(alarm.alarm_ns / 1e9, UTC)
    click.echo(f"cleared: {alarm.alarm} ({when:%Y-%m-%d %H:%M} UTC)" if alarm.alarm else "there was no alarm")


@centre.command()
@click.argument("site_ids", nargs=-1)
@_config
@click.option("--as", "asker", required=True, help="You, as `centre person add` has it; sites log it.")
@password_option
@click.option("--case", "case_id", required=True, help="The case it is for.")
@click.option("--reason", required=True, help="Why, in a sentence.")
@click.option("--from", "start", required=True, help="2026-03-01T14:00 (UTC unless an offset is given), or ago: 7d.")
@click.option("--to", "end", default="0m", help="The same; the default is now.")
@click.option(
    "--class", "classes", multiple=True, type=click.Choice(tuple(CLASSES)), help="Once per class; default all."
)
@click.option("--camera", "cameras", multiple=True, help="Once per camera id; default all that the site allows.")
@click.option("--footage", is_flag=True, help="Wish for recordings, of one camera and one site.")
@click.option("--good-for", "hours", type=click.IntRange(1, 24 * 14), default=24, show_default=True, help="Hours.")
def ask(
    site_ids: tuple[str, ...],
    *,
    config: Path,
    asker: str,
    password_file: Path | None,
    case_id: str,
    reason: str,
    start: str,
    end: str,
    classes: tuple[str, ...],
    cameras: tuple[str, ...],
    footage: bool,
    hours: int,
) -> None:
    """Ask SITE_IDS (all, if none is given) what moved before which camera and when. Each decides for itself.

    With --footage people of the site decide: they give an export that others of theirs approved, or refuse.

    The running centre sends it, and sends it again while a site cannot be reached. `centre answers` shows what came.
    """
    loaded, now = load_centre_yaml(config), datetime.now(UTC)
    now_ns = SystemClock().now_ns()
    asked = [_site(loaded, one).id for one in site_ids] or [one.id for one in loaded.sites]
    if footage and (len(asked) != 1 or len(cameras) != 1):
        raise InvalidArgument("footage is asked for of one site, and of one --camera")
    key, _ = read_receipt_key(loaded.data_dir)
    store = centre_store(loaded.data_dir)
    try:
        signer = prove(store, asker, read_password(password_file))
        questions = [
            CaseQuestion(
                question_id=secrets.token_hex(8),
                site_id=site_id,
                asker=asker,
                case_id=case_id,
                reason=reason,
                start_ns=moment_ns(start, now),
                end_ns=moment_ns(end, now),
                classes=classes or tuple(CLASSES),
                cameras=cameras,
                wants_footage=footage,
                entry=0,
                expires_ns=now_ns + hours * 3600 * NS_PER_S,
            )
            for site_id in asked
        ]
        file_questions(store, key, questions, signer, now_ns)
        for question in questions:
            click.echo(f"{question.question_id} {question.site_id}")
    finally:
        store.close()


@centre.group()
def person() -> None:
    """Who may ask sites in the centre's name. The running centre writes each change into its log."""


@person.command()
@click.argument("name")
@_config
@password_option
def add(name: str, config: Path, password_file: Path | None) -> None:
    """Let NAME ask, who types a password now: questions are signed with a key that is made from it."""
    store = centre_store(load_centre_yaml(config).data_dir)
    try:
        add_person(store, name, read_password(password_file), SystemClock().now_ns())
    finally:
        store.close()
    click.echo(f"{name} may ask")


@person.command()
@click.argument("name")
@_config
def disable(name: str, config: Path) -> None:
    """NAME asks nothing any more; a question of theirs that was not sent yet is not sent."""
    store = centre_store(load_centre_yaml(config).data_dir)
    try:
        store.people.disable(name)
    finally:
        store.close()
    click.echo(f"{name} may not ask any more")


@person.command("list")
@_config
def list_people(config: Path) -> None:
    """All, and who may ask no more."""
    store = centre_store(load_centre_yaml(config).data_dir)
    try:
        found = store.people.all()
    finally:
        store.close()
    rows = [(one.name, moment_text(one.added_ns), "disabled" if one.is_disabled else "may ask") for one in found]
    click.echo(
        render_table(("person", "since", ""), rows) if rows else "nobody may ask: custodes centre person add NAME"
    )


@centre.command()
@click.argument("question_id", required=False)
@_config
@click.option("--json", "is_json", is_flag=True, help="For programs.")
def answers(question_id: str | None, config: Path, is_json: bool) -> None:
    """What sites answered: a list of questions, or all that one of them found."""
    loaded = load_centre_yaml(config)
    names = {one.id: one.name for one in loaded.sites}
    store = centre_store(loaded.data_dir)
    try:
        asked = [(one, is_open, store.answers(one.site_id, one.question_id)) for one, is_open in store.questions(200)]
    finally:
        store.close()
    if question_id is not None:
        asked = [one for one in asked if one[0].question_id == question_id]
        if not asked:
            raise NotFound(f"there is no question {question_id}")
    rows = [
        answer_row(question, names.get(question.site_id, ""), found, is_open) for question, is_open, found in asked
    ]
    if is_json:
        click.echo(json.dumps(rows))
        return
    head = ("question", "site", "case", "asked by", "answer", "found", "site's entry")
    keys = ("question_id", "site", "case", "asker", "answer", "count", "site_entry")
    click.echo(render_table(head, [tuple(str(row[key]) for key in keys) for row in rows]))
    if question_id is not None:
        found = [one for answer in asked[0][2] for one in answer.found]
        cells = [
            (one.camera_id, one.object_class, moment_text(one.start_ns), moment_text(one.end_ns)) for one in found
        ]
        click.echo(render_table(("camera", "class", "from", "to"), cells))


@centre.command()
@click.argument("question_id")
@click.argument("bundle", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@_config
def take(question_id: str, bundle: Path, config: Path) -> None:
    """Take BUNDLE as what a site gave for QUESTION_ID, if it is what the site signed for and verifies."""
    loaded = load_centre_yaml(config)
    store = centre_store(loaded.data_dir)
    try:
        question = next((one for one, _ in store.questions(10_000) if one.question_id == question_id), None)
        if question is None:
            raise NotFound(f"there is no question {question_id}")
        found = store.answers(question.site_id, question_id)
    finally:
        store.close()
    policy = _site(loaded, question.site_id).log
    taken = take_bundle(loaded.data_dir, question, found, bundle, policy)
    click.echo("\n".join([f"taken: {taken}", *check_bundle(taken, policy)]))


@centre.command()
@_config
@click.option("--json", "is_json", is_flag=True, help="For programs.")
def log(config: Path, is_json: bool) -> None:
    """The centre's own log, verified: what was asked, by whom, why, and what sites answered."""
    report, entries = read_log(load_centre_yaml(config).data_dir)
    if is_json:
        rows = [
            {
                "index": one.index,
                "at": moment_text(one.utc_ns),
                "kind": one.record.kind.value,
                "actor": one.record.actor,
            }
            | {"subject": one.record.subject, "details": one.record.details}
            for one in entries
        ]
        click.echo(json.dumps({"size": report.size, "root": report.root_hash.hex(), "entries": rows}))
        return
    for one in entries:
        told = one.record
        said = " ".join(f"{key}={value}" for key, value in told.details.items())
        click.echo(f"{one.index} {moment_text(one.utc_ns)} {told.kind.value} {told.actor} {told.subject} {said}")
    click.echo(f"{report.size} entries, verified; root {report.root_hash.hex()}")


def _site(loaded: CentreConfig, site_id: str) -> CentreSiteConfig:
    for one in loaded.sites:
        if one.id == site_id:
            return one
    raise NotFound(f"{site_id} is none of the sites in the configuration")
