"""Rules of the configuration with whom they tell. A rule that is configured wrongly is left out, and said."""

from collections.abc import Callable, Mapping, Sequence

import structlog

from custodes.adapters.notify import senders
from custodes.app.serving.rule_state import Send, Watched
from custodes.config.rules import RuleConfig
from custodes.config.secret import read_secret
from custodes.errors import ConfigError
from custodes.types.access import Role

PushTo = Callable[[tuple[Role, ...]], Send]
"""Devices of people with these roles."""


def watched_rules(
    rules: Sequence[RuleConfig], environ: Mapping[str, str], push: PushTo | None = None
) -> list[Watched]:
    """Those that can be told; `push` is None where the site tells no devices."""
    found = []
    for rule in rules:
        try:
            found.append(watched_rule(rule, environ, push))
        except (ConfigError, ImportError) as error:
            structlog.get_logger().error("rule is left out until the next start", rule=rule.name, error=str(error))
    return found


def watched_rule(rule: RuleConfig, environ: Mapping[str, str], push: PushTo | None) -> Watched:
    """One with whom it tells. Raises: ConfigError, ImportError without an extra that it needs."""
    return Watched(rule, tuple(_senders(rule, environ, push)))


def _senders(rule: RuleConfig, environ: Mapping[str, str], push: PushTo | None) -> list[Send]:
    found: list[Send] = []
    if rule.push:
        if push is None:
            raise ConfigError("it tells devices, and site.yaml has no push:")
        found.append(push(rule.push))
    if rule.webhook is not None:
        found.append(
            senders.webhook(rule.webhook.url, read_secret("rules.webhook.secret", rule.webhook.secret, environ))
        )
    if rule.email is not None:
        mail = rule.email
        found.append(
            senders.email(
                mail.server,
                mail.sender,
                mail.to,
                mail.username,
                read_secret("rules.email.password", mail.password, environ),
            )
        )
    if rule.mqtt is not None:
        queue = rule.mqtt
        found.append(
            senders.mqtt(
                queue.server, queue.topic, queue.username, read_secret("rules.mqtt.password", queue.password, environ)
            )
        )
    return found
