"""One message to somebody else: an HTTP POST, an e-mail, an MQTT message. What is told is decided elsewhere.

A webhook is signed as Standard Webhooks 1.0 says (`webhook-id`, `webhook-timestamp`, `webhook-signature`), so that its
receiver knows who speaks, that it is new, and what it has had already. No redirect is followed and no proxy of the
environment is used: it goes where the configuration says.
"""

import base64
import hashlib
import hmac
import http.client
import json
import smtplib
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from email.message import EmailMessage
from typing import Any
from urllib.parse import urlsplit

from custodes.adapters.witness.http import NoRedirect
from custodes.errors import ConfigError, Unavailable

TIMEOUT_S = 10.0
_SECRET_PREFIX = "whsec_"  # noqa: S105 - what Standard Webhooks begins secrets with
Send = Callable[[Mapping[str, object]], None]
"""Tell one thing. Raises: Unavailable when it did not get through."""


def webhook(url: str, secret: str) -> Send:
    """POST as JSON to an http or https address; any 2xx is an answer. `secret`: `whsec_` and base64, or plain text."""
    key = webhook_key(secret)
    opener = urllib.request.build_opener(NoRedirect(), urllib.request.ProxyHandler({}))

    def send(told: Mapping[str, object]) -> None:
        body = json.dumps(told, ensure_ascii=False).encode()
        headers = {"content-type": "application/json"}
        if key:
            headers |= signed_headers(key, body, now_s=int(time.time()))
        request = urllib.request.Request(url, data=body, headers=headers)  # noqa: S310 - http or https, configured
        try:
            with opener.open(request, timeout=TIMEOUT_S):
                return
        except urllib.error.HTTPError as error:
            with error:
                raise Unavailable(f"webhook {_host(url)} answers {error.code}") from error
        except (OSError, http.client.HTTPException) as error:
            raise Unavailable(f"webhook {_host(url)} does not answer: {_reason(error)}") from error

    return send


def _reason(error: Exception) -> str:
    """Without the wrapping that urllib puts round it."""
    inner = getattr(error, "reason", error)
    return getattr(inner, "strerror", None) or str(inner)


def webhook_key(secret: str) -> bytes:
    """The bytes that sign. Raises: ConfigError for a `whsec_` secret that is not base64."""
    if not secret.startswith(_SECRET_PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(_SECRET_PREFIX), validate=True)
    except ValueError as error:
        raise ConfigError("webhook: the secret begins with whsec_ and is not base64 after it") from error


def signed_headers(key: bytes, body: bytes, *, now_s: int) -> dict[str, str]:
    """Standard Webhooks, symmetric. The id is of the body: what is tried again is known again."""
    identity = f"msg_{hashlib.sha256(body).hexdigest()[:32]}"
    signature = hmac.new(key, f"{identity}.{now_s}.".encode() + body, hashlib.sha256).digest()
    return {
        "webhook-id": identity,
        "webhook-timestamp": str(now_s),
        "webhook-signature": f"v1,{base64.b64encode(signature).decode()}",
    }


def email(server: str, sender: str, to: tuple[str, ...], username: str, password: str) -> Send:
    """By SMTP: `smtps://host:port` with TLS from the start, `smtp://host:port` with STARTTLS where the server offers
    it; a password is sent over TLS only."""
    parts = urlsplit(server)
    host = parts.hostname or ""

    def send(told: Mapping[str, object]) -> None:
        message = EmailMessage()
        message["From"], message["To"] = sender, ", ".join(to)
        message["Subject"] = " ".join(str(told["text"]).split())[:200]
        message.set_content("\n".join(f"{name}: {value}" for name, value in told.items()))
        try:
            with _smtp(parts.scheme, host, parts.port) as client:
                is_private = parts.scheme == "smtps"
                client.ehlo()
                if not is_private and client.has_extn("starttls"):
                    client.starttls(context=ssl.create_default_context())
                    client.ehlo()
                    is_private = True
                if username:
                    if not is_private:
                        raise Unavailable(f"mail server {host} offers no TLS, and a password is not sent without")
                    client.login(username, password)
                client.send_message(message)
        except (OSError, smtplib.SMTPException) as error:
            raise Unavailable(f"mail server {host} does not take the message: {_reason(error)}") from error

    return send


def _smtp(scheme: str, host: str, port: int | None) -> smtplib.SMTP:
    if scheme == "smtps":
        return smtplib.SMTP_SSL(host, port or 465, timeout=TIMEOUT_S, context=ssl.create_default_context())
    return smtplib.SMTP(host, port or 25, timeout=TIMEOUT_S)


def mqtt(server: str, topic: str, username: str, password: str) -> Send:
    """As JSON, quality of service 1, to `mqtt://host:port` or `mqtts://host:port`. Raises: ImportError without the
    extra."""
    import paho.mqtt.publish as publish  # an optional extra

    parts = urlsplit(server)
    tls: Any = {} if parts.scheme == "mqtts" else None
    auth: Any = {"username": username, "password": password} if username else None

    def send(told: Mapping[str, object]) -> None:
        try:
            publish.single(
                topic,
                json.dumps(told, ensure_ascii=False),
                qos=1,
                hostname=parts.hostname or "",
                port=parts.port or (8883 if tls is not None else 1883),
                tls=tls,
                auth=auth,
            )
        except (OSError, ValueError) as error:
            raise Unavailable(f"MQTT server {parts.hostname} does not take the message: {_reason(error)}") from error

    return send


def _host(url: str) -> str:
    return urlsplit(url).hostname or "?"
