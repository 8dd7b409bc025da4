"""`ports.rule_desk` of the running site: rules of `site.yaml` and of the page, together in force.

A rule of the page may name the environment variables alone that begin with `CUSTODES_RULE_` as its secrets, and no
file: who sets up rules on the page may send to any address, and must not send it what else the machine holds.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence

import structlog
from pydantic import ValidationError

from custodes.app.serving.push import PushFeed
from custodes.app.serving.rule_senders import PushTo, watched_rule, watched_rules
from custodes.app.serving.rule_state import Watched, row_of
from custodes.app.serving.rules import RuleService
from custodes.config import SiteConfig, problem_in_words
from custodes.config.rules import MAX_RULES, RuleConfig
from custodes.errors import ConfigError, CustodesError, InvalidArgument, NotFound
from custodes.ports.catalog_async import AsyncCatalog
from custodes.ports.clock import Clock
from custodes.ports.warden import Warden
from custodes.types.access import AuditKind, AuditRecord
from custodes.types.rule import Outlet, RuleBook, RuleRow

EVERY_S = 10.0
"""Another server process may have written."""
SECRET_BEGIN = "env:CUSTODES_RULE_"  # noqa: S105 - where a secret is, not one


class SiteRules:
    """See the port. Owned by the server; `run` for ever."""

    def __init__(
        self,
        *,
        service: RuleService,
        configured: Sequence[RuleConfig],
        catalog: AsyncCatalog,
        warden: Warden,
        clock: Clock,
        environ: Mapping[str, str],
        push: PushTo | None,
    ) -> None:
        self._service = service
        self._configured = tuple(configured)
        self._catalog = catalog
        self._warden = warden
        self._clock = clock
        self._environ = environ
        self._push = push
        self._book: RuleBook | None = None
        self._problems: dict[str, str] = {}
        self._changing = asyncio.Lock()

    async def run(self) -> None:
        """Keep the rules in force as they are written; what fails is tried again."""
        while True:
            try:
                await self.refresh()
            except CustodesError as error:
                structlog.get_logger().warning("rules of the page wait", error=str(error))
            await asyncio.sleep(EVERY_S)

    async def refresh(self) -> None:
        """Read the page's rules, and put them into force where they have changed."""
        book = await self._catalog.rules()
        if book == self._book:
            return
        watched: list[Watched] = []
        problems: dict[str, str] = {}
        for rule in (*self._configured, *_rules_of(book)):
            try:
                watched.append(watched_rule(rule, self._environ, self._push))
            except (ConfigError, ImportError) as error:
                problems[rule.name] = str(error)
        self._service.watch(watched)
        self._book, self._problems = book, problems

    async def rows(self) -> list[RuleRow]:
        """See the port."""
        await self.refresh()
        in_force = {one.rule: one for one in self._service.watched}
        found = []
        for rules, is_of_page in ((self._configured, False), (_rules_of(self._book), True)):
            for rule in rules:
                watched = in_force.get(rule)
                problem = self._problems.get(rule.name, "it could not be read when the site started")
                found.append(
                    watched.row(is_of_page=is_of_page)
                    if watched is not None
                    else row_of(rule, is_of_page=is_of_page, problem=problem)
                )
        return found

    async def add(self, tree: Mapping[str, object], *, actor: str) -> None:
        """See the port."""
        rule = _checked(tree)
        async with self._changing:
            await self.refresh()
            before = _rules_of(self._book)
            if rule.name in {one.name for one in (*self._configured, *before)}:
                raise InvalidArgument(f"There is a rule {rule.name} already.")
            if len(before) + len(self._configured) >= MAX_RULES:
                raise InvalidArgument(f"A site has at most {MAX_RULES} rules.")
            known = {spec.camera_id for spec in await self._catalog.cameras()}
            if rule.camera and rule.camera not in known:
                raise InvalidArgument(f"There is no camera {rule.camera} on this site.")
            try:
                watched_rule(rule, self._environ, self._push)
            except ImportError as error:
                raise InvalidArgument("MQTT needs an extra that is not installed: custodes[mqtt].") from error
            except ConfigError as error:
                raise InvalidArgument(str(error)) from error
            await self._put([*before, rule], f"rule {rule.name} added", actor)

    async def remove(self, name: str, *, actor: str) -> None:
        """See the port."""
        async with self._changing:
            await self.refresh()
            before = _rules_of(self._book)
            after = [one for one in before if one.name != name]
            if len(after) == len(before):
                raise NotFound(f"The page holds no rule {name[:80]}; one of site.yaml is taken away there.")
            await self._put(after, f"rule {name} removed", actor)

    async def test(self, name: str, *, actor: str) -> list[Outlet]:
        """See the port."""
        await self.refresh()
        for one in self._service.watched:
            if one.rule.name == name:
                return await self._service.test(one, actor)
        raise NotFound(f"No rule {name[:80]} is in force.")

    async def _put(self, rules: Sequence[RuleConfig], change: str, actor: str) -> None:
        book = RuleBook(
            version=self._book.version + 1 if self._book is not None else 1,
            utc_ns=self._clock.now_ns(),
            editor=actor,
            rules=tuple(one.model_dump_json(exclude_defaults=True) for one in rules),
        )
        await self._warden.append(
            AuditRecord(
                kind=AuditKind.CONFIG_CHANGED,
                actor=actor,
                subject="rules",
                details={"what": change, "version": str(book.version)},
            )
        )
        await self._catalog.put_rules(book)
        await self.refresh()


def open_rules(
    config: SiteConfig,
    catalog: AsyncCatalog,
    warden: Warden,
    clock: Clock,
    environ: Mapping[str, str],
    pusher: PushFeed | None,
) -> tuple[RuleService, SiteRules]:
    """Rules of the configuration in force, and the desk that brings those of the page."""
    push = pusher.to_roles if pusher is not None else None
    watched = watched_rules(config.rules, environ, push)
    service = RuleService(site=config.name, watched=watched, catalog=catalog, clock=clock)
    desk = SiteRules(
        service=service,
        configured=config.rules,
        catalog=catalog,
        warden=warden,
        clock=clock,
        environ=environ,
        push=push,
    )
    return service, desk


def _rules_of(book: RuleBook | None) -> list[RuleConfig]:
    """Those that this version still understands."""
    found = []
    for encoded in book.rules if book is not None else ():
        try:
            found.append(RuleConfig.model_validate(json.loads(encoded)))
        except (ValidationError, ValueError) as error:
            structlog.get_logger().error("a rule of the page is left out", error=str(error))
    return found


def _checked(tree: Mapping[str, object]) -> RuleConfig:
    try:
        rule = RuleConfig.model_validate(tree)
    except ValidationError as error:
        first = error.errors()[0]
        place = " ".join(str(part).replace("_", " ") for part in first["loc"])
        raise InvalidArgument(f"{place}: {problem_in_words(first)}" if place else problem_in_words(first)) from error
    secrets = (
        rule.webhook.secret if rule.webhook else "",
        rule.email.password if rule.email else "",
        rule.mqtt.password if rule.mqtt else "",
    )
    if any(secret and not secret.startswith(SECRET_BEGIN) for secret in secrets):
        raise InvalidArgument(f"Secrets of rules of the page are named {SECRET_BEGIN}…: a variable, never the secret.")
    return rule
