"""What the configuration says about people: time zone, approvals, notices, an identity provider."""

import pytest
from pydantic import ValidationError

from custodes.config import AccessConfig, OidcConfig


def test_minute_of_day_is_the_zones_own() -> None:
    noon_utc_ns = 1_700_049_600 * 10**9  # 2023-11-15 12:00
    assert AccessConfig().minute_of_day(noon_utc_ns) == 12 * 60
    assert AccessConfig(timezone="Europe/Berlin").minute_of_day(noon_utc_ns) == 13 * 60
    assert AccessConfig(timezone="Asia/Kolkata").minute_of_day(noon_utc_ns) == 17 * 60 + 30


@pytest.mark.parametrize("wrong", [{"timezone": "Berlin"}, {"timezone": "../etc"}, {"approvals": 0}, {"approvals": 6}])
def test_access_when_out_of_range_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        AccessConfig.model_validate(wrong)


@pytest.mark.parametrize("issuer", ["http://id.example.org", "ftp://id.example.org", "id.example.org", "https://a b"])
def test_provider_without_encryption_or_address_is_refused(issuer: str) -> None:
    with pytest.raises(ValidationError):
        OidcConfig(issuer=issuer, client_id="custodes")
    assert OidcConfig(issuer="http://localhost:3000", client_id="custodes").client_secret == ""
