"""`custodes up`: the supervisor in the foreground, with what a person at the terminal wants to know."""

import asyncio
import contextlib
import os
import sys
from pathlib import Path

import click

from custodes.adapters.ipc.framing import RequestClient
from custodes.app.supervisor import run_site
from custodes.cli.where import load_config
from custodes.config import SiteConfig, SitePaths
from custodes.errors import CustodesError
from custodes.types.message import Announce, CameraRow, CameraTable, ReadCameras

SUMMARY_PERIOD_S = 2.0
_QUIET_STATES = frozenset({"starting", "unknown"})


class PersonsTerminal:
    """Prints events, the address, and on a real terminal one line that is kept up to date."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._is_live = sys.stdout.isatty()
        self._is_gone = False
        self._line = ""
        self._announced: tuple[str, str] | None = None
        self._states: dict[str, str] = {}

    def event(self, text: str) -> None:
        """One line above the summary."""
        self._write(f"{self._erase()}{text}\n{self._line if self._is_live else ''}")

    def announce(self, announce: Announce) -> None:
        """Address and, before the first account exists, the token; once for each that is new."""
        news = (announce.address, announce.first_boot_token)
        if news == self._announced:
            return
        self._announced = news
        rule = "─" * 72
        # by its name: a browser makes no passkey for a site that has only a number
        address = announce.address.replace("//127.0.0.1:", "//localhost:")
        lines = ["", rule, f"  custodes · {self._name}", "", f"  open         {address}"]
        if announce.first_boot_token:
            lines += [
                f"  first login  {announce.first_boot_token}",
                "               this token works once, to create the first account",
            ]
        lines += ["", "  Ctrl-C stops everything.", rule, ""]
        self.event("\n".join(lines))

    def cameras(self, table: CameraTable) -> None:
        """Report state changes as events and the sum as the summary line."""
        for row in table.cameras:
            if self._states.get(row.camera_id) != row.state and row.state not in _QUIET_STATES:
                self._states[row.camera_id] = row.state
                self.event(f"camera {row.camera_id}: {row.state}{f' ({row.detail})' if row.detail else ''}")
        self._line = summary_line(table.cameras, table.log_size)
        self._redraw()

    def close(self) -> None:
        """Leave the cursor on a fresh line."""
        self._write(self._erase())
        self._line = ""

    def _erase(self) -> str:
        return "\r\x1b[K" if self._is_live else ""

    def _redraw(self) -> None:
        if self._is_live and self._line:
            self._write(f"{self._erase()}{self._line}")

    def _write(self, text: str) -> None:
        """Print, unless the terminal has gone: the site outlives it (nohup, a closed pipe)."""
        if self._is_gone:
            return
        try:
            sys.stdout.write(text)
            sys.stdout.flush()
        except (OSError, ValueError):
            self._is_gone = True
            # What Python still has buffered would raise again when it exits.
            sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123 - for the rest of our life


def summary_line(cameras: tuple[CameraRow, ...], log_size: int) -> str:
    """`3 of 3 cameras recording · now 2 people, 1 vehicle · 14 tracks · 27 log entries`."""
    recording = sum(row.is_recording for row in cameras)
    people = sum(row.live_people for row in cameras)
    vehicles = sum(row.live_vehicles for row in cameras)
    tracks = sum(row.tracks for row in cameras)
    return (
        f"{recording} of {_counted(len(cameras), 'camera')} recording · "
        f"now {_counted(people, 'person', 'people')}, {_counted(vehicles, 'vehicle')} · "
        f"{_counted(tracks, 'track')} · {_counted(log_size, 'log entry', 'log entries')}"
    )


def _counted(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"


async def _follow_cameras(paths: SitePaths, terminal: PersonsTerminal) -> None:
    """Poll the server for ever; while it is down there is nothing to say (the supervisor says it)."""
    client = RequestClient(paths.socket("server-control"))
    try:
        while True:
            with contextlib.suppress(CustodesError):
                terminal.cameras(await client.request(ReadCameras(), CameraTable))
            await asyncio.sleep(SUMMARY_PERIOD_S)
    finally:
        await client.close()


async def _run(config: SiteConfig, terminal: PersonsTerminal, *, is_standby: bool) -> None:
    follow = asyncio.get_running_loop().create_task(_follow_cameras(SitePaths(config.data_dir), terminal))
    try:
        await run_site(config, terminal, is_standby=is_standby)
    finally:
        follow.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await follow
        terminal.close()


def run_up(config: SiteConfig, *, is_standby: bool = False) -> None:
    """Run a site until it is told to stop. Raises: CustodesError when it cannot start."""
    terminal = PersonsTerminal(config.name)
    terminal.event(f"starting {config.name} on {config.data_dir} …")
    asyncio.run(_run(config, terminal, is_standby=is_standby))
    terminal.event("stopped")


@click.command()
@click.option("--config", type=click.Path(path_type=Path), default=None, help="site.yaml [default: ./site.yaml].")
@click.option("--data", type=click.Path(path_type=Path), default=None, help="Data directory; wins over the file's.")
@click.option("--port", type=click.IntRange(0, 65535), default=None, help="Web port; 0 takes a free one.")
@click.option(
    "--standby", is_flag=True, help="While another supervisor runs the site, wait; take over when it is gone."
)
def up(config: Path | None, data: Path | None, port: int | None, standby: bool) -> None:
    """Run the site in the foreground. Ctrl-C stops everything; a second one at once."""
    run_up(load_config(config, data, port), is_standby=standby)
