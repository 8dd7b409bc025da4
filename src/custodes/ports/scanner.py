"""A virus scanner that files are shown to before they are kept."""

from typing import Protocol


class FileScanner(Protocol):
    """Asked once a file, by the web server; without one configured nothing is asked."""

    async def check(self, content: bytes) -> None:
        """Return when it finds nothing.

        Raises: InvalidArgument, with the finding's name, for what is not to be kept; Unavailable when it cannot say,
            so that nothing is kept unseen.
        """
        ...
