"""A machine outside ships into compose: invited and shut out by `mnemo edge`, over TLS, through the published port."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.compose.stack import Stack, healthy, until
from tests.conftest import answer, jsonl, prompt

pytestmark = [pytest.mark.compose, pytest.mark.timeout(1800)]


def told(stack: Stack, *words: str, data: str = ".secrets") -> dict[str, Any]:
    done = stack.outside("-m", "mnemostream", *words, "--data", str(stack.folder / data), "--json")
    assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    return dict(json.loads(done.stdout))


def test_a_machine_is_invited_ships_and_is_shut_out(stack: Stack) -> None:
    until(lambda: healthy(stack))
    invited = told(stack, "edge", "invite", "laptop", "--address", "127.0.0.1")
    assert invited["next"] == "docker compose up -d nats"
    stack.compose("up", "-d", "--no-build", "nats")
    until(lambda: healthy(stack), 300)
    source = stack.folder / "laptop-projects" / "p"
    source.mkdir(parents=True)
    (source / "s.jsonl").write_bytes(jsonl(prompt("the laptop asks"), answer("it hears")))
    told(stack, "join", invited["url"], data="laptop")
    once = told(stack, "up", "--once", "--source", f"claude-code={source.parent}", data="laptop")
    assert (once["status"], once["backlog_bytes"]) == ("healthy", 0), once

    def listed() -> None:
        hosts = {one["host"]: one for one in told(stack, "edge", "list")["hosts"]}
        there = hosts[invited["edge"]]
        assert (there["edge"], there["bytes"]) == (True, (source / "s.jsonl").stat().st_size), hosts

    until(listed)
    assert "the laptop asks" in stack.mnemo("search", "the laptop asks").stdout
    second = told(stack, "edge", "invite", "desk")
    assert second["next"] == told(stack, "edge", "revoke", invited["edge"])["next"] == "docker compose kill -s HUP nats"
    stack.compose("kill", "-s", "HUP", "nats")

    def shut_out() -> None:
        done = stack.outside("-m", "mnemostream", "join", invited["url"], "--data", str(stack.folder / "again"))
        assert (done.returncode, "rejected the user or password" in done.stderr) == (2, True), done.stderr

    until(shut_out)
    told(stack, "join", second["url"], data="desk")
    assert stack.mnemo("verify", "--all").returncode == 0
