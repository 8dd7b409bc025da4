"""Shares of a secret: enough give it back, fewer say nothing, mistyped ones are noticed."""

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from custodes.errors import InvalidArgument
from custodes.sealing.shares import combine, parse_share, share_text, split

ID = "0a1b2c3d"


@settings(max_examples=60, deadline=None)
@given(secret=st.binary(min_size=1, max_size=64), needed=st.integers(2, 5), more=st.integers(0, 3))
def test_combine_when_enough_then_any_of_them_give_the_secret(secret: bytes, needed: int, more: int) -> None:
    shares = split(secret, recovery_id=ID, shares=needed + more, needed=needed)
    for some in combinations(shares, needed):
        assert combine(some) == secret


@settings(max_examples=40, deadline=None)
@given(secret=st.binary(min_size=4, max_size=32), guess=st.binary(min_size=32, max_size=32))
def test_split_when_one_share_is_known_then_every_secret_is_possible(secret: bytes, guess: bytes) -> None:
    # For one share of two and any other secret there is a second share that gives that secret.
    known, _ = split(secret, recovery_id=ID, shares=2, needed=2)
    other = guess[: len(secret)]
    slope_to = split(other, recovery_id=ID, shares=2, needed=2, random=lambda count: _slope(other, known.y))
    assert slope_to[0].y == known.y
    assert combine(slope_to) == other


def _slope(secret: bytes, first: bytes) -> bytes:
    """At x = 1 the polynomial's value is secret + slope."""
    return bytes(a ^ b for a, b in zip(secret, first, strict=True))


def test_combine_when_split_by_the_definition_then_the_field_is_that_of_aes() -> None:
    # 2 · 0x80 = 0x1b there: secret 0, slope 0x80, share 2.
    shares = split(b"\x00", recovery_id=ID, shares=3, needed=2, random=lambda count: b"\x80")
    assert [one.y[0] for one in shares] == [0x80, 0x1B, 0x9B]


@pytest.mark.parametrize(("shares", "needed"), [(1, 1), (3, 1), (2, 3), (17, 2)])
def test_split_when_it_makes_no_sense_then_refused(shares: int, needed: int) -> None:
    with pytest.raises(InvalidArgument):
        split(b"secret", recovery_id=ID, shares=shares, needed=needed)


def test_combine_when_too_few_or_mixed_then_refused() -> None:
    one, two, _ = split(b"secret", recovery_id=ID, shares=3, needed=2)
    other = split(b"secret", recovery_id="ffffffff", shares=3, needed=2)[1]
    for some in ([], [one], [one, one], [one, other]):
        with pytest.raises(InvalidArgument):
            combine(some)
    assert combine([two, one]) == b"secret"


def test_share_text_when_typed_again_then_it_is_the_same() -> None:
    for share in split(bytes(range(32)), recovery_id=ID, shares=3, needed=2):
        text = share_text(share)
        assert parse_share(text) == share
        assert parse_share(f"  {text.upper()[:40]} \n{text.upper()[40:]}") == share


def test_parse_share_when_any_character_is_wrong_then_refused() -> None:
    texts = [share_text(split(bytes([n] * 32), recovery_id=ID, shares=3, needed=2)[0]) for n in range(40)]
    for text in texts:
        for at in range(len("custodes-share-"), len(text)):
            for other in "23" if text[at] != "-" else "":
                if text[at] != other:
                    with pytest.raises(InvalidArgument):
                        parse_share(text[:at] + other + text[at + 1 :])
    text = texts[0]
    for nonsense in ("", "custodes-share-", "hunter2", text[:-8]):
        with pytest.raises(InvalidArgument):
            parse_share(nonsense)
