"""The one place that says which route is for whom, and the dependency that enforces it: default deny.

What the rules mean for a role is policy, which the warden decides and logs: through `reads` for lists, through the
ViewBroker for footage.
"""

import hmac
from dataclasses import dataclass
from enum import StrEnum

from starlette.requests import HTTPConnection, Request

from custodes.errors import FactorNeeded, PermissionDenied, ProofNeeded, Unauthenticated
from custodes.ports.catalog import LoginSession
from custodes.types.access import Action
from custodes.units import CameraId
from custodes.web.deps import deps_of
from custodes.web.language.speech import language_of, speak
from custodes.web.reads import Visitor

COOKIE = "custodes_session"
COOKIE_HTTPS = "__Host-custodes_session"
IDLE_HEADER = "x-custodes-idle"
"""Sent by pages that refresh themselves while nobody touches them: such a request does not keep a session alive."""
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class Access(StrEnum):
    """Rules of access to a route."""

    PUBLIC = "public"
    """Anybody: what is needed to log in."""
    LOGGED_IN = "logged_in"
    """Anybody with an account: states and numbers of the site, no person's trace."""
    WARDEN = "warden"
    """Logged in, and the warden decides, with the log entry before the first byte."""
    METADATA = "metadata"
    """Timeline and tracks of a camera: policy `read_metadata`, decided and logged by the warden."""
    PRIVACY = "privacy"
    """Who looked at what, unusual looking, the record of processing: policy `read_privacy`, decided and logged."""
    FLEET = "fleet"
    """The cameras' weaknesses: policy `read_fleet`, decided and logged."""
    PEOPLE = "people"
    """Accounts: policy `manage_people`."""
    CONFIGURE = "configure"
    """What is recorded, and how it is analysed: policy `configure`, decided and logged. Shows no picture."""
    CHECKPOINT = "checkpoint"
    """Comparing somebody with the template that they bring: policy `checkpoint`, decided and logged."""
    LOG = "log"
    """The audit log: policy `read_log`, decided and logged by the warden."""


_ACTIONS = {
    Access.METADATA: Action.READ_METADATA,
    Access.LOG: Action.READ_LOG,
    Access.PEOPLE: Action.MANAGE_PEOPLE,
    Access.PRIVACY: Action.READ_PRIVACY,
    Access.FLEET: Action.READ_FLEET,
    Access.CHECKPOINT: Action.CHECKPOINT,
    Access.CONFIGURE: Action.CONFIGURE,
}

ROUTES: dict[str, Access] = {
    "/static": Access.PUBLIC,
    "/manifest.webmanifest": Access.PUBLIC,
    "/worker.js": Access.PUBLIC,
    "/unreachable": Access.PUBLIC,
    "/login": Access.PUBLIC,
    "/first-boot": Access.PUBLIC,
    "/invitation": Access.PUBLIC,
    "/reset": Access.PUBLIC,
    "/people": Access.PEOPLE,
    "/people/invite": Access.PEOPLE,
    "/people/{user_id}": Access.PEOPLE,
    "/people/{user_id}/reset": Access.PEOPLE,
    "/access": Access.LOGGED_IN,
    "/first-boot/passkey/options": Access.PUBLIC,
    "/first-boot/passkey": Access.PUBLIC,
    "/login/passkey/options": Access.PUBLIC,
    "/login/passkey": Access.PUBLIC,
    "/login/oidc": Access.PUBLIC,
    "/login/oidc/callback": Access.PUBLIC,
    "/me/oidc": Access.LOGGED_IN,
    "/prove": Access.LOGGED_IN,
    "/prove/passkey/options": Access.LOGGED_IN,
    "/prove/passkey": Access.LOGGED_IN,
    "/me": Access.LOGGED_IN,
    "/me/passkeys": Access.LOGGED_IN,
    "/me/passkeys/options": Access.LOGGED_IN,
    "/me/passkeys/{credential_id}/remove": Access.LOGGED_IN,
    "/me/password": Access.LOGGED_IN,
    "/me/sessions/{session_id}/end": Access.LOGGED_IN,
    "/me/sessions/end-others": Access.LOGGED_IN,
    "/me/language": Access.LOGGED_IN,
    "/me/totp": Access.LOGGED_IN,
    "/me/totp/remove": Access.LOGGED_IN,
    "/me/devices": Access.LOGGED_IN,
    "/me/devices/{device_id}/remove": Access.LOGGED_IN,
    "/me/devices/{device_id}/try": Access.LOGGED_IN,
    "/me/tokens": Access.LOGGED_IN,
    "/me/tokens/{token_id}/remove": Access.LOGGED_IN,
    "/requests": Access.LOGGED_IN,
    "/requests/break-glass": Access.WARDEN,
    "/requests/{request_id}": Access.LOGGED_IN,
    "/requests/{request_id}/options": Access.WARDEN,
    "/requests/{request_id}/approve": Access.WARDEN,
    "/requests/{request_id}/refuse": Access.WARDEN,
    "/requests/{request_id}/withdraw": Access.WARDEN,
    "/requests/{request_id}/review": Access.WARDEN,
    "/exports": Access.WARDEN,
    "/exports/{export_id}/download": Access.WARDEN,
    "/exports/{export_id}/hold": Access.WARDEN,
    "/exports/{export_id}/forget": Access.WARDEN,
    "/api/v1/exports": Access.WARDEN,
    "/backfills": Access.WARDEN,
    "/backfills/{version}/resume": Access.WARDEN,
    "/backfills/{version}/pause": Access.WARDEN,
    "/backfills/{version}/cancel": Access.WARDEN,
    "/api/v1/backfills": Access.WARDEN,
    "/centre": Access.WARDEN,
    "/centre/{question_id}/give": Access.WARDEN,
    "/centre/{question_id}/refuse": Access.WARDEN,
    "/leaks": Access.WARDEN,
    "/leaks/{request_id}": Access.WARDEN,
    "/leaks/{request_id}/picture": Access.WARDEN,
    "/leaks/{request_id}/trace": Access.WARDEN,
    "/leaks/{request_id}/pause": Access.WARDEN,
    "/leaks/{request_id}/bundle": Access.WARDEN,
    "/leaks/{request_id}/forget": Access.WARDEN,
    "/api/v1/leaks": Access.WARDEN,
    "/cases/{number}/posts": Access.WARDEN,
    "/cases/{number}/posts/import": Access.WARDEN,
    "/cases/{number}/posts/compare": Access.WARDEN,
    "/cases/{number}/posts/remove": Access.WARDEN,
    "/cases/{number}/posts/thumbnail": Access.WARDEN,
    "/cases/{number}/posts/picture": Access.WARDEN,
    "/cases/{number}/posts/bundle": Access.WARDEN,
    "/api/v1/cases/{number}/posts": Access.WARDEN,
    "/keys/{credential_id}/options": Access.WARDEN,
    "/keys/{credential_id}/vouch": Access.WARDEN,
    "/cases": Access.WARDEN,
    "/cases/{number}": Access.WARDEN,
    "/cases/{number}/notes": Access.WARDEN,
    "/cases/{number}/people": Access.WARDEN,
    "/cases/{number}/close": Access.WARDEN,
    "/cases/{number}/reopen": Access.WARDEN,
    "/api/v1/cases": Access.WARDEN,
    "/api/v1/cases/{number}": Access.WARDEN,
    "/api/v1/cases/{number}/notes": Access.WARDEN,
    "/erasures": Access.WARDEN,
    "/erasures/{erasure_id}/certificate": Access.WARDEN,
    "/notice/{camera_id}": Access.PUBLIC,
    "/notice/{camera_id}/qr.svg": Access.PUBLIC,
    "/notices": Access.PRIVACY,
    "/subject-access": Access.PRIVACY,
    "/privacy": Access.PRIVACY,
    "/api/v1/notices": Access.PRIVACY,
    "/api/v1/subject-access": Access.PRIVACY,
    "/api/v1/privacy": Access.PRIVACY,
    "/fleet": Access.FLEET,
    "/fleet.csv": Access.FLEET,
    "/fleet/{device_id}": Access.FLEET,
    "/api/v1/fleet": Access.FLEET,
    "/vehicles": Access.WARDEN,
    "/vehicles/{vehicle_id}/end": Access.WARDEN,
    "/faces/zones": Access.LOGGED_IN,
    "/faces/zones/{zone_id}": Access.LOGGED_IN,
    "/faces/zones/{zone_id}/options": Access.WARDEN,
    "/faces/zones/{zone_id}/approve": Access.WARDEN,
    "/faces/zones/{zone_id}/refuse": Access.WARDEN,
    "/faces/zones/{zone_id}/stop": Access.WARDEN,
    "/faces/zones/{zone_id}/trial": Access.WARDEN,
    "/faces/zones/{zone_id}/trial/end": Access.WARDEN,
    "/faces/zones/{zone_id}/trial/invite": Access.WARDEN,
    "/faces/zones/{zone_id}/trial/walks.csv": Access.WARDEN,
    "/faces/training": Access.WARDEN,
    "/faces/sightings": Access.WARDEN,
    "/faces/people": Access.WARDEN,
    "/faces/people/invite": Access.WARDEN,
    "/faces/people/rekey": Access.WARDEN,
    "/faces/people/import": Access.WARDEN,
    "/faces/people/import/plan": Access.WARDEN,
    "/faces/people/import/row": Access.WARDEN,
    "/faces/people/networks": Access.WARDEN,
    "/faces/people/networks/forget": Access.WARDEN,
    "/faces/people/{person_id}/link": Access.WARDEN,
    "/faces/people/{person_id}/end": Access.WARDEN,
    "/faces/people/{person_id}/review": Access.WARDEN,
    "/faces/candidates": Access.WARDEN,
    "/faces/candidates/{candidate_id}": Access.WARDEN,
    "/faces/candidates/{candidate_id}/{which}.svg": Access.WARDEN,
    "/faces/candidates/{candidate_id}/options/{verdict}": Access.WARDEN,
    "/faces/candidates/{candidate_id}/say/{verdict}": Access.WARDEN,
    "/enrol/{token}": Access.PUBLIC,
    "/enrol/{token}/sign": Access.PUBLIC,
    "/enrol/{token}/sample": Access.PUBLIC,
    "/enrol/{token}/card": Access.PUBLIC,
    "/walk/{token}": Access.PUBLIC,
    "/walk/{token}/sign": Access.PUBLIC,
    "/walk/{token}/begin": Access.PUBLIC,
    "/walk/{token}/leave": Access.PUBLIC,
    "/withdraw/{token}": Access.PUBLIC,
    "/withdraw/{token}/certificate": Access.PUBLIC,
    "/protected/{token}": Access.PUBLIC,
    "/journeys": Access.WARDEN,
    "/journeys/{request_id}": Access.WARDEN,
    "/journeys/{request_id}/exhibit": Access.WARDEN,
    "/last-seen": Access.WARDEN,
    "/last-seen/{person_id}/end": Access.WARDEN,
    "/protection": Access.WARDEN,
    "/protection/invite": Access.WARDEN,
    "/protection/{person_id}/end": Access.WARDEN,
    "/protection/{person_id}/review": Access.WARDEN,
    "/checkpoint": Access.CHECKPOINT,
    "/checkpoint/verify": Access.CHECKPOINT,
    "/logout": Access.LOGGED_IN,
    "/": Access.LOGGED_IN,
    "/system": Access.LOGGED_IN,
    "/map/edit": Access.CONFIGURE,
    "/map/edit/picture": Access.CONFIGURE,
    "/site/cameras": Access.CONFIGURE,
    "/site/add-camera": Access.CONFIGURE,
    "/site/test-camera": Access.CONFIGURE,
    "/site/discover": Access.CONFIGURE,
    "/site/cameras/{camera_id}": Access.CONFIGURE,
    "/site/cameras/{camera_id}/remove": Access.CONFIGURE,
    "/site/cameras/{camera_id}/state": Access.CONFIGURE,
    "/site/cameras/{camera_id}/drawing": Access.CONFIGURE,
    "/site/cameras/{camera_id}/calibration": Access.CONFIGURE,
    "/site/changes/{change_id}/undo": Access.CONFIGURE,
    "/rules": Access.CONFIGURE,
    "/rules/remove": Access.CONFIGURE,
    "/rules/test": Access.CONFIGURE,
    "/cameras/{camera_id}": Access.METADATA,
    "/search": Access.LOGGED_IN,
    "/api/v1/search": Access.WARDEN,
    "/review": Access.LOGGED_IN,
    "/api/v1/review": Access.WARDEN,
    "/traffic": Access.LOGGED_IN,
    "/flows": Access.LOGGED_IN,
    "/map": Access.LOGGED_IN,
    "/map/plan/{sha256}.jpg": Access.LOGGED_IN,
    "/map/tiles/{zoom}/{x}/{y}": Access.LOGGED_IN,
    "/api/v1/map": Access.WARDEN,
    "/api/v1/map/heat": Access.WARDEN,
    "/api/v1/flows": Access.WARDEN,
    "/api/v1/cameras/{camera_id}/traffic": Access.METADATA,
    "/api/v1/cameras/{camera_id}/incidents": Access.METADATA,
    "/api/v1/cameras/{camera_id}/masks": Access.METADATA,
    "/log": Access.LOG,
    "/api/v1/openapi.json": Access.LOGGED_IN,
    "/api/v1/metrics": Access.LOGGED_IN,
    "/api/v1/session": Access.LOGGED_IN,
    "/api/v1/status": Access.LOGGED_IN,
    "/api/v1/cameras": Access.LOGGED_IN,
    "/api/v1/system": Access.LOGGED_IN,
    "/api/v1/upkeep": Access.LOGGED_IN,
    "/api/v1/tracks": Access.WARDEN,
    "/api/v1/cameras/{camera_id}/timeline": Access.METADATA,
    "/api/v1/cameras/{camera_id}/tracks": Access.METADATA,
    "/api/v1/cameras/{camera_id}/boxes": Access.METADATA,
    "/api/v1/layouts": Access.LOGGED_IN,
    "/api/v1/layouts/{layout_id}/remove": Access.LOGGED_IN,
    "/api/v1/cameras/{camera_id}/holds": Access.WARDEN,
    "/api/v1/cameras/{camera_id}/holds/{hold_id}/release": Access.WARDEN,
    "/api/v1/cameras/{camera_id}/live": Access.WARDEN,
    "/api/v1/cameras/{camera_id}/review": Access.WARDEN,
    "/api/v1/log": Access.LOG,
    "/api/v1/log/{index}/proof": Access.LOG,
}
"""Every route. One that is missing here answers 403 to everybody, and a test fails."""


FRESH = frozenset(
    {
        "/people/invite",
        "/people/{user_id}",
        "/people/{user_id}/reset",
        "/me/passkeys/options",
        "/me/passkeys/{credential_id}/remove",
        "/me/password",
        "/me/sessions/{session_id}/end",
        "/me/sessions/end-others",
        "/me/totp",
        "/me/totp/remove",
        "/me/tokens",
        "/me/oidc",
        "/site/add-camera",
        "/map/edit",
        "/map/edit/picture",
        "/site/cameras/{camera_id}",
        "/site/cameras/{camera_id}/remove",
        "/site/cameras/{camera_id}/drawing",
        "/site/changes/{change_id}/undo",
        "/rules",
        "/rules/remove",
        "/requests/break-glass",
        "/backfills",
        "/backfills/{version}/resume",
        "/exports",
        "/exports/{export_id}/download",
        "/centre/{question_id}/give",
        "/erasures",
        "/journeys/{request_id}/exhibit",
        "/leaks/{request_id}/bundle",
        "/cases/{number}/posts/bundle",
        "/protection/{person_id}/end",
        "/faces/people/rekey",
        "/faces/people/networks/forget",
        "/api/v1/cameras/{camera_id}/holds/{hold_id}/release",
    }
)
"""Acts that want a proof of identity from the last quarter of an hour (`/prove`). Approvals carry one of their own."""


_ADDING_A_FACTOR = frozenset(
    {
        "/me",
        "/me/passkeys",
        "/me/passkeys/options",
        "/me/password",
        "/me/sessions/{session_id}/end",
        "/me/sessions/end-others",
        "/me/totp",
        "/prove",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cookie:
    """How the session cookie is set on this request's scheme."""

    name: str
    is_secure: bool


def cookie_of(connection: HTTPConnection) -> Cookie:
    """`__Host-` and Secure where TLS is used, here or in the proxy before us; browsers refuse both without it."""
    is_secure = connection.url.scheme in ("https", "wss") or deps_of(connection).config.server.behind_tls
    return Cookie(name=COOKIE_HTTPS if is_secure else COOKIE, is_secure=is_secure)


async def gate(connection: HTTPConnection) -> None:
    """Dependency of the whole app: session, role, CSRF token. Leaves the visitor in `connection.state`.

    Raises: Unauthenticated, PermissionDenied.
    """
    access = ROUTES.get(getattr(connection.scope.get("route"), "path", ""))
    if access is None:
        raise PermissionDenied("This address has no rule of access, so nobody may use it.")
    visitor = await _resume(connection)
    connection.state.visitor = visitor
    if access is Access.PUBLIC:
        return
    if (
        visitor is not None
        and visitor.is_token
        and (
            not isinstance(connection, Request)
            or connection.method not in _SAFE_METHODS
            or not connection.url.path.startswith("/api/")
        )
    ):
        raise PermissionDenied("An API token reads the API; it opens no pages, no pictures, and changes nothing.")
    if visitor is None:
        raise Unauthenticated("You are not logged in, or your session has ended.")
    if not visitor.is_token and deps_of(connection).config.access.second_factor == "required":
        await _require_factor(connection, visitor)
    action = _ACTIONS.get(access)
    if action is not None:
        camera_id = CameraId(connection.path_params.get("camera_id", ""))
        await deps_of(connection).reads.permit(visitor, action, camera_id)
    if isinstance(connection, Request) and connection.method not in _SAFE_METHODS:
        await _check_csrf(connection, visitor)
        if connection.scope["route"].path in FRESH and not deps_of(connection).auth.is_fresh(visitor.session):
            raise ProofNeeded("Confirm who you are first: this is a sensitive act, and your last proof is old.")


def is_password_alone(session: LoginSession) -> bool:
    """Whether it rests on a password, or on an invitation's link, and on nothing else."""
    return session.method in ("", "password")


async def _require_factor(connection: HTTPConnection, visitor: Visitor) -> None:
    """Raises: FactorNeeded, PermissionDenied. A password alone may add the first other factor, and nothing else."""
    if not is_password_alone(visitor.session):
        return
    path = connection.scope["route"].path
    if path == "/logout":
        return
    keys = await deps_of(connection).catalog.passkeys()
    if any(key.user_id == visitor.principal.user_id for key in keys):
        raise PermissionDenied("This site wants more than a password. Log out, and log in with your passkey.")
    if path not in _ADDING_A_FACTOR:
        raise FactorNeeded("This site wants more than a password. Add a passkey or a code, and log in with it.")


async def _resume(connection: HTTPConnection) -> Visitor | None:
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        owner = await deps_of(connection).auth.from_token(token.strip()) if len(token) <= 128 else None
        return Visitor(principal=owner[0], session=owner[1], is_token=True) if owner else None
    cookie = connection.cookies.get(cookie_of(connection).name)
    if not cookie or len(cookie) > 128:
        return None
    is_active = IDLE_HEADER not in connection.headers
    found = await deps_of(connection).auth.resume(cookie, is_active=is_active)
    if found is None:
        return None
    chosen = language_of(found[2])
    if chosen is not None:
        speak(chosen)
    return Visitor(principal=found[0], session=found[1])


async def _check_csrf(request: Request, visitor: Visitor) -> None:
    token = request.headers.get("x-csrf-token", "")
    if not token:
        value = (await request.form()).get("csrf", "")
        token = value if isinstance(value, str) else ""
    if not hmac.compare_digest(token.encode(), visitor.session.csrf_token.encode()):
        raise PermissionDenied("The form is from another session. Reload the page and try again.")
