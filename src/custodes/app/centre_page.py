"""Serves the centre's page: reads the database in a thread, and stands under the process's own signals."""

import asyncio
import os
from collections.abc import Callable

from custodes.adapters.sql.centre import CentreStore
from custodes.app.centre_reading import site_summary, site_view
from custodes.app.serving.page import Page, address_of, listen
from custodes.config.centre import CentreConfig, CentreSiteConfig
from custodes.config.secret import read_secret
from custodes.errors import ConfigError
from custodes.federation.sites import SiteSummary, SiteView
from custodes.ports.clock import Clock
from custodes.web.centre import centre_app

MIN_PASSWORD_CHARS = 12


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
        return await asyncio.to_thread(lambda: [site_summary(store, one) for one in config.sites])

    async def view(site: CentreSiteConfig) -> SiteView:
        return await asyncio.to_thread(site_view, store, site, clock.now_ns())

    app = centre_app(config, password=password, summaries=summaries, view=view, now_ns=clock.now_ns)
    listener = listen(page.host, page.port)
    on_address(address_of(listener))
    serving = Page(app, listener)
    try:
        await serving.run()
    finally:
        serving.stop()
        listener.close()
