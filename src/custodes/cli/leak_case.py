"""`custodes leak case`: an archive of posts as a page: who was first, what was copied from what, who posts alike."""

import csv
import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from custodes.errors import AlreadyExists, InvalidArgument
from custodes.units import NS_PER_S, Ns

_MAX_TABLE_BYTES = 32 * 1024 * 1024
_FIELDS = ("id", "account", "time", "url", "language", "place", "picture")


@click.command("case")
@click.argument("posts", type=click.Path(path_type=Path))
@click.option("--title", default="Leak case", help="Its heading: the case number, say.")
@click.option("--output", "-o", type=click.Path(path_type=Path), default=Path("case.html"), show_default=True)
@click.option("--json", "is_json", is_flag=True, help="Print groups, generations and accounts as JSON, too.")
def case(posts: Path, title: str, output: Path, *, is_json: bool) -> None:
    """Draw POSTS (CSV or JSON: id, account, time in ISO 8601, url, language, place, picture) as a page.

    `picture` is a file beside POSTS. Nothing is fetched, and no site is needed.
    """
    from custodes.leaks.case_page import case_page
    from custodes.leaks.place import read_picture
    from custodes.leaks.posts import Post, spread

    if output.exists():
        raise AlreadyExists(f"{output} is there already")
    read = []
    for number, row in enumerate(_rows(posts), start=1):
        encoded = _picture(posts.parent, row.get("picture") or "", number)
        read.append(
            Post(
                post_id=row.get("id") or str(number),
                account=row.get("account") or "?",
                utc_ns=_time(row.get("time") or "", number),
                url=row.get("url") or "",
                language=row.get("language") or "",
                place=row.get("place") or "",
                picture=None if encoded is None else read_picture(encoded),
                sha256="" if encoded is None else hashlib.sha256(encoded).hexdigest(),
            )
        )
    found = spread(read)
    output.write_text(case_page(title, read, found), encoding="utf-8")
    if is_json:
        groups = [
            [
                {"post": one.post_id, "parent": one.parent_id, "generation": one.generation, "likeness": one.likeness}
                for one in group
            ]
            for group in found.groups
        ]
        together = [list(entry) for entry in found.together]
        click.echo(json.dumps({"pictures": groups, "together": together}, indent=1))
    click.echo(f"{output}: {len(read)} posts, {len(found.groups)} pictures", err=True)


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        if path.stat().st_size > _MAX_TABLE_BYTES:
            raise InvalidArgument(f"{path} is larger than {_MAX_TABLE_BYTES} bytes")
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidArgument(f"posts {path} cannot be read: {error}") from error
    if path.suffix.lower() != ".json":
        rows: list[Any] = list(csv.DictReader(text.splitlines()))
    else:
        try:
            rows = json.loads(text)
        except (json.JSONDecodeError, RecursionError) as error:
            raise InvalidArgument(f"{path} is no JSON: {error}") from error
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise InvalidArgument(f"{path} holds no list of posts with {', '.join(_FIELDS)}")
    return [{name: str(row.get(name) or "") for name in _FIELDS} for row in rows]


def _time(text: str, number: int) -> Ns:
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError as error:
        raise InvalidArgument(f"post {number} has the time {text[:40]!r}; expected ISO 8601") from error
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return Ns(round(aware.timestamp()) * NS_PER_S)


def _picture(folder: Path, name: str, number: int) -> bytes | None:
    if not name:
        return None
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise InvalidArgument(f"post {number}: picture {name[:80]!r} lies outside of the folder of the posts")
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidArgument(f"post {number}: picture {name[:80]!r} cannot be read: {error.strerror}") from error
