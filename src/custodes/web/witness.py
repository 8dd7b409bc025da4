"""HTTP side of a witness: `POST /add-checkpoint` (C2SP tlog-witness) and a page of what it signed."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from custodes.audit.witness import MAX_REQUEST_BYTES, Witness
from custodes.errors import CustodesError


def witness_app(witness: Witness, *, about: str, now_s: Callable[[], int]) -> Starlette:
    """The ASGI application. `about`: name and verifier keys, shown at `/`; nothing in it is secret.

    All requests go through one thread, which owns the witness.
    """
    thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="witness")

    async def add_checkpoint(request: Request) -> Response:
        body = b""
        async for block in request.stream():
            body += block
            if len(body) > MAX_REQUEST_BYTES:
                return PlainTextResponse(f"at most {MAX_REQUEST_BYTES} bytes\n", status_code=413)
        try:
            answer = await asyncio.get_running_loop().run_in_executor(thread, witness.add_checkpoint, body, now_s())
        except CustodesError as error:
            return PlainTextResponse(f"{error}\n", status_code=503)
        return Response(answer.body, status_code=answer.status, headers={"content-type": answer.content_type})

    async def front(_: Request) -> Response:
        seen = await asyncio.get_running_loop().run_in_executor(thread, witness.seen)
        lines = [f"{log.origin}: {log.size} entries at {log.time_s} s" for log in seen]
        return PlainTextResponse("\n".join([about, *lines]) + "\n")

    return Starlette(
        routes=[Route("/add-checkpoint", add_checkpoint, methods=["POST"]), Route("/", front, methods=["GET"])]
    )
