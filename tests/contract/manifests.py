"""The manifests of ops/kubernetes as the tests read them: objects, pods, their variables and secrets."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import yaml

from mnemostream.contracts.events import Stage
from mnemostream.runtime import provision, settings
from mnemostream.services.embedder.settings import Settings as Embedder
from mnemostream.services.health.settings import Settings as Health
from mnemostream.services.watcher.settings import Settings as Watcher
from mnemostream.services.writer import migrate
from mnemostream.services.writer.settings import Settings as Writer
from tests.conftest import ROOT

FOLDER = ROOT / "ops" / "kubernetes"
EXAMPLE = FOLDER / "secrets.example.yaml"
KUSTOMIZATIONS = sorted(FOLDER.rglob("kustomization.yaml"))
FILES = sorted(file for file in FOLDER.rglob("*.yaml") if file not in KUSTOMIZATIONS)
OBJECTS: list[dict[str, Any]] = [one for file in FILES for one in yaml.safe_load_all(file.read_text())]
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
SETTINGS: dict[str, tuple[type[settings.Common], Stage | None]] = {
    "watcher": (Watcher, Stage.WATCHER),
    "embedder": (Embedder, Stage.EMBEDDER),
    "writer": (Writer, Stage.WRITER),
    "health": (Health, Stage.HEALTH),
    "provision": (provision.Settings, None),
    "migrate": (migrate.Settings, None),
}


def of(*kinds: str) -> list[dict[str, Any]]:
    return [one for one in OBJECTS if one["kind"] in kinds]


DEPLOYMENTS, JOBS = of("Deployment"), of("Job")
PODS = {one["metadata"]["name"].removeprefix("mnemostream-"): one["spec"]["template"] for one in DEPLOYMENTS + JOBS}


def container(name: str) -> dict[str, Any]:
    [only] = PODS[name]["spec"]["containers"]
    return dict(only)


def variables(name: str) -> dict[str, str]:
    return {one["name"]: one["value"] for one in container(name)["env"]}


def mounted(name: str) -> tuple[str, set[str]]:
    """The Secret that a pod mounts, and which of its keys."""
    [volume] = [volume["secret"] for volume in PODS[name]["spec"]["volumes"] if "secret" in volume]
    assert all(item["key"] == item["path"] for item in volume["items"]), name
    return volume["secretName"], {item["key"] for item in volume["items"]}


def secret_files() -> dict[str, str]:
    """What `make env` writes for compose."""
    made = runpy.run_path(str(ROOT / "ops" / "env.py"))
    return dict(made["files"]({name: f"password-of-{name}" for name in made["NAMES"]}))


def loaded(name: str, folder: Path) -> settings.Common:
    """The settings as the service itself reads them, with the secrets of compose. Raises Misconfigured."""
    secrets = secret_files()
    for key in mounted(name)[1]:
        (folder / key).write_text(secrets[key])
    kind, owner = SETTINGS[name]
    environ = {key: value.replace("/run/secrets/", f"{folder}/") for key, value in variables(name).items()}
    return settings.load(kind, owner, environ)


def selected(selector: dict[str, Any]) -> set[str]:
    """Names of the pods that a selector finds."""
    wanted = {key: [value] for key, value in selector.get("matchLabels", {}).items()}
    wanted |= {one["key"]: one["values"] for one in selector.get("matchExpressions", [])}
    labels = {name: pod["metadata"]["labels"] for name, pod in PODS.items()}
    return {name for name, own in labels.items() if all(own.get(key) in values for key, values in wanted.items())}
