"""The health service on real NATS and PostgreSQL, over HTTP, with a clock of the test's own where time matters."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest

from mnemostream.contracts.events import Stage
from tests.integration.health_service import (
    AGES,
    FAILURES,
    OLD_SHAPE,
    OWNER,
    healthy,
)


async def test_the_published_table_over_http(service: Any) -> None:
    """The running service, its clock moved by the test; 120 s itself is in the proof table of the pure rules."""
    one = await service()
    for age, status, code in AGES:
        await healthy(one)
        await one.beat()
        await one.passed(0)  # it was received
        answer = await one.passed(age, beating=(Stage.EMBEDDER, Stage.WRITER))
        assert answer["stages"]["watcher"]["status"] == status, answer["stages"]["watcher"]
        assert answer["stages"]["writer"]["status"] == "healthy"
        assert answer["status"] == status
        assert age <= answer["daemon"]["heartbeat_age_seconds"] < age + 0.9
        assert (await one.get()).status_code == code
    for count, status, code in FAILURES:
        await healthy(one)
        await one.beat(Stage.WRITER, consecutive_failures=count, last_error="it hurts")
        answer = await one.passed(0)
        assert answer["stages"]["writer"]["status"] == status
        assert answer["stages"]["writer"]["consecutive_failures"] == count
        assert (await one.get()).status_code == code


async def test_three_hours_of_sleep_are_no_fault(service: Any) -> None:
    one = await service()
    await healthy(one)
    one.clock.offset += 3 * 3600
    answer = await one.passed(0)
    assert answer["status"] == "healthy", answer["issues"]
    await one.beat()
    assert (await one.passed(0))["status"] == "healthy"


# --- compatibility, errors, bounds --------------------------------------------------------------------------------


async def test_the_old_shape_is_kept(service: Any) -> None:
    one = await service()
    for answer in (await healthy(one), (await one.get()).json()):
        jsonschema.validate(answer, OLD_SHAPE)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**answer, "daemon": {}}, OLD_SHAPE)


async def test_errors_are_problem_documents_and_lists_are_bounded(service: Any) -> None:
    one = await service(token="secret")
    await healthy(one)
    for path, code, word in (
        ("recent?limit=0", 400, "limit"),
        ("recent?limit=101", 400, "limit"),
        ("timeline?days=9999", 400, "days"),
        ("deadletters?stage=nope", 400, "stage"),
        ("conversation/none", 404, "no conversation"),
        ("nothing-here", 404, "Not Found"),
    ):
        answer = await one.get(path)
        assert answer.status_code == code, path
        assert answer.headers["content-type"].startswith("application/problem+json")
        problem = answer.json()
        assert (problem["status"], word in problem["detail"]) == (code, True), problem
    refused = await one.client.post(f"{one.url}/v1/autosave/deadletters/1/retry")
    assert refused.status_code == 401
    assert "frame-ancestors 'none'" in refused.headers["content-security-policy"]
    for path in ("health", "recent", "../../livez", "../../autosave"):
        head, whole = await one.client.head(f"{one.url}/v1/autosave/{path}", headers=OWNER), await one.get(path)
        assert (head.status_code, head.content) == (whole.status_code, b"") == (200, b"")
    for accept, kind in (
        ("text/html, Application/health+json;q=0.3", "application/health+json"),
        ("application/health+json;q=0, */*", "application/json"),
    ):
        answer = await one.get("health", headers={"accept": accept})
        assert (answer.headers["content-type"], answer.headers["vary"]) == (kind, "Accept")
    for token, code in (("bearer secret", 404), ("Bearer secret", 404), ("secret", 401), ("Basic secret", 401)):
        asked = await one.client.post(f"{one.url}/v1/autosave/deadletters/1/retry", headers={"authorization": token})
        assert asked.status_code == code, token
    names = {"evil.example": 400, "127.0.0.1.evil.example": 400, "localhost:1": 200, "LOCALHOST": 200}
    for host, code in names.items():
        strange = await one.get("recent", headers={"host": host})  # DNS rebinding
        assert (strange.status_code, "x-content-type-options" in strange.headers) == (code, True), host
    assert (await one.get("conversation/%00")).status_code == 404
    page = (await one.get("timeline?days=1&limit=2")).json()
    assert page["count"] == 2
    assert page["next"] == 2
    document = (await one.client.get(f"{one.url}/schema/openapi.json")).json()
    paths = document["paths"]
    assert {"/v1/autosave/health", "/v1/autosave/conversation/{exchange}", "/metrics"} <= set(paths)
    for path, methods in paths.items():
        for told in methods.values():
            assert told["description"], path
            for response in told["responses"].values():
                for kind, content in response.get("content", {}).items():
                    assert kind.startswith("text/") or content.get("examples"), (path, kind)
