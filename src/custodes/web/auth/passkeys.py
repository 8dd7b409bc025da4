"""Passkeys: the two WebAuthn ceremonies, for logging in and for proving oneself again. Approvals are signed elsewhere.

A challenge lives in memory for five minutes, is bound to what it was made for and used once. Works on https and on
http://localhost alone: browsers know no passkeys for IP addresses (WebAuthn level 3, 5.1.3: the RP ID is a domain).
"""

import json
import secrets
from collections import OrderedDict
from dataclasses import dataclass, replace

from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_registration_response,
)
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from custodes.access.assertion import MAX_ASSERTION_CHARS, check_assertion, credential_of
from custodes.errors import InvalidArgument, PermissionDenied, Unauthenticated
from custodes.ports.catalog import Account, Passkey
from custodes.ports.catalog_async import AsyncCatalog
from custodes.ports.clock import Clock
from custodes.ports.warden import Warden
from custodes.types.approval import EnrolKey, EnrolledKey, ForgetKey
from custodes.units import NS_PER_S
from custodes.web.auth.people import principal_of

CHALLENGE_NS = 5 * 60 * NS_PER_S
MAX_CHALLENGES = 2048
MAX_KEYS_PER_PERSON = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The page as the browser knows it."""

    rp_id: str
    origin: str

    @property
    def is_possible(self) -> bool:
        """Whether browsers have passkeys here at all: a host name, over https or on this machine."""
        is_name = not self.rp_id.replace(".", "").isdigit() and not self.rp_id.startswith("[")
        return is_name and (self.origin.startswith("https:") or self.rp_id == "localhost")


class Passkeys:
    """Makes challenges, checks answers, keeps public halves in the catalog and at the warden."""

    def __init__(self, *, catalog: AsyncCatalog, warden: Warden, clock: Clock, site_name: str) -> None:
        self._catalog = catalog
        self._warden = warden
        self._clock = clock
        self._site_name = site_name
        self._challenges: OrderedDict[str, tuple[bytes, int]] = OrderedDict()

    async def registration(self, account: Account, place: Place) -> str:
        """Options for `navigator.credentials.create`, as JSON. Raises: InvalidArgument where passkeys cannot be."""
        _require(place)
        own = [key for key in await self._catalog.passkeys() if key.user_id == account.user_id]
        if len(own) >= MAX_KEYS_PER_PERSON:
            raise InvalidArgument(f"You have {len(own)} passkeys; take one away first.")
        challenge = self._new(f"add {account.user_id}")
        options = generate_registration_options(
            rp_id=place.rp_id,
            rp_name=self._site_name,
            user_name=account.name,
            user_id=account.user_id.encode(),
            challenge=challenge,
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.PREFERRED, user_verification=UserVerificationRequirement.REQUIRED
            ),
            exclude_credentials=[PublicKeyCredentialDescriptor(id=key.credential_id) for key in own],
        )
        return str(options_to_json(options))

    def checked(self, account: Account, place: Place, credential: str, name: str) -> Passkey:
        """A browser's answer to `registration`. Raises: PermissionDenied, InvalidArgument."""
        challenge = self._take(f"add {account.user_id}")
        if len(credential) > MAX_ASSERTION_CHARS:
            raise InvalidArgument("That is not a passkey.")
        try:
            made = verify_registration_response(
                credential=credential,
                expected_challenge=challenge,
                expected_rp_id=place.rp_id,
                expected_origin=place.origin,
                require_user_verification=True,
            )
        except WebAuthnException as error:
            raise PermissionDenied("The passkey was made for another page or moment. Try again.") from error
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise InvalidArgument("That is not a passkey.") from error
        return Passkey(
            credential_id=made.credential_id,
            user_id=account.user_id,
            public_key=made.credential_public_key,
            sign_count=made.sign_count,
            name=" ".join(name.split())[:64] or "Passkey",
            rp_id=place.rp_id,
            created_ns=self._clock.now_ns(),
        )

    async def keep(self, account: Account, key: Passkey, place: Place) -> None:
        """The warden first, which logs it; then the catalog. Raises: AlreadyExists, Unavailable."""
        enrolled = _enrolled(key, place.origin)
        await self._warden.about_requests(EnrolKey(principal=principal_of(account), key=enrolled, name=key.name))
        await self._catalog.put_passkey(key)

    async def remove(self, account: Account, credential_id: bytes) -> None:
        """Raises: NotFound when it is not one of theirs; Unavailable."""
        await self._warden.about_requests(ForgetKey(principal=principal_of(account), credential_id=credential_id))
        await self._catalog.remove_passkey(credential_id)

    def assertion(self, place: Place, bound_to: str) -> str:
        """Options for `navigator.credentials.get`, as JSON; any discoverable passkey of this page will do."""
        _require(place)
        options = generate_authentication_options(
            rp_id=place.rp_id,
            challenge=self._new(f"get {bound_to}"),
            user_verification=UserVerificationRequirement.REQUIRED,
        )
        return str(options_to_json(options))

    async def verify(self, place: Place, bound_to: str, assertion: str) -> Account:
        """Whose passkey answered. Raises: Unauthenticated, whatever was wrong."""
        try:
            challenge = self._take(f"get {bound_to}")
            credential_id = credential_of(assertion)
            key = next((one for one in await self._catalog.passkeys() if one.credential_id == credential_id), None)
            if key is None or key.rp_id != place.rp_id:
                raise PermissionDenied("unknown passkey")
            count = check_assertion(assertion, _enrolled(key, place.origin), challenge)
        except (PermissionDenied, InvalidArgument) as error:
            raise Unauthenticated("That passkey does not open this site.") from error
        account = await self._catalog.account(key.user_id)
        if account is None or account.is_disabled:
            raise Unauthenticated("That passkey does not open this site.")
        await self._catalog.put_passkey(replace(key, sign_count=count))
        return account

    def _new(self, bound_to: str) -> bytes:
        challenge = secrets.token_bytes(32)
        self._challenges.pop(bound_to, None)
        self._challenges[bound_to] = challenge, self._clock.monotonic_ns()
        while len(self._challenges) > MAX_CHALLENGES:
            self._challenges.popitem(last=False)
        return challenge

    def _take(self, bound_to: str) -> bytes:
        challenge, made_ns = self._challenges.pop(bound_to, (b"", 0))
        if not challenge or self._clock.monotonic_ns() - made_ns > CHALLENGE_NS:
            raise PermissionDenied("That took too long, or was used already. Try again.")
        return challenge


def signing_options(place: Place, challenge: bytes, keys: list[Passkey]) -> str:
    """Options to sign a request's hash with one of these passkeys, as JSON."""
    _require(place)
    options = generate_authentication_options(
        rp_id=place.rp_id,
        challenge=challenge,
        allow_credentials=[PublicKeyCredentialDescriptor(id=key.credential_id) for key in keys],
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return str(options_to_json(options))


def parse_credential(value: object) -> str:
    """A credential out of a JSON body, as the text that is verified and logged. Raises: InvalidArgument."""
    text = json.dumps(value, separators=(",", ":"))
    if not isinstance(value, dict) or len(text) > MAX_ASSERTION_CHARS:
        raise InvalidArgument("That is not a passkey's answer.")
    return text


def _require(place: Place) -> None:
    if not place.is_possible:
        raise InvalidArgument(
            "Browsers have passkeys only for a host name over https, or for http://localhost. Open the page there."
        )


def _enrolled(key: Passkey, origin: str) -> EnrolledKey:
    return EnrolledKey(
        credential_id=key.credential_id,
        user_id=key.user_id,
        public_key=key.public_key,
        sign_count=key.sign_count,
        rp_id=key.rp_id,
        origin=origin,
    )
