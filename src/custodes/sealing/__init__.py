"""Footage at rest: the container, its encryption, and the two halves of the segment key's wrapping.

The package itself imports nothing: whoever needs only the public half (the recorder) must never load `unwrap`.
"""
