"""`custodes`: finds the sub-command, imports only that one, and turns errors into one sentence and an exit code."""

import importlib
import sys
import traceback

import click

from custodes import __version__
from custodes.cli.exit_codes import EXIT_CODES, INTERRUPTED
from custodes.errors import CustodesError

# name → (module, attribute, help). Imported on use: `custodes --help` must not wait for PyAV and models.
COMMANDS: dict[str, tuple[str, str, str]] = {
    "up": ("custodes.cli.up", "up", "Run the site in the foreground; Ctrl-C stops it."),
    "status": ("custodes.cli.status", "status", "Processes, cameras and the log of a running site."),
    "site": ("custodes.cli.site", "site", "Where the running site is; stop it."),
    "upgrade": ("custodes.cli.upgrade", "upgrade", "Replace the processes of a running site, one by one."),
    "camera": ("custodes.cli.camera", "camera", "Add, list and remove cameras of a running site."),
    "recorder": ("custodes.cli.recorder", "recorder", "Several recorders: who has which cameras; drain one."),
    "cluster": ("custodes.cli.cluster", "cluster", "Machines that analyse for sites: begin, join, look, drain."),
    "apply": ("custodes.cli.camera", "apply", "Make the cameras of a running site those of a site.yaml."),
    "fleet": ("custodes.cli.fleet", "fleet", "What the cameras are, and what is wrong with them."),
    "person": ("custodes.cli.person", "person", "Invite people, give and take roles, disable accounts."),
    "access": ("custodes.cli.person", "access", "Why somebody may see something, or may not."),
    "last-seen": ("custodes.cli.last_seen", "last_seen", "Where missing people were last confirmed by two others."),
    "case": ("custodes.cli.case", "case", "Cases that looks refer to: open, staff, note, close."),
    "hold": ("custodes.cli.hold", "hold", "Keep recordings as evidence beyond their retention."),
    "privacy": ("custodes.cli.privacy", "privacy", "Record of processing and impact assessment of a running site."),
    "traffic": ("custodes.cli.traffic", "traffic", "Counts, speeds, queues and incidents of a camera, as files."),
    "faces": ("custodes.cli.faces", "faces", "What error rates your own trials of recognition prove."),
    "watch": ("custodes.cli.watch", "watch", "A site with one camera or file, to have a look."),
    "demo": ("custodes.cli.demo", "demo", "The demo with real footage (in a source checkout)."),
    "doctor": ("custodes.cli.doctor", "doctor", "What is wrong with this machine or configuration."),
    "models": ("custodes.cli.models", "models", "Neural networks: list, verify, pull."),
    "audit": ("custodes.cli.audit", "audit", "Verify and list the audit log."),
    "redact": ("custodes.cli.redact", "redact", "Cover everybody in a film file; needs no site."),
    "backfill": ("custodes.cli.backfill", "backfill", "Analyse recordings again by the model of today."),
    "export": ("custodes.cli.export", "export", "An evidence bundle of a running site."),
    "erase": ("custodes.cli.erase", "erase", "Erase recordings for a person who asked for it, with a certificate."),
    "leak": ("custodes.cli.leak", "leak", "Where a posted picture comes from, and which copy it is."),
    "evidence": ("custodes.cli.evidence", "evidence", "Check an evidence bundle, without a site."),
    "witness": ("custodes.cli.witness", "witness", "Watch another site's log, for outsiders."),
    "warden": ("custodes.cli.warden", "warden", "Replicas of the warden: follow it, promote one."),
    "federation": ("custodes.cli.federation", "federation", "What this site shows its centre."),
    "plan": ("custodes.cli.plan", "plan", "What machine a site needs, from measured figures."),
    "centre": ("custodes.cli.centre", "centre", "Many sites seen from one place; a witness of their logs."),
    "backup": ("custodes.cli.backup", "backup", "Back up a running site, check a backup, restore from one."),
    "recovery": ("custodes.cli.backup", "recovery", "The key that opens backups, split among three people."),
    "catalog": ("custodes.cli.catalog", "catalog", "Move the catalog to a PostgreSQL database, or back."),
    "check": ("custodes.cli.check", "check", "Check recorded segments against their seals; mend what can be."),
    "export-native": (
        "custodes.cli.export_native",
        "export_native_command",
        "Copy sealed segments byte for byte, with what proves them.",
    ),
}


class LazyGroup(click.Group):
    """A group whose commands are modules that are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of `COMMANDS`, which is the order a person meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command; None for a name that is none."""
        if cmd_name not in COMMANDS:
            return None
        module, attribute, _ = COMMANDS[cmd_name]
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list in `--help`, without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="custodes")
@click.option("--debug", is_flag=True, help="Show where an error came from.")
def custodes(debug: bool) -> None:
    """Self-hosted video security that watches its watchers."""


def run(arguments: list[str]) -> int:
    """Run one command line; returns the exit code. Defects of ours are not caught: their traceback is the report."""
    try:
        answer = custodes.main(args=arguments, prog_name="custodes", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped", err=True)
        return INTERRUPTED
    except CustodesError as error:
        if "--debug" in arguments:
            traceback.print_exception(error)
        click.echo(f"custodes: {' '.join(str(error).split())}", err=True)
        return EXIT_CODES[error.kind]
    except BrokenPipeError:
        # `custodes status | head`: nobody reads any more. Keep Python from complaining at exit.
        sys.stdout = None
        return 0
    # click returns the exit code of ctx.exit() here, and a command's own return value, of which we have none.
    return answer if isinstance(answer, int) else 0


def main() -> None:
    """Entry point of the `custodes` command."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
