"""The API from its own OpenAPI document (schemathesis): no 5xx but the documented 503, no content without the token."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings

from tests.conftest import answer, jsonl, prompt
from tests.integration.health_service import OWNER, healthy

CASES = int(os.environ.get("MNEMO_TEST_API_CASES", "20"))
"""Requests of each operation."""
SECRETS = ("hush-hush", "/home/dana")
ENDLESS = "/v1/autosave/events"


@pytest.mark.parametrize("headers", [{}, OWNER], ids=["anybody", "the owner"])
async def test_no_request_breaks_the_api_or_is_told_what_it_may_not_know(
    service: Any, transcripts: Path, fill: Any, headers: dict[str, str]
) -> None:
    (transcripts / "s.jsonl").write_bytes(jsonl(prompt("hush-hush", "p1", cwd="/home/dana"), answer("a")))
    await fill()
    one = await service()
    await healthy(one)
    document = (await one.client.get(f"{one.url}/schema/openapi.json")).json()
    tried = await asyncio.to_thread(_fuzz, document, one.url, headers)
    assert tried >= len(document["paths"]) - 1


def _fuzz(document: dict[str, Any], url: str, headers: dict[str, str]) -> int:
    """Operations that were tried."""
    operations = [found.ok() for found in schemathesis.openapi.from_dict(document).get_all_operations()]
    finite = [operation for operation in operations if operation.path != ENDLESS]
    for operation in finite:
        _tried(operation, url, headers)
    return len(finite)


def _tried(operation: Any, url: str, headers: dict[str, str]) -> None:
    documented = set(operation.definition.raw["responses"])

    @settings(
        max_examples=CASES,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )
    @given(case=operation.as_strategy())
    def one(case: schemathesis.Case) -> None:
        response = case.call(base_url=url, headers=headers, timeout=20)
        text = response.content.decode("utf-8", "replace")
        assert response.status_code < 500 or (response.status_code == 503 and "503" in documented), text
        assert str(response.status_code) in documented | {"400", "404", "405"}, (case.path, response.status_code)
        if not headers:
            assert not any(secret in text for secret in SECRETS), text

    one()
