"""Which views without people go: too old, and all but one of each week and light."""

from pathlib import Path

from custodes.app.kept_names import Kept, backgrounds_near, kept_in
from custodes.app.serving.old_backgrounds import doomed
from custodes.units import Ns

DAY = 24 * 3600 * 10**9
NOW = 20_500 * DAY


def kept(folder: Path, *, days: float, regime: str = "c2") -> Kept:
    end_ns = int(NOW - days * DAY)
    path = folder / f"{end_ns - 10**9}-{end_ns}-{regime}.bkg"
    path.touch()
    return next(one for one in kept_in(folder, "bkg") if one.path == path)


def test_doomed_when_old_then_gone_and_weeks_are_thinned(tmp_path: Path) -> None:
    new = [kept(tmp_path, days=n / 24) for n in range(5)]
    weekly = [kept(tmp_path, days=27.5 + n / 24) for n in range(5)]
    night = kept(tmp_path, days=27.5, regime="g0")
    ancient = kept(tmp_path, days=400)
    gone = doomed(kept_in(tmp_path, "bkg"), NOW, 365 * DAY)
    assert set(gone) == {ancient, *weekly[1:]}
    assert not {*new, night, weekly[0]} & set(gone)
    assert set(doomed(kept_in(tmp_path, "bkg"), NOW, 0)) >= {*weekly, ancient}


def test_near_when_many_then_the_nearest_of_each_light_first_and_strangers_are_left_out(tmp_path: Path) -> None:
    day = [kept(tmp_path, days=n) for n in range(1, 15)]
    night = kept(tmp_path, days=14, regime="g0")
    (tmp_path / "notes.bkg").touch()
    near = backgrounds_near(tmp_path, Ns(NOW - 3 * DAY - 1), Ns(NOW - 3 * DAY + 1))
    assert len(near) == 8
    assert set(near[:2]) == {day[2], night}
    assert day[13] not in near
