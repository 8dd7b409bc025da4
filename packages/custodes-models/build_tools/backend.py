"""PEP 517 backend: setuptools, after the weights have been made. See `make_weights` for what that means."""

from typing import Any

from make_weights import make_all
from setuptools import build_meta as _setuptools
from setuptools.build_meta import (  # noqa: F401 - hooks that need no weights
    build_sdist,
    get_requires_for_build_editable,
    get_requires_for_build_sdist,
    get_requires_for_build_wheel,
    prepare_metadata_for_build_editable,
    prepare_metadata_for_build_wheel,
)


def build_wheel(wheel_directory: str, config_settings: Any = None, metadata_directory: str | None = None) -> str:
    """Make the weights, then the wheel with them inside."""
    make_all()
    return _setuptools.build_wheel(wheel_directory, config_settings, metadata_directory)


def build_editable(wheel_directory: str, config_settings: Any = None, metadata_directory: str | None = None) -> str:
    """Make the weights; an editable install reads them from the source tree."""
    make_all()
    return _setuptools.build_editable(wheel_directory, config_settings, metadata_directory)
