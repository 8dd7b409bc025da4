"""`custodes faces`: the operator's own evaluation of recognition, from trials in files. Touches no site."""

from pathlib import Path

import click

from custodes.cli.table import render_table
from custodes.errors import InvalidArgument
from custodes.face.trials import (
    COLUMNS,
    Rate,
    Trial,
    by_group,
    by_zone,
    det,
    det_svg,
    differential,
    least_proven,
    rates_of,
    read_groups,
    read_trials,
)

MAX_FILE_BYTES = 256 << 20


@click.group()
def faces() -> None:
    """Recognition: what error rates an operator's own trials prove."""


@faces.command()
@click.argument("trials", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--wanted", type=float, default=None, help="The FPIR that was approved: exit code 1 unless it is proven."
)
@click.option(
    "--groups",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    default=None,
    help="CSV volunteer,group (or trial,group): what they say of themselves. Keep it apart; nothing of it is stored.",
)
@click.option(
    "--plot", type=click.Path(dir_okay=False, path_type=Path), default=None, help="Write the DET curve, SVG."
)
def evaluate(trials: Path, wanted: float | None, groups: Path | None, plot: Path | None) -> None:
    """FNIR and FPIR with intervals, by zone and group: custodes faces evaluate trials.csv --plot det.svg

    The trials are CSV, a line a walk: trial,zone,person,found. `person` is empty for a volunteer who is not enrolled,
    `found` where there was no candidate. Whoever has them adds score,threshold (score empty where no face could be
    compared), which a DET curve needs, and volunteer: then several walks of one person do not count as many people.
    The page of a zone's trial gives such a file.
    """
    read = read_trials(_lines(trials))
    if not read:
        raise InvalidArgument(f"{trials} holds no trial; expected lines of {','.join(COLUMNS)}")
    for zone in by_zone(read):
        click.echo(f"zone {zone.zone or '(none)'}")
        click.echo(f"  enrolled missed (FNIR)      {zone.fnir.claim}")
        click.echo(f"  strangers taken for (FPIR)  {zone.fpir.claim}")
        if zone.fta.trials:
            click.echo(f"  no usable face (FTA)        {zone.fta.claim}")
    if groups is not None:
        _show_groups(read, read_groups(_lines(groups)))
    fnir, fpir, _ = rates_of(read)
    if plot is not None and not (curve := det(read)):
        raise InvalidArgument("a DET curve needs the columns score,threshold, of enrolled people and of strangers")
    if plot is not None:
        plot.write_text(det_svg(curve, least_proven(fpir), (fpir.value, fnir.value)))
        click.echo(f"{plot}: the shaded part is below what {fpir.trials} strangers can prove")
    if wanted is not None and not fpir.proves(wanted):
        click.echo(f"NOT PROVEN: FPIR {wanted:.3%} needs {int(3 / wanted) + 1} strangers without an error at least")
        raise SystemExit(1)


def _show_groups(trials: list[Trial], groups: dict[str, str]) -> None:
    found = by_group(trials, groups)
    rows = [(one.group, _words(one.fnir), _words(one.fpir)) for one in found]
    click.echo(render_table(("group", "FNIR", "FPIR"), rows))
    of_rates = (("FNIR", [(one.group, one.fnir) for one in found]), ("FPIR", [(one.group, one.fpir) for one in found]))
    for of, rates in of_rates:
        apart = differential(of, rates)
        if apart is None:
            click.echo(f"{of}: too few trials in too few groups to compare")
        elif apart.is_shown:
            click.echo(f"{of}: {apart.worst} fares worse than {apart.best} ({apart.ratio:.1f} times), beyond chance")
        else:
            click.echo(f"{of}: no difference is shown; that is not the same as none")


def _words(rate: Rate | None) -> str:
    return "too few trials" if rate is None else rate.claim


def _lines(path: Path) -> list[str]:
    if path.stat().st_size > MAX_FILE_BYTES:
        raise InvalidArgument(f"{path} is larger than {MAX_FILE_BYTES >> 20} MiB")
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise InvalidArgument(f"{path} is not UTF-8 text") from error
