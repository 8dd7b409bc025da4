"""The web server as it faces the network: whose word on addresses counts."""

import asyncio
import socket
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI, Request

from custodes.app.serving.page import Page
from custodes.config import SiteConfig


async def _address(headers: dict[str, str], *, proxies: tuple[str, ...]) -> str:
    """What the application takes for the visitor's address, asked from 127.0.0.1."""
    app = FastAPI()

    @app.get("/")
    async def who(request: Request) -> dict[str, str]:
        return {"address": request.client.host if request.client else ""}

    with socket.create_server(("127.0.0.1", 0)) as listener:
        page = Page(app, listener, proxies=proxies)
        serving = asyncio.create_task(page.run())
        await page.started()
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.get(f"http://127.0.0.1:{listener.getsockname()[1]}/", headers=headers)
        page.stop()
        await serving
    return str(answer.json()["address"])


@pytest.mark.parametrize(
    ("forwarded", "proxies", "expected"),
    [
        ("203.0.113.9", (), "127.0.0.1"),
        ("203.0.113.9", ("127.0.0.1",), "203.0.113.9"),
        ("203.0.113.9", ("127.0.0.0/8",), "203.0.113.9"),
        ("203.0.113.9", ("192.0.2.1",), "127.0.0.1"),
        # A visitor who brings a header of their own: only what the proxy added counts.
        ("10.0.0.1, 203.0.113.9", ("127.0.0.1",), "203.0.113.9"),
        ("203.0.113.9, 127.0.0.1", ("127.0.0.1",), "203.0.113.9"),
    ],
)
def test_address_when_a_named_proxy_forwards_is_the_visitors_and_nobody_else_is_believed(
    forwarded: str, proxies: tuple[str, ...], expected: str
) -> None:
    assert asyncio.run(_address({"x-forwarded-for": forwarded}, proxies=proxies)) == expected


@pytest.mark.parametrize("wrong", ["0.0.0.0/0", "::/0", "proxy.example", ""])
def test_proxies_when_they_are_everybody_or_nothing_are_refused(wrong: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"everybody|no address"):
        SiteConfig.model_validate({"data_dir": tmp_path, "server": {"proxies": [wrong]}})
