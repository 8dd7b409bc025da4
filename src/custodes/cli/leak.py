"""`custodes leak`: where a posted picture comes from, and which delivered copy it is."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import click

from custodes.adapters.ipc.control import trace_leak
from custodes.cli.leak_case import case
from custodes.cli.proof import read_password
from custodes.cli.where import data_option, find_site
from custodes.errors import AlreadyExists, InvalidArgument
from custodes.types.leak import LeakTraced, Signer, TraceLeak, TraceOrder
from custodes.units import NS_PER_S, CameraId

_FORMATS = ["%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%SZ"]
_MAX_PICTURE_BYTES = 32 * 1024 * 1024


@click.group()
def leak() -> None:
    """Find where a posted picture comes from. Two people, both with their passwords."""


def _options(command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(
        (
            click.option("--reference", required=True, help="The case."),
            click.option("--as", "first", required=True, help="Your account's name; you are asked for its password."),
            click.option(
                "--with", "second", required=True, help="The second person's; nobody sees a suspicion alone."
            ),
            click.option(
                "--camera", "cameras", multiple=True, help="Only this one; may be given again. [default: all]"
            ),
            click.option(
                "--from", "start", type=click.DateTime(_FORMATS), default=None, help="UTC. [24 hours before --to]"
            ),
            click.option("--to", "end", type=click.DateTime(_FORMATS), default=None, help="UTC. [now]"),
            click.option("--password-file", type=click.Path(path_type=Path), default=None),
            click.option("--with-password-file", type=click.Path(path_type=Path), default=None),
            click.option("--code", default="", help="Of your authenticator app, when your account has one."),
            click.option("--with-code", default="", help="Of the second person's."),
            click.option(
                "--output", "-o", type=click.Path(path_type=Path), default=None, help="Write the bundle there."
            ),
            click.option("--json", "is_json", is_flag=True, help="Print the whole finding."),
            data_option,
        )
    ):
        command = option(command)
    return command


def _make(name: str, help_text: str, *, is_attributing: bool) -> click.Command:
    def run(
        *,
        picture: Path,
        reference: str,
        first: str,
        second: str,
        cameras: tuple[str, ...],
        start: datetime | None,
        end: datetime | None,
        password_file: Path | None,
        with_password_file: Path | None,
        code: str,
        with_code: str,
        output: Path | None,
        is_json: bool,
        data: Path | None,
    ) -> None:
        if output is not None and output.exists():
            raise AlreadyExists(f"{output} is there already")
        request = TraceLeak(
            order=TraceOrder(
                picture=_picture(picture),
                reference=reference,
                camera_ids=tuple(CameraId(one) for one in cameras),
                start_ns=_ns(start),
                end_ns=_ns(end),
                is_attributing=is_attributing,
            ),
            first=Signer(person=first, password=read_password(password_file), code=code),
            second=Signer(person=second, password=read_password(with_password_file), code=with_code),
        )
        _tell(trace_leak(find_site(data).socket("server-control"), request), output, is_json=is_json)

    with_picture = click.argument("picture", type=click.Path(path_type=Path))(_options(run))
    return click.command(name, help=help_text)(with_picture)


def _tell(answer: LeakTraced, output: Path | None, *, is_json: bool) -> None:
    told = json.loads(answer.finding)
    if output is not None:
        output.write_bytes(answer.bundle)
    if is_json:
        click.echo(answer.finding)
        return
    for key in ("place", "sentence"):
        if told.get(key) and told[key] != told.get("place" if key == "sentence" else ""):
            click.echo(told[key])
    if told["verdict"] in ("unmarked", "transplanted", "supported"):
        for one in told["shown_to"]:
            click.echo(f"  shown to session {one['session_id']}: {one['person']}, {one['purpose']} {one['reference']}")
    if "decoys" in told:
        click.echo(f"{told['decoys']} sessions that never existed reach z {told['decoy_z_max']:.1f} at most.")
    if output is not None:
        click.echo(f"{output}: check it anywhere: custodes leak verify {output}")
    click.echo(told["may_not_conclude"])


@leak.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--policy", type=click.Path(path_type=Path), default=None, help="The keys you trust (`audit keys`).")
def verify(bundle: Path, policy: Path | None) -> None:
    """Check every proof of BUNDLE and compute its scores again; needs no site and no network."""
    from custodes.leaks.check import check_bundle

    text = policy.read_text(encoding="utf-8") if policy is not None else None
    click.echo("\n".join(["good", *check_bundle(bundle, text)]))


def _picture(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            picture = stream.read(_MAX_PICTURE_BYTES + 1)
    except OSError as error:
        raise InvalidArgument(f"picture {path} cannot be read: {error.strerror}") from error
    if not 0 < len(picture) <= _MAX_PICTURE_BYTES:
        raise InvalidArgument(f"picture {path} is empty or larger than {_MAX_PICTURE_BYTES} bytes")
    return picture


def _ns(moment: datetime | None) -> int:
    return 0 if moment is None else round(moment.replace(tzinfo=UTC).timestamp()) * NS_PER_S


leak.add_command(_make("find", "Camera and time that PICTURE shows.", is_attributing=False))
leak.add_command(_make("attribute", "Camera, time, and the delivered copy that PICTURE is.", is_attributing=True))
leak.add_command(case)
