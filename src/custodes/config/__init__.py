"""Configuration: the YAML tree, the data directory's paths, the assignment file."""

from custodes.config.assignment import Assignment, read_assignment, write_assignment
from custodes.config.paths import SitePaths
from custodes.config.tree import CameraConfig, SiteConfig, load_effective, load_site_yaml, write_effective

__all__ = [
    "Assignment",
    "CameraConfig",
    "SiteConfig",
    "SitePaths",
    "load_effective",
    "load_site_yaml",
    "read_assignment",
    "write_assignment",
    "write_effective",
]
