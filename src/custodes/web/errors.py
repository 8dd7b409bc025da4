"""CustodesError kinds become HTTP answers here and nowhere else (RFC 9457 problem details; a page for browsers)."""

from http import HTTPStatus

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException
from starlette.websockets import WebSocket

from custodes.errors import CustodesError, ErrorKind, FactorNeeded, ProofNeeded, Unauthenticated
from custodes.web.deps import is_page, page
from custodes.web.language.reported import INTERNAL, NO_PAGE, reported
from custodes.web.language.speech import Words

STATUS_BY_KIND: dict[ErrorKind, int] = {
    ErrorKind.INVALID_ARGUMENT: 400,
    ErrorKind.UNAUTHENTICATED: 401,
    ErrorKind.PERMISSION_DENIED: 403,
    ErrorKind.NOT_FOUND: 404,
    ErrorKind.ALREADY_EXISTS: 409,
    ErrorKind.FAILED_PRECONDITION: 409,
    ErrorKind.RESOURCE_EXHAUSTED: 429,
    ErrorKind.INTERNAL: 500,
    ErrorKind.DATA_LOSS: 500,
    ErrorKind.UNAVAILABLE: 503,
    ErrorKind.DEADLINE_EXCEEDED: 504,
}

CLOSE_CODE_BY_KIND: dict[ErrorKind, int] = {kind: 4000 + status for kind, status in STATUS_BY_KIND.items()}
"""WebSocket close codes 4000–4999 are for applications (RFC 6455 7.4.2); ours say the HTTP status."""

TITLES = Words(
    {
        400: "That does not make sense to us",
        401: "Please log in",
        403: "Not permitted",
        404: "Nothing here",
        405: "Not possible here",
        409: "Not in this state",
        413: "Too large",
        421: "Wrong address",
        429: "Not now: a limit is reached",
        500: "Our mistake",
        503: "Not available now",
        504: "That took too long",
    }
)


def problem(status: int, kind: str, detail: str) -> dict[str, object]:
    """RFC 9457 body, in English whatever the visitor reads. `type` is a stable name, not an address that anybody would
    fetch."""
    title = dict.get(TITLES, status, HTTPStatus(status).phrase)
    return {"type": f"urn:custodes:error:{kind}", "title": title, "status": status, "detail": detail, "kind": kind}


def describe(error: CustodesError) -> tuple[int, str, str]:
    """Status, kind and the sentence that a page shows, in the visitor's language."""
    return STATUS_BY_KIND[error.kind], error.kind.value, reported(_sentence(error))


def _sentence(error: CustodesError) -> str:
    """In English. Our own defects show none of their text."""
    return INTERNAL if STATUS_BY_KIND[error.kind] == 500 else str(error)


def install(app: FastAPI) -> None:
    """Register the handlers."""

    async def on_custodes(request: Request | WebSocket, error: Exception) -> Response | None:
        assert isinstance(error, CustodesError)
        if isinstance(request, WebSocket):
            # refused by the gate; accepted first, because a page cannot read why a handshake failed
            await request.accept()
            await request.close(CLOSE_CODE_BY_KIND[error.kind], error.kind.value)
            return None
        status, kind, detail = STATUS_BY_KIND[error.kind], error.kind.value, _sentence(error)
        if status >= 500:
            structlog.get_logger().warning(
                "request_failed", path=request.url.path, error=type(error).__name__, why=str(error)
            )
        if isinstance(error, Unauthenticated) and request.method == "GET" and is_page(request):
            return RedirectResponse("/login", status_code=303)
        if isinstance(error, FactorNeeded) and request.method == "GET" and is_page(request):
            return RedirectResponse("/me", status_code=303)
        if isinstance(error, ProofNeeded) and is_page(request):
            return RedirectResponse("/prove", status_code=303)
        return answer(request, status, kind, detail, isinstance(error, ProofNeeded))

    async def on_invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return answer(request, 400, ErrorKind.INVALID_ARGUMENT.value, f"{where}: {first['msg']}")

    async def on_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        kind = "not_found" if error.status_code == 404 else "http"
        detail = NO_PAGE.format(path=request.url.path) if error.status_code == 404 else str(error.detail)
        return answer(request, error.status_code, kind, detail)

    async def on_defect(request: Request, error: Exception) -> Response:
        structlog.get_logger().error("request_defect", path=request.url.path, exc_info=error)
        return answer(request, 500, ErrorKind.INTERNAL.value, INTERNAL)

    app.add_exception_handler(CustodesError, on_custodes)  # type: ignore[arg-type] # the stubs know no handler of both
    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(Exception, on_defect)


def answer(request: Request, status: int, kind: str, detail: str, needs_proof: bool = False) -> Response:
    """A refusal as its visitor reads it: a page, or RFC 9457's JSON. `detail` is in English."""
    body = problem(status, kind, detail)
    if needs_proof:
        body["prove"] = "/prove"
    if is_page(request):
        shown = {"status": status, "title": TITLES.get(status, str(body["title"])), "detail": reported(detail)}
        return page(request, "error.html", status=status, problem=shown)
    said = reported(detail)
    if said != detail:
        body["said"] = said
    return JSONResponse(body, status_code=status, media_type="application/problem+json")
