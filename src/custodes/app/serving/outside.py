"""Other systems that are told what this site does, as `site.yaml` names them. One that is configured wrongly is left
out, and said; the rest of the site goes on."""

from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import structlog

from custodes.access.policy import load_policies
from custodes.adapters.notify.broker import Broker
from custodes.adapters.notify.syslog import SyslogSender
from custodes.adapters.notify.webpush import PushSender, make_key, read_key
from custodes.app.serving.home import HomeFeed
from custodes.app.serving.push import PushFeed
from custodes.app.serving.siem import SiemForwarder
from custodes.config import SiteConfig, SitePaths
from custodes.config.durable import replace_file
from custodes.config.secret import read_secret
from custodes.errors import ConfigError, KeyMissing
from custodes.ports.catalog_async import AsyncCatalog
from custodes.ports.clock import Clock
from custodes.ports.views import LiveState
from custodes.ports.warden import Warden
from custodes.types.event import Unreached
from custodes.web.reads import ReadPermits


class OutsideWaits:
    """Who is not reached now, for the page System."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waits: dict[str, Unreached] = {}

    def noter(self, name: str) -> Callable[[str], None]:
        """Called with why `name` was not reached, or with nothing when it was."""

        def note(error: str) -> None:
            known = self._waits.pop(name, None)
            if error:
                since_ns = known.since_ns if known is not None else self._clock.now_ns()
                self._waits[name] = Unreached(name=name, is_rule=False, since_ns=since_ns, error=error)

        return note

    def troubles(self) -> list[Unreached]:
        """Of now."""
        return list(self._waits.values())


def outside_parts(
    *,
    config: SiteConfig,
    paths: SitePaths,
    site_id: str,
    warden: Warden,
    live: LiveState,
    environ: Mapping[str, str],
    waits: OutsideWaits,
) -> dict[str, Coroutine[Any, Any, None]]:
    """What the server runs beside its other parts: nothing, when nobody else is to be told."""
    found: dict[str, Coroutine[Any, Any, None]] = {}
    if config.siem is not None:
        try:
            siem = config.siem
            syslog = SyslogSender(siem.server, ca_file=siem.ca_file, certificate=siem.certificate)
            forwarder = SiemForwarder(
                config=siem, warden=warden, syslog=syslog, paths=paths, site_id=site_id, note=waits.noter("siem")
            )
            found["siem"] = forwarder.run()
        except ConfigError as error:
            structlog.get_logger().error("the SIEM gets nothing until the next start", error=str(error))
    if config.home is not None:
        try:
            found["home"] = _feed_home(config, site_id, live, environ, waits.noter("home"))
        except (ConfigError, ImportError) as error:
            structlog.get_logger().error("home automation gets nothing until the next start", error=str(error))
    return found


def _feed_home(
    config: SiteConfig, site_id: str, live: LiveState, environ: Mapping[str, str], note: Callable[[str], None]
) -> Coroutine[Any, Any, None]:
    home = config.home
    assert home is not None
    broker = Broker(
        home.server,
        username=home.username,
        password=read_secret("home.password", home.password, environ),
        ca_file=home.ca_file,
        will_topic=f"{home.topic}/status",
        client_id=f"custodes-{site_id[:16]}",
    )
    feed = HomeFeed(config=home, live=live, broker=broker, site=config.name, site_id=site_id, note=note)

    async def run() -> None:
        broker.start()
        try:
            await feed.run()
        finally:
            broker.stop()

    return run()


def open_push(
    config: SiteConfig, paths: SitePaths, catalog: AsyncCatalog, warden: Warden, clock: Clock
) -> PushFeed | None:
    """People's devices, where `push:` is there. Its key is made at first use; a new one orphans all devices."""
    if config.push is None:
        return None
    try:
        if not paths.push_key.exists():
            replace_file(paths.push_key, make_key())
        key = read_key(paths.push_key.read_bytes())
    except (KeyMissing, OSError) as error:
        structlog.get_logger().error("no device is told anything until the next start", error=str(error))
        return None
    permits = ReadPermits(warden=warden, clock=clock, policies=load_policies())
    sender = PushSender(key, contact=config.push.contact, services=config.push.services)
    return PushFeed(sender=sender, catalog=catalog, warden=warden, clock=clock, may=permits.may)
