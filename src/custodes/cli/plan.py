"""`custodes plan`: what machine a site needs, from measured figures, with the error of doing so."""

import json
from dataclasses import asdict

import click

from custodes.app.capacity import BURN_FPS, BURN_MS, plan_site, read_table

ONE_MACHINE_CORES = 64
"""More are to be had in one machine, but a site's recorder and server are one process each."""


@click.command()
@click.option("--cameras", type=click.IntRange(1), required=True)
@click.option("--viewers", type=click.IntRange(0), default=2, show_default=True, help="Views at once.")
@click.option("--days", type=float, default=3.0, show_default=True, help="How long recordings are kept.")
@click.option("--camera-mbps", type=float, default=4.0, show_default=True, help="A camera's video, Mbit/s.")
@click.option("--view-mbps", type=float, default=2.0, show_default=True, help="A view's video, Mbit/s.")
@click.option(
    "--burn-in",
    "burnt_in",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Cameras whose privacy zones are filled before storing.",
)
@click.option("--json", "is_json", is_flag=True, help="For programs.")
def plan(
    cameras: int, viewers: int, days: float, camera_mbps: float, view_mbps: float, burnt_in: int, is_json: bool
) -> None:
    """CPU, memory, disk and network of a site, before it is bought. Busy scenes; quiet ones need less."""
    table = read_table()
    found = plan_site(
        table,
        cameras=cameras,
        viewers=viewers,
        days=days,
        camera_mbps=camera_mbps,
        view_mbps=view_mbps,
        burnt_in=burnt_in,
    )
    if is_json:
        measured = {"commit": table.commit, "machine": table.machine, "date": table.date, "command": table.command}
        click.echo(json.dumps({**asdict(found), "measured": measured}))
        return
    cpu, memory = f"{found.cpu_error_share:.0%}", f"{found.memory_error_share:.0%}"
    click.echo(f"CPU      {found.cores_to_have} cores ({found.cores:.1f} in use, ± {cpu})")
    click.echo(f"memory   {found.memory_gb:.1f} GB (± {memory} is in it)")
    click.echo(f"disk     {found.disk_tb:.2f} TB for {days:g} days")
    click.echo(f"network  {found.network_in_mbps:.0f} Mbit/s in, {found.network_out_mbps:.0f} Mbit/s out")
    if burnt_in:
        each = BURN_MS * BURN_FPS / 1000
        click.echo(
            f"\nburn-in  {burnt_in * each:.1f} of these cores: {each:.2f} a stream of 1080p at {BURN_FPS} pictures "
            "a second (python -m bench.redact); a second stream counts as one more camera"
        )
    click.echo(f"\nfrom {table.command} on {table.date}, commit {table.commit}, {table.machine}")
    click.echo(f"footage: {table.footage}; larger pictures cost more")
    most = max(one.cameras for one in table.runs)
    if found.beyond > 1:
        click.echo(
            f"measured with {most} cameras at most: this is {found.beyond:.0f} times beyond, and the error above "
            "does not cover that"
        )
    shed = max(one.gops_shed_per_camera_s for one in table.runs)
    if shed > 0:
        click.echo(f"while measuring, up to {shed:.2f} GOPs a second and camera were not analysed for want of CPU")
    if found.cores_to_have > ONE_MACHINE_CORES:
        click.echo("too much for one machine: split into several sites with a centre")
