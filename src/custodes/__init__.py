"""custodes: a self-hosted video-security platform that watches its watchers."""

__version__ = "0.1.0"
