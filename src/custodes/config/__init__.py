"""Configuration: the YAML tree, the data directory's paths, the assignment file."""

from custodes.config.assignment import Assignment, read_assignment, write_assignment
from custodes.config.identity import SiteIdentity, read_identity, write_identity
from custodes.config.leaks import LeakConfig
from custodes.config.paths import SitePaths
from custodes.config.tree import (
    AccessConfig,
    CameraConfig,
    KeyConfig,
    OidcConfig,
    SiteConfig,
    TamperingConfig,
    load_effective,
    load_site_yaml,
    problem_in_words,
    write_effective,
)

__all__ = [
    "LeakConfig",
    "AccessConfig",
    "Assignment",
    "CameraConfig",
    "KeyConfig",
    "OidcConfig",
    "SiteConfig",
    "SiteIdentity",
    "SitePaths",
    "TamperingConfig",
    "load_effective",
    "load_site_yaml",
    "problem_in_words",
    "read_assignment",
    "read_identity",
    "write_assignment",
    "write_effective",
    "write_identity",
]
