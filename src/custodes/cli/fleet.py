"""`custodes fleet`: what the site's own cameras are and what is wrong with them."""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import click
import msgspec

from custodes.adapters.camera.http_post import Login
from custodes.adapters.camera.rtsp import resolve_secret
from custodes.adapters.fleet.door import ListedDoor
from custodes.adapters.fleet.inventory import read_inventory
from custodes.adapters.fleet.survey import Survey, Target, neighbours, target_of
from custodes.app.fleet_files import read_knowledge, read_observations, read_verdicts, write_observations
from custodes.app.fleet_store import read_bounded
from custodes.cli.fleet_data import data_group
from custodes.cli.fleet_imports import egress, exposure
from custodes.cli.fleet_log import note_audit
from custodes.cli.table import render_table
from custodes.cli.where import data_option, find_site
from custodes.config import SitePaths, read_assignment, read_identity
from custodes.errors import CameraUnauthorized, FailedPrecondition, InvalidArgument
from custodes.fleet.audit import FleetReport, judge_device, judge_fleet
from custodes.fleet.credentials import credential_faults, read_leaked
from custodes.fleet.identify import Identity
from custodes.fleet.observation import Observation, OnvifSeen, clean
from custodes.fleet.tables import to_csv, to_json
from custodes.fleet.verdict import Topic
from custodes.runtime.clock import SystemClock
from custodes.types.message import CameraSpec

DEFAULT_PACE_S = 1.0
"""Between two questions to one device: some cameras fall over sooner than one would think."""
MAX_LIST_BYTES = 16 * 1024 * 1024
MAX_LEAKED_BYTES = 512 * 1024 * 1024
MAX_SIGNERS_BYTES = 4 * 1024 * 1024


_OF_A_MODEL = frozenset({Topic.BAN, Topic.WEAKNESS, Topic.END_OF_LIFE, Topic.SIGNING, Topic.IDENTITY})


def _cyclonedx(found: FleetReport, site: str) -> bytes:
    try:
        from custodes.adapters.fleet.bom import to_cyclonedx  # an optional extra
    except ImportError as error:
        raise FailedPrecondition("CycloneDX needs an extra: pip install 'custodes[reports]'") from error
    return to_cyclonedx(found, site=site).encode()


def _pdf(found: FleetReport, site: str) -> bytes:
    try:
        from custodes.adapters.fleet.pdf import to_pdf  # an optional extra
    except ImportError as error:
        raise FailedPrecondition("PDF needs an extra: pip install 'custodes[reports]'") from error
    return to_pdf(found, site=site)


FORMS: dict[str, Callable[[FleetReport, str], bytes]] = {
    "table": lambda found, _: to_csv(found).encode(),
    "csv": lambda found, _: to_csv(found).encode(),
    "json": lambda found, _: to_json(found) + b"\n",
    "cyclonedx": _cyclonedx,
    "pdf": _pdf,
}


@click.group()
def fleet() -> None:
    """What the site's own cameras are, and what is wrong with them."""


@fleet.command()
@click.option("--list", "listed", type=click.Path(path_type=Path), help="More devices: CSV with host, id, name, url.")
@click.option("--ports", is_flag=True, help="Also see whether a few risky services are open (Telnet, FTP, …).")
@click.option("--login", is_flag=True, help="Ask with each camera's own configured login, once; never with another.")
@click.option(
    "--credentials", is_flag=True, help="Compare the configured passwords with defaults and each other, here."
)
@click.option("--leaked", type=click.Path(path_type=Path), help="Leaked passwords, or their SHA-1, one a line.")
@click.option("--own", multiple=True, metavar="HOST", help="A public address on the list is yours. May be repeated.")
@click.option("--pace", type=float, default=DEFAULT_PACE_S, show_default=True, help="Seconds between two questions.")
@data_option
def audit(
    listed: Path | None,
    ports: bool,
    login: bool,
    credentials: bool,
    leaked: Path | None,
    own: tuple[str, ...],
    pace: float,
    data: Path | None,
) -> None:
    """Ask the listed cameras, read-only and without a login, and judge what they answer."""
    if not 0 <= pace <= 60:
        raise InvalidArgument(f"--pace is 0 to 60 seconds, not {pace}")
    paths = find_site(data)
    targets = list(_targets(paths, listed, with_logins=login))
    if not targets:
        raise InvalidArgument("no camera with an address; add one (custodes camera add) or name a --list")
    door = ListedDoor((one.host for one in targets), attested=frozenset(own))
    survey = Survey(
        door=door,
        clock=SystemClock(),
        pause=lambda: time.sleep(pace),
        with_ports=ports,
        neighbours=neighbours,
    )
    seen = survey.run(targets, lambda one: click.echo(f"asked {one.device_id}", err=True))
    seen = list(_with_signing(paths, seen))
    if credentials or leaked:
        seen = _with_credentials(paths, seen, leaked)
    write_observations(paths, seen)
    found = _judge(paths)
    _show(found)
    note_audit(paths, found)


@fleet.command()
@click.option("--format", "form", type=click.Choice([*FORMS]), default="table", show_default=True)
@click.option("--output", type=click.Path(path_type=Path), help="A file instead of the terminal.")
@data_option
def report(form: str, output: Path | None, data: Path | None) -> None:
    """The last audit, judged by the rules of today."""
    paths = find_site(data)
    found = _judge(paths)
    if form == "table":
        _show(found)
        return
    identity = read_identity(paths.identity)
    payload = FORMS[form](found, identity.name if identity else "the site")
    if output is None:
        click.echo(payload, nl=False)
    else:
        output.write_bytes(payload)
        click.echo(f"wrote {output}")


@fleet.command()
@click.option("--model", required=True, help="As the data sheet says: DS-2CD2143G2-I")
@click.option("--brand", default="", help="As printed on the box.")
@click.option("--firmware", default="", help="As the device tells it.")
@click.option("--json", "as_json", is_flag=True, help="One line of JSON.")
@click.option("--data", "data", type=click.Path(path_type=Path), help="A site whose own rules count, too.")
def check(model: str, brand: str, firmware: str, as_json: bool, data: Path | None) -> None:
    """Before buying: what the rules say about a model. Without a site, and without a device.

    A name proves nothing: nothing is called allowed or safe on its strength, only forbidden, known weak, or unknown.
    """
    known = read_knowledge(find_site(data) if data else None)
    now_ns = SystemClock().now_ns()
    onvif = OnvifSeen(manufacturer=clean(brand), model=clean(model), firmware=clean(firmware))
    seen = Observation(device_id="model", name=clean(model), host="", onvif=onvif, observed_ns=now_ns)
    found = judge_device(seen, known, now_ns=now_ns)
    verdicts = [one for one in found.verdicts if one.topic in _OF_A_MODEL]
    if as_json:
        answer = {"identity": found.identity, "verdicts": verdicts, "data": known.sets()}
        click.echo(msgspec.json.encode(answer).decode())
        return
    identity = found.identity
    click.echo(f"{identity.brand or 'brand unknown'} {identity.model}, made by {_maker(identity)}")
    rows = [(one.answer.value.replace("_", " "), one.severity.value, one.rule, one.sentence) for one in verdicts]
    click.echo(render_table(("answer", "severity", "rule", "verdict"), rows))
    clouds = sorted(domain for domain, maker in known.clouds.items() if maker == identity.maker)
    if clouds:
        click.echo(f"its devices are known to phone to: {', '.join(clouds)}")


fleet.add_command(data_group)
fleet.add_command(egress)
fleet.add_command(exposure)


def _targets(paths: SitePaths, listed: Path | None, *, with_logins: bool) -> Iterator[Target]:
    for spec in read_assignment(paths.assignment).cameras:
        login = _login_of(spec) if with_logins else None
        target = target_of(spec, login)
        if target is not None:
            yield target
    if listed is not None:
        yield from read_inventory(read_bounded(listed, MAX_LIST_BYTES), where=listed.name)


def _login_of(spec: CameraSpec) -> Login | None:
    if not spec.username:
        return None
    try:
        return Login(username=spec.username, password=resolve_secret(spec, os.environ))
    except CameraUnauthorized as error:
        click.echo(str(error), err=True)
        return None


def _with_credentials(paths: SitePaths, seen: list[Observation], leaked: Path | None) -> list[Observation]:
    logins = {
        str(spec.camera_id): (login.username, login.password)
        for spec in read_assignment(paths.assignment).cameras
        if (login := _login_of(spec)) is not None
    }
    known = frozenset[str]()
    if leaked is not None:
        known = read_leaked(read_bounded(leaked, MAX_LEAKED_BYTES).decode("utf-8", "replace"))
    faults = credential_faults(logins, known)
    return [replace(one, credential_faults=faults.get(one.device_id)) for one in seen]


def _with_signing(paths: SitePaths, seen: list[Observation]) -> Iterator[Observation]:
    """Whether their recordings are signed, as the recorder's side noticed."""
    signers: set[str] = set()
    if paths.signers.exists():
        try:
            known = msgspec.json.decode(read_bounded(paths.signers, MAX_SIGNERS_BYTES), type=dict[str, msgspec.Raw])
            signers = set(known)
        except msgspec.MsgspecError:
            click.echo("signers.json cannot be read; signatures stay unknown", err=True)
    for one in seen:
        is_recorded = (paths.segments / one.device_id).is_dir()
        yield replace(one, signs_video=True if one.device_id in signers else (False if is_recorded else None))


def _judge(paths: SitePaths) -> FleetReport:
    return judge_fleet(
        read_observations(paths), read_knowledge(paths), now_ns=SystemClock().now_ns(), more=read_verdicts(paths)
    )


def _maker(identity: Identity) -> str:
    if not identity.maker:
        return "unknown"
    return identity.maker if identity.is_maker_sure else f"probably {identity.maker}"


def _show(found: FleetReport) -> None:
    rows = [
        (
            one.seen.device_id,
            one.identity.brand or "unknown",
            _maker(one.identity),
            one.identity.model or "not told",
            one.worst.value if one.findings else "no finding",
            str(len(one.findings)),
            f"{one.findings[0].rule}: {one.findings[0].sentence}" if one.findings else "",
        )
        for one in found.devices
    ]
    click.echo(render_table(("camera", "brand", "made by", "model", "worst", "findings", "the first of them"), rows))
    for verdict in found.about_data:
        click.echo(f"note: {verdict.sentence}", err=True)
