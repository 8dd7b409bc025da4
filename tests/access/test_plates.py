"""The allow-list's rules: what is compared, what a listing needs, when it counts."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custodes.access.plates import check_listing, counts, ended, listed, plate_hash
from custodes.errors import InvalidArgument
from custodes.types.plate import PlateListing, compared
from custodes.units import NS_PER_S, Ns

DAY = 24 * 3600 * NS_PER_S
KEY = b"k" * 32
VAN = PlateListing(
    vehicle_id="v1",
    label="Van 3",
    plate_hash=plate_hash(KEY, "AB-CD 123"),
    zone_ids=("gate",),
    agreement="signed 2026-11-01, folder 7",
    listed_by="Ann",
    listed_ns=Ns(DAY),
    expires_ns=Ns(100 * DAY),
)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("ab cd-123", "A8C0123"),
        ("O0Q D1", "00001"),
        ("STAFF", ""),
        ("A1", ""),
        ("AB123456789", ""),
        ("Ä1 234", "1234"),
    ],
)
def test_plates_are_compared_without_blanks_and_with_lookalikes_folded(text: str, plain: str) -> None:
    assert compared(text) == plain


@given(st.text(alphabet="aZ0O1ilÄé² -.", max_size=12))
def test_what_is_compared_stays_as_it_is_when_compared_again(text: str) -> None:
    plain = compared(text)
    assert compared(plain) in (plain, "")


@given(
    st.text(alphabet="ABCDEFGHJKLMNPRTUVWXY0123456789", min_size=4, max_size=10), st.binary(min_size=32, max_size=32)
)
def test_a_hash_says_nothing_of_the_plate_under_another_key(text: str, key: bytes) -> None:
    if compared(text) and key != KEY:
        assert plate_hash(KEY, text) != plate_hash(key, text)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"label": " "}, "Give the vehicle a name"),
        ({"label": "ABCD 123 of Ann"}, "may not be the plate"),
        ({"agreement": "yes"}, "what the keeper signed"),
        ({"zone_ids": ()}, "Choose 1 to"),
        ({"expires_ns": Ns(DAY)}, "ends within a year"),
        ({"expires_ns": Ns(368 * DAY)}, "ends within a year"),
    ],
)
def test_a_listing_needs_a_name_an_agreement_zones_and_an_end(change: dict[str, object], words: str) -> None:
    check_listing(VAN, "AB CD 123")
    with pytest.raises(InvalidArgument, match=words) as error:
        check_listing(replace(VAN, **change), "AB CD 123")  # type: ignore[arg-type]
    assert "A8C0" not in str(error.value)
    assert "CD 123" not in str(error.value)


def test_a_text_that_can_be_no_plate_is_refused_without_repeating_it() -> None:
    with pytest.raises(InvalidArgument) as error:
        plate_hash(KEY, "Quarterly")
    assert "uarterly" not in str(error.value)


@pytest.mark.parametrize(
    ("change", "zone", "at", "is_found"),
    [
        ({}, "gate", 2 * DAY, True),
        ({}, "yard", 2 * DAY, False),
        ({}, "gate", 100 * DAY, False),
        ({"ended_ns": Ns(DAY)}, "gate", 2 * DAY, False),
    ],
    ids=["listed", "elsewhere", "over", "ended"],
)
def test_a_vehicle_counts_in_its_zones_until_its_end(
    change: dict[str, object], zone: str, at: int, is_found: bool
) -> None:
    one = replace(VAN, **change)  # type: ignore[arg-type]
    assert (listed([one], KEY, ("XY 99", "ABCD123"), zone, Ns(at)) is one) == is_found
    assert listed([one], b"o" * 32, ("ABCD123",), zone, Ns(at)) is None


def test_what_is_over_has_no_hash() -> None:
    over = ended(VAN, Ns(5 * DAY))
    assert over.plate_hash == b""
    assert not counts(over, Ns(5 * DAY))
    assert listed([over], KEY, ("ABCD123",), "gate", Ns(5 * DAY)) is None
