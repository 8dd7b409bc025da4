"""Order for all tests: what starts a whole site, a browser or an RTSP server runs one at a time, after the rest."""

import pytest
from hypothesis import HealthCheck, settings

# A busy machine is no reason for a property to fail.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

_ONE_AT_A_TIME = ("e2e", "browser", "rtsp")


@pytest.hookimpl(tryfirst=True)  # before xdist writes the groups into the ids
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the heavy tests last and into one group, which `--dist loadgroup` keeps on one worker."""
    heavy = [item for item in items if any(item.get_closest_marker(name) for name in _ONE_AT_A_TIME)]
    # Once its session's browser runs, an event loop does, too, and `asyncio.run` refuses to start another.
    heavy.sort(key=lambda item: "browser" in getattr(item, "fixturenames", ()))
    for item in heavy:
        item.add_marker(pytest.mark.xdist_group("e2e"))
    chosen = set(heavy)
    items[:] = [item for item in items if item not in chosen] + heavy
