"""Rules of the configuration with whom they tell. A rule that is configured wrongly is left out, and said."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import structlog

from custodes.adapters.notify import senders
from custodes.app.serving.rules import Send, Watched
from custodes.config.rules import RuleConfig
from custodes.errors import ConfigError

_MAX_SECRET_BYTES = 4096


def watched_rules(rules: Sequence[RuleConfig], environ: Mapping[str, str]) -> list[Watched]:
    """Those that can be told."""
    found = []
    for rule in rules:
        try:
            found.append(Watched(rule, tuple(_senders(rule, environ))))
        except (ConfigError, ImportError) as error:
            structlog.get_logger().error("rule is left out until the next start", rule=rule.name, error=str(error))
    return found


def _senders(rule: RuleConfig, environ: Mapping[str, str]) -> list[Send]:
    found: list[Send] = []
    if rule.webhook is not None:
        found.append(senders.webhook(rule.webhook.url, secret_of(rule.webhook.secret, environ)))
    if rule.email is not None:
        mail = rule.email
        found.append(
            senders.email(mail.server, mail.sender, mail.to, mail.username, secret_of(mail.password, environ))
        )
    if rule.mqtt is not None:
        queue = rule.mqtt
        found.append(senders.mqtt(queue.server, queue.topic, queue.username, secret_of(queue.password, environ)))
    return found


def secret_of(reference: str, environ: Mapping[str, str]) -> str:
    """What env:NAME or file:/path says; empty for neither. Raises: ConfigError."""
    kind, _, where = reference.partition(":")
    if kind == "env":
        if where not in environ:
            raise ConfigError(f"the variable {where} is not set where `custodes up` was started")
        return environ[where]
    if kind == "file":
        try:
            with Path(where).open(encoding="utf-8") as file:
                return file.read(_MAX_SECRET_BYTES).strip()
        except OSError as error:
            raise ConfigError(f"the secret in {where} cannot be read: {error.strerror}") from error
    return ""
