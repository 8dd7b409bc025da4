"""What the ASVS self-assessment claims about passwords and second factors, where no other test says it."""

import pyotp
from tests.web.conftest import NAME, PASSWORD

LONG = "a passphrase that is long, " * 5


def test_password_of_135_characters_is_taken_and_all_of_it_counts(site):
    assert site.claim(password=LONG, password_again=LONG).status_code == 303
    site.client.cookies.clear()
    assert site.log_in(NAME, LONG[:-1]).status_code != 303
    assert site.log_in(NAME, LONG).status_code == 303


def test_password_does_not_expire(claimed):
    claimed.client.cookies.clear()
    claimed.clock.advance(5 * 365 * 86_400 * 10**9)
    assert claimed.log_in(NAME, PASSWORD).status_code == 303


def test_login_page_asks_no_secret_question_and_offers_no_hint(claimed):
    claimed.client.cookies.clear()
    text = claimed.client.get("/login", headers={"accept": "text/html"}).text
    asked = {part.split('"')[0] for part in text.split(' name="')[1:]}
    assert (
        {"name", "password"}
        <= asked
        <= {"name", "password", "code", "viewport", "csrf", "color-scheme", "theme-color"}
    )
    assert "hint" not in text.lower() and "mother" not in text.lower()


def test_secret_of_a_second_factor_has_160_random_bits():
    secrets = {pyotp.random_base32() for _ in range(50)}
    assert len(secrets) == 50 and {len(one) for one in secrets} == {32}
