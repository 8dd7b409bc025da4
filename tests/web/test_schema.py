"""schemathesis over a description of every route, pages and forms too: fitting and unfitting input, no 5xx. Slow."""

import os
from contextlib import suppress

import httpx
import pytest
import schemathesis
from fastapi.routing import iter_route_contexts
from hypothesis import HealthCheck, assume, given, settings
from schemathesis import GenerationMode
from schemathesis.core import NOT_SET
from tests.web.conftest import Site

pytestmark = pytest.mark.slow

EXAMPLES = int(os.environ.get("CUSTODES_SCHEMA_EXAMPLES", "15"))
BODIES = {"application/json": "json", "application/x-www-form-urlencoded": "data"}


def described(site: Site) -> dict:
    """The OpenAPI description with the pages in it, which the published one leaves out."""
    for route in iter_route_contexts(site.app.routes):
        (route._route_context or route.route).include_in_schema = True
    site.app.openapi_schema = None
    return site.app.openapi()


def stay_logged_in(site: Site) -> None:
    """Some operations log out, and all are tried by somebody who has just proven themselves."""
    if site.client.get("/api/v1/session").status_code != 200:
        site.client.cookies.clear()
        site.clock.advance(3600 * 10**9)
        assert site.log_in().status_code == 303
    with suppress(ValueError, AssertionError):
        site.client.headers["x-csrf-token"] = site.csrf


def send(site: Site, case: schemathesis.Case):
    kind = BODIES.get(case.media_type or "")
    body = (
        {}
        if case.body is NOT_SET
        else {"content" if kind is None or isinstance(case.body, bytes) else kind: case.body}
    )
    if "data" in body and not isinstance(body["data"], dict):
        body = {"content": str(case.body).encode("utf-8", "replace")}
    if "content" in body and not isinstance(body["content"], bytes | str):
        body = {"json": body["content"]}
    headers = {name: str(value).encode("ascii", "replace") for name, value in (case.headers or {}).items()}
    return site.client.request(
        case.method, case.formatted_path, params=case.query or None, headers=headers, follow_redirects=False, **body
    )


def test_no_operation_answers_with_a_defect(claimed):
    published = claimed.app.openapi()["paths"]
    description = described(claimed)
    assert set(published) < set(description["paths"])
    operations = [result.ok() for result in schemathesis.openapi.from_dict(description).get_all_operations()]
    assert len(operations) == sum(len(methods) for methods in description["paths"].values()) >= 150
    tried, failed, cases = set(), {}, 0
    for operation in operations:
        stay_logged_in(claimed)
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

            @given(case=operation.as_strategy(generation_mode=mode))
            @settings(
                max_examples=EXAMPLES,
                deadline=None,
                derandomize=True,
                database=None,
                suppress_health_check=list(HealthCheck),
            )
            def check(case):
                nonlocal cases
                try:
                    answer = send(claimed, case)
                except httpx.InvalidURL:
                    assume(condition=False)  # longer than the client sends
                assert answer.status_code < 500, (case.method, case.formatted_path, case.query, answer.text[:300])
                tried.add((case.method, case.path))
                cases += 1

            try:
                check()
            except Exception as error:  # noqa: BLE001 - all are told at the end
                # an operation without parameters has nothing that could not fit
                if mode is GenerationMode.NEGATIVE and type(error).__name__ in ("Unsatisfiable", "SkipTest"):
                    continue
                failed[f"{operation.method} {operation.path} {mode.value}"] = f"{type(error).__name__}: {error}"[:600]
    assert not failed, "\n".join(f"{what}: {why}" for what, why in failed.items())
    assert len(tried) == len(operations)
    print(f"{len(operations)} operations, {cases} cases, no 5xx")
