from pathlib import Path

import pytest

from custodes.testing.review import ReviewSite, make_review_site


@pytest.fixture
def site(tmp_path: Path) -> ReviewSite:
    return make_review_site(tmp_path)
