"""Codes by time against the vectors of RFC 6238, appendix B, and what is no code."""

import base64

import pyotp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from custodes.access.codes import STEP_S, code_at, code_step, secret_bytes
from custodes.errors import InvalidArgument
from custodes.units import NS_PER_S, Ns

SECRET = b"12345678901234567890"
NOW = Ns(1_111_111_109 * NS_PER_S)
STEP = 1_111_111_109 // STEP_S


@pytest.mark.parametrize(
    ("utc_s", "digits"),
    [
        (59, "94287082"),
        (1_111_111_109, "07081804"),
        (1_111_111_111, "14050471"),
        (1_234_567_890, "89005924"),
        (2_000_000_000, "69279037"),
        (20_000_000_000, "65353130"),
    ],
)
def test_code_when_of_the_rfc_is_the_last_six_of_its_eight_digits(utc_s, digits):
    assert code_at(SECRET, utc_s // STEP_S) == digits[-6:]


@given(st.binary(min_size=14, max_size=80), st.integers(0, 2**32))
def test_code_when_made_by_an_authenticator_app_is_the_same(secret, step):
    assert code_at(secret, step) == pyotp.TOTP(base64.b32encode(secret).decode()).at(step * STEP_S)


@pytest.mark.parametrize(("late", "counts"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_code_when_a_step_early_or_late_counts_and_no_further(late, counts):
    assert code_step(SECRET, code_at(SECRET, STEP + late), NOW, after_step=0) == (STEP + late if counts else None)


def test_code_when_used_before_counts_no_more():
    code = code_at(SECRET, STEP)
    assert code_step(SECRET, code, NOW, after_step=STEP - 1) == STEP
    assert code_step(SECRET, code, NOW, after_step=STEP) is None


def test_code_when_typed_with_a_space_counts():
    code = code_at(SECRET, STEP)
    assert code_step(SECRET, f"{code[:3]} {code[3:]}", NOW, after_step=0) == STEP


@pytest.mark.parametrize("code", ["", "12345", "1234567", "abcdef", "٠٨١٨٠٤", "08180４"])
def test_code_when_it_is_not_six_digits_is_wrong(code):
    assert code_step(SECRET, code, NOW, after_step=0) is None


def test_code_when_the_clock_stands_at_the_beginning_of_time_is_not_of_before():
    assert code_step(SECRET, code_at(SECRET, 0), Ns(0), after_step=-9) == 0


def test_secret_when_written_as_apps_do_is_read():
    assert secret_bytes("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ") == SECRET
    assert secret_bytes("GEZDGNBVGY3TQOJQGEZDG") == SECRET[:13], "padding is left out"


@pytest.mark.parametrize("secret", ["", "A" * 15, "A" * 129, "A" * 15 + "1", "ä" * 16, "gezdgnbvgy3tqojq"])
def test_secret_when_it_is_none_is_refused(secret):
    with pytest.raises(InvalidArgument, match="secret for codes"):
        secret_bytes(secret)


@pytest.mark.parametrize("chars", [16, 128])
def test_secret_at_its_bounds_is_read(chars):
    assert len(secret_bytes("A" * chars)) == chars * 5 // 8
