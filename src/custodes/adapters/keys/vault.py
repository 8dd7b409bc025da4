"""Key provider on Vault's or OpenBao's transit engine: the key-encryption key stays there.

The warden reaches no HTTP: each act is one short helper process (`vault_helper`), which gets the secret over a pipe
and the token from its environment. A warden's start needs one act, so that costs nothing that matters.
"""

import json
import subprocess
import sys

from custodes.errors import InvalidArgument, KeyMissing, SealBroken, Unavailable

MAX_SECRET_BYTES = 8 * 1024
HELPER_TIMEOUT_S = 20.0
EXIT_REFUSED, EXIT_UNAVAILABLE, EXIT_DENIED = 3, 4, 5
TOKEN_VARIABLE = "CUSTODES_VAULT_TOKEN"  # noqa: S105 - the name, not the value
_PREFIX = b"vault:v"


class VaultKeyProvider:
    """`ports.keys.KeyProvider` over `POST /v1/<mount>/encrypt|decrypt/<key>`."""

    def __init__(self, *, address: str, mount: str, key: str, token: str, ca_file: str = "") -> None:
        self._request = {"address": address, "mount": mount, "key": key, "ca_file": ca_file}
        self._token = token
        self.description = f"transit key {key!r} at {address}"

    def wrap(self, secret: bytes, context: bytes) -> bytes:
        """Vault's own form, `vault:v1:…`. Raises: InvalidArgument above 8 KiB; Unavailable, KeyMissing."""
        if len(secret) > MAX_SECRET_BYTES:
            raise InvalidArgument(f"secret of {len(secret)} bytes; at most {MAX_SECRET_BYTES} are wrapped")
        return self._act("encrypt", secret, context)

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """Raises: SealBroken when a byte or the context changed; Unavailable, KeyMissing."""
        if not wrapped.startswith(_PREFIX) or not wrapped.isascii():
            raise SealBroken("a wrapped secret is not one of a transit engine")
        return self._act("decrypt", wrapped, context)

    def _act(self, act: str, payload: bytes, context: bytes) -> bytes:
        asked = json.dumps({**self._request, "act": act, "payload": payload.hex(), "context": context.hex()})
        try:
            done = subprocess.run(
                [sys.executable, "-I", "-m", "custodes.adapters.keys.vault_helper"],
                input=asked.encode(),
                capture_output=True,
                timeout=HELPER_TIMEOUT_S,
                check=False,
                env={TOKEN_VARIABLE: self._token},
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Unavailable(f"the transit engine cannot be asked: {type(error).__name__}") from error
        if done.returncode == 0:
            return bytes.fromhex(done.stdout.decode())
        reason = done.stderr.decode("utf-8", "replace").strip()[-400:]
        if done.returncode == EXIT_REFUSED:
            raise SealBroken(f"a wrapped secret does not open: {reason}")
        if done.returncode == EXIT_DENIED:
            raise KeyMissing(f"the transit engine gives no access to its key: {reason}")
        raise Unavailable(f"the transit engine cannot be asked: {reason}")
