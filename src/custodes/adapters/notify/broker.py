"""A connection to an MQTT broker that stays: retained states, and a last will that says when we are gone."""

from pathlib import Path
from urllib.parse import urlsplit

from custodes.errors import ConfigError, Unavailable

KEEPALIVE_S = 30
CONNECT_S = 10.0


class Broker:
    """`mqtt://host:port` or `mqtts://host:port`; reconnects by itself. Raises: ImportError without the extra."""

    def __init__(
        self, server: str, *, username: str, password: str, ca_file: Path | None, will_topic: str, client_id: str
    ) -> None:
        """`will_topic` says `online` while we are connected and `offline` when we are not. Raises: ConfigError."""
        import paho.mqtt.client as paho  # an optional extra
        from paho.mqtt.enums import CallbackAPIVersion

        parts = urlsplit(server)
        self._host, is_tls = parts.hostname or "", parts.scheme == "mqtts"
        self._port = parts.port or (8883 if is_tls else 1883)
        self._will = will_topic
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id=client_id)
        self._client.will_set(will_topic, "offline", qos=1, retain=True)
        if username:
            self._client.username_pw_set(username, password)
        if is_tls:
            try:
                self._client.tls_set(str(ca_file) if ca_file else None)
            except OSError as error:
                raise ConfigError(f"home: {ca_file} is no certificate in PEM: {error}") from error
        self._connections = 0
        self._client.on_connect = self._connected

    @property
    def connections(self) -> int:
        """How often it was connected: a broker that is new may have forgotten what was told."""
        return self._connections

    def start(self) -> None:
        """Connect in a thread of its own; a broker that is not there is tried again."""
        self._client.reconnect_delay_set(1, 60)
        self._client.connect_async(self._host, self._port, keepalive=KEEPALIVE_S)
        self._client.loop_start()

    def publish(self, topic: str, payload: str) -> None:
        """Retained, quality of service 1. Raises: Unavailable while there is no connection: states are told anew."""
        if not self._client.is_connected():
            raise Unavailable(f"MQTT broker {self._host}:{self._port} is not connected")
        self._client.publish(topic, payload, qos=1, retain=True)

    def stop(self) -> None:
        """Say that we are gone, and hang up."""
        if self._client.is_connected():
            self._client.publish(self._will, "offline", qos=1, retain=True).wait_for_publish(timeout=1.0)
        self._client.disconnect()
        self._client.loop_stop()

    def _connected(self, client: object, _data: object, _flags: object, reason: object, _properties: object) -> None:
        if str(reason) == "Success":
            self._client.publish(self._will, "online", qos=1, retain=True)
            self._connections += 1
