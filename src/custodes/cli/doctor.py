"""`custodes doctor`: what is wrong with this machine or this configuration, in words a person can act on."""

import json
from dataclasses import asdict
from pathlib import Path

import click

from custodes.cli import doctor_machine as machine
from custodes.cli import doctor_site as site
from custodes.cli.exit_codes import EXIT_CODES
from custodes.cli.finding import Finding, Level
from custodes.config import SiteConfig
from custodes.errors import ErrorKind

_MARKS = {Level.OK: ("ok", "green"), Level.WARNING: ("warn", "yellow"), Level.FAILURE: ("FAIL", "red")}


def examine(config: Path | None, data: Path | None, *, with_cameras: bool) -> list[Finding]:
    """All checks, in the order a person would do them."""
    findings = [machine.check_python(), machine.check_media()]
    loaded, found = site.check_config(config, data)
    findings.append(found)
    usable = loaded if loaded is not None else SiteConfig()
    findings += machine.check_models(usable)
    findings.append(machine.check_capacity(usable))
    findings.append(machine.check_clock())
    if loaded is not None:
        findings.append(site.check_data_dir(loaded))
        findings += machine.check_disk(loaded.data_dir, loaded.recorder.min_free_mb)
        findings.append(site.check_run_dir(loaded))
        findings.append(site.check_server_port(loaded))
        if with_cameras:
            findings += site.check_cameras(loaded)
    findings.append(machine.check_optional())
    return findings


def _show(finding: Finding) -> None:
    word, colour = _MARKS[finding.level]
    click.echo(f"{click.style(word.rjust(4), fg=colour)}  {finding.check}: {finding.message}")
    if finding.advice:
        click.echo(f"      → {finding.advice}")


@click.command()
@click.option("--config", type=click.Path(path_type=Path), default=None, help="site.yaml [default: ./site.yaml].")
@click.option("--data", type=click.Path(path_type=Path), default=None, help="Data directory; wins over the file's.")
@click.option("--cameras", "with_cameras", is_flag=True, help="Also connect to each camera of the configuration.")
@click.option("--json", "is_json", is_flag=True, help="For scripts.")
@click.pass_context
def doctor(ctx: click.Context, config: Path | None, data: Path | None, with_cameras: bool, is_json: bool) -> None:
    """Look for what is wrong; exit code 7 when something has to be mended before a site can run."""
    findings = examine(config, data, with_cameras=with_cameras)
    failures = sum(finding.level is Level.FAILURE for finding in findings)
    if is_json:
        click.echo(json.dumps({"ok": failures == 0, "findings": [asdict(finding) for finding in findings]}))
    else:
        for finding in findings:
            _show(finding)
        click.echo(f"\n{failures} to mend" if failures else "\nnothing to mend")
    ctx.exit(EXIT_CODES[ErrorKind.FAILED_PRECONDITION] if failures else 0)
