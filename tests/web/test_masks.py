"""Why a moment is masked: reasons from what was analysed, by the site's policy, and where to ask for more."""

from custodes.redact.levels import MaskLevel
from custodes.redact.timeline import MaskPolicy
from custodes.testing.media import people_at, vouch
from custodes.units import NS_PER_MS, Ns
from custodes.web.masks import reasons

AT = Ns(1_700_000_000_000_000_000)


def facts(*offsets_ms: int):
    return list(vouch([AT + ms * NS_PER_MS for ms in offsets_ms], [people_at(0) for _ in offsets_ms]))


def test_reasons_say_what_and_how_it_is_known() -> None:
    policy = MaskPolicy(level=MaskLevel.PERSON)
    words = {mask.sentence for mask in reasons(facts(0, 200), policy, AT)}
    assert words == {"Covers a person, seen in this picture."}
    words = {mask.sentence for mask in reasons(facts(-100, 100), policy, AT)}
    assert words == {"Covers a person, seen before and after this picture."}


def test_reason_when_nobody_looked_is_the_whole_picture() -> None:
    (mask,) = reasons([], MaskPolicy(), AT)
    assert "not looked at this moment" in mask.sentence


def test_api_tells_reasons_and_offers_the_request_only_to_who_may_file_it(claimed) -> None:
    answer = claimed.client.get("/api/v1/cameras/gate/masks?at=1000")
    assert answer.status_code == 200
    body = answer.json()
    assert [row["count"] for row in body["reasons"]] == [1]
    assert body["ask"] == ""  # nothing that anybody could lift: nobody looked
    assert claimed.client.get("/api/v1/cameras/nowhere/masks?at=1000").status_code == 404


def test_request_form_when_a_moment_is_given_is_open_and_filled_in(claimed) -> None:
    at = claimed.clock.now_ns() - 3600 * 10**9
    text = claimed.client.get(f"/requests?camera=gate&at={at}", headers={"accept": "text/html"}).text
    assert '<details class="panel" id="ask" open>' in text
