"""The lock files: everything that pyproject.toml asks for, each with hashes; the bill of materials is of them."""

from __future__ import annotations

import json
import re
import tomllib

import pytest
from packaging.requirements import Requirement

from tests.conftest import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCKS = {"run": ["local"], "dev": ["local", "dev"], "image": ["watcher", "embedder", "writer", "health"]}


def locked(name: str) -> dict[str, str]:
    """Versions by package."""
    text = (ROOT / "locks" / f"{name}.txt").read_text()
    found = {}
    for entry in re.split(r"\n(?=\S)", text)[1:]:
        package, version = re.match(r"(\S+)==(\S+)", entry).groups()  # type: ignore[union-attr]
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), entry
        found[package] = version
    return found


def wanted(extras: list[str]) -> list[Requirement]:
    """What the project asks for, its own extras resolved."""
    found: list[Requirement] = [Requirement(text) for text in PROJECT["dependencies"]]
    for extra in extras:
        for text in PROJECT["optional-dependencies"][extra]:
            requirement = Requirement(text)
            found += wanted(sorted(requirement.extras)) if requirement.name == "mnemostream" else [requirement]
    return found


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_holds_what_is_asked_for(name: str) -> None:
    versions = locked(name) | locked("torch")
    for requirement in wanted(LOCKS[name]):
        version = versions[re.sub("[-_.]+", "-", requirement.name).lower()]
        assert requirement.specifier.contains(version), f"{requirement}: {version} is locked; run `make lock`"


def test_the_bill_of_materials_is_of_what_is_locked() -> None:
    components = json.loads((ROOT / "sbom.cdx.json").read_text())["components"]
    assert {part["name"]: part["version"] for part in components} == locked("run") | locked("torch")


def test_the_locks_agree() -> None:
    run, dev = locked("run"), locked("dev")
    assert {name: dev.get(name) for name in run} == run
    assert {name: run.get(name) for name in locked("image")} == locked("image")
