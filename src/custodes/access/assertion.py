"""Whether a passkey's assertion is genuine: by this key, over our challenge, for our page, by a person.

WebAuthn level 3, section 7.2, through py_webauthn. The signature counter must not fall (a cloned authenticator).
"""

import json

from webauthn import verify_authentication_response
from webauthn.helpers import base64url_to_bytes
from webauthn.helpers.exceptions import WebAuthnException

from custodes.errors import InvalidArgument, PermissionDenied
from custodes.types.approval import EnrolledKey

MAX_ASSERTION_CHARS = 8192


def credential_of(assertion: str) -> bytes:
    """Which credential an assertion (the browser's JSON) claims to be by. Raises: InvalidArgument."""
    if len(assertion) > MAX_ASSERTION_CHARS:
        raise InvalidArgument(f"an assertion has at most {MAX_ASSERTION_CHARS} characters")
    try:
        raw_id = json.loads(assertion)["rawId"]
        if not isinstance(raw_id, str):  # the helper would take `null` for the text "None"
            raise TypeError(type(raw_id).__name__)
        found = base64url_to_bytes(raw_id)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InvalidArgument("that is not a passkey's assertion") from error
    if not 1 <= len(found) <= 1023:
        raise InvalidArgument("that is not a credential id")
    return found


def check_assertion(assertion: str, key: EnrolledKey, challenge: bytes) -> int:
    """The new signature counter.

    Raises: InvalidArgument for what is no assertion; PermissionDenied when it is not by this key over this challenge
        on this page, without user verification, or with a counter that did not rise.
    """
    if credential_of(assertion) != key.credential_id:
        raise PermissionDenied("The assertion is by another passkey.")
    try:
        verified = verify_authentication_response(
            credential=assertion,
            expected_challenge=challenge,
            expected_rp_id=key.rp_id,
            expected_origin=key.origin,
            credential_public_key=key.public_key,
            credential_current_sign_count=key.sign_count,
            require_user_verification=True,
        )
    except WebAuthnException as error:
        raise PermissionDenied("The passkey's signature does not fit this request.") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InvalidArgument("that is not a passkey's assertion") from error
    return verified.new_sign_count
