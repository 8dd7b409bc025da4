"""Serves the centre's page: reads the database in a thread, and stands under the process's own signals."""

import asyncio
import hmac
import os
import secrets
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import structlog

from custodes.adapters.sql.centre import CentreStore
from custodes.app.centre_people import ask, prove
from custodes.app.centre_reading import answer_row, site_summaries, site_view
from custodes.app.serving.page import Page, address_of, listen
from custodes.app.witness import read_receipt_key
from custodes.config.centre import CentreConfig, CentreSiteConfig
from custodes.config.secret import read_secret
from custodes.errors import ConfigError, NotFound, Unauthenticated
from custodes.federation.sites import SiteSummary, SiteView
from custodes.ports.clock import Clock
from custodes.types.question import CLASSES, CaseQuestion
from custodes.units import NS_PER_S
from custodes.web.centre import centre_app
from custodes.web.centre_questions import Asked

MIN_PASSWORD_CHARS = 12
SHOWN = 200
_REMEMBERED = 256
_REMEMBER_NS = 900 * NS_PER_S
"""A browser sends name and password with each request; proving one takes 0.1 s of a core."""


class Desk:
    """`QuestionDesk` over the centre's database. Used on one event loop; one password is tried at a time."""

    def __init__(self, config: CentreConfig, store: CentreStore, clock: Clock) -> None:
        self._config, self._store, self._clock = config, store, clock
        self._key, _ = read_receipt_key(config.data_dir)
        self._proven: OrderedDict[bytes, int] = OrderedDict()
        self._secret = secrets.token_bytes(32)
        self._trying = asyncio.Lock()

    async def is_person(self, name: str, password: str) -> bool:
        """See the protocol. Who was disabled is out with the next request."""
        digest = hmac.digest(self._secret, f"{name}\0{password}".encode(), "sha256")
        now_ns = self._clock.monotonic_ns()
        if self._proven.get(digest, 0) > now_ns:
            return await asyncio.to_thread(self._store.people.find, name) is not None
        try:
            async with self._trying:
                await asyncio.to_thread(prove, self._store, name, password)
        except Unauthenticated:
            structlog.get_logger().warning("a login at the centre failed", name=name[:80])
            return False
        self._proven[digest] = now_ns + _REMEMBER_NS
        while len(self._proven) > _REMEMBERED:
            self._proven.popitem(last=False)
        return True

    async def questions(self) -> Sequence[dict[str, Any]]:
        """See the protocol."""
        return await asyncio.to_thread(self._rows)

    def _rows(self) -> list[dict[str, Any]]:
        names = {one.id: one.name for one in self._config.sites}
        return [
            answer_row(one, names.get(one.site_id, ""), self._store.answers(one.site_id, one.question_id), is_open)
            for one, is_open in self._store.questions(SHOWN)
        ]

    async def ask(self, asked: Asked) -> None:
        """See the protocol."""
        known = [one.id for one in self._config.sites]
        for one in asked.site_ids:
            if one not in known:
                raise NotFound(f"{one} is none of the sites in the configuration")
        async with self._trying:
            await asyncio.to_thread(self._file, asked, asked.site_ids or known)

    def _file(self, asked: Asked, site_ids: Sequence[str]) -> None:
        now_ns = self._clock.now_ns()
        questions = [
            CaseQuestion(
                question_id=secrets.token_hex(8),
                site_id=site_id,
                asker=asked.asker,
                case_id=asked.case_id,
                reason=asked.reason,
                start_ns=asked.start_ns,
                end_ns=asked.end_ns,
                classes=asked.classes or tuple(CLASSES),
                cameras=asked.cameras,
                wants_footage=asked.wants_footage,
                entry=0,
                expires_ns=now_ns + asked.hours * 3600 * NS_PER_S,
            )
            for site_id in site_ids
        ]
        ask(self._store, self._key, questions, prove(self._store, asked.asker, asked.password), now_ns)


async def serve_page(
    config: CentreConfig, store: CentreStore, clock: Clock, *, on_address: Callable[[str], None]
) -> None:
    """For ever. Raises: ConfigError for the password, FailedPrecondition when the port is taken."""
    page = config.page
    assert page is not None
    password = read_secret("page.password", page.password, os.environ)
    if len(password) < MIN_PASSWORD_CHARS:
        raise ConfigError(f"page.password: name one of at least {MIN_PASSWORD_CHARS} characters")

    async def summaries() -> list[SiteSummary]:
        return await asyncio.to_thread(site_summaries, store, config.sites)

    async def view(site: CentreSiteConfig) -> SiteView:
        return await asyncio.to_thread(site_view, store, site, clock.now_ns())

    app = centre_app(
        config, password=password, summaries=summaries, view=view, now_ns=clock.now_ns, desk=Desk(config, store, clock)
    )
    listener = listen(page.host, page.port)
    on_address(address_of(listener))
    serving = Page(app, listener)
    try:
        await serving.run()
    finally:
        serving.stop()
        listener.close()
