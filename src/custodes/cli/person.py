"""`custodes person` and `custodes access`: accounts of a running site, and why somebody may see something."""

from dataclasses import replace
from pathlib import Path

import click

from custodes.access.duty import duty_words, parse_duty
from custodes.adapters.ipc.control import change_person, explain_access, invite_person, read_people
from custodes.cli.table import render_table
from custodes.cli.where import data_option, find_site
from custodes.errors import NotFound
from custodes.types.access import ALL_CAMERAS, Action, CameraScope, Fidelity, PurposeKind, Role
from custodes.types.people import ChangePerson, ExplainAccess, InvitePerson, PersonRow
from custodes.units import CameraId

_role = click.option(
    "--role",
    "roles",
    type=click.Choice([role.value for role in Role]),
    multiple=True,
    help="May be repeated.",
)
_cameras = click.option("--camera", "cameras", multiple=True, help="Only these cameras [default: all].")
_duty = click.option("--duty", default=None, help="Live duty only within these hours, e.g. 22:00-06:00.")


@click.group()
def person() -> None:
    """Invite people, give and take roles, disable accounts."""


@person.command("list")
@data_option
def list_people(data: Path | None) -> None:
    """All accounts and what they may do."""
    rows = [_row(one) for one in read_people(find_site(data).socket("server-control")).people]
    columns = ("name", "roles", "cameras", "duty", "proof", "")
    click.echo(render_table(columns, rows) if rows else "nobody has an account yet; open the page with the token")


def _row(one: PersonRow) -> tuple[str, ...]:
    proof = "passkey" if one.passkeys else "password"
    return (
        one.name,
        ", ".join(sorted(one.roles)) or "none",
        "all" if one.cameras.is_all else ", ".join(sorted(one.cameras.camera_ids)),
        duty_words(one.duty) or "all day",
        f"{proof} + code" if one.has_totp and not one.passkeys else proof,
        "disabled" if one.is_disabled else "",
    )


@person.command()
@click.argument("name")
@_role
@_cameras
@_duty
@data_option
def invite(name: str, roles: tuple[str, ...], cameras: tuple[str, ...], duty: str | None, data: Path | None) -> None:
    """Let one more person in: custodes person invite "Ben Ude" --role operator"""
    message = InvitePerson(
        name=name,
        roles=frozenset(Role(role) for role in roles),
        cameras=_scope(cameras),
        duty=parse_duty(duty or ""),
    )
    token = invite_person(find_site(data).socket("server-control"), message)
    click.echo(f"invited {name}; within 72 hours, once, at /invitation with the token\n{token}")


@person.command()
@click.argument("name")
@_role
@_cameras
@_duty
@click.option("--all-cameras", is_flag=True, help="No longer only some cameras.")
@click.option("--disable/--enable", "disable", default=None, help="Lock the account; log it out everywhere.")
@data_option
def change(
    name: str,
    roles: tuple[str, ...],
    cameras: tuple[str, ...],
    duty: str | None,
    all_cameras: bool,
    disable: bool | None,
    data: Path | None,
) -> None:
    """Replace roles, cameras or hours; what is not named stays. `--disable` locks the account."""
    socket = find_site(data).socket("server-control")
    now = next((one for one in read_people(socket).people if one.name.casefold() == name.casefold()), None)
    if now is None:
        raise NotFound(f"there is no account named {name!r}; see `custodes person list`")
    message = ChangePerson(
        name=now.name,
        roles=frozenset(Role(role) for role in roles) if roles else now.roles,
        cameras=now.cameras,
        duty=now.duty if duty is None else parse_duty(duty),
        is_disabled=now.is_disabled if disable is None else disable,
    )
    if cameras or all_cameras:
        message = replace(message, cameras=_scope(() if all_cameras else cameras))
    change_person(socket, message)
    click.echo(f"changed {now.name}; it is in the log")


def _scope(cameras: tuple[str, ...]) -> CameraScope:
    if not cameras:
        return ALL_CAMERAS
    return CameraScope(is_all=False, camera_ids=frozenset(CameraId(one) for one in cameras))


@click.group()
def access() -> None:
    """Why somebody may see something, or may not."""


@access.command()
@click.option("--person", "name", required=True, help="Name of an account.")
@click.option("--action", type=click.Choice([one.value for one in Action]), required=True)
@click.option("--camera", default="", help="For actions on a camera.")
@click.option("--purpose", type=click.Choice([one.value for one in PurposeKind]), default=None)
@click.option("--reference", default="", help="Case, alarm or ticket.")
@click.option("--fidelity", type=click.Choice([one.value for one in Fidelity]), default="masked", show_default=True)
@data_option
def explain(
    name: str, action: str, camera: str, purpose: str | None, reference: str, fidelity: str, data: Path | None
) -> None:
    """The gate's answer at this moment, its reasons, and what would change it. Exit code 0 also for a no."""
    message = ExplainAccess(
        person=name,
        action=action,
        camera_id=CameraId(camera),
        purpose=purpose or "",
        reference=reference,
        fidelity=fidelity,
    )
    found = explain_access(find_site(data).socket("server-control"), message)
    click.echo(f"{'yes' if found.is_allowed else 'no'}: {' '.join(found.reasons)}")
    if found.policy_ids:
        click.echo(f"policies: {', '.join(found.policy_ids)}")
    for words in found.would_help:
        click.echo(f"it would be yes with: {words}")
