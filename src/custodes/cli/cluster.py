"""`custodes cluster`: machines that analyse for sites. Rootless; run as whoever may see their pictures."""

import json
import os
import secrets
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from custodes.cli.table import render_table
from custodes.errors import DeadlineExceeded, FailedPrecondition, InvalidArgument, NotFound
from custodes.runtime import ray_cells

_TOKEN = Path("cluster.token")
_POLL_S = 0.5
_HEALTH = {
    # A machine whose cable is pulled is given up after four misses, a second each; ray's own would wait half a minute.
    "RAY_health_check_initial_delay_ms": "2000",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "2000",
    "RAY_health_check_failure_threshold": "4",
    # Nobody reads it, and where it begins late Ray gives up beginning altogether.
    "RAY_enable_metrics_collection": "0",
}

_token = click.option(
    "--token-file",
    type=click.Path(path_type=Path, dir_okay=False),
    default=_TOKEN,
    show_default=True,
    help="The cluster's secret; whoever has it can run programs on its machines.",
)
_address = click.option("--address", required=True, help="This machine's own IP address, as the others reach it.")
_labels = click.option("--label", "labels", multiple=True, metavar="KEY=VALUE", help="What sites may ask for.")
_cpus = click.option(
    "--cpus",
    type=click.IntRange(0, 1024),
    default=None,
    help="Cores to give; 0 on a site's own machine [default: all].",
)
_MAX_TEMP_BYTES = 40
"""A socket's path has at most 107 bytes (unix(7)); Ray adds up to 66."""

_temp = click.option("--temp", type=click.Path(path_type=Path), default=None, help="For sockets and logs [/tmp/ray].")


@click.group()
def cluster() -> None:
    """Machines that analyse for sites (needs custodes[cluster])."""


@cluster.command()
@_address
@click.option("--port", type=click.IntRange(1024, 10000), default=6379, show_default=True)
@_token
@_labels
@_cpus
@_temp
def up(
    address: str, port: int, token_file: Path, labels: tuple[str, ...], cpus: int | None, temp: Path | None
) -> None:
    """Begin a cluster: this machine is its head. In the foreground; Ctrl-C ends it."""
    if not token_file.exists():
        token_file.touch(mode=0o600)
        token_file.write_text(secrets.token_hex(32), encoding="utf-8")
        click.echo(f"wrote {token_file}: take it to the other machines, by a way that nobody listens on")
    click.echo(
        f"others join by: custodes cluster join {address}:{port} --address THEIRS --token-file {token_file.name}"
    )
    role = ["--head", "--no-monitor", "--port", str(port), "--include-dashboard", "false"]
    _become(role, address, token_file, labels, cpus, temp)


@cluster.command()
@click.argument("head", metavar="HEAD:PORT")
@_address
@_token
@_labels
@_cpus
@_temp
def join(
    head: str, address: str, token_file: Path, labels: tuple[str, ...], cpus: int | None, temp: Path | None
) -> None:
    """Give this machine to the cluster of HEAD. In the foreground; drain it before Ctrl-C."""
    _check_head(head)
    _become(["--address", head], address, token_file, labels, cpus, temp)


@cluster.command()
@click.argument("head", metavar="HEAD:PORT")
@_token
@click.option("--json", "is_json", is_flag=True)
def status(head: str, token_file: Path, is_json: bool) -> None:
    """Machines and cells, asked from one of the cluster's machines."""
    ray = _connected(head, token_file)
    machines, cells = _machines(ray), _cells(ray)
    if is_json:
        click.echo(json.dumps({"machines": machines, "cells": cells}))
        return
    click.echo(
        render_table(
            ["machine", "id", "state", "cores", "labels", "cells"],
            [
                [
                    one["address"],
                    one["id"][:8],
                    one["state"],
                    f"{one['cores']:g}",
                    " ".join(f"{key}={value}" for key, value in one["labels"].items()),
                    str(sum(cell["node"] == one["id"] for cell in cells)),
                ]
                for one in machines
            ],
        )
    )
    for cell in cells:
        where = cell["machine"] or "waits for a place"
        click.echo(
            f"{cell['site']} {cell['cell']}: {where}, {len(cell['cameras'])} cameras, worked {cell['busy_s']} s, "
            f"lost {cell['losses']} times, {cell['left_out']} items left out"
        )


@cluster.command()
@click.argument("head", metavar="HEAD:PORT")
@click.argument("machine")
@_token
@click.option("--undo", is_flag=True, help="Let it be used again.")
@click.option("--wait", "wait_s", type=click.IntRange(1, 3600), default=120, show_default=True, metavar="SECONDS")
def drain(head: str, machine: str, token_file: Path, undo: bool, wait_s: int) -> None:
    """Move all cells off MACHINE (its address, or the start of its id); nothing is lost. Waits until it is empty."""
    ray = _connected(head, token_file)
    found = [
        one
        for one in _machines(ray)
        if one["state"] != "gone" and (one["address"] == machine or one["id"].startswith(machine))
    ]
    if len(found) != 1:
        raise NotFound(f"{len(found)} machines of the cluster are {machine!r}; `custodes cluster status` lists them")
    node_id = found[0]["id"]
    ray_cells.drain(ray, node_id, is_drained=not undo)
    if undo:
        click.echo(f"{machine} may be used again")
        return
    until = time.monotonic() + wait_s
    while left := [one for one in _cells(ray) if one["node"] == node_id]:
        if time.monotonic() > until:
            names = ", ".join(f"{one['site']} {one['cell']}" for one in left)
            raise DeadlineExceeded(f"still on {machine} after {wait_s} s: {names}; is there room elsewhere?")
        time.sleep(_POLL_S)
    click.echo(f"no cell is on {machine} any more: it may be stopped")


def _become(
    role: list[str], address: str, token_file: Path, labels: tuple[str, ...], cpus: int | None, temp: Path | None
) -> None:
    """Replace this process by Ray's own. Raises: FailedPrecondition without the extra; ConfigError."""
    _check_token(token_file)
    argv = [sys.executable, "-m", "ray.scripts.scripts", "start", *role, "--node-ip-address", address]
    argv += ["--block", "--disable-usage-stats", "--log-color", "false"]
    if labels:
        argv += ["--labels", ",".join(_label(one) for one in labels)]
    if cpus is not None:
        argv += ["--num-cpus", str(cpus)]
    if temp is not None:
        argv += ["--temp-dir", str(_short(temp.resolve()))]
    if find_spec("ray") is None:
        raise FailedPrecondition("a cluster needs the extra: pip install 'custodes[cluster]'")
    ray_cells.set_environment(token_file.resolve())
    os.environ.update(_HEALTH)
    sys.stdout.flush()
    os.execv(sys.executable, argv)  # noqa: S606 - our own interpreter


def _short(temp: Path) -> Path:
    if len(os.fsencode(temp)) > _MAX_TEMP_BYTES:
        raise InvalidArgument(f"--temp {temp} is too long for sockets in it: at most {_MAX_TEMP_BYTES} bytes")
    return temp


def _label(text: str) -> str:
    key, is_there, value = text.partition("=")
    if not (key and is_there and value) or "," in text:
        raise InvalidArgument(f"--label {text!r} is not KEY=VALUE, such as zone=hall-4")
    return text


def _check_token(token_file: Path) -> None:
    try:
        mode = token_file.stat().st_mode
    except OSError as error:
        raise FailedPrecondition(f"{token_file}: {error.strerror}; `custodes cluster up` writes it") from error
    if mode & 0o077:
        raise FailedPrecondition(f"{token_file} can be read by others: chmod 600 {token_file}")


def _check_head(head: str) -> None:
    if not head.rpartition(":")[2].isdigit():
        raise InvalidArgument(f"{head!r} is no HEAD:PORT, such as 10.0.0.1:6379")
    ray_cells.check_reachable(head)


def _connected(head: str, token_file: Path) -> Any:
    _check_token(token_file)
    _check_head(head)
    return ray_cells.connect(head, token_file.resolve())


def _machines(ray: Any) -> list[dict[str, Any]]:
    drained = ray_cells.drained_nodes(ray)
    return [
        {
            "id": node["NodeID"],
            "address": node["NodeManagerAddress"],
            "state": "gone" if not node["Alive"] else "drained" if node["NodeID"] in drained else "up",
            "cores": node["Resources"].get("CPU", 0.0),
            "labels": {key: value for key, value in node.get("Labels", {}).items() if not key.startswith("ray.io/")},
        }
        for node in sorted(ray.nodes(), key=lambda one: (not one["Alive"], one["NodeManagerAddress"]))
    ]


def _cells(ray: Any) -> list[dict[str, Any]]:
    return [
        {"site": site, **cell} for site, rows in sorted(ray_cells.told_cells(ray).items()) for cell in json.loads(rows)
    ]
