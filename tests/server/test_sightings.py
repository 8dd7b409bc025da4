"""Sightings told to another system: what the warden signed and nothing else, tried again, then dropped."""

import asyncio
import base64

import pytest

from custodes.app.serving.sightings import MAX_WAITING, TRIES, SightingNews
from custodes.errors import FailedPrecondition, Unavailable
from custodes.types.face_message import SightingNotice, TellSighting


class Warden:
    """Knows one confirmed candidate."""

    async def about_requests(self, message):
        assert isinstance(message, TellSighting)
        if message.candidate_id != "confirmed":
            raise FailedPrecondition("not confirmed")
        return SightingNotice(notice='{"person": "p1"}', signature=b"signed")


class Receiver:
    """Does not answer the first `silent` times."""

    def __init__(self, silent: int = 0) -> None:
        self.silent, self.told = silent, []

    def __call__(self, told) -> None:
        if self.silent:
            self.silent -= 1
            raise Unavailable("no answer")
        self.told.append(told)


async def no_wait(_: float) -> None:
    return None


def told_of(receiver: Receiver, *candidates: str) -> SightingNews:
    news = SightingNews(Warden(), receiver, sleep=no_wait)

    async def main() -> None:
        for one in candidates:
            news.take(one)
        for _ in candidates:
            await news.tell_next()

    asyncio.run(main())
    return news


def test_tell_when_two_confirmed_then_it_is_what_the_warden_signed() -> None:
    receiver = Receiver()
    told_of(receiver, "waiting", "confirmed", "unknown")
    (told,) = receiver.told
    assert told["notice"] == '{"person": "p1"}'
    assert base64.b64decode(told["warden_signature"]) == b"signed"
    assert "name" not in told


@pytest.mark.parametrize(("silent", "count"), [(TRIES - 1, 1), (TRIES, 0)])
def test_tell_when_nobody_answers_then_tried_again_and_dropped_at_last(silent: int, count: int) -> None:
    receiver = Receiver(silent)
    news = told_of(receiver, "confirmed")
    assert (len(receiver.told), news.dropped) == (count, 1 - count)


def test_take_when_more_wait_than_fit_then_the_oldest_is_dropped() -> None:
    news = SightingNews(Warden(), Receiver())
    for number in range(MAX_WAITING + 3):
        news.take(str(number))
    assert news.dropped == 3
