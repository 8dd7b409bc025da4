"""`custodes last-seen`: where missing people were last confirmed by two people, asked as a named person."""

from datetime import UTC, datetime
from pathlib import Path

import click

from custodes.adapters.ipc.control import act_on_case
from custodes.cli.proof import code_option, password_option, person_option, read_password
from custodes.cli.table import render_table
from custodes.cli.where import data_option, find_site
from custodes.types.access import Principal
from custodes.types.codec import encode
from custodes.types.journey import LastSeen, LastSeenTable, ReadLastSeen
from custodes.types.people import ActOnCase
from custodes.units import NS_PER_S

_NOBODY = Principal(user_id="cli", name="cli", roles=frozenset())
"""The server puts the proven person in its place."""


@click.command("last-seen")
@person_option
@password_option
@code_option
@data_option
def last_seen(person: str, password_file: Path | None, code: str, data: Path | None) -> None:
    """Where the missing, enrolled by a guardian, were confirmed last. That you asked is in the log."""
    asked = ActOnCase(
        person=person, password=read_password(password_file), code=code, step=encode(ReadLastSeen(principal=_NOBODY))
    )
    found = act_on_case(find_site(data).socket("server-control"), asked, LastSeenTable)
    rows = [_row(one) for one in found.people]
    click.echo(
        render_table(("person", "last seen (UTC)", "camera", "confirmed by", "ends (UTC)"), rows)
        if rows
        else "nobody is being looked for"
    )


def _row(one: LastSeen) -> tuple[str, ...]:
    ends = _utc(one.expires_ns)
    if one.sighting is None:
        return one.name or one.person_id, "not yet" if one.is_compared else "not compared yet", "", "", ends
    seen = one.sighting
    return one.name or one.person_id, _utc(seen.end_ns), seen.camera_id, " and ".join(one.verified_by), ends


def _utc(utc_ns: int) -> str:
    return datetime.fromtimestamp(utc_ns // NS_PER_S, UTC).strftime("%Y-%m-%d %H:%M:%S")
