from collections.abc import Iterator

import pytest

from custodes.testing.job import JobSite


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JobSite]:
    site = JobSite(tmp_path_factory.mktemp("site"))
    with site.warden():
        yield site
    site.close()
