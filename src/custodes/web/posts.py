"""A case's posts of leaked pictures: written down one by one or as a table, how they spread, taken away as evidence.

Pictures are never decoded here (a job does, `app.job_posts`); what the page shows of them was made anew by it. Those
that may have leaks traced and work on the case see them, nobody else.
"""

from pathlib import PurePath
from typing import Annotated, Any

from fastapi import APIRouter, File, Form, Request, UploadFile
from fastapi.responses import FileResponse, RedirectResponse, Response

from custodes.errors import CustodesError, FailedPrecondition, InvalidArgument, PermissionDenied
from custodes.leaks.case_page import SPREAD_PROVES
from custodes.leaks.post_table import MAX_TABLE_BYTES, Row, read_table, row_of
from custodes.leaks.spread_drawing import account_graph, timeline
from custodes.ports.leaks import TraceState
from custodes.ports.posts import CasePosts, NewPost, PostBook
from custodes.types.access import Action, Principal, Purpose, PurposeKind
from custodes.types.posts import Post
from custodes.web.cases import read_case
from custodes.web.deps import WebDeps, deps_of, page, present
from custodes.web.errors import describe
from custodes.web.shell import MAX_POSTS_BYTES

router = APIRouter(include_in_schema=False)
api_router = APIRouter(prefix="/api/v1")

MAX_FILES = 1000
_Text = Annotated[str, Form(max_length=2000)]
_File = Annotated[UploadFile | None, File()]
_Files = Annotated[list[UploadFile] | None, File(max_length=MAX_FILES)]


@router.get("/cases/{number}/posts")
async def posts_page(request: Request, number: str) -> Response:
    """What was posted, how it spread, and forms to write more down."""
    return await _show(request, number)


@router.post("/cases/{number}/posts")
async def add_post(
    request: Request,
    number: str,
    account: _Text = "",
    at: _Text = "",
    url: _Text = "",
    language: _Text = "",
    place: _Text = "",
    post_id: _Text = "",
    picture: _File = None,
    screenshot: _File = None,
) -> Response:
    """One post."""
    try:
        book, who = _book(request), present(request).principal
        told = {"id": post_id, "account": account, "time": at, "url": url, "language": language, "place": place}
        if not account.strip():
            raise InvalidArgument("Say which account posted it.")
        known = {one.post_id for one in (await book.read(who, number)).posts}
        row = row_of({**told, "id": post_id.strip() or _next_id(known)}, "the post")
        new = NewPost(
            post=_post(row), picture=await _content(request, picture), screenshot=await _content(request, screenshot)
        )
        await book.add(who, number, [new])
    except CustodesError as error:
        return await _show(request, number, error=error)
    return RedirectResponse(f"/cases/{number}/posts", status_code=303)


@router.post("/cases/{number}/posts/import")
async def import_posts(request: Request, number: str, table: _File = None, pictures: _Files = None) -> Response:
    """An archive: a table (CSV or JSON), and the files that it names."""
    try:
        book, who = _book(request), present(request).principal
        await book.read(who, number)
        if table is None:
            raise InvalidArgument("Choose the table: CSV or JSON.")
        rows = read_table(table.filename or "table.csv", await table.read(MAX_TABLE_BYTES + 1))
        files = {PurePath(one.filename or "").name: one for one in pictures or []}
        wanted = {name for row in rows for name in (row.picture, row.screenshot) if name}
        named = {name: files[PurePath(name).name] for name in wanted if PurePath(name).name in files}
        contents = {name: await _content(request, file) for name, file in named.items()}
        await book.add(who, number, [_new_post(row, contents) for row in rows])
    except CustodesError as error:
        return await _show(request, number, error=error)
    return RedirectResponse(f"/cases/{number}/posts", status_code=303)


@router.post("/cases/{number}/posts/compare")
async def compare(request: Request, number: str) -> Response:
    """Again, after a site was stopped or a comparison failed."""
    return await _step(request, number, "compare")


@router.post("/cases/{number}/posts/remove")
async def remove(request: Request, number: str, post_id: _Text = "", is_all: _Text = "") -> Response:
    """One post, or with `is_all` all of them."""
    return await _step(request, number, "remove", post_id="" if is_all else post_id or "?")


@router.get("/cases/{number}/posts/thumbnail")
async def thumbnail(request: Request, number: str, post: str) -> Response:
    """Small and grey, as the job made it."""
    jpeg = await _book(request).thumbnail(present(request).principal, number, post[:80])
    return Response(jpeg, media_type="image/jpeg")


@router.get("/cases/{number}/posts/picture")
async def posted_picture(request: Request, number: str, post: str, screenshot: str = "") -> Response:
    """The file as it was found, to be saved: a browser is not made to decode it here."""
    path, media_type = await _book(request).picture(
        present(request).principal, number, post[:80], is_screenshot=bool(screenshot)
    )
    return FileResponse(path, media_type=media_type, filename=f"{path.name[:16]}.{media_type.split('/')[1]}")


@router.post("/cases/{number}/posts/bundle")
async def take_bundle(request: Request, number: str) -> Response:
    """All of it, sealed by the log, with what was found out about pictures by traces that I know of."""
    try:
        deps, who = deps_of(request), present(request).principal
        traces = []
        for one in await deps.leaks.known_to(who) if deps.leaks is not None else []:
            if one.reference.casefold() == number.casefold() and one.state is TraceState.DONE and deps.leaks:
                traces.append((one.request_id, await deps.leaks.bundle(one.request_id, who)))
        content = await _book(request).bundle(who, number, traces)
    except CustodesError as error:
        return await _show(request, number, error=error)
    headers = {"content-disposition": f'attachment; filename="custodes-posts-{number}.zip"'}
    return Response(content, media_type="application/zip", headers=headers)


@api_router.get("/cases/{number}/posts")
async def posts_as_data(request: Request, number: str) -> dict[str, object]:
    """A case's posts, how many pictures they are of, and whether they are being compared."""
    found = await _book(request).read(present(request).principal, number)
    return {
        "is_comparing": found.is_comparing,
        "posts": [
            {"post_id": one.post_id, "account": one.account, "utc_ns": one.utc_ns, "sha256": one.sha256}
            for one in found.posts
        ],
        "pictures": None if found.spread is None else len(found.spread.groups),
    }


def _book(request: Request) -> PostBook:
    deps = deps_of(request)
    if deps.posts is None:
        raise FailedPrecondition("This server keeps no posts.")
    if not _may_trace(deps, present(request).principal):
        raise PermissionDenied("Posts of leaks are for those who may have leaks traced.")
    return deps.posts


def _may_trace(deps: WebDeps, who: Principal) -> bool:
    return deps.reads.may(who, Action.TRACE_LEAK, Purpose(kind=PurposeKind.LEAK_TRACE, reference="?"))


def _next_id(known: set[str]) -> str:
    return next(name for name in (f"p{n}" for n in range(1, len(known) + 2)) if name not in known)


def _post(row: Row) -> Post:
    return Post(
        post_id=row.post_id,
        account=row.account,
        utc_ns=row.utc_ns,
        url=row.url,
        language=row.language,
        place=row.place,
    )


def _new_post(row: Row, contents: dict[str, bytes]) -> NewPost:
    """One picture may be of several posts: it was read, and seen by the scanner, once."""
    for what, name in (("picture", row.picture), ("screenshot", row.screenshot)):
        if name and name not in contents:
            raise InvalidArgument(f"post {row.post_id}: its {what} {name[:80]!r} is not among the chosen files")
    return NewPost(
        post=_post(row), picture=contents.get(row.picture, b""), screenshot=contents.get(row.screenshot, b"")
    )


async def _content(request: Request, file: UploadFile | None) -> bytes:
    if file is None:
        return b""
    return await deps_of(request).scanned(await file.read(MAX_POSTS_BYTES))


async def _step(request: Request, number: str, step: str, **arguments: str) -> Response:
    try:
        await getattr(_book(request), step)(present(request).principal, number, **arguments)
    except CustodesError as error:
        return await _show(request, number, error=error)
    return RedirectResponse(f"/cases/{number}/posts", status_code=303)


async def _show(request: Request, number: str, *, error: CustodesError | None = None) -> Response:
    deps, who = deps_of(request), present(request).principal
    status, _, problem = describe(error) if error else (200, "", "")
    case = (await read_case(deps, who, number)).case
    found = await _book(request).read(who, number)
    by_id = {one.post_id: one for one in found.posts}
    spread = found.spread if found.spread is not None and set(found.compared) <= set(by_id) else None
    return page(
        request,
        "posts.html",
        status=status,
        problem=problem,
        case=case,
        found=found,
        spread=spread,
        groups=_groups(found, by_id) if spread is not None else [],
        uncompared=[one for one in found.posts if one.post_id not in found.compared],
        timeline="" if spread is None else timeline(found.posts, spread),
        graph="" if spread is None else account_graph(found.posts, spread),
        proves=SPREAD_PROVES,
        accounts=len({one.account for one in found.posts}),
        is_whole=spread is not None and len(found.compared) == len(found.posts),
        is_fresh=deps.auth.is_fresh(present(request).session),
    )


def _groups(found: CasePosts, by_id: dict[str, Post]) -> list[list[dict[str, Any]]]:
    """Per picture, by time: each post with where it came from."""
    assert found.spread is not None
    return [[{"post": by_id[one.post_id], "descent": one} for one in group] for group in found.spread.groups]
