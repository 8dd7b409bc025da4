"""`custodes redact`: a film, a picture or a folder of them with everybody covered, a report, and a page to look at
what is uncertain."""

import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt

from custodes.adapters import model as model_adapter
from custodes.cli.redact_options import corrections_of, zone_of
from custodes.cli.redact_report import report_of
from custodes.errors import AlreadyExists, CustodesError, InvalidArgument
from custodes.media.film import FILM_CAMERA, FILM_RUN, FilmInfo, FilmReader
from custodes.media.rgb import RgbScaler, crop
from custodes.pipeline.film_looks import Crop, FilmLooker
from custodes.pipeline.film_motion import moved_uncovered
from custodes.pipeline.film_tracks import track_film
from custodes.redact.film_masks import FilmMasks
from custodes.redact.levels import MaskLevel
from custodes.redact.moments import uncertain_moments
from custodes.redact.timeline import MaskPolicy
from custodes.review.film import render_film, render_picture
from custodes.review.film_page import PickedFrames, film_page
from custodes.types.media import Frame
from custodes.types.vision import ModelTask

_IN = click.Path(path_type=Path)
_FILE = click.Path(path_type=Path, dir_okay=False)
_LEVELS = [level.value for level in MaskLevel]
DEFAULT_MARGIN = 0.1
_JPEG = frozenset({".jpg", ".jpeg"})
PICTURES = _JPEG | {".png", ".webp", ".bmp"}
FILMS = frozenset(
    {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".mts", ".mpg", ".mpeg", ".wmv", ".3gp", ".gif"}
)
"""What is taken of a folder, by how its name ends; a single SOURCE may be called anything."""


@click.command("redact")
@click.argument("source", type=_IN)
@click.argument("target", type=_IN)
@click.option("--level", type=click.Choice(_LEVELS), default="head", show_default=True, help="What of each person.")
@click.option("--margin", type=click.FloatRange(0, 1), default=DEFAULT_MARGIN, show_default=True,
              help="Added on each side, as a share of what is covered.")  # fmt: skip
@click.option("--plates", is_flag=True, help="Cover where vehicles carry their number plates, too.")
@click.option("--zone", "zones", multiple=True, metavar="X,Y,X,Y[,X,Y…]",
              help="Always cover this: two opposite corners or a polygon, in shares of the picture.")  # fmt: skip
@click.option("--corrections", type=_FILE, help="Parts to cover at times, as the review page saves them.")
@click.option("--review", is_flag=True, help="Write TARGET.review.html: the uncertain moments, the worst first.")
@click.option("--report", "report_file", type=_FILE, help="Write a report as JSON; - prints it.")
@click.option("--threads", type=click.IntRange(1, 64), help="For models and encoding; else all cores.")
@click.option("--force", is_flag=True, help="Overwrite TARGET.")
def redact(
    source: Path,
    target: Path,
    level: str,
    margin: float,
    plates: bool,
    zones: tuple[str, ...],
    corrections: Path | None,
    review: bool,
    report_file: Path | None,
    threads: int | None,
    force: bool,
) -> None:
    """Cover everybody in the film SOURCE and write it to TARGET, an MP4 without sound or metadata.

    Of a picture TARGET is a JPEG. Of a folder, TARGET is a folder: each film and picture in it, one after the other;
    what is there already is left, so that a broken run goes on where it was.

    The whole film is analysed first, forwards and backwards, so that people are covered before they are first surely
    seen and where the detector misses them. The fill is solid: there is nothing to turn back.
    """
    policy = MaskPolicy(
        level=MaskLevel(level),
        margin=margin,
        has_plates=plates,
        zones=(*(zone_of(text) for text in zones), *corrections_of(corrections)),
    )
    wanted = _Wanted(policy=policy, review=review, report=report_file, threads=threads or len(os.sched_getaffinity(0)))
    if source.is_dir():
        _redact_folder(source, target, wanted, force=force)
    else:
        _check_paths(source, target, force=force)
        _redact_one(source, target, wanted)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    policy: MaskPolicy
    review: bool
    report: Path | None
    threads: int


def _redact_folder(source: Path, target: Path, wanted: _Wanted, *, force: bool) -> None:
    """Every film and picture right in it. Raises: InvalidArgument when something could not be redacted."""
    if wanted.report is not None:
        raise InvalidArgument("--report is of one film; of a folder, redact each by itself to have one")
    if target.exists() and (not target.is_dir() or target.samefile(source)):
        raise InvalidArgument(f"{target} has to be another folder than {source}, or one that is not there yet")
    found = sorted(path for path in source.iterdir() if path.suffix.lower() in FILMS | PICTURES and path.is_file())
    if not found:
        raise InvalidArgument(f"{source} holds no film and no picture")
    target.mkdir(parents=True, exist_ok=True)
    wrong = 0
    for number, path in enumerate(found, 1):
        suffix = ".jpg" if path.suffix.lower() in PICTURES else ".mp4"
        into = target / (path.name if path.suffix.lower() == suffix else path.name + suffix)
        click.echo(f"{number}/{len(found)} {path.name}", err=True)
        if into.exists() and not force:
            click.echo(f"{into} is there already; --force overwrites it", err=True)
            continue
        try:
            _redact_one(path, into, wanted)
        except CustodesError as error:
            click.echo(f"not redacted: {error}", err=True)
            wrong += 1
    if wrong:
        raise InvalidArgument(f"{wrong} of {len(found)} could not be redacted; see above")


def _redact_one(source: Path, target: Path, wanted: _Wanted) -> None:
    policy, count, review, report_file = wanted.policy, wanted.threads, wanted.review, wanted.report
    is_picture = target.suffix.lower() in _JPEG
    started = time.monotonic()
    with FilmReader(source) as reader:
        looker, info, frames = _analyse(reader, count)
        errors = reader.errors
    if is_picture and frames > 1:
        raise InvalidArgument(f"{source} is a film of {frames} pictures; its target has to end with .mp4")
    facts = track_film(looker.looks, camera_id=FILM_CAMERA, run=FILM_RUN)
    moments = uncertain_moments(facts, moved_uncovered(looker.looks, facts))
    analysed_s = time.monotonic() - started
    masks = FilmMasks(policy, facts)
    picked = PickedFrames(moments if review else [])
    partial = target.with_name(target.name + ".part")
    try:
        with click.progressbar(length=frames, label="2/2 writing  ", file=sys.stderr) as bar:
            render = render_picture if is_picture else render_film
            rendered = render(
                source, partial, masks, info, threads=count, on_frame=lambda _: bar.update(1), picked=picked.take
            )
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    report = report_of(
        source=source, target=target, info=info, policy=policy, facts=facts, moments=moments, rendered=rendered,
        decode_errors=errors, models=looker.model_names, analysed_s=analysed_s,
    )  # fmt: skip
    _write_report(report, report_file)
    if review:
        page = target.with_name(target.name + ".review.html")
        page.write_text(film_page(target.name, moments, picked.pictures, info), encoding="utf-8")
        click.echo(f"look at {page}", err=True)
    click.echo(
        f"{target}: {rendered.frames} frames, {len(moments)} uncertain moments"
        + (f", {rendered.whole_frames} frames covered whole" if rendered.whole_frames else "")
        + (f", {errors} packets of the film could not be read" if errors else ""),
        err=True,
    )


def _check_paths(source: Path, target: Path, *, force: bool) -> None:
    if not target.parent.is_dir():
        raise InvalidArgument(f"{target.parent} is no folder; {target.name} cannot be written there")
    if target.suffix.lower() not in _JPEG | {".mp4"} or target.is_dir():
        raise InvalidArgument(f"{target} has to end with .mp4, or with .jpg for a picture: that is what is written")
    if target.exists() and source.exists() and target.samefile(source):
        raise InvalidArgument(f"{target} is the film itself; name another file")
    if target.exists() and not force:
        raise AlreadyExists(f"{target} is there already; --force overwrites it")


def _analyse(reader: FilmReader, threads: int) -> tuple[FilmLooker, FilmInfo, int]:
    """The first pass. Raises: InvalidArgument for a film without a single picture."""
    info = reader.info
    looker = make_looker(info.fps, threads)
    frames = 0
    with click.progressbar(length=info.frames, label="1/2 analysing", file=sys.stderr) as bar:
        for frame in reader.frames():
            looker.take(frame)
            frames += 1
            bar.update(1)
    looker.finish()
    if not frames:
        raise InvalidArgument("the film holds no picture that can be read")
    return looker, reader.info, frames


def make_looker(fps: float, threads: int) -> FilmLooker:
    """The packaged detectors of people and of faces, ready to look. Raises: ModelRefused."""
    folder = model_adapter.models_dir_from_environment()
    accepted = model_adapter.acknowledged_from_environment()
    people = model_adapter.load_detector(models_dir=folder, name=None, threads=threads, acknowledged=accepted)
    faces = model_adapter.load_detector(
        models_dir=folder, name=None, threads=threads, task=ModelTask.FACE_DETECT, acknowledged=accepted
    )
    scaler = RgbScaler()

    def to_rgb(frame: Frame, part: Crop, size: tuple[int, int]) -> npt.NDArray[np.uint8]:
        return scaler.to_rgb(crop(frame, *part), *size)

    return FilmLooker(people, faces, to_rgb, fps=fps)


def _write_report(report: dict[str, object], path: Path | None) -> None:
    if path is None:
        return
    text = json.dumps(report, indent=2, ensure_ascii=False)
    if str(path) == "-":
        click.echo(text)
    else:
        path.write_text(text + "\n", encoding="utf-8")
