"""What makes the console an app on a phone or a desk: manifest, service worker, and a page for when nothing answers.

The worker keeps no page and no picture: it knows the style, the icon and one page that says that the site cannot be
reached. Everything else goes to the site each time, past every cache.
"""

from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, JSONResponse, Response

from custodes.web.deps import deps_of, page

router = APIRouter(include_in_schema=False)

_WORKER = Path(__file__).parent / "static" / "js" / "worker.js"
_COLOUR = "#12303a"
"""Of the icon."""


@router.get("/manifest.webmanifest")
async def manifest(request: Request) -> Response:
    """W3C Web Application Manifest."""
    name = deps_of(request).config.name
    body = {
        "name": name,
        "short_name": name[:24],
        "id": "/",
        "start_url": "/",
        "scope": "/",
        "display": "standalone",
        "background_color": _COLOUR,
        "theme_color": _COLOUR,
        "icons": [
            {"src": "/static/icon.svg", "sizes": "any", "type": "image/svg+xml", "purpose": "any"},
            {"src": "/static/icon-maskable.svg", "sizes": "any", "type": "image/svg+xml", "purpose": "maskable"},
        ],
        "shortcuts": [
            {"name": "Wall", "url": "/"},
            {"name": "Review", "url": "/review"},
            {"name": "Requests", "url": "/requests"},
        ],
    }
    return JSONResponse(body, media_type="application/manifest+json")


@router.get("/worker.js")
async def worker(request: Request) -> Response:
    """At the root, because a worker answers for what lies below its own address alone."""
    return FileResponse(_WORKER, media_type="text/javascript")


@router.get("/unreachable")
async def unreachable(request: Request) -> Response:
    """What the worker shows when the site does not answer; carries nothing of the visitor."""
    return page(request, "unreachable.html")
