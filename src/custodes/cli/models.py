"""`custodes models`: what there is, whether it is what its manifest says, and getting more. Detection is elsewhere."""

import dataclasses
import json
from pathlib import Path

import click

from custodes.adapters import model as model_adapter
from custodes.adapters.model.loading import default_name
from custodes.adapters.model.pull import adopt_file, pull_folder, pull_url
from custodes.cli.models_bench import bench
from custodes.detect.manifest import file_sha256, read_manifest, write_manifest
from custodes.errors import CustodesError, InvalidArgument, ModelRefused
from custodes.types.model import CatalogueEntry, ModelFile, ModelFormat, ModelManifest, ModelSource

_FOLDER = click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    envvar=model_adapter.MODELS_VARIABLE,
    help=f"Your own models; {model_adapter.MODELS_VARIABLE} in the environment says the same.",
)


@click.group()
def models() -> None:
    """Neural networks: which there are, are they intact, get more."""


models.add_command(bench)


@models.command("list")
@_FOLDER
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
def list_models(folder: Path | None, as_json: bool) -> None:
    """Show every model that can be loaded, and what looks like one and cannot."""
    entries, refused = model_adapter.scan(folder)
    if as_json:
        rows = [
            {"name": item.manifest.name, "task": item.manifest.task.value, "licence": item.manifest.licence,
             "is_commercial": item.manifest.is_commercial, "folder": item.folder, "is_packaged": item.is_packaged,
             "is_default": _is_default(item), "measured": item.manifest.measured}
            for item in entries
        ]  # fmt: skip
        click.echo(json.dumps({"models": rows, "refused": [item.reason for item in refused]}))
        return
    rows_text = [("NAME", "TASK", "LICENCE", "FROM", "MEASURED")]
    for item in entries:
        name = item.manifest.name + (" *" if _is_default(item) else "")
        licence = item.manifest.licence + ("" if item.manifest.is_commercial else " (non-commercial)")
        origin = "package" if item.is_packaged else item.folder
        rows_text.append((name, item.manifest.task.value, licence, origin, item.manifest.measured))
    widths = [max(len(row[column]) for row in rows_text) for column in range(4)]
    for row in rows_text:
        click.echo(
            "  ".join([*(text.ljust(width) for text, width in zip(row, widths, strict=False)), row[4]]).rstrip()
        )
    click.echo("* used when no model is named")
    for refusal in refused:
        click.echo(f"refused: {refusal.reason}", err=True)


def _is_default(entry: CatalogueEntry) -> bool:
    try:
        return entry.is_packaged and default_name(entry.manifest.task) == entry.manifest.name
    except ModelRefused:
        return False


@models.command()
@_FOLDER
@click.argument("names", nargs=-1)
def verify(folder: Path | None, names: tuple[str, ...]) -> None:
    """Check digests and licence, and load each model (or those NAMES)."""
    entries, refused = model_adapter.scan(folder)
    unknown = set(names) - {item.manifest.name for item in entries}
    problems = [f"there is no model {name!r}" for name in sorted(unknown)]
    if not names:
        problems += [item.reason for item in refused]
    checked = [item for item in entries if not names or item.manifest.name in names]
    good = 0
    for item in checked:
        try:
            model_adapter.open_session(item, threads=1, acknowledged=model_adapter.acknowledged_from_environment())
            good += 1
            click.echo(f"{item.manifest.name}: as its manifest says")
        except CustodesError as error:
            problems.append(str(error))
    for problem in problems:
        click.echo(f"refused: {problem}", err=True)
    if problems:
        raise ModelRefused(f"{len(problems)} of {len(problems) + good} models cannot be used")


@models.command()
@_FOLDER
@click.argument("source")
def pull(folder: Path | None, source: str) -> None:
    """Copy models from SOURCE, a folder or the https address of a manifest, into your models folder."""
    target = _target(folder)
    if "://" in source:
        copied = [pull_url(source, target)]
    else:
        copied, refused = pull_folder(Path(source), target)
        for item in refused:
            click.echo(f"left behind: {item.reason}", err=True)
    for manifest in copied:
        click.echo(f"{manifest.name}: {manifest.task.value}, {manifest.licence}, into {target}")
    if not copied:
        raise ModelRefused(f"{source} holds no model with a manifest; nothing was copied")


@models.command()
@_FOLDER
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--like", required=True, help="A listed model that takes the same input and gives the same output.")
@click.option("--name", required=True, help="What it is to be called.")
@click.option("--licence", required=True, help="SPDX expression of the weights' licence.")
@click.option("--training-data", required=True, help="What it was trained on, and by whom.")
@click.option("--origin", required=True, help="Where you have it from.")
@click.option("--non-commercial", is_flag=True, help="The licence forbids commercial use.")
def adopt(
    folder: Path | None,
    file: Path,
    like: str,
    name: str,
    licence: str,
    training_data: str,
    origin: str,
    non_commercial: bool,
) -> None:
    """Write a manifest for FILE, your own weights: you state licence and provenance, --like says how to run it."""
    target = _target(folder)
    entries, _ = model_adapter.scan(folder if folder is not None and folder.is_dir() else None)
    pattern = next((item.manifest for item in entries if item.manifest.name == like), None)
    if pattern is None:
        raise InvalidArgument(f"there is no model {like!r} to be like; see `custodes models list`")
    names = [file.name] if file.suffix != ".xml" else [file.name, file.with_suffix(".bin").name]
    files = tuple(ModelFile(name=item, sha256=file_sha256(file.with_name(item))) for item in names)
    manifest = dataclasses.replace(
        pattern,
        name=name,
        files=files,
        format=ModelFormat.OPENVINO if file.suffix == ".xml" else ModelFormat.ONNX,
        licence=licence,
        is_commercial=not non_commercial,
        training_data=training_data,
        source=ModelSource(origin=origin, path=file.name, sha256=files[0].sha256),
        measured="",
    )
    manifest = read_manifest(write_manifest(manifest), origin=f"for {file.name}")
    _try_out(manifest, file.parent)
    click.echo(f"{name}: {manifest.task.value}, manifest {adopt_file(manifest, file, target)}")


def _try_out(manifest: ModelManifest, folder: Path) -> None:
    """Load it where it lies, so that a wrong --like is said now. The licence was stated just now."""
    entry = CatalogueEntry(manifest=manifest, folder=str(folder), is_packaged=False)
    model_adapter.open_session(entry, threads=1, acknowledged=frozenset({manifest.name}))


def _target(folder: Path | None) -> Path:
    if folder is None:
        raise InvalidArgument(f"say where to: --folder FOLDER, or {model_adapter.MODELS_VARIABLE} in the environment")
    return folder
