"""Order for all tests: those that start whole sites run in one line beside the rest; browsers come last."""

import pytest
from hypothesis import HealthCheck, settings

# A busy machine is no reason for a property to fail.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

_ONE_AT_A_TIME = ("e2e", "browser", "rtsp")


@pytest.hookimpl(tryfirst=True)  # before xdist writes the groups into the ids
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the heavy tests into two groups, each of which `--dist loadgroup` keeps on one worker."""
    heavy = [item for item in items if any(item.get_closest_marker(name) for name in _ONE_AT_A_TIME)]
    # Once its session's browser runs, an event loop does, too, and `asyncio.run` refuses to start another: such tests
    # come after all others of their process, and in one process.
    browsing = [item for item in heavy if "browser" in getattr(item, "fixturenames", ())]
    chosen = set(browsing)
    sites = [item for item in heavy if item not in chosen]
    for item in heavy:
        item.add_marker(pytest.mark.xdist_group("browser" if item in chosen else "e2e"))
    chosen.update(sites)
    items[:] = sites + [item for item in items if item not in chosen] + browsing
