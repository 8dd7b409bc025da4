"""Pictures over WebSocket: live, playback and stills. Every one is opened through the ViewBroker, none without it.

Wire form, both routes. Server to page: JSON text `{"type": …}`; `init`, `chunk` and `still` are followed by one
binary message (fMP4 initialisation segment, fMP4 fragments, JPEG). `opened` tells the session and the log entry that
permitted it; `note`, `ended` and `refused` carry sentences. Page to server: JSON text; for review first
`{"open": {"kind": "still"|"playback", "from_ns", "to_ns", "speed", "purpose", "reference", "fidelity",
"request_id"}}`, then `{"seek": utc_ns, "request_id": n}` as often as wanted.
"""

import json
from collections.abc import Coroutine
from contextlib import suppress
from typing import Annotated, Any, Literal

import anyio
import structlog
from fastapi import APIRouter, Query, WebSocket, WebSocketDisconnect
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from custodes.access.requests import MAX_SHOWN
from custodes.errors import CustodesError, DeadlineExceeded, InvalidArgument, Unauthenticated
from custodes.ports.views import View, ViewOutput
from custodes.types.access import Fidelity, Purpose, PurposeKind
from custodes.types.message import MediaChunk, MediaInit, StillRendered, ViewEnded, ViewKind, ViewNote
from custodes.units import NS_PER_MS, NS_PER_S, Ns, RunId
from custodes.web.api import Stream, known_camera, stream_of
from custodes.web.deps import WebDeps, deps_of, present
from custodes.web.errors import CLOSE_CODE_BY_KIND, describe
from custodes.web.language.reported import reported
from custodes.web.timeline import MAX_SPAN_NS

router = APIRouter(prefix="/api/v1")

_OPEN_TIMEOUT_S = 10.0
_SEND_TIMEOUT_S = 10.0
"""A page that takes no byte for so long is gone; the broker drops stale chunks long before."""
_SESSION_CHECK_S = 5.0
"""A logout or an expired session ends the pictures within this time."""
_LEAVE_TIMEOUT_S = 3.0
_MAX_COMMAND_CHARS = 2048
_MAX_SEEKS_PER_S = 30
"""A drag makes one per displayed frame at most; faster ones are dropped, the newest wins in the job anyway."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Shown(_Strict):
    run: Annotated[str, Field(pattern=r"^[0-9a-f]{12}$")]
    track_id: Annotated[int, Field(ge=0, le=2**63 - 1)]


class _Open(_Strict):
    kind: Literal["still", "playback"]
    from_ns: Annotated[int, Field(ge=0, le=2**63 - 1)]
    to_ns: Annotated[int, Field(ge=0, le=2**63 - 1)]
    speed: Annotated[float, Field(ge=0.25, le=16)] = 1.0
    purpose: Literal["case", "alarm", "maintenance", "subject_access"]
    reference: Annotated[str, Field(min_length=1, max_length=200)]
    fidelity: Literal["masked", "unmasked"] = "masked"
    request_id: Annotated[str, Field(max_length=64)] = ""
    """An approved request, or a break-glass, on which this look rests."""
    only: Annotated[tuple[_Shown, ...], Field(max_length=MAX_SHOWN)] = ()
    """With `unmasked`: only these people are shown, all others stay masked."""

    @model_validator(mode="after")
    def _only_when_unmasked(self) -> "_Open":
        if self.only and self.fidelity != "unmasked":
            raise ValueError("`only` names whom an unmasked look shows")
        return self


class _OpenMessage(_Strict):
    open: _Open


class _SeekMessage(_Strict):
    seek: Annotated[int, Field(ge=0, le=2**63 - 1)]
    request_id: Annotated[int, Field(ge=0, le=2**31)] = 0


@router.websocket("/cameras/{camera_id}/live")
async def live(
    socket: WebSocket,
    camera_id: str,
    max_height_px: Annotated[int | None, Query(ge=90, le=2160)] = None,
    stream: Stream = "first",
) -> None:
    """The masked live picture, for live duty."""
    await socket.accept()
    deps = deps_of(socket)
    visitor = present(socket)
    try:
        camera = known_camera(deps, camera_id)
        now_ns = deps.clock.now_ns()
        view = await deps.views.open_view(
            principal=visitor.principal,
            purpose=Purpose(kind=PurposeKind.LIVE_DUTY, reference=""),
            kind=ViewKind.LIVE,
            camera_id=stream_of(camera, stream),
            start_ns=now_ns,
            end_ns=Ns(now_ns + deps.config.views.deadline_s * NS_PER_S),
            fidelity=Fidelity.MASKED,
            speed=1.0,
            max_height_px=_height(deps, max_height_px),
        )
    except CustodesError as error:
        await _refuse(socket, error)
        return
    await _serve(socket, deps, view)


@router.websocket("/cameras/{camera_id}/review")
async def review(
    socket: WebSocket,
    camera_id: str,
    max_height_px: Annotated[int | None, Query(ge=90, le=2160)] = None,
    stream: Stream = "first",
) -> None:
    """Recordings, as stills or played, for the purpose that the page's first message names."""
    await socket.accept()
    deps = deps_of(socket)
    visitor = present(socket)
    try:
        camera = known_camera(deps, camera_id)
        wanted = await _read_open(socket)
        view = await deps.views.open_view(
            principal=visitor.principal,
            purpose=Purpose(kind=PurposeKind(wanted.purpose), reference=wanted.reference.strip()),
            kind=ViewKind(wanted.kind),
            camera_id=stream_of(camera, stream),
            start_ns=Ns(wanted.from_ns),
            end_ns=Ns(wanted.to_ns),
            fidelity=Fidelity(wanted.fidelity),
            speed=wanted.speed,
            max_height_px=_height(deps, max_height_px),
            request_id=wanted.request_id,
            shown=tuple((RunId(one.run), one.track_id) for one in wanted.only),
        )
    except CustodesError as error:
        await _refuse(socket, error)
        return
    except WebSocketDisconnect:
        return
    await _serve(socket, deps, view)


def _height(deps: WebDeps, wanted: int | None) -> int:
    ceiling = deps.config.views.max_height_px
    return ceiling if wanted is None else min(wanted, ceiling)


async def _read_open(socket: WebSocket) -> _Open:
    try:
        with anyio.fail_after(_OPEN_TIMEOUT_S):
            text = await socket.receive_text()
    except TimeoutError as error:
        raise DeadlineExceeded("The page did not say what it wants to see.") from error
    except KeyError as error:
        raise InvalidArgument("The first message has to be text.") from error
    try:
        if len(text) > _MAX_COMMAND_CHARS:
            raise InvalidArgument(f"A message may have {_MAX_COMMAND_CHARS} characters.")
        wanted = _OpenMessage.model_validate_json(text).open
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InvalidArgument(f"{where}: {first['msg']}") from error
    if not wanted.reference.strip():
        raise InvalidArgument("A case, alarm or ticket number is needed; it goes into the log.")
    if not 0 < wanted.to_ns - wanted.from_ns <= MAX_SPAN_NS:
        raise InvalidArgument("The interval has to have a length, of at most 25 hours.")
    return wanted


async def _serve(socket: WebSocket, deps: WebDeps, view: View) -> None:
    """Sender, receiver and session watch run until the first of them is done; leaving the view ends the grant."""
    try:
        await view.__aenter__()
        try:
            await _send_json(socket, type="opened", session_id=view.session_id, log_index=view.log_index)
            await _until_first(
                _send_outputs(socket, view), _receive_commands(socket, view), _watch_session(socket, deps)
            )
        finally:
            # the warden is told also when the server stops meanwhile
            with anyio.move_on_after(_LEAVE_TIMEOUT_S, shield=True):
                await view.__aexit__(None, None, None)
        await _close(socket, 1000, "ended")
    except CustodesError as error:
        await _refuse(socket, error)
    except (WebSocketDisconnect, TimeoutError, OSError):
        # the page went away or takes nothing; leaving the view has told the warden
        await _close(socket, 1001, "gone")


async def _until_first(*parts: Coroutine[Any, Any, None]) -> None:
    """Run all; when one returns or raises, cancel the others. Raises: what that one raised."""
    failures: list[Exception] = []
    async with anyio.create_task_group() as group:

        async def run(part: Coroutine[Any, Any, None]) -> None:
            try:
                await part
            except (CustodesError, WebSocketDisconnect, TimeoutError, OSError) as error:
                failures.append(error)
            group.cancel_scope.cancel()

        for part in parts:
            group.start_soon(run, part)
    if failures:
        raise failures[0]


async def _send_outputs(socket: WebSocket, view: View) -> None:
    async for output in view.outputs():
        with anyio.fail_after(_SEND_TIMEOUT_S):
            await _send_output(socket, output)


async def _send_output(socket: WebSocket, output: ViewOutput) -> None:
    match output:
        case MediaInit():
            await _send_json(socket, type="init", mime=output.mime)
            await socket.send_bytes(output.payload)
        case MediaChunk():
            await _send_json(
                socket,
                type="chunk",
                utc_ns=output.utc_ns,
                age_ms=output.age_ns // NS_PER_MS,
                frames=output.frames,
                is_fully_masked=output.is_fully_masked,
            )
            await socket.send_bytes(output.payload)
        case StillRendered():
            await _send_json(
                socket,
                type="still",
                utc_ns=output.utc_ns,
                request_id=output.request_id,
                is_fully_masked=output.is_fully_masked,
            )
            await socket.send_bytes(output.payload)
        case ViewNote():
            await _send_json(
                socket, type="note", code=output.code, message=reported(output.message), request_id=output.request_id
            )
        case ViewEnded():
            await _send_json(socket, type="ended", frames_shown=output.frames_shown, error=reported(output.error))


async def _receive_commands(socket: WebSocket, view: View) -> None:
    newest_s = 0.0
    waiting: _SeekMessage | None = None
    while True:
        pause_s = max(0.0, newest_s + 1 / _MAX_SEEKS_PER_S - anyio.current_time())
        try:
            with anyio.fail_after(pause_s if waiting else None):
                text = await socket.receive_text()
        except RuntimeError as error:
            # Starlette's word for a socket that a failed send has closed meanwhile
            raise WebSocketDisconnect(1006) from error
        except TimeoutError:
            assert waiting is not None
            await view.seek(Ns(waiting.seek), waiting.request_id)
            waiting, newest_s = None, anyio.current_time()
            continue
        except KeyError as error:
            raise InvalidArgument("Commands are text.") from error
        try:
            waiting = _SeekMessage.model_validate_json(text[:_MAX_COMMAND_CHARS])
        except ValidationError as error:
            raise InvalidArgument("That command is not understood.") from error


async def _watch_session(socket: WebSocket, deps: WebDeps) -> None:
    session = present(socket).session
    while await deps.auth.is_alive(session):
        await anyio.sleep(_SESSION_CHECK_S)
    raise Unauthenticated("Your session has ended. Log in again.")


async def _send_json(socket: WebSocket, **message: object) -> None:
    await socket.send_text(json.dumps(message, separators=(",", ":")))


async def _refuse(socket: WebSocket, error: CustodesError) -> None:
    status, kind, detail = describe(error)
    if status >= 500:
        structlog.get_logger().warning("view_failed", error=type(error).__name__, why=str(error))
    with suppress(WebSocketDisconnect, OSError, RuntimeError):
        await _send_json(socket, type="refused", kind=kind, status=status, message=detail)
    await _close(socket, CLOSE_CODE_BY_KIND[error.kind], kind)


async def _close(socket: WebSocket, code: int, reason: str) -> None:
    # RuntimeError: Starlette's way to say that the other side has closed already
    with suppress(WebSocketDisconnect, OSError, RuntimeError):
        await socket.close(code, reason)
