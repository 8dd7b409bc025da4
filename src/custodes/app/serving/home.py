"""States of cameras for home automation: MQTT topics with Home Assistant's discovery. Numbers, never a picture.

Topics below `custodes/`: `status` (online, offline), `site` and `camera/ID`, each a retained JSON value that is told
when it changes. Discovery is of whole devices (Home Assistant 2024.12 and newer): the site, and each camera.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Protocol

import structlog

from custodes import __version__
from custodes.config.outside import HomeConfig
from custodes.errors import CustodesError, Unavailable
from custodes.ports.views import LiveState
from custodes.types.message import CameraRow


class States(Protocol):
    """What publishes retained values."""

    @property
    def connections(self) -> int:
        """How often it was connected."""
        ...

    def publish(self, topic: str, payload: str) -> None:
        """Raises: Unavailable."""
        ...


class HomeFeed:
    """`run` for ever. Cameras that are no longer configured are taken back."""

    def __init__(
        self,
        *,
        config: HomeConfig,
        live: LiveState,
        broker: States,
        site: str,
        site_id: str,
        note: Callable[[str], None] = lambda _: None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._config = config
        self._live = live
        self._broker = broker
        self._site = site
        self._node = f"custodes_{site_id[:16]}"
        self._sleep = sleep
        self._note = note
        self._told: dict[str, str] = {}
        self._connection = 0

    async def run(self) -> None:
        """Tell what changed, every few seconds."""
        is_told = False
        while True:
            try:
                await self.step()
                is_told = False
                self._note("")
            except CustodesError as error:
                self._note(str(error))
                if not is_told:
                    structlog.get_logger().warning("home automation waits", error=str(error))
                is_told = True
            await self._sleep(self._config.every_s)

    async def step(self) -> None:
        """Tell once. Raises: Unavailable; what was not told is told next time."""
        if self._connection != self._broker.connections:
            self._connection = self._broker.connections
            self._told.clear()  # a broker without persistence has forgotten it
        rows = self._live.camera_rows()
        wanted = {f"{self._config.topic}/camera/{row.camera_id}": _camera_state(row) for row in rows}
        wanted[f"{self._config.topic}/site"] = await self._site_state(rows)
        if self._config.discovery:
            for row in rows:
                wanted[self._announced(row.camera_id)] = self._camera_device(row)
            wanted[self._announced("")] = self._site_device()
        for topic in self._told.keys() - wanted.keys():
            wanted[topic] = ""  # MQTT's way to take a retained value back
        for topic, payload in wanted.items():
            if self._told.get(topic) != payload:
                self._broker.publish(topic, payload)
                self._told[topic] = payload
        self._told = {topic: payload for topic, payload in self._told.items() if payload}

    async def _site_state(self, rows: list[CameraRow]) -> str:
        try:
            processes = (await self._live.site_status()).processes
        except Unavailable:
            processes = ()
        well = bool(processes) and all(one.state in ("running", "starting") for one in processes)
        recorded = sum(row.is_recording for row in rows)
        wanted = sum(row.state != "disabled" for row in rows)
        return json.dumps({"problem": "ON" if not well or recorded < wanted else "OFF", "recorded": recorded})

    def _announced(self, camera_id: str) -> str:
        name = f"{self._node}_{camera_id}" if camera_id else self._node
        return f"{self._config.discovery}/device/{name}/config"

    def _device(self, name: str, identifier: str, topic: str, parts: dict[str, dict[str, object]]) -> str:
        device: dict[str, object] = {"ids": [identifier], "name": name, "mf": "custodes", "sw": __version__}
        if identifier != self._node:
            device["via_device"] = self._node
        parts = {key: {**part, "uniq_id": f"{identifier}_{key}", "stat_t": topic} for key, part in parts.items()}
        return json.dumps(
            {
                "dev": device,
                "o": {"name": "custodes", "sw": __version__},
                "avty_t": f"{self._config.topic}/status",
                "cmps": parts,
            },
            ensure_ascii=False,
        )

    def _camera_device(self, row: CameraRow) -> str:
        topic = f"{self._config.topic}/camera/{row.camera_id}"
        return self._device(
            row.name,
            f"{self._node}_{row.camera_id}",
            topic,
            {
                "recording": _binary("Recording", "recording", "running"),
                "tampered": _binary("Tampered with", "tampered", "tamper"),
                "people": _count("People", "people", "mdi:account-multiple"),
                "vehicles": _count("Vehicles", "vehicles", "mdi:car-multiple"),
                "state": {"p": "sensor", "name": "State", "val_tpl": "{{ value_json.state }}"},
            },
        )

    def _site_device(self) -> str:
        parts = {
            "problem": _binary("Problem", "problem", "problem"),
            "recorded": _count("Cameras recorded", "recorded", "mdi:cctv"),
        }
        return self._device(self._site, self._node, f"{self._config.topic}/site", parts)


def _camera_state(row: CameraRow) -> str:
    return json.dumps(
        {
            "state": row.state,
            "recording": "ON" if row.is_recording else "OFF",
            "people": row.live_people,
            "vehicles": row.live_vehicles,
            "tampered": "ON" if row.tampered else "OFF",
        }
    )


def _binary(name: str, key: str, kind: str) -> dict[str, object]:
    return {"p": "binary_sensor", "name": name, "dev_cla": kind, "val_tpl": f"{{{{ value_json.{key} }}}}"}


def _count(name: str, key: str, icon: str) -> dict[str, object]:
    return {
        "p": "sensor",
        "name": name,
        "stat_cla": "measurement",
        "ic": icon,
        "val_tpl": f"{{{{ value_json.{key} }}}}",
    }
