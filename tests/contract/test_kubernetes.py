"""ops/kubernetes: valid for the API, the same programs, settings and secrets as compose, every container closed."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from mnemostream.contracts.events import Stage
from mnemostream.runtime import settings
from mnemostream.runtime.process import lifecycle
from mnemostream.services.health.http import access
from mnemostream.services.health.settings import Settings as Health
from tests.conftest import ROOT
from tests.contract.manifests import (
    COMPOSE,
    DEPLOYMENTS,
    EXAMPLE,
    FILES,
    KUSTOMIZATIONS,
    OBJECTS,
    PODS,
    SETTINGS,
    container,
    loaded,
    mounted,
    of,
    secret_files,
    selected,
    variables,
)

OLDEST = "1.31"
"""Of Kubernetes: there `unhealthyPodEvictionPolicy` and `podFailurePolicy` are stable."""
OTHERWISE = {"MNEMO_HOST", "MNEMO_HEALTH_ALLOWED_HOSTS", "MNEMO_STREAM_REPLICAS"}
"""Variables with another value than in compose …"""
ONLY_HERE = {"MNEMO_INSTANCE", "MNEMO_WATCHER_NOTIFY"}
"""… that compose does not set for every service …"""
ONLY_COMPOSE = {
    "MNEMO_EMBEDDER_SLEEP_SECONDS",
    "MNEMO_HEALTH_CANARY_FOLDER",
    "MNEMO_HEALTH_CANARY_SECONDS",
    "MNEMO_HEALTH_DISKS",
    "MNEMO_HEALTH_SYSTEM_URL_FILE",
    "MNEMO_HEALTH_WEBHOOKS",
    "MNEMO_WATCHER_CANARY_FOLDER",
}
"""… and that are left out here: servers and their disks are other people's, watcher and health share no folder."""


def test_every_manifest_is_valid_for_the_oldest_and_the_newest_kubernetes() -> None:
    validating = pytest.importorskip("kubernetes_validate", reason="`make install` brings it")
    unknown = set()
    for one in OBJECTS:
        for version in (OLDEST, validating.latest_version()):
            try:
                validating.validate(one, version, strict=True)
            except validating.SchemaNotFoundError:
                unknown.add(one["kind"])
    assert unknown == {"ScaledObject"}  # KEDA's own


def test_every_manifest_is_listed_by_the_kustomization_beside_it() -> None:
    for file in KUSTOMIZATIONS:
        listed = set(yaml.safe_load(file.read_text())["resources"])
        beside = {one.name for one in FILES if one.parent == file.parent and one != EXAMPLE}
        assert {name for name in listed if name.endswith(".yaml")} == beside, file
        assert all((file.parent / name).exists() for name in listed), file
    assert {file.parent for file in FILES} == {file.parent for file in KUSTOMIZATIONS}


def test_images_commands_and_variables_are_those_of_compose() -> None:
    assert PODS.keys() == SETTINGS.keys()
    for name in PODS:
        own, other = container(name), COMPOSE[name]
        assert own["image"] == other["image"].partition(":")[0], name
        assert own["command"] == other["command"], name
        here = variables(name)
        there = {key: re.sub(r"^\$\{\w+:-(.*)\}$", r"\1", value) for key, value in other["environment"].items()}
        assert here.keys() - there.keys() <= ONLY_HERE, name
        assert there.keys() - here.keys() <= ONLY_COMPOSE, name
        assert {k: here[k] for k in here.keys() & there.keys() - OTHERWISE} == {
            k: there[k] for k in here.keys() & there.keys() - OTHERWISE
        }, name


def test_each_service_reads_its_settings_from_the_manifest_without_complaint(tmp_path: Path) -> None:
    for name in PODS:
        read = loaded(name, tmp_path)
        user = "operator" if name == "provision" else name
        assert name == "migrate" or read.nats_url.startswith(f"nats://{user}:"), name
        kind, owner = SETTINGS[name]
        plain = {key.removesuffix("_FILE") for key in variables(name)}
        assert plain <= settings.variables(kind, owner).keys(), name


def test_secrets_are_files_of_their_service_alone_and_never_in_an_environment() -> None:
    example = {one["metadata"]["name"]: one["stringData"] for one in of("Secret")}
    assert {(secret, key) for secret, keys in example.items() for key in keys} == {
        (mounted(name)[0], key) for name in PODS for key in mounted(name)[1]
    }
    for name in PODS:
        asked = {value.removeprefix("/run/secrets/") for key, value in variables(name).items() if "_FILE" in key}
        assert mounted(name)[1] == asked, name
        assert asked <= secret_files().keys(), name
        assert not [key for key in variables(name) if re.search("PASSWORD|TOKEN|URL|DSN", key) and "_FILE" not in key]
        assert "envFrom" not in container(name), name
        assert all(one.keys() == {"name", "value"} for one in container(name)["env"]), name
    assert all(re.search(r"PASSWORD|TOKEN", value) for keys in example.values() for value in keys.values())


def test_every_container_is_closed_and_limited() -> None:
    for name, pod in PODS.items():
        spec, own = pod["spec"], container(name)
        assert spec["serviceAccountName"] == "mnemostream", name
        assert spec["automountServiceAccountToken"] is False, name
        assert spec["enableServiceLinks"] is False, name
        assert spec["securityContext"]["runAsNonRoot"], name
        assert spec["securityContext"]["runAsUser"] == 10001, name
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert own["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }, name
        assert own["resources"]["requests"].keys() == {"cpu", "memory"}, name
        assert own["resources"]["limits"]["memory"], name
        mounts = {mount["mountPath"]: mount.get("readOnly", False) for mount in own["volumeMounts"]}
        assert [path for path, closed in mounts.items() if not closed] == ["/tmp"], name
        assert all(volume.keys() & {"secret", "emptyDir", "persistentVolumeClaim"} for volume in spec["volumes"]), name
        ends = lifecycle.STOP_SECONDS + lifecycle.CANCEL_SECONDS + 1
        assert spec["terminationGracePeriodSeconds"] > ends, name
    [account] = of("ServiceAccount")
    assert account["automountServiceAccountToken"] is False
    assert "uid 10001" in (ROOT / "Dockerfile").read_text()


def test_every_deployment_has_probes_and_a_disruption_budget() -> None:
    budgets = [one["spec"] for one in of("PodDisruptionBudget")]
    assert sorted(name for one in budgets for name in selected(one["selector"])) == sorted(Stage)
    assert all(one["maxUnavailable"] == 1 for one in budgets)  # minAvailable: 1 of one would hold every drain up
    for one in DEPLOYMENTS:
        [name] = selected(one["spec"]["selector"])
        own = container(name)
        assert one["spec"]["strategy"]["type"] == ("RollingUpdate" if name == Stage.EMBEDDER else "Recreate")
        probes = [own["startupProbe"], own["livenessProbe"]]
        assert all(probe["timeoutSeconds"] > 1 for probe in probes), name
        if name == Stage.HEALTH:
            assert [probe["httpGet"]["path"] for probe in (*probes, own["readinessProbe"])] == ["/livez"] * 2 + [
                "/readyz"
            ]
        else:
            alive = COMPOSE[name]["healthcheck"]["test"][1:]
            assert [probe["exec"]["command"] for probe in probes] == [alive] * 2


def test_the_health_service_takes_the_host_names_of_probes_service_and_keda(tmp_path: Path) -> None:
    read = loaded("health", tmp_path)
    assert isinstance(read, Health)
    probes = [container("health")[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")]
    sent = {header["value"] for probe in probes for header in probe["httpHeaders"] if header["name"] == "Host"}
    assert len([probe for probe in probes if probe["httpHeaders"]]) == 3
    urls = [urlsplit(one["spec"]["triggers"][0]["metadata"].get("url", "")) for one in of("ScaledObject")]
    [asked] = [url for url in urls if url.netloc]
    [service] = of("Service")
    assert (service["metadata"]["name"], "mnemostream") == tuple((asked.hostname or "").split("."))
    assert (asked.port, asked.path) == (service["spec"]["ports"][0]["port"], "/v1/autosave/health")
    assert asked.port == read.port == container("health")["ports"][0]["containerPort"]
    assert selected({"matchLabels": service["spec"]["selector"]}) == {"health"}
    assert all(asyncio.run(answered(read, host)) for host in (*sent, service["metadata"]["name"], asked.netloc))
    assert not asyncio.run(answered(read, "10.0.0.7:8001"))  # what the kubelet would send by itself


async def answered(read: Health, host: str) -> bool:
    """True if a request under this name gets past the guards of the API."""
    passed = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        passed.append(scope)

    async def nothing(*_: Any) -> None: ...

    guarded: Any = app
    for guard in access.guards(read):
        guarded = guard(guarded)
    await guarded({"type": "http", "method": "GET", "headers": [(b"host", host.encode())]}, nothing, nothing)
    return bool(passed)


def test_the_network_is_closed_but_for_what_each_part_needs() -> None:
    policies = {one["metadata"]["name"]: one["spec"] for one in of("NetworkPolicy")}
    closed = policies.pop("mnemostream-closed")
    assert selected(closed["podSelector"]) == PODS.keys()
    assert set(closed["policyTypes"]) == {"Ingress", "Egress"}
    assert {port["port"] for port in closed["egress"][0]["ports"]} == {53}
    assert "ingress" not in closed
    for name, variable, port in (("bus", "MNEMO_NATS_URL_FILE", 4222), ("database", "MNEMO_POSTGRES_DSN_FILE", 5432)):
        rule = policies.pop(f"mnemostream-{name}")
        assert selected(rule["podSelector"]) == {pod for pod in PODS if variable in variables(pod)}
        assert [one["port"] for one in rule["egress"][0]["ports"]] == [port]
        assert all(place["ipBlock"]["cidr"] for place in rule["egress"][0]["to"])
    for rule in policies.values():
        assert selected(rule["podSelector"]) == {"health"}
        assert rule["policyTypes"] == ["Ingress"]


def test_keda_scales_a_deployment_that_is_there_and_whose_number_no_apply_takes_back() -> None:
    for one in of("ScaledObject"):
        [target] = [x for x in DEPLOYMENTS if x["metadata"]["name"] == one["spec"]["scaleTargetRef"]["name"]]
        assert "replicas" not in target["spec"]
