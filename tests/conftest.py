"""Order for all tests: what starts a whole site, a browser or an RTSP server comes last, browsers at the very end."""

import pytest
from hypothesis import HealthCheck, settings

# A busy machine is no reason for a property to fail.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

_HEAVY = ("e2e", "browser", "rtsp")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the heavy tests last: what a process of pytest keeps running for them would slow down all others.

    `--dist loadgroup --no-loadscope-reorder` hands out test after test in this order. Groups are not used: pytest 9.2
    has no `_nodeid`, into which pytest-xdist 3.8 writes them, so that they name nothing.
    """
    heavy = [item for item in items if any(item.get_closest_marker(name) for name in _HEAVY)]
    # Once its session's browser runs, an event loop does, too, and `asyncio.run` refuses to start another.
    heavy.sort(key=lambda item: "browser" in getattr(item, "fixturenames", ()))
    chosen = set(heavy)
    items[:] = [item for item in items if item not in chosen] + heavy
