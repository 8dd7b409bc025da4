"""What the server runs where `federation:` is configured, and the connection that a configuration describes."""

import functools
import os
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

import structlog

from custodes.app.federation_key import open_federation_key
from custodes.app.serving.answer_book import AnswerBook
from custodes.app.serving.answers import Answerer
from custodes.app.serving.federation import Federator, Sender, receipt_key, shared_bytes
from custodes.app.serving.wishes import WishBook
from custodes.config import SiteConfig, SitePaths
from custodes.config.federation import NatsConfig
from custodes.config.secret import read_secret
from custodes.errors import CustodesError
from custodes.fleet.audit import FleetReport
from custodes.ports.catalog_async import AsyncCatalog
from custodes.ports.clock import Clock
from custodes.ports.outbox import Outbox
from custodes.ports.views import LiveState
from custodes.ports.warden import Warden
from custodes.types.federation import Topic

if TYPE_CHECKING:
    from custodes.adapters.nats import NatsTarget


def open_federator(
    paths: SitePaths,
    config: SiteConfig,
    *,
    site_id: str,
    outbox: Outbox,
    catalog: AsyncCatalog,
    warden: Warden,
    live: LiveState,
    fleet: Callable[[], Awaitable[FleetReport]],
    clock: Clock,
) -> Federator | None:
    """None where nothing is shared, and where it is configured wrongly: the site goes on, and says so."""
    federation = config.federation
    if federation is None:
        return None
    try:
        from custodes.adapters.nats import NatsLink  # an optional extra

        target = nats_target(federation.nats, os.environ)
        centre = receipt_key(federation.centre)
        key = open_federation_key(paths)
    except (ImportError, OSError, CustodesError) as error:
        structlog.get_logger().error("the centre is told nothing until the next start", error=str(error))
        return None
    topics = frozenset(federation.share)
    answerer = None
    if Topic.CASES in topics:
        book = AnswerBook(paths.data_dir / "centre-questions.json", clock=clock)
        wishes = WishBook(paths.data_dir / "centre-wishes.json", outbox=outbox, warden=warden, clock=clock, book=book)
        answerer = Answerer(
            site_id=site_id,
            centre=centre,
            config=federation.answers,
            outbox=outbox,
            catalog=catalog,
            warden=warden,
            clock=clock,
            wishes=wishes,
            book=book,
        )
    outbox.share(shared_bytes(topics, config.privacy.min_group))
    sender = Sender(
        site_id=site_id,
        key=key,
        centre=centre,
        outbox=outbox,
        connect=functools.partial(NatsLink.connected, target),
        clock=clock,
        on_question=None if answerer is None else answerer.take,
    )
    return Federator(
        topics=topics,
        every_s=federation.every_s,
        sender=sender,
        outbox=outbox,
        catalog=catalog,
        warden=warden,
        live=live,
        fleet=fleet,
        data_dir=paths.data_dir,
        clock=clock,
        answerer=answerer,
    )


def nats_target(config: NatsConfig, environ: Mapping[str, str]) -> "NatsTarget":
    """With its password. Raises: ConfigError when the reference leads nowhere."""
    from custodes.adapters.nats import NatsTarget  # an optional extra

    return NatsTarget(
        url=config.url,
        user=config.user,
        password=read_secret("nats.password", config.password, environ),
        ca_file=config.ca_file,
        cert_file=config.cert_file,
        key_file=config.key_file,
    )
