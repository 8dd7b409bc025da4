"""Of several servers: what one answers by itself, and what it passes on to the one that leads."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp

from custodes.adapters.ipc.framing import listening_socket
from custodes.app.serving.page import Page
from custodes.testing.ending import LIMIT_S
from custodes.web.gate import ROUTES
from custodes.web.spread import FROM, LEADS, NOBODY_LEADS, SPREAD, UNCERTAIN, Inside, Spread

CHANGES = {"/exports", "/people", "/requests", "/me", "/site/cameras", "/first-boot", "/prove"}


def saying(answer: Callable[[Request], Awaitable[Response]]) -> ASGIApp:
    async def app(scope, receive, send):
        await (await answer(Request(scope, receive)))(scope, receive, send)

    return app


async def of_the_leader(request: Request) -> Response:
    body = await request.body()
    seen = f"{request.method} {request.url} {request.client.host if request.client else None} {len(body)}"
    assert FROM not in request.headers
    return PlainTextResponse(f"leader: {seen}", headers={"x-mark": "1"})


@asynccontextmanager
async def serving(app: ASGIApp, listener: socket.socket) -> AsyncIterator[None]:
    page = Page(app, listener, has_lifespan=False)
    task = asyncio.create_task(page.run())
    async with asyncio.timeout(LIMIT_S):
        await page.started()
    try:
        yield
    finally:
        page.stop()
        async with asyncio.timeout(LIMIT_S):
            await task


def follower(leader: Path, *, hold_s: float = 0.0) -> httpx.AsyncClient:
    async def own(_: Request) -> Response:
        return PlainTextResponse("follower")

    app = Spread(saying(own), leader=leader, hold_s=hold_s)
    transport = httpx.ASGITransport(app=app, client=("203.0.113.9", 4))
    return httpx.AsyncClient(transport=transport, base_url="https://site.example")


def test_what_is_spread_has_a_rule_of_access() -> None:
    assert set(ROUTES) >= SPREAD
    assert not SPREAD & CHANGES


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/", "follower"),
        ("HEAD", "/login", ""),
        ("GET", "/static/js/wall.js", "follower"),
        ("GET", "/api/v1/cameras/gate/timeline?start=1", "follower"),
        ("POST", "/login", "leader: POST https://site.example/login 203.0.113.9 5"),
        ("POST", "/api/v1/layouts", "leader: POST https://site.example/api/v1/layouts 203.0.113.9 5"),
        ("GET", "/exports?a=%2F", "leader: GET https://site.example/exports?a=%2F 203.0.113.9 0"),
        ("GET", "/cameras/gate/more", "leader: GET https://site.example/cameras/gate/more 203.0.113.9 0"),
        ("GET", "/api/v1/not-thought-of", "leader: GET https://site.example/api/v1/not-thought-of 203.0.113.9 0"),
    ],
)
def test_request_is_answered_here_or_passed_on_with_the_visitor_as_seen_here(
    tmp_path: Path, method: str, path: str, expected: str
) -> None:
    async def main() -> httpx.Response:
        inside = tmp_path / "leader.sock"
        async with serving(Inside(saying(of_the_leader)), listening_socket(inside)), follower(inside) as client:
            claimed = {FROM: "10.0.0.1"}  # what a visitor says of himself
            body = {"content": b"12345"} if method == "POST" else {}
            return await client.request(method, path, headers=claimed, **body)

    answer = asyncio.run(main())
    assert (answer.status_code, answer.text) == (200, expected)
    assert answer.headers.get("x-mark") == ("1" if expected.startswith("leader") else None)


def test_large_bodies_and_answers_pass_in_pieces(tmp_path: Path) -> None:
    async def twice(request: Request) -> Response:
        return Response(await request.body() * 2)

    async def main() -> bytes:
        inside = tmp_path / "leader.sock"
        async with serving(Inside(saying(twice)), listening_socket(inside)), follower(inside) as client:

            async def pieces() -> AsyncIterator[bytes]:
                for _ in range(40):
                    yield b"x" * 65536

            return (await client.post("/leaks", content=pieces())).content

    assert asyncio.run(main()) == b"x" * (80 * 65536)


def test_request_waits_for_somebody_to_lead(tmp_path: Path) -> None:
    async def main() -> str:
        inside = tmp_path / "leader.sock"
        async with follower(inside, hold_s=20.0) as client:
            asked = asyncio.create_task(client.post("/login", content=b"12345"))
            await asyncio.sleep(0.3)
            async with serving(Inside(saying(of_the_leader)), listening_socket(inside)):
                return (await asked).text

    assert asyncio.run(main()).startswith("leader: POST")


@pytest.mark.parametrize(("method", "sentence"), [("GET", NOBODY_LEADS), ("POST", NOBODY_LEADS)])
def test_request_while_nobody_leads_for_long_is_refused_in_a_sentence(
    tmp_path: Path, site, method: str, sentence: str
) -> None:
    async def main() -> httpx.Response:
        app = Spread(site.app, leader=tmp_path / "nobody.sock", hold_s=0.0)
        site.app.state.deps  # noqa: B018 - the sentence is drawn by this application

        async def with_app(scope, receive, send):
            await app({**scope, "app": site.app}, receive, send)

        transport = httpx.ASGITransport(app=with_app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.request(method, "/exports")

    answer = asyncio.run(main())
    assert (answer.status_code, answer.json()["detail"]) == (503, sentence)
    assert answer.headers["retry-after"]


def test_change_is_not_sent_down_a_line_at_whose_end_nobody_is(tmp_path: Path) -> None:
    """Such a line takes the connection, and closes it."""
    heard: list[bytes] = []
    was_asked = asyncio.Event()

    async def nobody(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read(65536))
        writer.close()
        was_asked.set()

    async def main() -> str:
        inside = tmp_path / "leader.sock"
        async with asyncio.timeout(LIMIT_S), follower(inside, hold_s=LIMIT_S) as client:
            async with await asyncio.start_unix_server(nobody, inside):
                asked = asyncio.create_task(client.post("/login", content=b"12345"))
                await was_asked.wait()
            async with serving(Inside(saying(of_the_leader)), listening_socket(inside)):
                return (await asked).text

    assert asyncio.run(main()).startswith("leader: POST")
    assert heard and all(b"12345" not in one and LEADS.encode() in one for one in heard)


def test_change_whose_leader_ends_in_the_middle_is_not_sent_again_and_a_read_is(tmp_path: Path, site) -> None:
    """Whether it was done is not known, and is said."""
    asked: list[str] = []

    async def dying(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        words = (await reader.readline()).decode().split()
        if words[1] == LEADS:
            writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        else:
            asked.append(words[0])
            if asked.count("GET") > 1:
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nagain")
        writer.close()

    async def main() -> tuple[httpx.Response, httpx.Response]:
        inside = tmp_path / "leader.sock"
        app = Spread(site.app, leader=inside, hold_s=LIMIT_S)

        async def with_app(scope, receive, send):
            await app({**scope, "app": site.app}, receive, send)

        async with (
            await asyncio.start_unix_server(dying, inside),
            httpx.AsyncClient(transport=httpx.ASGITransport(app=with_app), base_url="http://127.0.0.1") as client,
        ):
            return await client.post("/exports", content=b"12345"), await client.get("/exports")

    post, get = asyncio.run(main())
    assert (post.status_code, post.json()["detail"]) == (503, UNCERTAIN)
    assert (get.status_code, get.text) == (200, "again")
    assert asked == ["POST", "GET", "GET"]
