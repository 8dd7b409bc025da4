"""`custodes models bench`: which detector, runtime and thread count suit this machine."""

import dataclasses
import json
import os
from collections.abc import Sequence
from pathlib import Path

import click

from custodes.adapters import model as model_adapter
from custodes.adapters.model.trial import (
    Trial,
    made_up_samples,
    read_samples,
    recommend,
    runtimes_of,
    try_model,
)
from custodes.cli.table import render_table
from custodes.errors import InvalidArgument, ModelRefused
from custodes.types.model import CatalogueEntry
from custodes.types.vision import ModelTask

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
_TRIALS_MAX = 64


@click.command("bench")
@click.option("--folder", type=click.Path(path_type=Path, file_okay=False), envvar=model_adapter.MODELS_VARIABLE,
              help=f"Your own models; {model_adapter.MODELS_VARIABLE} in the environment says the same.")  # fmt: skip
@click.option("--video", type=_FILE, help="Pictures to try; without it grey noise, which tells speed only.")
@click.option("--truth", type=_FILE, help="Boxes of the people in it, a MOTChallenge file: precision and recall.")
@click.option("--step", type=click.IntRange(1, 1000), default=10, show_default=True, help="Every so many frames.")
@click.option("--seconds", type=click.FloatRange(0.1, 60), default=2.0, show_default=True, help="Per trial, about.")
@click.option("--threads", type=click.IntRange(1, 64), multiple=True, help="Counts to try; else 1, 2, 4 … cores.")
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
@click.argument("names", nargs=-1)
def bench(
    folder: Path | None,
    video: Path | None,
    truth: Path | None,
    step: int,
    seconds: float,
    threads: tuple[int, ...],
    as_json: bool,
    names: tuple[str, ...],
) -> None:
    """Try every detector (or those NAMES) on this machine and say which to take, and with how many threads."""
    if truth is not None and video is None:
        raise InvalidArgument("--truth says who is in a video; name it with --video")
    entries = _detectors(folder, names)
    samples = made_up_samples() if video is None else read_samples(video, truth, step=step)
    counts = sorted(set(threads)) or _thread_counts(len(os.sched_getaffinity(0)))
    plan = [(entry, runtime, count) for entry in entries for runtime in runtimes_of(entry) for count in counts]
    if len(plan) > _TRIALS_MAX:
        raise InvalidArgument(f"{len(plan)} trials; at most {_TRIALS_MAX}: name models or --threads")
    trials: list[Trial] = []
    judged: dict[tuple[str, str], Trial] = {}
    for number, (entry, runtime, count) in enumerate(plan, 1):
        key = (entry.manifest.name, runtime.value)
        trial = try_model(entry, samples, runtime=runtime, threads=count, seconds=seconds,
                          acknowledged=model_adapter.acknowledged_from_environment(),
                          is_judged=truth is not None and key not in judged)  # fmt: skip
        # Threads do not change what is found.
        first = judged.setdefault(key, trial)
        trial = dataclasses.replace(trial, precision=first.precision, recall=first.recall)
        trials.append(trial)
        if not as_json:
            click.echo(f"{number}/{len(plan)} {trial.model}, {trial.runtime.value}, {trial.threads} threads", err=True)
    _show(trials, as_json=as_json)


def _detectors(folder: Path | None, names: Sequence[str]) -> list[CatalogueEntry]:
    entries = [entry for entry in model_adapter.scan(folder)[0] if entry.manifest.task is ModelTask.DETECT]
    unknown = sorted(set(names) - {entry.manifest.name for entry in entries})
    if unknown:
        raise InvalidArgument(f"there is no detector {unknown[0]!r}; see `custodes models list`")
    # The default first: without truth it is the one whose settings are recommended.
    default = model_adapter.default_name(ModelTask.DETECT)
    chosen = [entry for entry in entries if not names or entry.manifest.name in names]
    return sorted(chosen, key=lambda entry: entry.manifest.name != default)


def _thread_counts(cores: int) -> list[int]:
    counts = [1]
    while 2 * counts[-1] <= cores:
        counts.append(2 * counts[-1])
    return counts


def _show(trials: Sequence[Trial], *, as_json: bool) -> None:
    advice = recommend(trials)
    if as_json:
        rows = [dataclasses.asdict(trial) | {"runtime": trial.runtime.value} for trial in trials]
        chosen = None if advice is None else {"model": advice[0].model, "runtime": advice[0].runtime.value,
                                              "threads": advice[0].threads, "reason": advice[1]}  # fmt: skip
        click.echo(json.dumps({"trials": rows, "recommendation": chosen}))
    else:
        table = [
            (trial.model, trial.runtime.value, str(trial.threads), *_numbers(trial), trial.problem)
            for trial in trials
        ]  # fmt: skip
        click.echo(render_table(("model", "runtime", "threads", "ms", "CPU ms", "precision", "recall", ""), table))
        if advice is not None:
            click.echo(f"\n{advice[1]}")
    if advice is None:
        raise ModelRefused("no detector could be tried")


def _numbers(trial: Trial) -> tuple[str, str, str, str]:
    if trial.problem:
        return "-", "-", "-", "-"
    shares = ("-" if share is None else f"{share:.3f}" for share in (trial.precision, trial.recall))
    return f"{trial.wall_ms:.1f}", f"{trial.cpu_ms:.1f}", next(shares), next(shares)
