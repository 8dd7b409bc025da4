"""Who is to record what: nobody moves without need, load and wishes count, and nobody is left out."""

from hypothesis import given
from hypothesis import strategies as st

from custodes.app.serving.placement import Place, place
from custodes.config.recorders import RecorderGroupConfig
from custodes.units import CameraId

ONE, TWO, THREE = (Place(name=name) for name in ("recorder", "recorder-2", "recorder-3"))


def cameras(**loads: float | None) -> dict[CameraId, float | None]:
    return {CameraId(name): load for name, load in loads.items()}


def owners(**names: str) -> dict[CameraId, str]:
    return {CameraId(name): owner for name, owner in names.items()}


def test_cameras_when_nobody_has_them_are_spread_by_load() -> None:
    placed = place(cameras(big=100.0, a=30.0, b=30.0, c=30.0), [ONE, TWO], {})
    assert placed == owners(big="recorder", a="recorder-2", b="recorder-2", c="recorder-2")


def test_cameras_when_owned_stay_whatever_comes_and_goes() -> None:
    had = owners(a="recorder", b="recorder", c="recorder-3")
    assert place(cameras(a=None, b=None, c=None), [ONE, TWO], had) == had | owners(c="recorder-2")


def test_camera_when_unmeasured_counts_like_the_others() -> None:
    placed = place(cameras(a=10.0, b=None, c=None), [ONE, TWO], owners(a="recorder"))
    assert sorted(placed.values()) == ["recorder", "recorder-2", "recorder-2"] or placed["b"] == "recorder-2"


def test_recorder_when_drained_loses_its_cameras_but_not_the_last_ones() -> None:
    had = owners(a="recorder", b="recorder-2")
    draining = Place(name="recorder", is_draining=True)
    assert place(cameras(a=None, b=None), [draining, TWO], had) == owners(a="recorder-2", b="recorder-2")
    assert place(cameras(a=None, b=None), [draining], had) == owners(a="recorder")
    assert place(cameras(a=None), [], had) == {}


def test_group_when_its_recorders_run_is_kept_to_and_else_does_not_stop_recording() -> None:
    groups = (RecorderGroupConfig(cameras=("gate-*",), recorders=("recorder-2",)),)
    wanted = {CameraId("gate-1"): None, CameraId("gate-2"): None, CameraId("yard"): None}
    placed = place(wanted, [ONE, TWO], {CameraId("gate-1"): "recorder"}, groups)
    assert placed == {"gate-1": "recorder-2", "gate-2": "recorder-2", "yard": "recorder"}
    assert set(place(wanted, [ONE], {}, groups).values()) == {"recorder"}


def test_crowd_when_somebody_is_idle_gives_one_camera_at_a_time() -> None:
    had = owners(a="recorder", b="recorder", c="recorder", d="recorder")
    loads = cameras(a=25.0, b=25.0, c=25.0, d=25.0)
    assert place(loads, [ONE, TWO], had) == had
    once = place(loads, [ONE, TWO], had, moves=1)
    assert sorted(once.values()) == ["recorder", "recorder", "recorder", "recorder-2"]
    assert place(loads, [ONE, TWO], once, moves=1) == once  # 75 to 25: within the bound


names = st.sampled_from(["recorder", "recorder-2", "recorder-3"])


@given(
    loads=st.dictionaries(
        st.integers(0, 30).map(lambda n: CameraId(f"c{n}")), st.none() | st.floats(0, 200), max_size=12
    ),
    running=st.sets(names, min_size=1),
    draining=st.sets(names),
    had=st.dictionaries(st.integers(0, 30).map(lambda n: CameraId(f"c{n}")), names, max_size=12),
    moves=st.integers(0, 3),
)
def test_places_when_anything_is_given_every_camera_has_one_and_few_move(
    loads: dict[CameraId, float | None],
    running: set[str],
    draining: set[str],
    had: dict[CameraId, str],
    moves: int,
) -> None:
    places = [Place(name=name, is_draining=name in draining) for name in sorted(running)]
    placed = place(loads, places, had, moves=moves)
    willing = running - draining
    if not willing:
        assert placed == {one: had[one] for one in loads if had.get(one) in running}
        return
    assert placed.keys() == loads.keys()
    assert set(placed.values()) <= willing
    moved = [one for one in loads if had.get(one) in willing and placed[one] != had[one]]
    assert len(moved) <= moves
    assert place(loads, places, placed) == placed
