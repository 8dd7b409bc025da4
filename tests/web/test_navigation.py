"""What the rail shows to whom, and which entry is the current one."""

import pytest

from custodes.types.access import Action
from custodes.web.navigation import DECIDES, PAGES, offered


def _labels(*actions: Action) -> list[str]:
    groups = offered(lambda action: action in actions, is_recognition_on=True)
    return [link.label for group in groups for link in group.links]


def test_offered_when_nothing_may_be_done_then_only_what_everybody_sees() -> None:
    assert _labels() == [link.label for group in PAGES for link in group.links if not link.offered_to]
    assert all(group.links for group in offered(lambda _: False, is_recognition_on=True))


def test_offered_when_one_of_several_actions_is_allowed_then_the_entry_is_there() -> None:
    assert "Requests" in _labels(Action.APPROVE)
    assert set(_labels(*DECIDES)) == {link.label for group in PAGES for link in group.links}


def test_offered_when_recognition_is_off_then_none_of_its_pages_is_there() -> None:
    shown = [link.path for group in offered(lambda _: True, is_recognition_on=False) for link in group.links]
    assert not [path for path in shown if path.startswith(("/faces", "/checkpoint"))]
    assert "/log" in shown


@pytest.mark.parametrize(
    ("path", "label"),
    [
        ("/", "Wall"),
        ("/cameras/gate", "Wall"),
        ("/requests", "Requests"),
        ("/requests/12", "Requests"),
        ("/subject-access", "Privacy"),
        ("/review", "Review"),
        ("/search", "Search"),
        ("/traffic", "Traffic"),
        ("/flows", "Flows"),
        ("/map", "Map"),
        ("/system", "System"),
    ],
)
def test_is_current_when_at_a_path_then_exactly_one_entry_is(path: str, label: str) -> None:
    assert [link.label for group in PAGES for link in group.links if link.is_current(path)] == [label]
