"""Passwords: rules in plain words, argon2id in a thread. No rules on symbols or rotation (NIST SP 800-63B 3.1.1)."""

import asyncio
import secrets
import unicodedata
from collections.abc import Sequence

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from zxcvbn import zxcvbn

from custodes.errors import InvalidArgument

MIN_PASSWORD_CHARS = 12
MAX_PASSWORD_CHARS = 256
"""argon2 takes any length; the bound keeps a megabyte from being hashed."""
_MIN_DISTINCT_CHARS = 5
MAX_NAME_CHARS = 64
_MAX_PARALLEL = 2
"""Each verification takes 64 MiB and a core for about 60 ms (argon2-cffi's defaults, RFC 9106 low-memory)."""
_JUDGED_CHARS = 72
"""zxcvbn's own limit: its time grows faster than the password."""
_MIN_GUESSES = 10**8
"""What zxcvbn calls "somewhat guessable" ends here: safe against guessing online, with our limits of tries."""
_RUNS = (
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890123456789",
    "qwertyuiopasdfghjklzxcvbnm",
    "qwertzuiopasdfghjklyxcvbnm",
)


def clean_name(name: str) -> str:
    """The name as it is stored: NFKC, single spaces. Raises: InvalidArgument in words for the person."""
    cleaned = " ".join(unicodedata.normalize("NFKC", name).split())
    if not cleaned:
        raise InvalidArgument("Please enter a name. It will stand in the log beside everything you look at.")
    if len(cleaned) > MAX_NAME_CHARS:
        raise InvalidArgument(f"The name is {len(cleaned)} characters long; at most {MAX_NAME_CHARS} fit.")
    if not cleaned.isprintable():
        raise InvalidArgument("The name contains characters that cannot be printed.")
    return cleaned


def name_key(name: str) -> str:
    """What two names are compared by: case does not matter."""
    return " ".join(unicodedata.normalize("NFKC", name).split()).casefold()


def check_password(password: str, *, name: str, words: Sequence[str] = ()) -> None:
    """Raises: InvalidArgument saying what to change; never contains the password.

    Args: words: what somebody who knows the place tries first; they count as hardly anything to guess.
    """
    if len(password) < MIN_PASSWORD_CHARS:
        raise InvalidArgument(
            f"The password has {len(password)} characters; it needs at least {MIN_PASSWORD_CHARS}. "
            "Four or five words in a row are easy to remember and hard to guess."
        )
    if len(password) > MAX_PASSWORD_CHARS:
        raise InvalidArgument(f"The password is longer than {MAX_PASSWORD_CHARS} characters.")
    lowered = password.casefold()
    if len(set(lowered)) < _MIN_DISTINCT_CHARS:
        raise InvalidArgument("The password repeats the same few characters. Mix in others.")
    if len(name_key(name)) >= 3 and name_key(name) in lowered:
        raise InvalidArgument("The password contains your name, which is the first thing somebody would try.")
    if any(lowered in run * 2 or lowered in (run * 2)[::-1] for run in _RUNS):
        raise InvalidArgument("The password is a row of the keyboard or the alphabet. Choose something else.")
    if zxcvbn(password[:_JUDGED_CHARS], user_inputs=[name, *words])["guesses"] < _MIN_GUESSES:
        raise InvalidArgument(
            "The password is one of those that are tried first: a common one, or made of common pieces. "
            "Four or five words that do not belong together are better."
        )


class Passwords:
    """Hashes and verifies, at most two at a time."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._slots = asyncio.Semaphore(_MAX_PARALLEL)
        # what an unknown name is verified against, so that it takes as long as a known one
        self._decoy = self._hasher.hash(secrets.token_hex(16))

    async def hash(self, password: str) -> str:
        """argon2id in PHC string form."""
        async with self._slots:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Whether it is the password. None (no such account) takes equally long and is never right."""
        async with self._slots:
            is_right = await asyncio.to_thread(self._verify, password_hash or self._decoy, password)
        return is_right and password_hash is not None

    def _verify(self, password_hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(password_hash, password[:MAX_PASSWORD_CHARS])
        except (VerificationError, InvalidHashError):
            return False
