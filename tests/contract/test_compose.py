"""compose.yaml: the published defaults, no default passwords, loopback, the argv of `mnemo up`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from contracts.events import Stage
from local import system
from tests.conftest import ROOT

NAMES = "POSTGRES WRITER READER NATS_WATCHER NATS_EMBEDDER NATS_WRITER NATS_HEALTH NATS_OPERATOR NATS_SYSTEM HEALTH"
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]


def docker_compose() -> list[str] | None:
    """The compose command of this machine, if it has one; it needs no engine."""
    for command in (["docker", "compose"], [str(Path(sys.executable).parent / "docker-compose")]):
        if shutil.which(command[0]) and subprocess.run([*command, "version"], capture_output=True).returncode == 0:
            return command
    return None


@pytest.mark.skipif(docker_compose() is None, reason="no docker compose on this machine")
def test_docker_compose_config_passes() -> None:
    passwords = {f"MNEMO_COMPOSE_{name}": "x" for name in NAMES.split()}
    command = [*(docker_compose() or []), "config", "--quiet"]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **passwords}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    bare = subprocess.run(command, cwd=ROOT, env=dict(os.environ), capture_output=True, text=True)
    assert "run make env first" in bare.stderr or (ROOT / ".env").exists()


def test_every_stage_and_both_one_shots_run_with_the_argv_of_mnemo_up() -> None:
    for stage in Stage:
        assert SERVICES[stage]["command"][1:] == system.python(f"services.{stage}.main")[-2:]
    assert SERVICES["provision"]["command"][1:] == ["-m", "runtime.provision"]
    assert SERVICES["migrate"]["command"][1:] == ["-m", "services.writer.migrate"]


def test_published_health_check_defaults() -> None:
    for name in ("nats", "postgres", *Stage):
        check = SERVICES[name]["healthcheck"]
        assert check["interval"].endswith(":-10s}" if name == "nats" else ":-60s}")  # that of nats heals, too
        assert check["timeout"].endswith(":-10s}")
        assert check["start_period"].endswith(":-120s}")
        assert check["retries"] == 3
        assert SERVICES[name]["restart"] == "unless-stopped"


def test_ports_are_loopback_transcripts_read_only_and_no_password_has_a_default() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)
    assert all(volume.endswith(":ro") for volume in SERVICES["watcher"]["volumes"])
    text = (ROOT / "compose.yaml").read_text()
    for name in NAMES.split():
        assert f"${{MNEMO_COMPOSE_{name}:?" in text
        assert f"${{MNEMO_COMPOSE_{name}:-" not in text
