"""Which passkeys count, and when an assertion is genuine: by this key, over this, on this page, by a person, once."""

import base64
import hashlib
import json
from dataclasses import replace

import pytest

from custodes.access import keys
from custodes.access.assertion import MAX_ASSERTION_CHARS, check_assertion, credential_of
from custodes.errors import InvalidArgument, PermissionDenied
from custodes.testing.passkey import FakeAuthenticator
from custodes.types.approval import EnrolledKey
from custodes.types.codec import encode

KEY = EnrolledKey(
    credential_id=b"c",
    user_id="ann",
    public_key=b"p",
    sign_count=3,
    rp_id="site",
    origin="https://site",
    vouched_by="Eve",
)
CHALLENGE = b"h" * 32


def test_hash_that_is_vouched_for_is_of_owner_key_and_page_alone() -> None:
    bare = replace(KEY, sign_count=0, vouched_by="")
    assert keys.identity(KEY) == bare
    assert keys.digest(KEY) == keys.digest(bare)
    assert keys.digest(KEY) == hashlib.sha256(b"custodes.enrolled-key.v1\n" + encode(bare)).digest()
    for change in (
        {"credential_id": b"d"},
        {"user_id": "ben"},
        {"public_key": b"q"},
        {"rp_id": "other"},
        {"origin": "http://site"},
    ):
        assert keys.digest(replace(KEY, **change)) != keys.digest(KEY), change


def test_fingerprint_is_the_first_ten_bytes_in_groups_that_people_can_read() -> None:
    found = keys.fingerprint(KEY)
    assert found.replace(" ", "") == keys.digest(KEY).hex()[:20]
    assert [len(group) for group in found.split(" ")] == [4] * 5


def test_key_when_told_again_keeps_who_vouched_and_the_higher_counter() -> None:
    told = replace(KEY, sign_count=9, vouched_by="the server says so")
    assert keys.enrolled(KEY, told) == replace(KEY, sign_count=9)
    assert keys.enrolled(KEY, replace(told, sign_count=1)) == KEY, "a lower counter is not believed"
    assert keys.enrolled(None, told).vouched_by == "", "nobody vouched for a new one"
    assert keys.enrolled(KEY, replace(told, public_key=b"q")).vouched_by == "", (
        "another key under its name is a new one"
    )


def assertion_of(raw_id: bytes, chars: int = 0) -> str:
    text = json.dumps({"rawId": base64.urlsafe_b64encode(raw_id).rstrip(b"=").decode()})
    return text + " " * max(chars - len(text), 0)


@pytest.mark.parametrize("count", [1, 1023])
def test_credential_at_its_bounds_is_read(count: int) -> None:
    assert credential_of(assertion_of(b"x" * count)) == b"x" * count
    assert credential_of(assertion_of(b"x" * count, MAX_ASSERTION_CHARS)) == b"x" * count


@pytest.mark.parametrize(
    "text",
    [
        assertion_of(b""),
        assertion_of(b"x" * 1024),
        assertion_of(b"x", MAX_ASSERTION_CHARS + 1),
        "",
        "[]",
        "{}",
        '{"rawId": 7}',
        '{"rawId": null}',
        "[" * 5000,
        '"rawId"',
    ],
    ids=["empty", "long", "padded", "nothing", "list", "no id", "number", "null", "deep", "text"],
)
def test_what_is_no_assertion_names_no_credential(text: str) -> None:
    with pytest.raises(InvalidArgument):
        credential_of(text)


def test_assertion_when_genuine_gives_the_new_counter_and_only_once() -> None:
    device = FakeAuthenticator()
    key = device.enrolled("ann")
    signed = device.get(CHALLENGE)
    assert check_assertion(signed, key, CHALLENGE) == device.sign_count == 1
    with pytest.raises(PermissionDenied):
        check_assertion(signed, replace(key, sign_count=1), CHALLENGE)


def wrong_challenge(device: FakeAuthenticator) -> str:
    return device.get(b"x" * 32)


def without_a_person(device: FakeAuthenticator) -> str:
    device.is_user_verified = False
    return device.get(CHALLENGE)


def elsewhere(device: FakeAuthenticator) -> str:
    device.origin = "http://evil"
    return device.get(CHALLENGE)


def for_another_name(device: FakeAuthenticator) -> str:
    device.rp_id = "evil"
    return device.get(CHALLENGE)


@pytest.mark.parametrize("sign", [wrong_challenge, without_a_person, elsewhere, for_another_name])
def test_assertion_that_is_not_over_this_by_a_person_here_does_not_count(sign) -> None:
    device = FakeAuthenticator()
    key = device.enrolled("ann")
    with pytest.raises(PermissionDenied, match="does not fit"):
        check_assertion(sign(device), key, CHALLENGE)


def test_assertion_by_another_passkey_or_key_does_not_count() -> None:
    device, other = FakeAuthenticator(), FakeAuthenticator()
    with pytest.raises(PermissionDenied, match="by another passkey"):
        check_assertion(other.get(CHALLENGE), device.enrolled("ann"), CHALLENGE)
    stolen = replace(device.enrolled("ann"), public_key=other.public_key)
    with pytest.raises(PermissionDenied, match="does not fit"):
        check_assertion(device.get(CHALLENGE), stolen, CHALLENGE)


def test_assertion_with_a_broken_body_is_none() -> None:
    device = FakeAuthenticator()
    tree = json.loads(device.get(CHALLENGE))
    for broken in ({**tree, "response": None}, {**tree, "response": {}}, {**tree, "response": {"clientDataJSON": 7}}):
        with pytest.raises((InvalidArgument, PermissionDenied)):
            check_assertion(json.dumps(broken), device.enrolled("ann"), CHALLENGE)
