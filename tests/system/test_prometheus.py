"""A real Prometheus beside a real system: reads the metrics, loads the rules, answers the dashboard, sees a fault."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import yaml

from mnemostream.local import system
from mnemostream.services.health.judge.rules.verdict import Status
from tests.conftest import EXAMPLES, ROOT, eventually, quick, some_port

RULES = ROOT / "ops/prometheus/alerts.yml"
RULES_TEST = ROOT / "ops/prometheus/alerts_test.yml"
CONFIG = ROOT / "ops/prometheus/prometheus.yml"
DASHBOARD = ROOT / "ops/grafana/dashboard.json"

needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
needs_prometheus = pytest.mark.skipif(shutil.which("prometheus") is None, reason="prometheus is not installed")


class Prometheus:
    """Asks its API."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client

    async def get(self, path: str, **parameters: str) -> Any:
        """`data` of an answer. Raises AssertionError while there is none."""
        try:
            answer = await self.client.get(f"/api/v1/{path}", params=parameters)
        except httpx.TransportError as error:
            raise AssertionError(error) from error
        assert answer.status_code == 200, f"{parameters}: {answer.text}"
        return answer.json()["data"]

    async def query(self, expression: str) -> list[dict[str, Any]]:
        """The samples of an expression, now."""
        result: list[dict[str, Any]] = (await self.get("query", query=expression))["result"]
        return result

    async def statuses(self) -> dict[str, str]:
        """Components with their status."""
        found = await self.query("mnemostream_status == 1")
        return {one["metric"]["component"]: one["metric"]["status"] for one in found}

    async def alerts(self) -> list[dict[str, str]]:
        """Labels of the alerts that fire."""
        return [one["labels"] for one in (await self.get("alerts"))["alerts"] if one["state"] == "firing"]


def configure(folder: Path, target: str) -> Path:
    """The configuration of the repository with another target and short intervals; its alerts wait for nothing."""
    config = yaml.safe_load(CONFIG.read_text())
    config["global"] = dict.fromkeys(config["global"], "1s")
    (job,) = config["scrape_configs"]
    job["static_configs"] = [{"targets": [target]}]
    file = folder / "prometheus.yml"
    file.write_text(yaml.safe_dump(config))
    (folder / "alerts.yml").write_text(re.sub(r"\bfor: \w+", "for: 0s", RULES.read_text()))
    return file


@asynccontextmanager
async def prometheus(folder: Path, target: str) -> AsyncIterator[Prometheus]:
    """A server of its own, with its storage and its log in `folder`."""
    folder.mkdir()
    address = f"127.0.0.1:{some_port()}"
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            "prometheus",
            f"--config.file={configure(folder, target)}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={address}",
            stdout=log,
            stderr=log,
        )
    try:
        async with httpx.AsyncClient(base_url=f"http://{address}", timeout=5, trust_env=False) as client:
            server = Prometheus(client)

            async def ready() -> None:
                assert process.returncode is None, (folder / "log").read_text()[-2000:]
                await server.get("status/runtimeinfo")

            await eventually(ready, within=20)
            yield server
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), 10)
            except TimeoutError:
                process.kill()
                await process.wait()


def dashboard(job: str, instance: str) -> dict[str, str]:
    """Title and expression of each query of the dashboard, variables filled in."""
    board = json.loads(DASHBOARD.read_text())
    variables = {"job": job, "instance": instance, "__rate_interval": "4s"}
    queries = [
        (f"{panel['id']} {panel['title']} {target['refId']}", target["expr"])
        for panel in board["panels"]
        for target in panel.get("targets", [])
    ]
    queries += [(one["name"], one["expr"]) for one in board["annotations"]["list"]]
    filled = {title: re.sub(r"\$(\w+)", lambda found: variables[found[1]], query) for title, query in queries}
    assert len(filled) == len(queries)
    return filled


QUIET = {
    "Free bytes of the disks": "no disk is watched here",
    "Alerts to webhooks": "no webhook is set here",
    "Alerts that wait": "no webhook is set here",
    "Time left": "nothing waits",
    "Alerts": "none fires",
}
"""Queries that have no answer in a healthy system, and why."""


@needs_promtool
@pytest.mark.parametrize(
    "arguments", [("check", "config", CONFIG), ("check", "rules", RULES), ("test", "rules", RULES_TEST)]
)
def test_promtool_takes_the_files(arguments: tuple[str, str, Path]) -> None:
    done = subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "FAILED" not in done.stdout


@needs_prometheus
async def test_prometheus_reads_judges_and_shows_a_real_system(folder: Path) -> None:
    plan = quick([EXAMPLES], folder / "data", settings={"MNEMO_LOG_LEVEL": "info"})
    async with system.running(plan, print) as running:
        target = running.endpoints.health_url.removeprefix("http://")
        async with prometheus(folder / "prometheus", target) as server:
            await _it_reads_the_target(server, target)
            await _it_loads_every_rule(server)
            await eventually(lambda: _all_is_well(server), within=60)
            await eventually(lambda: _the_dashboard_is_answered(server, target), within=20)
            await _a_frozen_database_is_told_and_forgiven(server, running)


async def _it_reads_the_target(server: Prometheus, target: str) -> None:
    async def read() -> None:
        targets = (await server.get("targets"))["activeTargets"]
        assert len(targets) == 1
        one = targets[0]
        assert (one["health"], one["lastError"]) == ("up", "")
        assert one["labels"] == {"job": "mnemostream", "instance": target}

    await eventually(read)


async def _it_loads_every_rule(server: Prometheus) -> None:
    wanted = {rule["alert"] for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]}

    async def loaded() -> None:
        groups = (await server.get("rules"))["groups"]
        found = {
            rule["name"]: (rule["health"], rule.get("lastError", "")) for group in groups for rule in group["rules"]
        }
        assert found == dict.fromkeys(wanted, ("ok", ""))

    await eventually(loaded)


async def _all_is_well(server: Prometheus) -> None:
    assert set((await server.statuses()).values()) == {Status.HEALTHY}
    assert await server.alerts() == []


async def _the_dashboard_is_answered(server: Prometheus, target: str) -> None:
    for title, expression in dashboard("mnemostream", target).items():
        found = await server.query(expression)
        assert found or any(name in title for name in QUIET), f"{title}: no answer to {expression}"
    instances = await server.query('mnemostream_instance_in_flight{process!=""}')
    assert {one["metric"]["stage"] for one in instances} == {"watcher", "embedder", "writer"}
    assert {one["metric"]["instance"] for one in instances} == {target}


async def _a_frozen_database_is_told_and_forgiven(server: Prometheus, running: system.System) -> None:
    child = running.children["postgres"]
    assert child.process is not None
    postgres = psutil.Process(child.process.pid)
    frozen = [postgres, *postgres.children(recursive=True)]

    async def told() -> None:
        alerts = [one for one in await server.alerts() if one["alertname"] == "MnemostreamUnhealthy"]
        assert [(one["component"], one["reason"], one["severity"]) for one in alerts] == [
            ("database", "DatabaseUnreachable", "critical")
        ]
        statuses = await server.statuses()
        assert (statuses["writer"], statuses["overall"]) == (Status.UNHEALTHY, Status.UNHEALTHY)
        assert (await server.query("mnemostream_database_up"))[0]["value"][1] == "0"

    for process in frozen:
        process.suspend()
    try:
        await eventually(told)
    finally:
        for process in frozen:
            process.resume()
    await eventually(lambda: _all_is_well(server))
