"""Content credentials on exported films (C2PA), under the site's own authority; optional: extra `custodes[c2pa]`.

The library hashes and writes; the warden signs, and logs each signature. They are for people with viewers that know
them: what proves a bundle is its manifest and the log, which also cover what C2PA leaves out (`free` boxes).
"""

import asyncio
import json
import os
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import structlog

from custodes import __version__
from custodes.audit.evidence import Exported, Film
from custodes.errors import CustodesError
from custodes.ports.warden import Warden

Sign = Callable[[bytes], bytes]

AUTHORITY = "derived/c2pa-authority.pem"
_SIGN_TIMEOUT_S = 30.0
_CAPTURE = "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture"


def is_there() -> bool:
    """Whether the library is installed."""
    return find_spec("c2pa") is not None


async def with_credentials(films: list[Film], about: Exported, warden: Warden) -> tuple[list[Film], str]:
    """The films, signed where that can be done; and the authority's certificate, PEM, empty when none was signed.

    A film that cannot be signed goes as it is: the bundle's own proofs do not rest on this.
    """
    if not is_there() or not films:
        return films, ""
    try:
        _, chain = await warden.sign_claim(about.export_id, b"")
        loop = asyncio.get_running_loop()

        def sign(claim: bytes) -> bytes:
            asked = asyncio.run_coroutine_threadsafe(warden.sign_claim(about.export_id, claim), loop)
            return asked.result(_SIGN_TIMEOUT_S)[0]

        signed = [await asyncio.to_thread(_sign, film, about, chain, sign) for film in films]
    except (CustodesError, OSError, RuntimeError, TimeoutError) as error:
        structlog.get_logger().warning("films go without content credentials", error=str(error))
        return films, ""
    return signed, chain[chain.rindex("-----BEGIN CERTIFICATE-----") :]


def _sign(film: Film, about: Exported, chain: str, sign: Sign) -> Film:
    """Raises: RuntimeError with the library's words."""
    import c2pa

    target = film.path.with_name(f"{film.path.stem}-signed.mp4")
    # Opened by us, 0600: the library would make it readable for others.
    descriptor = os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        signer = c2pa.Signer.from_callback(sign, c2pa.C2paSigningAlg.ED25519, chain, None)
        builder = c2pa.Builder(json.dumps(_claims(film, about)))
        with film.path.open("rb") as source, os.fdopen(descriptor, "w+b") as stream:
            builder.sign(signer, "video/mp4", source, stream)
    except c2pa.C2paError as error:
        target.unlink(missing_ok=True)
        raise RuntimeError(f"content credentials: {error}") from error
    target.replace(film.path)
    return film


def _claims(film: Film, about: Exported) -> dict[str, object]:
    edited = "people masked" if not about.shown and about.fidelity == "masked" else "shown as the grant says"
    actions = [
        {"action": "c2pa.created", "digitalSourceType": _CAPTURE},
        {"action": "c2pa.edited", "parameters": {"description": f"{edited}; a mark of this export in each frame"}},
    ]
    custody = {
        "export_id": about.export_id,
        "site_id": about.site_id,
        "camera_id": about.camera_id,
        "first_ns": str(film.first_ns),
        "last_ns": str(film.last_ns),
    }
    return {
        "claim_generator_info": [{"name": "custodes", "version": __version__}],
        "format": "video/mp4",
        "title": film.path.name,
        "assertions": [
            {"label": "c2pa.actions.v2", "data": {"actions": actions}},
            {"label": "org.custodes.custody", "data": custody},
        ],
    }


def state_of(path: Path, authority_pem: str) -> str:
    """What the library says of a film under this authority: `Trusted`, or else. Raises: RuntimeError."""
    import c2pa

    settings = {
        "trust": {"user_anchors": authority_pem},
        "verify": {"verify_trust": True, "remote_manifest_fetch": False, "ocsp_fetch": False},
    }
    try:
        with path.open("rb") as stream:
            reader = c2pa.Reader("video/mp4", stream, context=c2pa.Context.from_dict(settings))
            return str(json.loads(reader.json()).get("validation_state", "none"))
    except c2pa.C2paError as error:
        raise RuntimeError(f"content credentials: {error}") from error
