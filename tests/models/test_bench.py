"""`custodes models bench`: trials, truth and advice."""

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner

from custodes.adapters.model.trial import Trial, read_samples, read_truth, recommend
from custodes.cli.models import models
from custodes.errors import CustodesError, InvalidArgument
from custodes.testing.media import make_clip
from custodes.types.model import ModelFormat
from custodes.units import Ns

TRIAL = Trial(
    model="a", runtime=ModelFormat.ONNX, threads=1, wall_ms=20, cpu_ms=20, calls=9, precision=0.9, recall=0.9
)


def advice(*trials):
    return recommend(trials)[0]


def test_advice_when_one_model_is_much_righter_then_speed_does_not_count() -> None:
    wrong = replace(TRIAL, model="b", wall_ms=2, cpu_ms=2, precision=0.5)
    assert advice(TRIAL, wrong) == TRIAL


def test_advice_when_two_are_about_as_right_then_the_cheaper() -> None:
    cheap = replace(TRIAL, model="b", wall_ms=10, cpu_ms=10, precision=0.89)
    assert advice(TRIAL, cheap) == cheap


@pytest.mark.parametrize(
    "wall, cpu, threads", [(11, 22, 2), (17, 24, 1), (11, 30, 1)], ids=["pays", "saves little", "wastes CPU"]
)
def test_advice_when_a_second_thread_then_only_if_it_pays(wall, cpu, threads) -> None:
    assert advice(TRIAL, replace(TRIAL, threads=2, wall_ms=wall, cpu_ms=cpu)).threads == threads


def test_advice_when_nothing_was_judged_then_the_first_model_and_it_is_said() -> None:
    first = replace(TRIAL, precision=None, recall=None)
    chosen, words = recommend([first, replace(first, model="b", wall_ms=1, cpu_ms=1)])
    assert chosen == first
    assert "not judged" in words
    assert "analyser: {detector: a, runtime: onnx, threads: 1}" in words


def test_advice_when_nothing_ran_then_none() -> None:
    assert recommend([replace(TRIAL, problem="broken")]) is None


def run(*arguments):
    return CliRunner().invoke(models, ["bench", *arguments])


def test_bench_when_the_default_is_tried_then_there_are_times_and_advice() -> None:
    result = run("nanodet-g", "--threads", "1", "--seconds", "0.1", "--json")
    answer = json.loads(result.stdout)
    assert all(trial["wall_ms"] > 0 and trial["calls"] >= 3 for trial in answer["trials"] if not trial["problem"])
    assert answer["recommendation"]["model"] == "nanodet-g"
    assert "not judged" in answer["recommendation"]["reason"]


@pytest.mark.parametrize(
    "arguments, words",
    [(("no-such",), "no detector 'no-such'"), (("--truth", __file__), "name it with --video"),
     (("--video", __file__), ""), (tuple(f"--threads={n}" for n in range(1, 65)), "at most 64")],
    ids=["unknown model", "truth alone", "no video", "too many"],
)  # fmt: skip
def test_bench_when_asked_wrongly_then_one_sentence(arguments, words) -> None:
    error = run(*arguments).exception
    assert isinstance(error, CustodesError)
    assert words in str(error)


def test_truth_when_a_line_is_broken_then_it_is_named(tmp_path) -> None:
    path = tmp_path / "gt.txt"
    path.write_text("1,1,10,20,30,40\n1,2,10,twenty,30,40\n")
    with pytest.raises(InvalidArgument, match="line 2"):
        read_truth(path)


def test_samples_when_read_then_each_has_its_own_people(tmp_path) -> None:
    info, packets = make_clip(frames=10, fps=10, gop=5, start_ns=Ns(0))
    video, truth = tmp_path / "clip.264", tmp_path / "gt.txt"
    video.write_bytes(info.extradata + b"".join(packet.payload for packet in packets))
    truth.write_text("4,1,10,20,30,40,1,-1,-1,-1\n4,2,50,20,30,40\n7,1,0,0,1,1\n")
    samples = read_samples(video, truth, step=4)
    assert [sample.people_px.tolist() for sample in samples] == [[[10, 20, 40, 60], [50, 20, 80, 60]], []]
