"""Leaked pictures: where they come from, which delivered copy they are. No I/O; jobs and server do that."""
