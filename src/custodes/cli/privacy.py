"""`custodes privacy`: the record of processing and the material for an impact assessment, from the live settings."""

import json
from dataclasses import asdict
from pathlib import Path

import click

from custodes.adapters.ipc.control import read_privacy_report
from custodes.cli.where import data_option, find_site


@click.group()
def privacy() -> None:
    """What the site does with people's data."""


@privacy.command()
@click.option("--json", "as_json", is_flag=True, help="One line of JSON.")
@data_option
def report(as_json: bool, data: Path | None) -> None:
    """Markdown on stdout: custodes privacy report > record.md"""
    found = read_privacy_report(find_site(data).socket("server-control"))
    if as_json:
        click.echo(json.dumps(asdict(found)))
        return
    click.echo(f"# Record of processing and impact assessment: {found.site}")
    for section in found.sections:
        click.echo(f"\n## {section.title}{' (to be filled in)' if section.is_open else ''}\n")
        for line in section.lines:
            click.echo(f"- {line}")
