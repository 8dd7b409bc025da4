"""What is wrong with the cameras' passwords, compared here and nowhere else: no login is tried. Pure.

Only the names of the faults leave this module.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping, Set

MIN_CHARS = 8
"""NIST SP 800-63B-4 asks for 8 at least, and for 15 where it is the only factor; cameras allow 8 to 16."""

# User name and password that makers' manuals give or gave; `*` is any user.
_DEFAULTS = frozenset({
    ("admin", ""), ("admin", "admin"), ("admin", "12345"), ("admin", "123456"), ("admin", "1234"),
    ("admin", "888888"), ("666666", "666666"), ("888888", "888888"), ("admin", "9999"), ("admin", "4321"),
    ("admin", "1111"), ("admin", "password"), ("admin", "pass"), ("admin", "meinsm"), ("admin", "jvc"),
    ("admin", "fliradmin"), ("admin", "111111"), ("admin", "tlJwpbo6"), ("root", "pass"), ("root", "root"),
    ("root", "admin"), ("root", "ikwd"), ("root", "xc3511"), ("root", "vizxv"), ("root", "juantech"),
    ("root", "system"), ("root", "camera"), ("service", "service"), ("ubnt", "ubnt"), ("user", "user"),
    ("supervisor", "supervisor"), ("administrator", "1234"), ("operator", "operator"), ("guest", "guest"),
})  # fmt: skip

FAULTS = {
    "default": "its password is the maker's default",
    "leaked": "its password is on the list of leaked ones",
    "reused": "its password is another camera's, too",
    "short": f"its password has fewer than {MIN_CHARS} characters",
}


def credential_faults(
    logins: Mapping[str, tuple[str, str]], leaked: Set[str] = frozenset()
) -> dict[str, tuple[str, ...]]:
    """Faults by camera, in the order of `FAULTS`.

    Args:
        logins: user name and password by camera.
        leaked: SHA-1 of leaked passwords, hexadecimal, upper case, as published lists have them.
    """
    uses = Counter(password for _, password in logins.values())
    found = {}
    for camera, (user, password) in logins.items():
        digest = hashlib.sha1(password.encode(), usedforsecurity=False).hexdigest().upper()
        has = {
            "default": (user.lower(), password) in _DEFAULTS,
            "leaked": digest in leaked,
            "reused": uses[password] > 1,
            "short": len(password) < MIN_CHARS,
        }
        found[camera] = tuple(name for name in FAULTS if has[name])
    return found


def read_leaked(text: str) -> frozenset[str]:
    """A list of passwords, one a line, or of their SHA-1 (`DIGEST` or `DIGEST:COUNT`)."""
    found = set()
    for line in text.splitlines():
        digest = line.partition(":")[0].strip().upper()
        if len(digest) == 40 and all(char in "0123456789ABCDEF" for char in digest):
            found.add(digest)
        elif line:
            found.add(hashlib.sha1(line.encode(), usedforsecurity=False).hexdigest().upper())
    return frozenset(found)
