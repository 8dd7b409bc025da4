"""Property tests are the same on every run, and a loaded machine fails none of them."""

from hypothesis import settings

settings.register_profile("custodes", deadline=None, derandomize=True)
settings.load_profile("custodes")
