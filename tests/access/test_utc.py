"""What is said of a moment is UTC, wherever the machine is."""

import time

import pytest
from tests.access.test_erasure import told
from tests.access.test_subject import FACTS, LOOK

from custodes.access.cases import next_number
from custodes.access.insider import _day_text
from custodes.access.subject import TABLE, papers
from custodes.units import Ns


@pytest.fixture
def tokyo(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_papers_certificates_and_numbers_are_in_utc_on_a_machine_in_tokyo(tokyo) -> None:
    assert time.strftime("%z") == "+0900"
    assert b'"from": "2023-11-14 22:13:20"' in papers(FACTS, [LOOK])[TABLE]
    assert told()["created_utc"] == "2023-11-14 23:13:20"
    assert next_number([], Ns(1_767_225_599 * 10**9)) == "2025-0001"
    assert _day_text(14) == "1970-01-15"
