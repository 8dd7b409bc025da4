"""The capacity planner: lines through what was measured, an error that the figures bear out, and limits said."""

import json
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from bench.capacity import table_of
from custodes.app.capacity import BURN_FPS, BURN_MS, BURN_SIZE, Run, Table, fit, plan_site, read_table
from custodes.cli.plan import plan
from custodes.errors import ConfigError, InvalidArgument


def run(cameras: int, cores: float, rss_mb: float) -> Run:
    return Run(
        cameras=cameras,
        cores=cores,
        rss_mb=rss_mb,
        analysed_per_camera_s=4.0,
        gops_shed_per_camera_s=0.0,
        view_cores=0.25,
        job_mb=200.0,
    )


TABLE = Table(
    commit="abc",
    machine="a machine",
    date="2026-11-25",
    command="python -m bench.path",
    footage="people",
    runs=(run(1, 0.3, 900.0), run(4, 0.6, 1200.0), run(8, 1.0, 1600.0)),
)
RATES = {"camera_mbps": 4.0, "view_mbps": 2.0}


def test_fit_when_figures_lie_on_a_line_finds_it_without_error() -> None:
    line = fit([1, 4, 8], [0.3, 0.6, 1.0])
    assert (line.fixed, line.each) == pytest.approx((0.2, 0.1))
    assert line.error_share == pytest.approx(0.0, abs=1e-9)


def test_fit_when_figures_scatter_says_how_far_it_misses_one_that_it_did_not_see() -> None:
    # Without the first, the others say 0.825 for it; it was 0.3.
    assert fit([1, 4, 8], [0.3, 0.9, 1.0]).error_share == pytest.approx((0.825 - 0.3) / 0.3)
    with pytest.raises(InvalidArgument):
        fit([1, 4, 4], [1.0, 2.0, 2.0])


@given(st.lists(st.floats(0.01, 100), min_size=3, max_size=3))
def test_fit_when_figures_are_anything_never_plans_less_for_more(values: list[float]) -> None:
    line = fit([1, 4, 8], values)
    assert line.fixed >= 0 and line.each >= 0


def test_plan_when_drawn_up_adds_what_each_part_needs() -> None:
    found = plan_site(TABLE, cameras=8, viewers=4, days=10, **RATES)
    assert found.cores == pytest.approx(1.0 + 4 * 0.25)
    assert found.cores_to_have == 3  # 2.0 in use at 70 %
    assert found.memory_gb == pytest.approx((1600 + 4 * 200 + 1024) / 1000)
    assert found.disk_tb == pytest.approx(8 * 0.5e6 * 86_400 * 10 * 1.003 / 0.9 / 1e12)
    assert (found.network_in_mbps, found.network_out_mbps, found.beyond) == (32.0, 8.0, 1.0)


def test_plan_when_zones_are_filled_before_storing_adds_their_cost() -> None:
    usual, burnt = (plan_site(TABLE, cameras=8, viewers=0, days=1, burnt_in=count, **RATES) for count in (0, 3))
    assert burnt.cores - usual.cores == pytest.approx(3 * BURN_MS * BURN_FPS / 1000)
    assert burnt.disk_tb / usual.disk_tb == pytest.approx((8 + 3 * (BURN_SIZE - 1)) / 8)
    said = CliRunner().invoke(plan, ["--cameras", "8", "--burn-in", "3"]).output
    assert "burn-in" in said
    refused = CliRunner().invoke(plan, ["--cameras", "2", "--burn-in", "3"])
    assert refused.exit_code and "3 of 2 cameras" in str(refused.exception)


@pytest.mark.parametrize("wrong", [{"cameras": -1}, {"days": 0}, {"days": float("nan")}, {"camera_mbps": 0}])
def test_plan_when_a_number_is_out_of_range_says_so(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidArgument):
        plan_site(TABLE, **({"cameras": 1, "viewers": 1, "days": 1, **RATES} | wrong))  # type: ignore[arg-type]


def test_shipped_table_says_where_it_comes_from_and_can_be_fitted() -> None:
    table = read_table()
    assert table.commit and table.machine and table.date.count("-") == 2 and "bench.path" in table.command
    assert plan_site(table, cameras=16, viewers=2, days=3, **RATES).cores_to_have >= 2


def test_table_when_missing_or_none_is_an_error_that_names_it(tmp_path: Path) -> None:
    for text in (None, "{}", '{"runs": []}'):
        path = tmp_path / "table.json"
        if text is not None:
            path.write_text(text)
        with pytest.raises(ConfigError, match=r"table\.json"):
            read_table(path)


def test_table_when_made_of_a_benchs_line_holds_its_figures() -> None:
    results: dict[str, float] = {}
    for count in (1, 4, 8):
        results |= {
            f"cpu_s_per_camera_s_{count}": 0.1,
            f"cpu_s_per_camera_s_{count}_recorder": 0.02,
            f"rss_mb_recorder_{count}": 60.0,
            f"rss_mb_job_{count}": 300.0,
            f"frames_analysed_per_camera_s_{count}": 5.0,
            f"gops_shed_per_camera_s_{count}": 0.0,
            f"job_cpu_s_per_view_s_{count}": 0.2,
        }
    line = {"commit": "c", "machine": {"cpu": "x", "cores": 2}, "config": {"cameras": [1, 4, 8], "seconds": 9.0}}
    table = table_of(json.dumps({**line, "results": results}), "2026-11-25")
    assert [(one.cameras, one.cores, one.rss_mb, one.job_mb) for one in table.runs] == [
        (1, 0.1, 360.0, 150.0),
        (4, 0.4, 360.0, 150.0),
        (8, 0.8, 360.0, 150.0),
    ]
    assert msgspec.json.decode(msgspec.json.encode(table), type=Table) == table


def test_command_when_far_beyond_what_was_measured_says_that_its_error_does_not_cover_it() -> None:
    done = CliRunner().invoke(plan, ["--cameras", "1000", "--viewers", "40", "--days", "30"], catch_exceptions=False)
    assert "beyond" in done.stdout and "TB for 30 days" in done.stdout
    found = json.loads(CliRunner().invoke(plan, ["--cameras", "8", "--json"], catch_exceptions=False).stdout)
    assert found["beyond"] == 1.0 and found["measured"]["commit"]
