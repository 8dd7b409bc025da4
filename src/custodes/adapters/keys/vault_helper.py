"""One request to a transit engine, as a process of its own: reads JSON from stdin, writes hex to stdout, ends.

Started by `vault.VaultKeyProvider`; the only code beside the web that speaks HTTP with a secret in its hands. Source:
https://developer.hashicorp.com/vault/api-docs/secret/transit (OpenBao has the same interface).
"""

import base64
import http.client
import json
import os
import ssl
import sys
import urllib.error
import urllib.request
from typing import Any

from custodes.adapters.keys.vault import EXIT_DENIED, EXIT_REFUSED, EXIT_UNAVAILABLE, TOKEN_VARIABLE

TIMEOUT_S = 10.0
_MAX_ANSWER_BYTES = 256 * 1024
_REFUSED, _DENIED = 400, (401, 403, 404)


def ask(asked: dict[str, str], token: str) -> bytes:
    """One act. Raises: urllib.error.HTTPError, OSError, http.client.HTTPException, ValueError, KeyError."""
    payload, context = bytes.fromhex(asked["payload"]), bytes.fromhex(asked["context"])
    is_encrypting = asked["act"] == "encrypt"
    body = {"associated_data": base64.b64encode(context).decode()}
    body |= {"plaintext": base64.b64encode(payload).decode()} if is_encrypting else {"ciphertext": payload.decode()}
    url = f"{asked['address'].rstrip('/')}/v1/{asked['mount']}/{asked['act']}/{asked['key']}"
    request = urllib.request.Request(  # noqa: S310 - http or https, checked by the configuration
        url, data=json.dumps(body).encode(), headers={"x-vault-token": token, "content-type": "application/json"}
    )
    tls = ssl.create_default_context(cafile=asked["ca_file"] or None)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=tls))
    with opener.open(request, timeout=TIMEOUT_S) as answer:
        data: dict[str, Any] = json.loads(answer.read(_MAX_ANSWER_BYTES))["data"]
    return data["ciphertext"].encode() if is_encrypting else base64.b64decode(data["plaintext"], validate=True)


def main() -> None:
    """Entry point of the process."""
    try:
        sys.stdout.write(ask(json.load(sys.stdin), os.environ.get(TOKEN_VARIABLE, "")).hex())
    except urllib.error.HTTPError as error:
        sys.stderr.write(f"{error.code} {error.reason}")
        sys.exit(
            EXIT_REFUSED if error.code == _REFUSED else EXIT_DENIED if error.code in _DENIED else EXIT_UNAVAILABLE
        )
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as error:
        sys.stderr.write(f"{type(error).__name__}: {error}")
        sys.exit(EXIT_UNAVAILABLE)


if __name__ == "__main__":
    main()
