"""States at a real MQTT broker (Debian's mosquitto): discovery, change, restart of the broker, our own end."""

import asyncio
import json
import shutil
import socket
import subprocess
import threading
import time
from contextlib import contextmanager
from dataclasses import replace

import pytest

from custodes.adapters.notify.broker import Broker
from custodes.app.serving.home import HomeFeed
from custodes.config.outside import HomeConfig
from custodes.errors import Unavailable
from custodes.testing.ending import stop
from custodes.testing.web import FixedLive, camera_row
from custodes.types.message import ProcessStatus

MOSQUITTO = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
WAIT_S = 180.0


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as one:
        return one.getsockname()[1]


@contextmanager
def broker_at(port, folder, *lines):
    config = folder / f"{port}.conf"
    config.write_text("\n".join((f"listener {port} 127.0.0.1", "persistence false", *lines)))
    running = subprocess.Popen([MOSQUITTO, "-c", config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: can_connect(port))
        yield running
    finally:
        stop(running)


def can_connect(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def until(is_so):
    end = time.monotonic() + WAIT_S
    while not is_so():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)


class Listener:
    """Somebody else at the broker: the newest payload of each topic."""

    def __init__(self, port: int) -> None:
        import paho.mqtt.client as paho
        from paho.mqtt.enums import CallbackAPIVersion

        self.heard: dict[str, str] = {}
        self._subscribed = threading.Event()
        self._client = paho.Client(CallbackAPIVersion.VERSION2)
        self._client.on_connect = lambda client, *_: client.subscribe("#", qos=1)
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = self._take
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        assert self._subscribed.wait(WAIT_S)

    def _take(self, _client, _data, message) -> None:
        self.heard[message.topic] = message.payload.decode()

    def expect(self, topic, payload):
        until(lambda: self.heard.get(topic) == payload)

    def stop(self):
        self._client.disconnect()
        self._client.loop_stop()


PROCESSES = (
    ProcessStatus(
        name="warden", kind="warden", state="running", pid=1, restarts=0, cpu_s=1, rss_mb=1, uptime_s=1, last_exit=""
    ),
)


@contextmanager
def feeding(port, live, **login):
    broker = Broker(
        f"mqtt://127.0.0.1:{port}",
        **{"username": "", "password": "", **login},
        ca_file=None,
        will_topic="custodes/status",
        client_id="custodes-abab",
    )
    config = HomeConfig(server=f"mqtt://127.0.0.1:{port}")
    feed = HomeFeed(config=config, live=live, broker=broker, site="Harbour", site_id="ab" * 8)
    broker.start()
    try:
        yield feed, broker
    finally:
        broker.stop()


def step(feed):
    asyncio.run(feed.step())


def test_cameras_are_announced_told_changed_and_taken_back(tmp_path):
    port = free_port()
    live = FixedLive([camera_row("gate", "Main gate"), camera_row("yard", "Yard")], PROCESSES)
    with broker_at(port, tmp_path, "allow_anonymous true"), feeding(port, live) as (feed, broker):
        listener = Listener(port)
        listener.expect("custodes/status", "online")
        until(lambda: broker.connections == 1)
        step(feed)
        announced = f"homeassistant/device/custodes_{'ab' * 8}_gate/config"
        until(
            lambda: (
                announced in listener.heard and f"homeassistant/device/custodes_{'ab' * 8}/config" in listener.heard
            )
        )
        device = json.loads(listener.heard[announced])
        assert device["dev"]["name"] == "Main gate"
        assert device["avty_t"] == "custodes/status"
        assert {part["stat_t"] for part in device["cmps"].values()} == {"custodes/camera/gate"}
        assert len({part["uniq_id"] for part in device["cmps"].values()}) == 5
        told = json.loads(listener.heard["custodes/camera/gate"])
        for part in device["cmps"].values():
            assert part["val_tpl"].split("value_json.")[1].split(" ")[0] in told
        live.rows = [replace(camera_row("gate", "Main gate", state="stalled"), live_people=3)]
        step(feed)
        stalled = {"state": "stalled", "recording": "OFF", "people": 3, "vehicles": live.rows[0].live_vehicles}
        stalled["tampered"] = "OFF"
        listener.expect("custodes/camera/gate", json.dumps(stalled))
        listener.expect("custodes/site", json.dumps({"problem": "ON", "recorded": 0}))
        listener.expect("custodes/camera/yard", "")
        listener.expect(f"homeassistant/device/custodes_{'ab' * 8}_yard/config", "")
        broker.stop()
        listener.expect("custodes/status", "offline")
        listener.stop()


def test_broker_that_restarts_without_memory_is_told_everything_again(tmp_path):
    port = free_port()
    live = FixedLive([camera_row("gate", "Main gate")], PROCESSES)
    with feeding(port, live) as (feed, broker):
        with pytest.raises(Unavailable, match="is not connected"):
            step(feed)
        with broker_at(port, tmp_path, "allow_anonymous true"):
            until(lambda: broker.connections == 1)
            step(feed)
        with broker_at(port, tmp_path, "allow_anonymous true"):
            until(lambda: broker.connections == 2)
            listener = Listener(port)
            step(feed)
            until(lambda: "custodes/camera/gate" in listener.heard)
            listener.stop()


def test_broker_that_refuses_us_is_not_told_anything(tmp_path):
    port = free_port()
    live = FixedLive([camera_row("gate", "Main gate")], PROCESSES)
    with broker_at(port, tmp_path, "allow_anonymous false"), feeding(port, live) as (feed, broker):
        with pytest.raises(Unavailable, match=f"MQTT broker 127.0.0.1:{port} is not connected"):
            step(feed)
        assert broker.connections == 0
