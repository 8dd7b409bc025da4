"""`custodes leak case`: an archive of posts as a page: who was first, what was copied from what, who posts alike."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import click

from custodes.errors import AlreadyExists, InvalidArgument


@click.command("case")
@click.argument("posts", type=click.Path(path_type=Path))
@click.option("--title", default="Leak case", help="Its heading: the case number, say.")
@click.option("--output", "-o", type=click.Path(path_type=Path), default=Path("case.html"), show_default=True)
@click.option("--json", "is_json", is_flag=True, help="Print groups, generations and accounts as JSON, too.")
def case(posts: Path, title: str, output: Path, *, is_json: bool) -> None:
    """Draw POSTS (CSV or JSON: id, account, time in ISO 8601, url, language, place, picture, screenshot) as a page.

    `picture` is a picture or clip beside POSTS; one that cannot be read is named, and the others are compared.
    Nothing is fetched, and no site is needed.
    """
    from custodes.leaks.case_page import case_page
    from custodes.leaks.place import MAX_PICTURE_BYTES
    from custodes.leaks.post_table import MAX_TABLE_BYTES, read_table
    from custodes.leaks.posts import Posted, posted_of, spread
    from custodes.types.posts import Post

    if output.exists():
        raise AlreadyExists(f"{output} is there already")
    try:
        with posts.open("rb") as stream:
            raw = stream.read(MAX_TABLE_BYTES + 1)
    except OSError as error:
        raise InvalidArgument(f"posts {posts} cannot be read: {error.strerror}") from error
    read: list[Post] = []
    pictures: dict[str, Posted] = {}
    unreadable: list[tuple[str, str]] = []
    for number, row in enumerate(read_table(posts.name, raw), start=1):
        encoded = _picture(posts.parent, row.picture, number, MAX_PICTURE_BYTES)
        if encoded is not None:
            try:
                pictures[row.post_id] = posted_of(encoded)
            except InvalidArgument as error:  # one broken file does not hold up a case
                unreadable.append((row.post_id, str(error)))
        read.append(
            Post(
                post_id=row.post_id,
                account=row.account,
                utc_ns=row.utc_ns,
                url=row.url,
                language=row.language,
                place=row.place,
                sha256="" if encoded is None else hashlib.sha256(encoded).hexdigest(),
            )
        )
    found = spread(read, pictures)
    output.write_text(case_page(title, read, found, unreadable=unreadable), encoding="utf-8")
    for post_id, why in unreadable:
        click.echo(f"post {post_id}: not compared: {why}", err=True)
    if is_json:
        click.echo(json.dumps(asdict(found), indent=1))
    click.echo(f"{output}: {len(read)} posts, {len(found.groups)} pictures", err=True)


def _picture(folder: Path, name: str, number: int, limit: int) -> bytes | None:
    if not name:
        return None
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise InvalidArgument(f"post {number}: picture {name[:80]!r} lies outside of the folder of the posts")
    try:
        with path.open("rb") as stream:
            return stream.read(limit + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        why = error.strerror if isinstance(error, OSError) else error
        raise InvalidArgument(f"post {number}: picture {name[:80]!r} cannot be read: {why}") from error
