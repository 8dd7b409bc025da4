"""Order for all tests: those of the shared site first, beside the rest; other sites, RTSP and browsers last."""

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

# A busy machine is no reason for a property to fail.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

_HEAVY = ("e2e", "browser", "rtsp")

_TOGETHER = ("tests/e2e/test_streams.py", "tests/e2e", "tests/docs/test_manual.py")
"""Tests below these share what takes long to make: one process runs all of each."""


class InOrder(LoadScopeScheduling):
    """Hands out test after test in their order, and those that share something as one.

    pytest-xdist's own groups cannot be used: 3.8 writes them into `_nodeid`, which pytest 9.2 has not.
    """

    def _split_scope(self, nodeid: str) -> str:
        return next((place for place in _TOGETHER if nodeid.startswith(place)), nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> InOrder:
    """Asked for by `-n`; needs `--no-loadscope-reorder`."""
    return InOrder(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put those of the one shared site first, so that they run beside the many; other heavy tests come last."""
    first = [item for item in items if item.nodeid.startswith("tests/e2e/")]
    heavy = [item for item in items if any(item.get_closest_marker(name) for name in _HEAVY)]
    # Once its session's browser runs, an event loop does, too, and `asyncio.run` refuses to start another.
    heavy.sort(key=lambda item: "browser" in getattr(item, "fixturenames", ()))
    chosen = {*first, *heavy}
    last = [item for item in heavy if item not in first]
    items[:] = first + [item for item in items if item not in chosen] + last
