"""schemathesis over the OpenAPI description: every operation, fitting and unfitting input, no 5xx. Slow."""

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode

pytestmark = pytest.mark.slow

EXAMPLES = 15


def test_no_operation_answers_with_a_defect(claimed):
    schema = schemathesis.openapi.from_dict(claimed.app.openapi())
    operations = [result.ok() for result in schema.get_all_operations()]
    assert len(operations) == sum(len(methods) for methods in claimed.app.openapi()["paths"].values()) >= 10
    tried = set()
    for operation in operations:
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
                answer = claimed.client.request(
                    case.method,
                    case.formatted_path,
                    params=case.query or None,
                    headers={name: str(value) for name, value in (case.headers or {}).items()},
                )
                assert answer.status_code < 500, (case.method, case.formatted_path, case.query, answer.text[:300])
                tried.add((case.method, case.path))

            try:
                check()
            except Exception as error:
                # an operation without parameters has nothing that could not fit
                if mode is GenerationMode.NEGATIVE and type(error).__name__ in ("Unsatisfiable", "SkipTest"):
                    continue
                raise
    assert len(tried) == len(operations)
