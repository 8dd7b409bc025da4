"""What the fleet's commands write to the audit log of the site: an audit that ran, data taken in, a device changed."""

import getpass
import hashlib

import click

from custodes.adapters.ipc.control import note_in_log
from custodes.config import SitePaths, read_identity
from custodes.errors import CustodesError, Unavailable
from custodes.fleet.audit import FleetReport
from custodes.fleet.tables import to_json
from custodes.types.access import AuditKind, AuditRecord


def who() -> str:
    """The account of the machine that runs the command: whoever has it has the data directory, too."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):  # an account without a name, as in containers
        return "cli"


def note(paths: SitePaths, kind: AuditKind, subject: str, details: dict[str, str]) -> int:
    """Durable when it returns. Raises: Unavailable when the site does not run."""
    record = AuditRecord(kind=kind, actor=who(), subject=subject, details=details)
    return note_in_log(paths.socket("warden-server"), record)


def note_audit(paths: SitePaths, found: FleetReport) -> None:
    """That an audit ran, with the digest of its report as `custodes fleet report --format json` gives it today."""
    identity = read_identity(paths.identity)
    findings = sum(len(one.findings) for one in found.devices)
    details = {
        "devices": str(len(found.devices)),
        "findings": str(findings),
        "sha256": hashlib.sha256(to_json(found)).hexdigest(),
    }
    try:
        index = note(paths, AuditKind.FLEET_AUDITED, identity.name if identity else "this site", details)
        click.echo(f"log entry {index}: sha256 {details['sha256']}", err=True)
    except Unavailable:
        click.echo("the site does not run: that the audit ran is not in its log", err=True)


def note_or_say(paths: SitePaths, kind: AuditKind, subject: str, details: dict[str, str]) -> None:
    """Like `note`; a site that does not run gets no entry, and that is said."""
    try:
        note(paths, kind, subject, details)
    except CustodesError as error:
        click.echo(f"not in the audit log: {error}", err=True)
