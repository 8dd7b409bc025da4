"""`custodes fleet egress` and `custodes fleet exposure`: what other tools saw of the cameras, matched and judged."""

import csv
import io
import ipaddress
from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec

from custodes.adapters.fleet.scans import read_forwardings, read_scan
from custodes.adapters.fleet.traffic_files import read_traffic
from custodes.app.fleet_files import read_knowledge, read_observations, write_verdicts
from custodes.app.fleet_store import read_bounded
from custodes.cli.table import render_table
from custodes.cli.where import data_option, find_site
from custodes.errors import InvalidArgument
from custodes.fleet.egress import AllowedPeer, EgressReport, EgressWatch
from custodes.fleet.egress_words import HEADS, row_of, sentence_of, verdicts_of
from custodes.fleet.exposure import match_exposure
from custodes.fleet.flow import is_address
from custodes.fleet.networks import read_networks
from custodes.fleet.walls import nftables, switch_acl

MAX_TABLE_BYTES = 256 * 1024 * 1024
_SHOWN = 40
"""Rows on a terminal; CSV and JSON have all."""


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--allow", multiple=True, metavar="NET[,PROTO,PORT]", help="Whom cameras may talk to: 10.0.0.2,udp,123")
@click.option("--networks", type=click.Path(path_type=Path), help="CSV network,country,name to say whose a peer is.")
@click.option("--propose", type=click.Choice(["nftables", "switch"]), help="Print rules for a person to apply.")
@click.option("--format", "form", type=click.Choice(["table", "csv", "json"]), default="table", show_default=True)
@data_option
def egress(
    files: tuple[Path, ...], allow: tuple[str, ...], networks: Path | None, propose: str | None, form: str,
    data: Path | None,
) -> None:  # fmt: skip
    """Whom the cameras talk to, out of conntrack, Zeek, captures, NetFlow and DNS logs.

    Everything but --allow, multicast and DHCP is a finding.
    """
    paths = find_site(data)
    devices = {one.host: one.device_id for one in read_observations(paths) if is_address(one.host)}
    if not devices:
        raise InvalidArgument("the last audit knows no camera by its address; run: custodes fleet audit")
    allowed = [allowed_peer(one) for one in allow]
    if propose:
        click.echo((nftables if propose == "nftables" else switch_acl)(devices, allowed), nl=False)
        return
    table = read_networks(read_bounded(networks, MAX_TABLE_BYTES), where=networks.name) if networks else None
    watch = EgressWatch(devices, allowed, read_knowledge(paths), table)
    for file in files:
        watch.take_all(read_traffic(file))
    report = watch.report()
    source = ", ".join(file.name for file in files)[:200]
    write_verdicts(paths, "egress", verdicts_of(report, source=source, today=datetime.now(UTC).date()))
    _show_egress(report, form)


def _show_egress(report: EgressReport, form: str) -> None:
    if form == "csv":
        out = io.StringIO()
        csv.writer(out).writerows([HEADS, *(row_of(one) for one in report.findings)])
        click.echo(out.getvalue(), nl=False)
        return
    if form == "json":
        click.echo(msgspec.json.format(msgspec.json.encode(report), indent=1))
        return
    rows = [(one.device_id, one.severity.value, one.suspicion.value, sentence_of(one)) for one in report.findings]
    click.echo(render_table(("camera", "severity", "class", "what"), rows[:_SHOWN]))
    if len(rows) > _SHOWN:
        click.echo(f"… and {len(rows) - _SHOWN} more; --format csv has all")
    click.echo(
        f"{report.flows} flows: {report.allowed} allowed, {report.foreign} of no listed camera, "
        f"{len(rows)} findings{f', {report.dropped} too many to keep' if report.dropped else ''}",
        err=True,
    )


def allowed_peer(text: str) -> AllowedPeer:
    """`NET`, `NET,PROTO` or `NET,PROTO,PORT`. Raises: InvalidArgument."""
    parts = [part.strip() for part in text.split(",")]
    try:
        network = ipaddress.ip_network(parts[0], strict=False)
        protocol = parts[1].lower() if len(parts) > 1 else ""
        port = int(parts[2]) if len(parts) > 2 else 0
    except ValueError as error:
        raise InvalidArgument(f"--allow {text[:80]!r}: {error}; expected NET, NET,PROTO or NET,PROTO,PORT") from error
    if len(parts) > 3 or protocol not in ("", "tcp", "udp", "icmp") or not 0 <= port < 65536:
        raise InvalidArgument(
            f"--allow {text[:80]!r}: expected NET, NET,PROTO or NET,PROTO,PORT; PROTO tcp, udp, icmp"
        )
    return AllowedPeer(network=network, protocol=protocol, port=port)


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--nat", type=click.Path(path_type=Path), help="CSV public,port,device: which public port leads where.")
@data_option
def exposure(files: tuple[Path, ...], nat: Path | None, data: Path | None) -> None:
    """What scans saw of the cameras: nmap XML, Shodan and Censys downloads. Nothing is scanned here."""
    paths = find_site(data)
    exposed = [one for file in files for one in read_scan(file)]
    forwardings = read_forwardings(read_bounded(nat, MAX_TABLE_BYTES), where=nat.name) if nat else []
    report = match_exposure(exposed, read_observations(paths), forwardings, read_knowledge(paths))
    write_verdicts(paths, "exposure", report.by_device)
    rows = [(device, one.severity.value, one.sentence) for device, found in report.by_device.items() for one in found]
    click.echo(render_table(("camera", "severity", "what"), rows) if rows else "no listed camera is in it")
    for head, counts in (
        ("country", report.by_country),
        ("network", report.by_network),
        ("maker", report.by_maker),
    ):
        click.echo("")
        click.echo(render_table((head, "hosts"), [(name, str(count)) for name, count in counts[:20]]))
    click.echo(f"{report.hosts} hosts, {len(report.unmatched)} open ports of no listed camera", err=True)
