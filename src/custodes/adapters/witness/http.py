"""Client of one witness (C2SP tlog-witness) over HTTP, blocking, standard library. For the server alone."""

import http.client
import urllib.error
import urllib.request
from dataclasses import dataclass

from custodes.audit.note import MAX_NOTE_BYTES
from custodes.errors import Unavailable

TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessReply:
    """Status and body as they came."""

    status: int
    body: str


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would take the checkpoint to a host that nobody configured."""

    def redirect_request(self, *_: object) -> None:
        """Refuse."""
        return


class HttpWitness:
    """`add_checkpoint` against the submission prefix `url` (http or https)."""

    def __init__(self, url: str, *, timeout_s: float = TIMEOUT_S) -> None:
        assert url.startswith(("http://", "https://"))
        self._url = url.rstrip("/") + "/add-checkpoint"
        self._timeout_s = timeout_s
        # No proxy from the environment: the site's traffic goes where the configuration says.
        self._opener = urllib.request.build_opener(NoRedirect(), urllib.request.ProxyHandler({}))

    def add_checkpoint(self, body: bytes) -> WitnessReply:
        """Send one request. Raises: Unavailable when no complete answer came."""
        request = urllib.request.Request(  # noqa: S310 - http or https, from the configuration
            self._url, data=body, headers={"content-type": "text/plain; charset=utf-8"}
        )
        try:
            with self._opener.open(request, timeout=self._timeout_s) as answer:
                return WitnessReply(status=answer.status, body=_text(answer.read(MAX_NOTE_BYTES)))
        except urllib.error.HTTPError as error:
            with error:
                return WitnessReply(status=error.code, body=_text(error.read(MAX_NOTE_BYTES)))
        except (OSError, http.client.HTTPException) as error:
            raise Unavailable(f"witness {self._url} does not answer: {error}") from error


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")
