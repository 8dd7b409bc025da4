import pytest

from custodes.testing import looking


@pytest.fixture
def make_looking():
    return looking.make_looking
