"""Pages of enrolment: who invites, and the public pages of whoever was invited: consent, pictures, withdrawal,
card."""

from datetime import UTC, datetime
from io import BytesIO
from typing import Annotated

import segno
from fastapi import APIRouter, Form, Request
from fastapi.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response

from custodes.access import enrolment as rules
from custodes.access import protection
from custodes.errors import CustodesError, FailedPrecondition, InvalidArgument, NotFound
from custodes.types.access import Action
from custodes.types.face import EnrolmentPhase
from custodes.types.face_message import (
    ConsentSigned,
    EndEnrolment,
    EnrolmentInvited,
    HolderToken,
    InvitationShown,
    InviteEnrolment,
    IssueToken,
    ReadEnrolments,
    ReadInvitation,
    ReadWithdrawn,
    RekeyGallery,
    ReviewEnrolment,
    SignConsent,
    WithdrawConsent,
    Withdrawn,
)
from custodes.units import NS_PER_DAY, NS_PER_S, Ns
from custodes.web.deps import WebDeps, deps_of, page, present
from custodes.web.errors import describe
from custodes.web.faces import BASIS_WORDS, face_zones, zone_names
from custodes.web.gate import cookie_of
from custodes.web.language.speech import Words
from custodes.web.words import paragraphs, utc_text

router = APIRouter(include_in_schema=False)

_Text = Annotated[str, Form(max_length=600)]
_Zones = Annotated[list[str] | None, Form(max_length=64)]
REVIEW_SOON_NS = 30 * NS_PER_DAY
"""How long before its day a review is asked for."""
PHASE_WORDS: Words[EnrolmentPhase] = Words(
    {
        EnrolmentPhase.INVITED: "invited, not signed yet",
        EnrolmentPhase.CONSENTED: "signed; pictures are missing",
        EnrolmentPhase.ACTIVE: "active",
        EnrolmentPhase.ISSUED: "the template is on the holder's card alone",
        EnrolmentPhase.WITHDRAWN: "ended",
        EnrolmentPhase.EXPIRED: "expired",
        EnrolmentPhase.REVIEW_OVERDUE: "not compared: a review is due",
    }
)


@router.get("/faces/people")
async def people_page(request: Request) -> Response:
    """Who is enrolled for what; a form to invite."""
    return await _people(request)


@router.post("/faces/people/invite")
async def invite(
    request: Request,
    name: _Text = "",
    purpose: _Text = "",
    zones: _Zones = None,
    days: Annotated[int, Form()] = 365,
    follow: _Text = "",
) -> Response:
    """Shows the invitation's link, once."""
    deps = deps_of(request)
    try:
        if not 1 <= days <= 1098:
            raise InvalidArgument("An enrolment lasts 1 to 1098 days.")
        expires = Ns(deps.clock.now_ns() + days * NS_PER_DAY)
        message = InviteEnrolment(
            principal=present(request).principal,
            name=name,
            purpose=purpose,
            zone_ids=tuple(zones or ()),
            expires_ns=expires,
            may_follow=follow == "yes",
        )
        made = await deps.warden.about_requests(message)
    except CustodesError as error:
        return await _people(request, error=error)
    assert isinstance(made, EnrolmentInvited)
    return await _people(request, link=f"{base_of(request)}/enrol/{made.token}", invited=name)


@router.post("/faces/people/{person_id}/end")
async def end(request: Request, person_id: str) -> Response:
    """At the person's word."""
    return await _step(request, EndEnrolment(principal=present(request).principal, person_id=person_id[:64]))


@router.post("/faces/people/{person_id}/review")
async def review(request: Request, person_id: str) -> Response:
    """Still right."""
    return await _step(request, ReviewEnrolment(principal=present(request).principal, person_id=person_id[:64]))


@router.post("/faces/people/rekey")
async def rekey(request: Request) -> Response:
    """All templates turned by a new secret; nobody has to come again."""
    return await _step(request, RekeyGallery(principal=present(request).principal))


# -- public: whoever has the link --------------------------------------------------------------------------------


@router.get("/enrol/{token}")
async def invitation(request: Request, token: str) -> Response:
    """What is asked, in full; a signature; then pictures."""
    return await _invitation(request, token)


@router.post("/enrol/{token}/sign")
async def sign(request: Request, token: str, signature: _Text = "", agree: _Text = "", sha256: _Text = "") -> Response:
    """The person signs the text that they saw."""
    deps = deps_of(request)
    try:
        shown = await _shown(deps, token)
        check_agreed(agree, sha256, _text(deps, shown))
        signed = await deps.warden.about_requests(SignConsent(token=token, signature=signature, text_sha256=sha256))
    except CustodesError as error:
        return await _invitation(request, token, error=error)
    assert isinstance(signed, ConsentSigned)
    place = "protected" if shown.enrolment.protects else "withdraw"
    return await _invitation(request, token, withdraw=f"{base_of(request)}/{place}/{signed.withdraw_token}")


@router.post("/enrol/{token}/sample")
async def sample(request: Request, token: str) -> Response:
    """A picture as the body: judged at once, and never written to a disk."""
    deps = deps_of(request)
    if deps.recogniser is None:
        raise FailedPrecondition("Recognition is switched off on this site (faces.enabled).")
    judged = await deps.recogniser.give_sample(token[:128], await request.body())
    quality = judged.quality
    parts = {} if quality is None else {
        "size": quality.size, "pose": quality.pose, "sharpness": quality.sharpness, "light": quality.light,
        "whole": quality.whole,
    }  # fmt: skip
    return JSONResponse(
        {
            "is_taken": judged.is_taken,
            "problem": judged.problem,
            "templates": judged.templates,
            "wanted": judged.wanted,
            "quality": parts,
        }
    )


@router.post("/enrol/{token}/card")
async def card(request: Request, token: str) -> Response:
    """The holder's card: a code that carries the template. Shown once; nothing of it stays here."""
    issued = await deps_of(request).warden.about_requests(IssueToken(token=token[:128]))
    assert isinstance(issued, HolderToken)
    picture = BytesIO()
    segno.make(issued.text, micro=False, error="m").save(
        picture, kind="svg", scale=4, border=4, light="white", xmldecl=False, svgns=True
    )
    return page(request, "card.html", code=picture.getvalue().decode(), text=issued.text, expires_ns=issued.expires_ns)


@router.get("/withdraw/{token}")
async def withdraw_page(request: Request, token: str) -> Response:
    """One button; afterwards the certificate."""
    try:
        done = await _withdrawn(request, token)
    except (FailedPrecondition, NotFound):
        return page(request, "withdraw.html", token=token[:128], problem="", log_index=None)
    return page(request, "withdraw.html", token=token[:128], problem="", log_index=done.log_index)


@router.get("/withdraw/{token}/certificate")
async def certificate(request: Request, token: str) -> Response:
    """Proof from the log that the person's key is destroyed, to be checked without us, and asked for at any time:
    later it carries the signatures of witnesses, too."""
    done = await _withdrawn(request, token)
    (proof,) = await deps_of(request).warden.prove_entries((done.log_index,))
    named = {"content-disposition": f'attachment; filename="withdrawal-{done.log_index}.tlog-proof"'}
    return PlainTextResponse(proof, headers=named)


@router.post("/withdraw/{token}")
async def withdraw(request: Request, token: str) -> Response:
    """Take it back."""
    try:
        done = await deps_of(request).warden.about_requests(WithdrawConsent(token=token[:128]))
    except CustodesError as error:
        status, _, problem = describe(error)
        return page(request, "withdraw.html", status=status, token=token[:128], problem=problem, log_index=None)
    assert isinstance(done, Withdrawn)
    return page(request, "withdraw.html", token=token[:128], problem="", log_index=done.log_index)


# -- parts -------------------------------------------------------------------------------------------------------


def base_of(request: Request) -> str:
    """Scheme and host of links for people outside."""
    scheme = "https" if cookie_of(request).is_secure else "http"
    return f"{scheme}://{request.headers['host']}"


def check_agreed(agree: str, sha256: str, text: str) -> None:
    """Whether who signs ticked the box under this very text. Raises: InvalidArgument."""
    if agree != "yes":
        raise InvalidArgument("Tick the box if you agree. If you do not, close this page; nothing is stored.")
    if sha256 != rules.text_sha256(text):
        raise InvalidArgument("The text has changed since you opened this page. Read it again, please.")


async def _withdrawn(request: Request, token: str) -> Withdrawn:
    done = await deps_of(request).warden.about_requests(ReadWithdrawn(token=token[:128]))
    assert isinstance(done, Withdrawn)
    return done


async def _step(request: Request, message: object) -> Response:
    try:
        await deps_of(request).warden.about_requests(message)
    except CustodesError as error:
        return await _people(request, error=error)
    return RedirectResponse("/faces/people", status_code=303)


async def _people(
    request: Request, *, error: CustodesError | None = None, link: str = "", invited: str = ""
) -> Response:
    deps, who = deps_of(request), present(request).principal
    table = await deps.warden.about_requests(ReadEnrolments(principal=who))
    status, _, problem = describe(error) if error else (200, "", "")
    return page(
        request,
        "enrolments.html",
        status=status,
        problem=problem,
        link=link,
        invited=invited,
        rows=table.enrolments,  # type: ignore[attr-defined]
        words=PHASE_WORDS,
        bases=BASIS_WORDS,
        due_ns=deps.clock.now_ns() + REVIEW_SOON_NS,
        review_every_ns=rules.REVIEW_EVERY_NS,
        zones=await zone_names(deps),
        active=await face_zones(deps),
        may_enrol=deps.reads.may(who, Action.ENROL),
    )


async def _shown(deps: WebDeps, token: str) -> InvitationShown:
    shown = await deps.warden.about_requests(ReadInvitation(token=token[:128]))
    assert isinstance(shown, InvitationShown)
    return shown


def _given(deps: WebDeps, shown: InvitationShown) -> int:
    """Pictures that are there, of a network that is being prepared if there is one."""
    following = deps.config.faces.next_embedder
    if not following:
        return shown.enrolment.templates
    return max((one.templates for one in shown.counts if one.contract.partition(":")[0] == following), default=0)


def _text(deps: WebDeps, shown: InvitationShown) -> str:
    """The consent text as this person reads it."""
    expires = datetime.fromtimestamp(shown.enrolment.expires_ns // NS_PER_S, UTC).strftime("%Y-%m-%d")
    controller = deps.config.privacy.controller or deps.config.name
    if shown.enrolment.protects:
        return protection.TEXT.format(
            site=deps.config.name, purpose=shown.enrolment.purpose, expires=expires, controller=controller
        )
    zones = ", ".join(one.name for one in shown.zones)
    if shown.enrolment.is_missing:
        return rules.MISSING_TEXT.format(
            name=shown.name,
            site=deps.config.name,
            purpose=shown.enrolment.purpose,
            zones=zones,
            expires=utc_text(shown.enrolment.expires_ns),
            following=rules.MISSING_FOLLOWING if shown.enrolment.may_follow else "",
            controller=controller,
        )
    alternatives = "; ".join(one.alternative for one in shown.zones) or "a person at the desk looks at my document"
    text = rules.CONSENT_TEXT.format(
        site=deps.config.name,
        purpose=shown.enrolment.purpose,
        zones=zones or "none: my template is on my card alone",
        expires=expires,
        alternatives=alternatives,
        controller=controller,
    )
    return f"{text}\n{rules.FOLLOW_TEXT}" if shown.enrolment.may_follow else text


async def _invitation(
    request: Request, token: str, *, error: CustodesError | None = None, withdraw: str = ""
) -> Response:
    deps = deps_of(request)
    shown = await _shown(deps, token)
    status, _, problem = describe(error) if error else (200, "", "")
    text = _text(deps, shown)
    return page(
        request,
        "enrol.html",
        status=status,
        problem=problem,
        token=token[:128],
        shown=shown,
        phase=shown.phase.value,
        text=paragraphs(text),
        sha256=rules.text_sha256(text),
        version=rules.CONSENT_VERSION,
        withdraw=withdraw,
        given=_given(deps, shown),
        is_enabled=deps.recogniser is not None,
    )
