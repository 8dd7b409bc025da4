"""`custodes faces evaluate`: files in, claims out, exit code by what is proven."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from custodes.cli.faces import faces
from custodes.errors import InvalidArgument

HEADER = "trial,zone,person,found,score,threshold\n"


def written(folder: Path, strangers: int) -> Path:
    rows = [f"m{n},door,ann,ann,{4 if n else 1},3" for n in range(40)]
    rows += [f"s{n},door,,ann,1,3" for n in range(strangers)]
    path = folder / "trials.csv"
    path.write_text(HEADER + "\n".join(rows) + "\n")
    return path


@pytest.mark.parametrize(("strangers", "code"), [(299, 1), (300, 0)])
def test_evaluate_when_enough_strangers_walked_then_the_rate_is_proven(
    tmp_path: Path, strangers: int, code: int
) -> None:
    plot = tmp_path / "det.svg"
    arguments = ["evaluate", str(written(tmp_path, strangers)), "--wanted", "0.01", "--plot", str(plot)]
    result = CliRunner().invoke(faces, arguments)
    assert result.exit_code == code, result.output
    assert "rule of three" in result.output
    assert ("NOT PROVEN" in result.output) is bool(code)
    assert plot.read_text().startswith("<svg")


def test_evaluate_when_groups_are_given_then_small_ones_are_left_out(tmp_path: Path) -> None:
    groups = tmp_path / "groups.csv"
    groups.write_text("trial,group\n" + "".join(f"m{n},{'older' if n < 36 else 'younger'}\n" for n in range(40)))
    result = CliRunner().invoke(faces, ["evaluate", str(written(tmp_path, 10)), "--groups", str(groups)])
    assert result.exit_code == 0, result.output
    assert "too few trials" in result.output
    assert "FNIR: too few trials in too few groups to compare" in result.output


def test_evaluate_when_the_file_is_empty_or_no_text_then_it_says_so(tmp_path: Path) -> None:
    for content in (HEADER.encode(), b"\xff\xfe\x00"):
        path = tmp_path / "bad.csv"
        path.write_bytes(content)
        result = CliRunner().invoke(faces, ["evaluate", str(path)])
        assert isinstance(result.exception, InvalidArgument)


def test_evaluate_when_there_are_no_scores_then_rates_are_told_and_a_curve_is_not_drawn(tmp_path: Path) -> None:
    path = tmp_path / "trials.csv"
    path.write_text("trial,zone,person,found\n1,door,ann,ann\n" + "".join(f"s{n},door,,\n" for n in range(301)))
    told = CliRunner().invoke(faces, ["evaluate", str(path), "--wanted", "0.01"])
    assert told.exit_code == 0, told.output
    assert "FTA" not in told.output
    drawn = CliRunner().invoke(faces, ["evaluate", str(path), "--plot", str(tmp_path / "det.svg")])
    assert drawn.exit_code != 0
    assert not (tmp_path / "det.svg").exists()
