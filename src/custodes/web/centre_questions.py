"""The centre's pages of questions: what was asked of which site for a case, what it decided, and a form to ask.

For people of the centre alone (`custodes centre person add`), not for the account that reads the list of sites. Who
asks types the password again: the question is signed with what is made from it. What an answer holds is metadata.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Protocol

from fastapi import APIRouter, Depends, Form, HTTPException, Request, Response
from fastapi.responses import RedirectResponse

from custodes.config.centre import CentreConfig
from custodes.errors import CustodesError, InvalidArgument
from custodes.types.question import CLASSES
from custodes.units import NS_PER_S, Ns
from custodes.web.errors import describe
from custodes.web.language.pages import Pages
from custodes.web.language.reported import reported
from custodes.web.language.speech import say
from custodes.web.moments import form_text, utc_ns_of

_Text = Annotated[str, Form(max_length=200)]
_Password = Annotated[str, Form(max_length=1024)]
_HOUR_NS = 3600 * NS_PER_S
MAX_HOURS = 24 * 14


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A question as a person filled it in. `site_ids`: none for all."""

    asker: str
    password: str
    site_ids: tuple[str, ...]
    case_id: str
    reason: str
    start_ns: Ns
    end_ns: Ns
    classes: tuple[str, ...]
    cameras: tuple[str, ...]
    wants_footage: bool
    hours: int


class QuestionDesk(Protocol):
    """What the pages need of the centre."""

    async def is_person(self, name: str, password: str) -> bool:
        """Whether somebody of the centre shows who they are."""
        ...

    async def questions(self) -> Sequence[dict[str, Any]]:
        """The newest, as `centre_reading.answer_row`."""
        ...

    async def ask(self, asked: Asked) -> None:
        """File it. Raises: Unauthenticated, InvalidArgument, NotFound."""
        ...


def question_routes(
    config: CentreConfig,
    desk: QuestionDesk,
    pages: Pages,
    *,
    person: Callable[..., Awaitable[str]],
    now_ns: Callable[[], int],
) -> APIRouter:
    """`person`: a dependency that gives the name of who is logged in, and lets nobody else pass."""
    router = APIRouter(include_in_schema=False)
    who = Depends(person)

    async def shown(request: Request, name: str, error: CustodesError | None = None) -> Response:
        status, _, problem = describe(error) if error is not None else (200, "", "")
        now = now_ns()
        context = {
            "centre_name": config.name,
            "person": name,
            "rows": [_row(one) for one in await desk.questions()],
            "sites": config.sites,
            "classes": list(CLASSES),
            "problem": problem,
            "begin": form_text(Ns(now - _HOUR_NS)),
            "end": form_text(Ns(now)),
        }
        return pages.spoken().TemplateResponse(request, "centre_questions.html", context, status_code=status)

    @router.get("/questions")
    async def questions(request: Request, name: Annotated[str, who]) -> Response:
        return await shown(request, name)

    @router.post("/questions")
    async def ask(
        request: Request,
        name: Annotated[str, who],
        password: _Password = "",
        sites: Annotated[list[str] | None, Form(max_length=5000)] = None,
        case_id: _Text = "",
        reason: _Text = "",
        begin: _Text = "",
        end: _Text = "",
        classes: Annotated[list[str] | None, Form(max_length=16)] = None,
        cameras: _Text = "",
        footage: _Text = "",
        hours: Annotated[int, Form(ge=1, le=MAX_HOURS)] = 24,
    ) -> Response:
        try:
            asked = Asked(
                asker=name,
                password=password,
                site_ids=tuple(sites or ()),
                case_id=case_id.strip(),
                reason=reason.strip(),
                start_ns=utc_ns_of(begin),
                end_ns=utc_ns_of(end),
                classes=tuple(classes or ()),
                cameras=tuple(cameras.replace(",", " ").split()),
                wants_footage=bool(footage),
                hours=hours,
            )
            if asked.wants_footage and (len(asked.site_ids) != 1 or len(asked.cameras) != 1):
                raise InvalidArgument("Footage is asked for of one site, and of one camera.")
            await desk.ask(asked)
        except CustodesError as error:
            return await shown(request, name, error)
        return RedirectResponse("/questions", status_code=303)

    @router.get("/questions/{question_id}")
    async def one(request: Request, name: Annotated[str, who], question_id: str) -> Response:
        row = next((one for one in await desk.questions() if one["question_id"] == question_id), None)
        if row is None:
            raise HTTPException(404, say("There is no such question."))
        context = {"centre_name": config.name, "person": name, "row": _row(row)}
        return pages.spoken().TemplateResponse(request, "centre_question.html", context)

    return router


def _row(one: dict[str, Any]) -> dict[str, Any]:
    """With the site's words in the reader's language, and the state as a word of ours."""
    state = "waits" if one["is_open"] else str(one["answer"]).split(":")[0]
    return {**one, "state": state, "said": reported(str(one["said_by_site"]))}
