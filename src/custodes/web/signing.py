"""What a passkey is to sign: the one place that turns a hash into options for the browser."""

from fastapi import Request
from fastapi.responses import Response

from custodes.errors import InvalidArgument
from custodes.ports.catalog import Passkey
from custodes.web.auth.me import place_of
from custodes.web.auth.passkeys import signing_options
from custodes.web.deps import deps_of, present


async def own_passkeys(request: Request) -> list[Passkey]:
    """Mine that work under the name by which this page was reached."""
    who, place = present(request).principal, place_of(request)
    return [
        key
        for key in await deps_of(request).catalog.passkeys()
        if key.user_id == who.user_id and key.rp_id == place.rp_id
    ]


async def sign_with_passkey(request: Request, challenge: bytes, keys: list[Passkey] | None = None) -> Response:
    """Options for one of my own passkeys, or of `keys`, to sign a hash of 32 bytes.

    Raises: InvalidArgument without one.
    """
    keys = await own_passkeys(request) if keys is None else keys
    if not keys:
        raise InvalidArgument("This is signed with a passkey, and you have none for this page. Add one first.")
    return Response(signing_options(place_of(request), challenge, keys), media_type="application/json")
